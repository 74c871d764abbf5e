//! Changes of an InferenceService: which patch makes them, and why one is refused.

use serde_json::{Value, json};

use super::goal::Goal;
use super::mode::Mode;
use super::service::{Service, TAG_ROUTING};

/// A requested change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Give the candidate this percent of the traffic: 0 to 100.
    Percent(u8),
    /// Give the newest revision all the traffic.
    Promote,
    /// Give all the traffic to the previous revision: the stable one, or after a promotion the one before it.
    Rollback,
}

/// Next step of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// The change would have no effect, or a different one than requested.
    Refused {
        /// Reason.
        reason: String,
        /// Next step.
        hint: String,
    },
    /// The change has to wait.
    NotYet {
        /// Reason.
        reason: String,
        /// A JSON merge patch that keeps the candidate without traffic meanwhile; nothing to send if `None`.
        hold: Option<Value>,
        /// State in the meantime; the wait is over if it is lost.
        until: Goal,
    },
    /// A JSON merge patch; nothing to send if `None`.
    Patch {
        /// The patch. With the version of the object, so that the API server refuses it if the object was changed meanwhile.
        patch: Option<Value>,
        /// Traffic that it leads to.
        goal: Goal,
    },
}

/// Plans a change of an InferenceService.
pub fn plan(service: &Service, change: Change) -> Plan {
    if let Some(refused) = unusable(service) {
        return refused;
    }
    let (Some(newest), Some(stable)) = (&service.latest_created_revision, &service.latest_rolledout_revision) else {
        return refused(
            "no revision has had all the traffic yet, so KServe ignores canaryTrafficPercent",
            "wait until the first revision is ready",
        );
    };
    match change {
        Change::Rollback => rollback(service, newest, stable),
        Change::Promote if newest == stable => promoted(service, newest),
        Change::Promote => ready_or_refused(service, || patched(service, newest, None, None)),
        Change::Percent(_) if newest == stable => refused(
            &format!(
                "there is no candidate: revision {newest} is the newest and has already had all the traffic, so KServe would send the \
                 rest to the revision before it"
            ),
            "apply the new model together with `canaryTrafficPercent: 0` first, and retry when KServe has made its revision",
        ),
        // With all the traffic, KServe would promote a candidate unseen, as soon as it is ready.
        Change::Percent(100) => ready_or_refused(service, || patched(service, newest, Some(100), None)),
        Change::Percent(percent) => match service.unready() {
            // Until then, the percent goes to the newest revision that is ready, which is one that was rolled back (kserve/kserve#2130).
            Some(reason) if percent > 0 && service.latest_ready_revision.as_ref() != Some(stable) => {
                let (hold, until) = edit(service, newest, Some(0), Some(stable));
                Plan::NotYet { reason, hold, until }
            }
            // Without a percent, KServe would promote a candidate that is starting as soon as it is ready.
            _ => patched(service, newest, Some(percent), Some(stable)),
        },
    }
}

/// Refuses to promote a revision that is not ready.
fn ready_or_refused(service: &Service, promotion: impl FnOnce() -> Plan) -> Plan {
    match service.unready() {
        Some(reason) => refused(&reason, "fix the model, or go back with `iter8 k rollout rollback`"),
        None => promotion(),
    }
}

/// Refuses services whose traffic KServe does not split.
fn unusable(service: &Service) -> Option<Plan> {
    if let Some(reason) = &service.halted {
        return Some(refused(
            &format!("KServe does not act on changes: {reason}"),
            "remove that annotation first; an InferenceService that is being deleted cannot be changed",
        ));
    }
    let (reason, hint) = match service.mode {
        Mode::Knative => return None,
        Mode::Standard => (
            "its deployment mode is Standard (RawDeployment), in which KServe ignores canaryTrafficPercent (kserve/kserve#5335)",
            "deploy each version as an InferenceService, and split the traffic with a routemap: see docs/reference/routemap.md",
        ),
        Mode::ModelMesh => (
            "its deployment mode is ModelMesh, in which KServe ignores canaryTrafficPercent",
            "split the traffic with a routemap: see docs/tutorials/blue-green-modelmesh.md",
        ),
        Mode::Unknown => {
            ("it has no deployment mode and no revision yet", "wait until KServe has created the first revision")
        }
    };
    Some(refused(reason, hint))
}

fn refused(reason: &str, hint: &str) -> Plan {
    Plan::Refused { reason: reason.to_owned(), hint: hint.to_owned() }
}

fn rollback(service: &Service, newest: &String, stable: &String) -> Plan {
    if newest != stable {
        return patched(service, newest, Some(0), Some(stable));
    }
    match &service.previous_rolledout_revision {
        Some(previous) if previous != stable => patched(service, newest, Some(0), Some(previous)),
        _ => refused(
            &format!("KServe knows no revision before {newest}"),
            "apply the old model again: KServe makes a new revision of it",
        ),
    }
}

/// Plans the promotion of a revision that has had all the traffic: there is nothing to do, or a percent is left.
fn promoted(service: &Service, newest: &str) -> Plan {
    match service.canary_traffic_percent {
        None | Some(100) => patched(service, newest, service.canary_traffic_percent.map(|_| 100), None),
        Some(_) => patched(service, newest, None, None),
    }
}

fn patched(service: &Service, newest: &str, percent: Option<u8>, stable: Option<&String>) -> Plan {
    let (patch, goal) = edit(service, newest, percent, stable);
    Plan::Patch { patch, goal }
}

/// Builds the patch that sets the percent, or removes it, and its goal.
fn edit(service: &Service, newest: &str, percent: Option<u8>, stable: Option<&String>) -> (Option<Value>, Goal) {
    let field = percent.map(i64::from);
    let patch = (service.canary_traffic_percent != field).then(|| {
        json!({
            "metadata": {"resourceVersion": service.resource_version},
            "spec": {"predictor": {"canaryTrafficPercent": field}},
        })
    });
    let percent = percent.unwrap_or(100);
    let goal = Goal {
        uid: service.uid.clone(),
        generation: service.generation,
        newest: newest.to_owned(),
        percent,
        stable: stable.filter(|_| percent < 100).cloned(),
        field,
    };
    (patch, goal)
}

/// Refusal of a change: reason and hint.
pub type Refusal = (String, String);

/// Annotation patch that switches routing by tags.
pub fn tag_routing(service: &Service, is_on: bool) -> Result<Option<Value>, Refusal> {
    if let Some(Plan::Refused { reason, hint }) = unusable(service) {
        return Err((reason, hint));
    }
    if service.tag_routing == is_on {
        return Ok(None);
    }
    let is_split = service.canary_traffic_percent.is_some_and(|percent| percent < 100);
    if service.candidate().is_some() || is_split {
        let reason = "a rollout is under way, and the annotation makes a new revision, which would take the place of the candidate";
        return Err((reason.to_owned(), "promote or roll back first".to_owned()));
    }
    let value = is_on.then_some("true");
    Ok(Some(json!({"metadata": {"resourceVersion": service.resource_version, "annotations": {TAG_ROUTING: value}}})))
}
