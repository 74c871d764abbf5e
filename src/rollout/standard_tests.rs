use serde_json::{Value, json};

use super::objects::{Objects, Rules, Step};
use super::routes::http_route;
use super::standard::{CanaryField, Standard, StandardGoal};
use super::{Change, Progress};
use crate::model::object::{ObjectRef, ResourceKind};

fn object() -> ObjectRef {
    let kind = ResourceKind {
        group: "serving.kserve.io".to_owned(),
        version: "v1beta1".to_owned(),
        resource: "inferenceservices".to_owned(),
    };
    ObjectRef { kind, namespace: Some("models".to_owned()), name: "iris".to_owned() }
}

fn rules() -> Standard {
    Standard::new(object())
}

/// An InferenceService with a canary of 0 %.
fn service() -> Value {
    json!({
        "metadata": {
            "name": "iris", "namespace": "models", "uid": "u", "resourceVersion": "7",
            "annotations": {"serving.kserve.io/deploymentMode": "Standard"},
        },
        "spec": {
            "predictor": {"minReplicas": 4, "model": {"storageUri": "m1", "runtime": "r"}},
            "canary": [{
                "trafficPercent": 0,
                "predictor": {"name": "v2", "minReplicas": 1, "model": {"storageUri": "m2", "resources": {}}},
            }],
        },
        "status": {
            "canaryStatuses": [{"name": "v2", "ready": true}],
            "conditions": [{"type": "PredictorReady", "status": "True"}, {"type": "Ready", "status": "True"}],
        },
    })
}

/// Routes with this percent for the candidate.
fn known(service: Value, percent: i64) -> Objects {
    let mut known = Objects::default();
    known.set(object(), Some(service));
    for name in ["iris", "iris-predictor"] {
        let backends = [("iris-predictor", 100 - percent), ("iris-v2-predictor", percent)]
            .map(|(name, weight)| json!({"name": name, "weight": weight}));
        let condition = |name: &str| json!({"type": name, "status": "True", "observedGeneration": 1});
        let route = json!({
            "metadata": {"name": name, "generation": 1},
            "spec": {"rules": [{"backendRefs": backends}]},
            "status": {"parents": [{"conditions": [condition("Accepted"), condition("ResolvedRefs")]}]},
        });
        known.set(http_route(Some("models".to_owned()), name.to_owned()), Some(route));
    }
    known
}

fn with(path: &str, value: Value) -> Value {
    let mut service = service();
    *service.pointer_mut(path).unwrap() = value;
    service
}

/// The patch of a change, and its goal.
#[track_caller]
fn planned(known: &Objects, change: Change) -> (Option<Value>, StandardGoal) {
    match rules().plan(known, change) {
        Step::Send { patches, goal, .. } => (patches.into_iter().next().map(|patch| patch.patch), goal),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refusal(known: &Objects, change: Change) -> String {
    match rules().plan(known, change) {
        Step::Refused((reason, _)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_percent_replaces_the_list_with_the_entry_as_it_was_read() {
    let known = known(service(), 0);
    let (patch, goal) = planned(&known, Change::Percent(20));
    let mut entry = service()["spec"]["canary"][0].clone();
    entry["trafficPercent"] = json!(20);
    assert_eq!(patch.unwrap(), json!({"metadata": {"resourceVersion": "7"}, "spec": {"canary": [entry]}}));
    let waiting = rules().check(&goal, &self::known(with("/spec/canary/0/trafficPercent", json!(20)), 0));
    let expected = "HTTPRoute iris gives iris-v2-predictor 0 % of the traffic; expected 20 %";
    assert_eq!(waiting, Progress::Waiting(expected.to_owned()));
    let reached = self::known(with("/spec/canary/0/trafficPercent", json!(20)), 20);
    assert_eq!(rules().check(&goal, &reached), Progress::Reached);
    assert_eq!(planned(&reached, Change::Percent(20)).0, None);
    assert_eq!(planned(&self::known(service(), 0), Change::Rollback).0, None);
}

#[test]
fn a_promotion_merges_what_kserve_merges() {
    let (patch, goal) = planned(&known(service(), 50), Change::Promote);
    let predictor = json!({"name": "v2", "model": {"storageUri": "m2"}});
    let expected = json!({"metadata": {"resourceVersion": "7"}, "spec": {"predictor": predictor, "canary": null}});
    assert_eq!(patch.unwrap(), expected);
    let mut promoted = with("/spec/predictor/model/storageUri", json!("m2"));
    promoted["spec"]["predictor"]["name"] = json!("v2");
    promoted["spec"].as_object_mut().unwrap().remove("canary");
    let waiting = rules().check(&goal, &known(promoted.clone(), 50));
    let expected = "HTTPRoute iris gives iris-v2-predictor 50 % of the traffic; expected 100 %";
    assert_eq!(waiting, Progress::Waiting(expected.to_owned()));
    assert_eq!(rules().check(&goal, &known(promoted.clone(), 100)), Progress::Reached);
    // KServe v0.20.0 makes a route of the new name, and leaves the old one behind.
    let route = |name: &str| http_route(Some("models".to_owned()), name.to_owned());
    let mut renamed = known(promoted.clone(), 100);
    let fresh = renamed.get(&route("iris-predictor")).cloned();
    renamed.set(route("iris-predictor"), known(promoted, 0).get(&route("iris-predictor")).cloned());
    assert!(matches!(rules().check(&goal, &renamed), Progress::Waiting(_)));
    renamed.set(route("iris-v2-predictor"), fresh);
    assert_eq!(rules().check(&goal, &renamed), Progress::Reached);
}

#[test]
fn changes_without_effect_or_with_another_one_are_refused() {
    let unready = with("/status/canaryStatuses", json!([]));
    for change in [Change::Promote, Change::Percent(100)] {
        assert_eq!(refusal(&known(unready.clone(), 0), change), "iris-v2-predictor is not ready: it is starting");
    }
    assert!(
        planned(&known(unready, 0), Change::Percent(20)).0.is_some(),
        "KServe routes nothing to it until it is ready"
    );
    let mut stopped = service();
    stopped["metadata"]["annotations"]["serving.kserve.io/stop"] = json!("true");
    let mut transformer = service();
    transformer["spec"]["transformer"] = json!({"containers": []});
    let second = json!([{"predictor": {"name": "v2"}}, {"predictor": {"name": "v3"}}]);
    for (service, expected) in [
        (stopped, "KServe does not act on changes: it has the annotation serving.kserve.io/stop"),
        (transformer, "it has a transformer, which requests to the canary would bypass"),
        (with("/spec/canary", second), "spec.canary has 2 entries (v2, v3); expected one candidate"),
    ] {
        for change in [Change::Promote, Change::Percent(20), Change::Rollback] {
            assert_eq!(refusal(&known(service.clone(), 0), change), expected);
        }
    }
    let old_form = with("/spec/canary/0/predictor", json!({"name": "v2", "sklearn": {"storageUri": "m2"}}));
    let expected = "the canary's predictor has `sklearn`, and the stable one `model`";
    assert_eq!(refusal(&known(old_form, 0), Change::Promote), expected);
    let mut no_routes = Objects::default();
    no_routes.set(object(), Some(service()));
    assert!(refusal(&no_routes, Change::Percent(20)).contains("KServe routes it by an Ingress"));
    no_routes.set_missing_type(http_route(None, "iris".to_owned()));
    assert!(refusal(&no_routes, Change::Percent(20)).contains("the cluster has no HTTPRoutes"));
    let mut starting = with("/status/conditions", json!([]));
    starting["status"]["canaryStatuses"] = json!([]);
    let mut no_routes = Objects::default();
    no_routes.set(object(), Some(starting));
    assert!(planned(&no_routes, Change::Percent(20)).0.is_some(), "KServe makes routes when the predictor is ready");
}

#[test]
fn a_service_in_standard_mode_of_any_shape_is_read() {
    let entry = |percent: i64| json!([{"trafficPercent": percent, "predictor": {"name": "v2"}}]);
    for service in [
        json!(null),
        json!([]),
        json!({"spec": {"canary": 3}}),
        with("/spec/canary", json!([1])),
        with("/spec/canary", json!([null])),
        with("/spec/canary", json!([{"predictor": "v2"}])),
        with("/spec/canary", entry(i64::MIN)),
        with("/spec/canary", entry(i64::MAX)),
        with("/spec/predictor", json!(1)),
    ] {
        let known = known(service, 0);
        assert!(rules().state(&known).is_ok());
        for change in [Change::Percent(20), Change::Promote, Change::Rollback] {
            if let Step::Send { goal, .. } = rules().plan(&known, change) {
                let _ = rules().check(&goal, &known);
            }
        }
    }
    for entry in [json!([1]), json!([{"predictor": "v2"}])] {
        for change in [Change::Percent(20), Change::Promote, Change::Rollback] {
            let expected = "spec.canary has no entry any more";
            assert_eq!(refusal(&known(with("/spec/canary", entry.clone()), 0), change), expected);
        }
    }
}

#[test]
fn the_schema_says_if_there_are_canaries() {
    let document = |spec: Value| {
        let kinds = json!([{"group": "serving.kserve.io", "version": "v1beta1", "kind": "InferenceService"}]);
        let list = json!({"x-kubernetes-group-version-kind": [{"group": "serving.kserve.io", "kind": "InferenceServiceList"}]});
        let schema = json!({"properties": {"spec": spec}, "x-kubernetes-group-version-kind": kinds});
        json!({"components": {"schemas": {"a": list, "b": schema}}})
    };
    for (spec, expected) in [
        (json!({"properties": {"predictor": {}, "canary": {}}}), CanaryField::Present),
        (json!({"properties": {"predictor": {}}}), CanaryField::Absent),
        (json!({"x-kubernetes-preserve-unknown-fields": true}), CanaryField::Unknown),
    ] {
        assert_eq!(CanaryField::of(&document(spec)), expected);
    }
    assert_eq!(CanaryField::of(&json!(null)), CanaryField::Unknown);
}
