//! Readiness of an object, and its current state if it is not ready.
//!
//! Conditions and generations follow `kubectl wait`. KServe's InferenceServices are judged by their revisions and
//! traffic instead of their generation: KServe copies the counter of a child into `observedGeneration`, which is unrelated to the
//! InferenceService itself, and a service may be `Ready` with its old revision while the new one starts.

use serde_json::Value;

use crate::model::object::ResourceKind;
use crate::model::text::truncate;

/// Maximum length of a condition's message in output, in characters.
const MAX_SHOWN: usize = 300;

/// Readiness of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Ready.
    Ready,
    /// Not ready; describes the current state in a lowercase fragment.
    NotYet(String),
}

/// Judges an object of this kind; `None` if it does not exist. With a `condition`, the condition
/// of that type must be true; types and `True` are compared without regard to case.
pub fn readiness(object: Option<&Value>, kind: &ResourceKind, condition: Option<&str>) -> Readiness {
    match obstacle(object, kind, condition) {
        None => Readiness::Ready,
        Some(seen) => Readiness::NotYet(seen),
    }
}

/// Reason why the object is not ready.
fn obstacle(object: Option<&Value>, kind: &ResourceKind, condition: Option<&str>) -> Option<String> {
    let Some(object) = object else { return Some("it does not exist".to_owned()) };
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Some("it is being deleted".to_owned());
    }
    if is_inference_service(kind) {
        return untrue(object, condition).or_else(|| of_inference_service(object));
    }
    behind(object).or_else(|| untrue(object, condition))
}

fn is_inference_service(kind: &ResourceKind) -> bool {
    kind.group == "serving.kserve.io" && kind.resource == "inferenceservices"
}

/// Checks for a status of an earlier generation.
fn behind(object: &Value) -> Option<String> {
    let generation = object["metadata"]["generation"].as_i64()?;
    let observed = object["status"]["observedGeneration"].as_i64()?;
    (observed < generation).then(|| format!("its status is that of generation {observed}, and it is at {generation}"))
}

/// Checks for a condition that is not true.
fn untrue(object: &Value, condition: Option<&str>) -> Option<String> {
    let wanted = condition?;
    let Some(found) = find_condition(object, wanted) else { return Some(format!("it has no condition {wanted} yet")) };
    let status = text(&found["status"]);
    if !status.eq_ignore_ascii_case("true") {
        return Some(format!("its condition {wanted} is {status}{}", explanation(found)));
    }
    let generation = object["metadata"]["generation"].as_i64()?;
    let observed = found["observedGeneration"].as_i64()?;
    (observed < generation)
        .then(|| format!("its condition {wanted} is that of generation {observed}, and it is at {generation}"))
}

fn find_condition<'a>(object: &'a Value, wanted: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| text(&condition["type"]).eq_ignore_ascii_case(wanted))
}

/// Renders reason and message of a condition.
fn explanation(condition: &Value) -> String {
    let texts = [text(&condition["reason"]), text(&condition["message"])];
    let told: Vec<String> =
        texts.into_iter().filter(|text| !text.is_empty()).map(|text| truncate(text, MAX_SHOWN)).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(": ")) }
}

/// Checks the revisions, models and traffic of an InferenceService.
fn of_inference_service(object: &Value) -> Option<String> {
    let components = object["status"]["components"].as_object().into_iter().flatten();
    components
        .map(|(name, status)| (name, &object["spec"][name], status))
        .find_map(|(name, spec, status)| of_revisions(name, status).or_else(|| of_traffic(name, spec, status)))
        .or_else(|| of_model(&object["status"]["modelStatus"]))
        .or_else(|| of_canaries(object))
}

/// Checks for a created revision that is not the latest ready one.
fn of_revisions(name: &str, status: &Value) -> Option<String> {
    let created = status["latestCreatedRevision"].as_str().filter(|revision| !revision.is_empty())?;
    match text(&status["latestReadyRevision"]) {
        ready if ready == created => None,
        "" => Some(format!("revision {created} of its {name} is not ready yet")),
        ready => Some(format!("revision {created} of its {name} is not ready yet; {ready} still serves")),
    }
}

/// Checks for a canary without the requested traffic. If no revision was rolled out before, the newest one gets all traffic,
/// whatever was requested.
fn of_traffic(name: &str, spec: &Value, status: &Value) -> Option<String> {
    let asked = spec["canaryTrafficPercent"].as_i64()?;
    let newest = status["latestCreatedRevision"].as_str().filter(|revision| !revision.is_empty())?;
    let rolled_out = text(&status["latestRolledoutRevision"]);
    if rolled_out.is_empty() || rolled_out == newest {
        return None;
    }
    let targets = status["traffic"].as_array().into_iter().flatten();
    let of_newest = targets.filter(|target| target["latestRevision"] == true || target["revisionName"] == newest);
    let percent: i64 = of_newest.filter_map(|target| target["percent"].as_i64()).sum();
    (percent != asked).then(|| {
        format!("revision {newest} of its {name} has {percent} % of the traffic, and canaryTrafficPercent asks for {asked} %")
    })
}

/// Checks for a model that is loading or failed to load.
fn of_model(status: &Value) -> Option<String> {
    let transition = text(&status["transitionStatus"]);
    let failure = &status["lastFailureInfo"];
    match transition {
        "InProgress" => Some("its newest model is being loaded".to_owned()),
        "BlockedByFailedLoad" => Some(format!("its newest model can't be loaded{}", explanation(failure))),
        "InvalidSpec" => Some(format!("its spec is not valid{}", explanation(failure))),
        _ => None,
    }
}

/// Checks for canaries of the standard mode, which have a separate condition.
fn of_canaries(object: &Value) -> Option<String> {
    object["spec"]["canary"].as_array().filter(|canaries| !canaries.is_empty())?;
    untrue(object, Some("CanaryReady"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
#[path = "readiness_tests.rs"]
mod tests;
