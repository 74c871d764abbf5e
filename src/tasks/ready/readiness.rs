//! Readiness of an object, and its current state if it is not ready.
//!
//! Conditions and generations are judged as by `kubectl wait`. InferenceServices of KServe are judged by their revisions and
//! traffic instead of their generation: KServe copies the counter of a child into `observedGeneration`, which is unrelated to the
//! InferenceService itself, and a service may be `Ready` with its old revision while the new one starts. A status that may be from
//! before the last change is not used yet.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::settling::{Evidence, settling};
use crate::model::object::ResourceKind;
use crate::model::text::truncate;

/// Maximum length of a condition's message in output, in characters.
const MAX_DISPLAYED: usize = 300;

/// Readiness of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Ready.
    Ready,
    /// Not ready; describes the current state in a lowercase fragment.
    NotYet(String),
    /// Ready after this time if it does not change until then: its status may be from before its last change.
    Settling(Duration),
}

/// Judges an object of this kind; `None` if it does not exist. With a `condition`, the condition of that type must be true; types
/// and `True` are compared case-insensitively.
pub fn readiness(
    object: Option<&Value>,
    kind: &ResourceKind,
    condition: Option<&str>,
    now: DateTime<Utc>,
) -> Readiness {
    if let Some(seen) = not_ready_reason(object, kind, condition) {
        return Readiness::NotYet(seen);
    }
    match object.and_then(|object| settling(object, evidence(object, kind, condition)?, now)) {
        None => Readiness::Ready,
        Some(remaining) => Readiness::Settling(remaining),
    }
}

/// Returns the evidence that is needed for a status of the last change; `None` if none is, because the status names its generation or
/// does not matter.
fn evidence(object: &Value, kind: &ResourceKind, condition: Option<&str>) -> Option<Evidence> {
    if is_inference_service(kind) {
        return Some(Evidence::Time);
    }
    let of_condition = &find_condition(object, condition?)?["observedGeneration"];
    let observes = [&object["status"]["observedGeneration"], of_condition].iter().any(|value| value.is_i64());
    (!observes).then_some(Evidence::NewerStatus)
}

/// Returns the reason why the object is not ready.
fn not_ready_reason(object: Option<&Value>, kind: &ResourceKind, condition: Option<&str>) -> Option<String> {
    let Some(object) = object else { return Some("does not exist".to_owned()) };
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Some("is being deleted".to_owned());
    }
    if is_inference_service(kind) {
        return untrue(object, condition).or_else(|| inference_service_reason(object));
    }
    stale(object).or_else(|| untrue(object, condition))
}

fn is_inference_service(kind: &ResourceKind) -> bool {
    kind.group == "serving.kserve.io" && kind.resource == "inferenceservices"
}

/// Checks for a status of an earlier generation.
fn stale(object: &Value) -> Option<String> {
    let generation = object["metadata"]["generation"].as_i64()?;
    let observed = object["status"]["observedGeneration"].as_i64()?;
    (observed < generation)
        .then(|| format!("status is stale: observed generation {observed}, current generation {generation}"))
}

/// Checks for a condition that is not true.
fn untrue(object: &Value, condition: Option<&str>) -> Option<String> {
    let wanted = condition?;
    let Some(entry) = find_condition(object, wanted) else { return Some(format!("has no condition {wanted} yet")) };
    let status = text(&entry["status"]);
    if !status.eq_ignore_ascii_case("true") {
        return Some(format!("condition {wanted} is {status}{}", explanation(entry)));
    }
    let generation = object["metadata"]["generation"].as_i64()?;
    let observed = entry["observedGeneration"].as_i64()?;
    (observed < generation).then(|| {
        format!("condition {wanted} is stale: observed generation {observed}, current generation {generation}")
    })
}

fn find_condition<'a>(object: &'a Value, wanted: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| text(&condition["type"]).eq_ignore_ascii_case(wanted))
}

/// Renders reason and message of a condition.
fn explanation(condition: &Value) -> String {
    let texts = [text(&condition["reason"]), text(&condition["message"])];
    let parts: Vec<String> =
        texts.into_iter().filter(|text| !text.is_empty()).map(|text| truncate(text, MAX_DISPLAYED)).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(": ")) }
}

/// Checks the revisions, models and traffic of an InferenceService.
fn inference_service_reason(object: &Value) -> Option<String> {
    let components = object["status"]["components"].as_object().into_iter().flatten();
    components
        .map(|(name, status)| (name, &object["spec"][name], status))
        .find_map(|(name, spec, status)| revision_reason(name, status).or_else(|| traffic_reason(name, spec, status)))
        .or_else(|| model_reason(&object["status"]["modelStatus"]))
        .or_else(|| canary_reason(object))
}

/// Checks for a created revision that is not the latest ready one.
fn revision_reason(name: &str, status: &Value) -> Option<String> {
    let created = status["latestCreatedRevision"].as_str().filter(|revision| !revision.is_empty())?;
    match text(&status["latestReadyRevision"]) {
        ready if ready == created => None,
        "" => Some(format!("revision {created} of the {name} is not ready yet")),
        ready => Some(format!("revision {created} of the {name} is not ready yet; {ready} still serves traffic")),
    }
}

/// Checks for a canary without its requested traffic. If no revision was rolled out before, the newest one gets all traffic,
/// whatever is requested.
fn traffic_reason(name: &str, spec: &Value, status: &Value) -> Option<String> {
    let wanted = spec["canaryTrafficPercent"].as_i64()?;
    let newest = status["latestCreatedRevision"].as_str().filter(|revision| !revision.is_empty())?;
    let rolled_out = text(&status["latestRolledoutRevision"]);
    if rolled_out.is_empty() || rolled_out == newest {
        return None;
    }
    let targets = status["traffic"].as_array().into_iter().flatten();
    let of_newest = targets.filter(|target| target["latestRevision"] == true || target["revisionName"] == newest);
    let percent: i64 = of_newest.filter_map(|target| target["percent"].as_i64()).sum();
    (percent != wanted).then(|| {
        format!(
            "revision {newest} of the {name} has {percent} % of the traffic, expected {wanted} % (canaryTrafficPercent)"
        )
    })
}

/// Checks for a model that is loading or failed to load.
fn model_reason(status: &Value) -> Option<String> {
    let transition = text(&status["transitionStatus"]);
    let failure = &status["lastFailureInfo"];
    match transition {
        "InProgress" => Some("the newest model is loading".to_owned()),
        "BlockedByFailedLoad" => Some(format!("the newest model failed to load{}", explanation(failure))),
        "InvalidSpec" => Some(format!("the spec is not valid{}", explanation(failure))),
        _ => None,
    }
}

/// Checks for canaries in standard mode, which have a separate condition.
fn canary_reason(object: &Value) -> Option<String> {
    object["spec"]["canary"].as_array().filter(|canaries| !canaries.is_empty())?;
    untrue(object, Some("CanaryPredictorReady"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
#[path = "readiness_tests.rs"]
mod tests;
