//! Tests of ready and unready objects.

use serde_json::json;

use super::*;

fn kind(group: &str, resource: &str) -> ResourceKind {
    ResourceKind { group: group.into(), version: "v1".into(), resource: resource.into() }
}

/// State of an object of any kind; empty if it is ready.
fn seen(object: &Value, condition: Option<&str>) -> String {
    render(readiness(Some(object), &kind("apps", "deployments"), condition, at(0)))
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn seen_of_isvc(object: &Value) -> String {
    render(readiness(Some(object), &kind("serving.kserve.io", "inferenceservices"), Some("Ready"), at(0)))
}

fn render(readiness: Readiness) -> String {
    match readiness {
        Readiness::Ready => String::new(),
        Readiness::NotYet(seen) => seen,
        Readiness::Settling(remaining) => format!("settling for {remaining:?}"),
    }
}

#[test]
fn missing_and_deleted_objects_are_not_ready() {
    let services = kind("", "services");
    assert_eq!(render(readiness(None, &services, None, at(0))), "does not exist");
    let ready = json!({"metadata": {}});
    assert_eq!(readiness(Some(&ready), &services, None, at(0)), Readiness::Ready);
    let deleted = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"conditions": [{"type": "Available", "status": "True"}]}});
    assert_eq!(seen(&deleted, Some("Available")), "is being deleted");
}

#[test]
fn conditions_ignore_case_and_are_reported_with_their_reason() {
    let with = |status: &str| {
        json!({"status": {"conditions": [{"type": "Progressing", "status": "True"},
            {"type": "available", "status": status, "reason": "MinimumReplicas", "message": "none is up"}]}})
    };
    assert_eq!(seen(&with("true"), Some("Available")), "");
    assert_eq!(seen(&with("False"), Some("Available")), "condition Available is False (MinimumReplicas: none is up)");
    assert_eq!(seen(&with("Unknown"), Some("AVAILABLE")).split(' ').nth(3), Some("Unknown"));
    assert_eq!(seen(&json!({}), Some("Available")), "has no condition Available yet");
    assert_eq!(seen(&json!({"status": {"conditions": "none"}}), Some("Ready")), "has no condition Ready yet");
}

#[test]
fn a_stale_status_is_not_ready() {
    let at = |observed: i64, of_condition: i64| {
        json!({"metadata": {"generation": 3}, "status": {"observedGeneration": observed, "conditions":
            [{"type": "Available", "status": "True", "observedGeneration": of_condition}]}})
    };
    assert_eq!(seen(&at(3, 3), Some("Available")), "");
    assert_eq!(seen(&at(2, 3), Some("Available")), "status is stale: observed generation 2, current generation 3");
    assert_eq!(seen(&at(2, 3), None), "status is stale: observed generation 2, current generation 3");
    assert_eq!(
        seen(&at(3, 2), Some("Available")),
        "condition Available is stale: observed generation 2, current generation 3"
    );
}

#[test]
fn a_status_without_generation_must_be_newer_than_the_spec() {
    let change = |field: &str, seconds: i64| json!({"time": at(seconds).to_rfc3339(), "fieldsV1": {field: {}}});
    let object = |reported: i64, status: Value| {
        json!({"metadata": {"generation": 3, "managedFields": [change("f:spec", -1), change("f:status", reported)]},
            "status": status})
    };
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    assert_eq!(seen(&object(-5, ready.clone()), Some("Ready")), "settling for 9s");
    assert_eq!(seen(&object(0, ready.clone()), Some("Ready")), "");
    let mut observed = ready.clone();
    observed["observedGeneration"] = json!(3);
    assert_eq!(seen(&object(-5, observed.clone()), Some("Ready")), "");
    let of_condition = json!({"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 3}]});
    assert_eq!(seen(&object(-5, of_condition), Some("Ready")), "");
    // Existence needs no status.
    assert_eq!(seen(&object(-5, json!({})), None), "");
    // What is known not to be ready is not settling.
    assert_eq!(seen(&object(-5, json!({})), Some("Ready")), "has no condition Ready yet");
    // The generation of an InferenceService is that of a child.
    assert_eq!(seen_of_isvc(&object(0, observed)), "settling for 9s");
}

/// An InferenceService in KServe's serverless mode, with a canary at `percent` of the traffic.
fn isvc(wanted: Option<i64>, percent: i64, created: &str, ready: &str) -> Value {
    let mut predictor = json!({"model": {}});
    if let Some(wanted) = wanted {
        predictor["canaryTrafficPercent"] = json!(wanted);
    }
    json!({
        // KServe's observedGeneration is that of a child: it is outdated here and meaningless.
        "metadata": {"generation": 9},
        "spec": {"predictor": predictor},
        "status": {
            "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True"}],
            "components": {"predictor": {
                "latestCreatedRevision": created, "latestReadyRevision": ready, "latestRolledoutRevision": "m-1",
                "traffic": [{"latestRevision": true, "percent": percent, "revisionName": created},
                    {"latestRevision": false, "percent": 100 - percent, "revisionName": "m-1", "tag": "prev"}],
            }},
        },
    })
}

#[test]
fn an_inference_service_is_ready_when_its_newest_revision_is() {
    assert_eq!(seen_of_isvc(&isvc(None, 100, "m-1", "m-1")), "");
    let outdated = isvc(None, 100, "m-2", "m-1");
    assert_eq!(seen_of_isvc(&outdated), "revision m-2 of the predictor is not ready yet; m-1 still serves traffic");
    assert_eq!(seen_of_isvc(&isvc(None, 100, "m-1", "")), "revision m-1 of the predictor is not ready yet");
}

#[test]
fn a_canary_is_ready_when_it_has_the_requested_traffic() {
    assert_eq!(seen_of_isvc(&isvc(Some(10), 10, "m-2", "m-2")), "");
    let expected = "revision m-2 of the predictor has 100 % of the traffic, expected 10 % (canaryTrafficPercent)";
    assert_eq!(seen_of_isvc(&isvc(Some(10), 100, "m-2", "m-2")), expected);
    // Pinned: the newest revision gets no traffic, and KServe may omit it.
    let mut pinned = isvc(Some(0), 0, "m-2", "m-2");
    assert_eq!(seen_of_isvc(&pinned), "");
    pinned["status"]["components"]["predictor"]["traffic"] = json!([{"percent": 100, "revisionName": "m-1"}]);
    assert_eq!(seen_of_isvc(&pinned), "");
    // The first revision has no other to share traffic with.
    assert_eq!(seen_of_isvc(&isvc(Some(10), 100, "m-1", "m-1")), "");
}

#[test]
fn a_service_without_revisions_is_judged_by_its_models_and_canaries() {
    let mut raw = json!({"spec": {"predictor": {}}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
        "components": {"predictor": {"url": "http://m"}}, "modelStatus": {"transitionStatus": "UpToDate"}}});
    assert_eq!(seen_of_isvc(&raw), "");
    raw["status"]["modelStatus"] = json!({"transitionStatus": "InProgress"});
    assert_eq!(seen_of_isvc(&raw), "the newest model is loading");
    raw["status"]["modelStatus"] = json!({"transitionStatus": "BlockedByFailedLoad",
        "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "no such bucket"}});
    assert_eq!(seen_of_isvc(&raw), "the newest model failed to load (ModelLoadFailed: no such bucket)");
    raw["status"]["modelStatus"] = json!({});
    raw["spec"]["canary"] = json!([{"trafficPercent": 10}]);
    assert_eq!(seen_of_isvc(&raw), "has no condition CanaryPredictorReady yet");
}

#[test]
fn malformed_objects_do_not_panic() {
    let odd =
        [json!(null), json!([]), json!("x"), json!({"metadata": [], "spec": 1, "status": {"components": {"a": 1}}})];
    for object in odd {
        let _ = (seen(&object, Some("Ready")), seen_of_isvc(&object));
    }
    let long = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "message": "ä".repeat(5000)}]}});
    assert!(seen(&long, Some("Ready")).chars().count() < 400);
}
