//! Whether an object is ready, and what is seen where it is not.
//!
//! Conditions and generations are read as `kubectl wait` reads them. KServe's InferenceServices are read by their revisions and
//! traffic instead of their generation: KServe copies the counter of a child into `observedGeneration`, which says nothing of the
//! InferenceService itself, and a service may be `Ready` by its old revision while the new one starts.

use serde_json::Value;

use crate::model::object::ResourceKind;
use crate::model::text::truncate;

/// Longest message of a condition that is repeated, in characters.
const MAX_SHOWN: usize = 300;

/// What an object is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is as it should be.
    Ready,
    /// It is not; this is what is seen, a lowercase fragment.
    NotYet(String),
}

/// Judges `object`, an object of this kind as the API gives it, or none where it does not exist. With a `condition`, the condition
/// of that type must be true; types and `True` are compared without regard to case.
pub fn readiness(object: Option<&Value>, kind: &ResourceKind, condition: Option<&str>) -> Readiness {
    match obstacle(object, kind, condition) {
        None => Readiness::Ready,
        Some(seen) => Readiness::NotYet(seen),
    }
}

/// What keeps the object from being ready.
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

/// Its status is of an earlier generation.
fn behind(object: &Value) -> Option<String> {
    let generation = object["metadata"]["generation"].as_i64()?;
    let observed = object["status"]["observedGeneration"].as_i64()?;
    (observed < generation).then(|| format!("its status is that of generation {observed}, and it is at {generation}"))
}

/// The condition is not true.
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

/// Reason and message of a condition.
fn explanation(condition: &Value) -> String {
    let texts = [text(&condition["reason"]), text(&condition["message"])];
    let told: Vec<String> =
        texts.into_iter().filter(|text| !text.is_empty()).map(|text| truncate(text, MAX_SHOWN)).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(": ")) }
}

/// What an InferenceService's revisions, models and traffic say.
fn of_inference_service(object: &Value) -> Option<String> {
    let components = object["status"]["components"].as_object().into_iter().flatten();
    components
        .map(|(name, status)| (name, &object["spec"][name], status))
        .find_map(|(name, spec, status)| of_revisions(name, status).or_else(|| of_traffic(name, spec, status)))
        .or_else(|| of_model(&object["status"]["modelStatus"]))
        .or_else(|| of_canaries(object))
}

/// A revision was created that is not the newest ready one.
fn of_revisions(name: &str, status: &Value) -> Option<String> {
    let created = status["latestCreatedRevision"].as_str().filter(|revision| !revision.is_empty())?;
    match text(&status["latestReadyRevision"]) {
        ready if ready == created => None,
        "" => Some(format!("revision {created} of its {name} is not ready yet")),
        ready => Some(format!("revision {created} of its {name} is not ready yet; {ready} still serves")),
    }
}

/// A canary does not have the traffic that was asked for. Without a revision that was rolled out before, all goes to the newest one,
/// whatever was asked.
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

/// A model that is being loaded, or can't be.
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

/// Canaries of the standard mode, which have a condition of their own.
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
