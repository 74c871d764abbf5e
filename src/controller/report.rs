//! Events, log lines and metrics of reconciliations: what changed, and why.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use super::events::{EventType, Regarding};
use super::index::{RoutemapObject, Target};
use super::keys::ObjectKey;
use super::metrics::ErrorReason;
use super::shared::{Shared, with_hint};
use super::writer::WriteError;
use crate::model::text::one_line;
use crate::routing::Decision;
use crate::routing::availability::Availability;
use crate::routing::decision::{Refusal, VersionState};
use crate::routing::target::Desired;
use crate::values::input::InputErrors;

/// Action of all Events about routes.
const ACTION: &str = "Route";

/// Reasons that a description lists, of versions and of the resources of a version.
const MAX_REASONS: usize = 3;

/// Reports a routemap that cannot be used.
pub(super) fn invalid(shared: &Shared, object: &RoutemapObject, errors: &InputErrors) {
    let note = errors.with_next_steps();
    shared.metrics.routemap_is(&object.key, false);
    shared.metrics.failed(ErrorReason::InvalidRoutemap);
    tracing::warn!("routemap {} is not valid: {note}", object.key);
    event(shared, routemap(object), EventType::Warning, "InvalidRoutemap", ACTION, note);
}

/// Forgets a routemap that was deleted.
pub(super) fn forget(shared: &Shared, key: &ObjectKey) {
    shared.metrics.forget(key);
    shared.costly.forget(key);
    shared.decided.lock().remove(key);
}

/// Reports a decision if it differs from the last one.
pub(super) fn decided(shared: &Shared, object: &RoutemapObject, decision: &Decision) {
    let weights: Vec<u32> = decision.versions.iter().map(|version| version.weight).collect();
    shared.metrics.routemap_is(&object.key, true);
    shared.metrics.weights_desired(&object.key, &weights);
    let digest = digest_of(decision);
    if shared.decided.lock().insert(object.key.clone(), digest) == Some(digest) {
        return;
    }
    tracing::info!("routemap {}: {}", object.key, describe(decision));
    let numbered = decision.versions.iter().enumerate();
    let invalid = numbered.filter_map(|(number, version)| Some((number, version.invalid_weight.as_ref()?)));
    let notes = limited(invalid.map(|(number, invalid)| format!("version {number}: {invalid}")), "more weights");
    for note in notes {
        tracing::warn!("routemap {}: {note}", object.key);
        event(shared, routemap(object), EventType::Warning, "InvalidWeight", ACTION, note);
    }
}

/// Reports a routemap that cannot be decided, unless the last report was the same.
pub(super) fn undecided(shared: &Shared, object: &RoutemapObject, reason: &str) {
    let note = format!("cannot be decided: {reason}; deletions of its resources are no longer held back");
    shared.metrics.failed(ErrorReason::Undecided);
    let digest = digest(format_args!("{note}"));
    if shared.decided.lock().insert(object.key.clone(), digest) != Some(digest) {
        tracing::warn!("routemap {}: {note}", object.key);
    }
    event(shared, routemap(object), EventType::Warning, "Undecided", ACTION, note);
}

/// Returns a hash of what a decision says.
fn digest_of(decision: &Decision) -> u64 {
    digest(format_args!("{:?} {}", decision.versions, decision.is_fallback))
}

/// Returns a hash of a report: reports are long, and there are as many as routemaps.
fn digest(text: fmt::Arguments<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    // The hasher accepts everything.
    let _ = fmt::write(&mut HashText(&mut hasher), text);
    hasher.finish()
}

/// Hashes text while it is formatted.
struct HashText<'a>(&'a mut DefaultHasher);

impl fmt::Write for HashText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Returns the first texts, and a count of the others.
fn limited(mut texts: impl Iterator<Item = String>, others: &str) -> Vec<String> {
    let mut first: Vec<String> = texts.by_ref().take(MAX_REASONS).collect();
    let rest = texts.count();
    if rest > 0 {
        first.push(format!("and {rest} {others}"));
    }
    first
}

/// Reports that all routes of a decision are in place.
pub(super) fn applied(shared: &Shared, object: &RoutemapObject, decision: &Decision, has_changes: bool) {
    let weights: Vec<u32> = decision.versions.iter().map(|version| version.weight).collect();
    shared.metrics.weights_applied(&object.key, &weights);
    shared.metrics.reconciled(has_changes);
}

/// Reports an output that is not applied.
pub(super) fn refused(shared: &Shared, object: &RoutemapObject, template: &str, refusal: &Refusal) {
    shared.metrics.failed(match refusal {
        Refusal::Type { .. } => ErrorReason::TypeNotAllowed,
        Refusal::Template(_) => ErrorReason::TemplateFailed,
        Refusal::Object { .. } => ErrorReason::InvalidObject,
        Refusal::Contested { .. } => ErrorReason::Contested,
    });
    let note = format!("template `{template}`: {refusal}; the routes stay as they are");
    tracing::warn!("routemap {}: {note}", object.key);
    event(shared, routemap(object), EventType::Warning, refusal.code(), ACTION, note);
}

/// Reports that an object was applied after a decision.
pub(super) fn written(
    shared: &Shared,
    object: &RoutemapObject,
    decision: &Decision,
    desired: &Desired,
    taken_from: &[String],
) {
    let mut note = format!("{}: {}", desired.target, describe(decision));
    if !taken_from.is_empty() {
        note.push_str(&format!("; took over fields of the field managers {}", taken_from.join(", ")));
    }
    tracing::info!("routemap {}: applied {note}", object.key);
    both(shared, object, desired, EventType::Normal, "RoutesApplied", &note);
}

/// Reports that a change of someone else was undone; `field` is `None` if the object was deleted.
pub(super) fn drift(shared: &Shared, object: &RoutemapObject, desired: &Desired, field: Option<&str>) {
    shared.metrics.drift_repaired();
    let note = match field {
        Some(field) => format!("{}: {field} was changed by someone else and has been restored", desired.target),
        None => format!("{} was deleted by someone else and has been created again", desired.target),
    };
    tracing::warn!("routemap {}: {note}", object.key);
    both(shared, object, desired, EventType::Warning, "DriftRepaired", &note);
}

/// Reports a write that failed.
pub(super) fn write_failed(shared: &Shared, object: &RoutemapObject, desired: &Desired, error: &WriteError) {
    let (reason, metric, note) = match error {
        // The leader reports.
        WriteError::NotLeader | WriteError::Replaced => return,
        WriteError::Owned(managers) => (
            "OwnedByOthers",
            ErrorReason::OwnedByOthers,
            format!(
                "{} is not changed, because its fields are managed by {}; remove these field managers, or the routing template",
                desired.target,
                managers.join(", ")
            ),
        ),
        WriteError::Transient(error, _) => ("ApplyFailed", ErrorReason::ApplyFailed, error.message.clone()),
        WriteError::Rejected(error) => ("ApplyRejected", ErrorReason::ApplyRejected, with_hint(error)),
    };
    shared.metrics.failed(metric);
    tracing::warn!("routemap {}: {note}", object.key);
    event(shared, routemap(object), EventType::Warning, reason, ACTION, note);
}

/// Describes a decision, for example `weights 1, 0; version 1 is not available (isvc shop/wisdom-1: is being deleted)`.
pub(super) fn describe(decision: &Decision) -> String {
    let weights: Vec<String> = decision.versions.iter().map(|version| version.weight.to_string()).collect();
    let mut text = format!("weights {}", weights.join(", "));
    let versions = decision.versions.iter().enumerate();
    let states =
        versions.filter_map(|(number, version)| Some(format!("version {number} {}", describe_version(version)?)));
    for state in limited(states, "more versions") {
        text.push_str(&format!("; {state}"));
    }
    if decision.is_fallback {
        text.push_str("; all traffic goes to version 0, because no available version has a weight above 0");
    }
    text
}

fn describe_version(version: &VersionState) -> Option<String> {
    let state = describe_availability(version);
    let invalid = version.invalid_weight.as_ref().map(|invalid| format!("has an invalid weight ({invalid})"));
    match (state, invalid) {
        (Some(state), Some(invalid)) => Some(format!("{state}, {invalid}")),
        (state, invalid) => state.or(invalid),
    }
}

fn describe_availability(version: &VersionState) -> Option<String> {
    let problems = limited(version.problems.iter().map(ToString::to_string), "more").join(", ");
    match version.availability {
        Availability::Available => None,
        Availability::Held(until) => {
            Some(format!("counts as available until {} ({problems})", until.format("%H:%M:%S UTC")))
        }
        Availability::Unavailable => Some(format!("is not available ({problems})")),
    }
}

/// Records an Event on the routemap and on the routing object.
fn both(
    shared: &Shared,
    object: &RoutemapObject,
    desired: &Desired,
    of_type: EventType,
    reason: &'static str,
    note: &str,
) {
    let text = |key: &str| desired.object.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let known = shared.types.target(&desired.target).map(|target| shared.index.target(&target));
    let target = Regarding {
        api_version: text("apiVersion"),
        kind: text("kind"),
        namespace: desired.target.namespace.to_string(),
        name: desired.target.name.to_string(),
        uid: match known {
            Some(Target::Exists(live)) => live.uid.to_string(),
            _ => String::new(),
        },
    };
    for regarding in [routemap(object), target] {
        event(shared, regarding, of_type, reason, ACTION, note.to_owned());
    }
}

/// Records an Event, if this process leads: all replicas see the same.
fn event(
    shared: &Shared,
    regarding: Regarding,
    of_type: EventType,
    reason: &'static str,
    action: &'static str,
    note: String,
) {
    if shared.leadership.is_leader() {
        // Messages of templates and of the API server may have any characters.
        shared.events.record(regarding, of_type, reason, action, one_line(&note));
    }
}

fn routemap(object: &RoutemapObject) -> Regarding {
    Regarding {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: object.key.namespace.to_string(),
        name: object.key.name.to_string(),
        uid: object.uid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::availability::Reason;
    use crate::routing::decision::Problem;
    use crate::routing::routemap::ResourceRef;

    /// A decision in which no resource exists.
    fn unavailable(versions: usize, resources: usize) -> Decision {
        let problem = |number: usize| Problem {
            resource: ResourceRef {
                short: "isvc".into(),
                namespace: "shop".into(),
                name: format!("m-{number}").into(),
            },
            reason: Reason::Missing,
        };
        let version = VersionState {
            availability: Availability::Unavailable,
            problems: (0..resources).map(problem).collect(),
            weight: 0,
            invalid_weight: None,
        };
        Decision { versions: vec![version; versions], is_fallback: true, outputs: Vec::new(), redecide_at: None }
    }

    #[test]
    fn descriptions_have_the_first_reasons_and_count_the_others() {
        let text = describe(&unavailable(100, 100));
        assert!(text.len() < 2000, "{} bytes", text.len());
        assert!(text.contains("isvc shop/m-2: ") && text.contains(", and 97 more)"), "{text}");
        assert!(text.contains("; and 97 more versions; all traffic goes to version 0"), "{text}");
        assert!(!describe(&unavailable(3, 3)).contains("and 97"));
    }

    #[test]
    fn decisions_that_differ_beyond_their_description_differ() {
        let decision = unavailable(100, 100);
        let mut other = decision.clone();
        assert_eq!(digest_of(&decision), digest_of(&other));
        other.versions[99].problems.pop();
        assert_eq!(describe(&decision), describe(&other));
        assert_ne!(digest_of(&decision), digest_of(&other));
    }
}
