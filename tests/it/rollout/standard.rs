//! Canaries in Standard mode, with KServe v0.20.0: it runs an entry of `spec.canary`, and routes nothing by it.

use serde_json::{Value, json};

use super::rollout_case::{RolloutCase, uri, without_progress};
use crate::support::transcript::transcript;

const STABLE: &str = "iris-predictor";
const CANDIDATE: &str = "iris-v2-predictor";

/// The InferenceService in Standard mode, with these entries of `spec.canary` and these further fields of its spec.
fn manifest(canary: &Value, others: &Value) -> String {
    let mut spec = json!({"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": uri(1)}}});
    for fields in [&json!({"canary": canary}), others] {
        let fields = fields.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        spec.as_object_mut().unwrap().extend(fields.map(|(key, value)| (key.clone(), value.clone())));
    }
    let object = json!({
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris", "annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
        "spec": spec,
    });
    object.to_string()
}

fn entry(name: &str, version: u32, percent: u8) -> Value {
    let model = json!({"modelFormat": {"name": "sklearn"}, "storageUri": uri(version)});
    json!({"trafficPercent": percent, "predictor": {"name": name, "minReplicas": 1, "model": model}})
}

impl RolloutCase {
    #[track_caller]
    fn apply_standard(&self, canary: &Value, others: &Value) {
        self.case.cluster.apply_in(&self.case.namespace, &manifest(canary, others));
    }

    /// A namespace whose InferenceService is ready, in Standard mode.
    fn with_standard() -> Option<Self> {
        Self::new().map(Self::standard)
    }

    #[track_caller]
    fn standard(self) -> Self {
        self.apply_standard(&json!(null), &json!({}));
        self.wait_until_ready();
        self
    }

    /// The same with a canary that is ready.
    fn with_canary(percent: u8) -> Option<Self> {
        let case = Self::with_standard()?;
        case.apply_standard(&json!([entry("v2", 2, percent)]), &json!({}));
        case.wait(|status| status["canaryStatuses"][0]["ready"] == true);
        case.wait_until_ready();
        Some(case)
    }
}

#[test]
fn a_kserve_that_routes_nothing_by_canaries_is_given_up_with_the_reason() {
    let Some(case) = RolloutCase::with_canary(0) else { return };
    let before = case.service()["spec"].clone();
    let set = case.rollout(&["set", "iris", "--percent", "20", "--timeout", "2s"]);
    set.expect(
        4,
        &[
            "error: InferenceService iris did not reach the requested traffic within 2s: HTTPRoute iris gives iris-v2-predictor 0 % of \
             the traffic; expected 20 %",
            "hint: KServe v0.20.0 has spec.canary, but routes no traffic by it: upgrade KServe, or split the traffic with a routemap",
            "`iter8 k rollout rollback iris` sets the percent to 0",
        ],
    );
    // KServe counts the percent as done.
    let mut expected = before;
    expected["canary"][0]["trafficPercent"] = json!(20);
    let service = case.wait(|status| status["canaryStatuses"][0]["trafficPercent"] == 20);
    assert_eq!(service["spec"], expected);
    let status = case.rollout(&["status", "iris"]);
    let problem = "trafficPercent of iris-v2-predictor is 20, but its HTTPRoutes do not show it\n";
    assert!(status.exits(0).stdout.ends_with(problem), "{status:#?}");
    let rollback = case.rollout(&["rollback", "iris"]);
    let expected = format!("iris: 0 % to {CANDIDATE} (candidate), 100 % to {STABLE} (stable)\n");
    assert_eq!(rollback.exits(0).stdout, expected);
    assert_eq!(case.service()["spec"]["canary"][0]["trafficPercent"], 0);
    assert!(case.rollout(&["rollback", "iris"]).exits(0).stdout.ends_with(" (as before)\n"));
}

/// KServe runs the canary's Deployment on, and deletes the old one.
#[test]
fn a_canary_is_promoted_with_its_whole_model_and_without_a_restart() {
    let Some(case) = RolloutCase::with_canary(0) else { return };
    let uid = || case.case.get("deployments", CANDIDATE)["metadata"]["uid"].clone();
    let generation = || case.case.get("deployments", CANDIDATE)["metadata"]["generation"].clone();
    let before = (uid(), generation());
    let promotion = case.rollout(&["promote", "iris"]);
    assert_eq!(promotion.exits(0).stdout, format!("iris: 100 % to {CANDIDATE} (stable)\n"), "{promotion:#?}");
    let spec = case.service()["spec"].clone();
    assert_eq!(spec["canary"], Value::Null);
    assert_eq!(spec["predictor"]["name"], "v2");
    assert_eq!(spec["predictor"]["model"]["storageUri"], uri(2));
    assert_eq!(spec["predictor"]["minReplicas"], Value::Null, "the canary's scale is its own");
    assert_eq!((uid(), generation()), before);
    case.case.cluster.wait_until_gone("deployment", &case.case.namespace, STABLE);
}

#[test]
fn a_canary_that_is_not_ready_is_not_promoted() {
    let Some(case) = RolloutCase::with_standard() else { return };
    let _transcript = transcript!();
    case.kserve.standard.keep_unready(&case.case.namespace, CANDIDATE);
    case.apply_standard(&json!([entry("v2", 2, 0)]), &json!({}));
    case.wait(|status| status["canaryStatuses"][0]["ready"] == false);
    case.rollout(&["promote", "iris"]).snapshot(2);
    case.rollout(&["set", "iris", "--percent", "100"]).snapshot(2);
    without_progress(case.rollout(&["set", "iris", "--percent", "20", "--timeout", "5s"])).snapshot(4);
    without_progress(case.rollout(&["rollback", "iris"])).snapshot(0);
    case.rollout(&["status", "iris"]).snapshot(0);
    case.rollout(&["status", "iris", "-o", "json"]).snapshot(0);
}

#[test]
fn canaries_whose_share_would_be_another_one_are_refused() {
    let Some(case) = RolloutCase::new() else { return };
    let _transcript = transcript!();
    let transformer = json!({"transformer": {"containers": [{"name": "kserve-container", "image": "transformer"}]}});
    case.apply_standard(&json!([entry("v2", 2, 0)]), &transformer);
    case.wait(|status| status["deploymentMode"] == "Standard");
    case.rollout(&["set", "iris", "--percent", "20"]).snapshot(2);
    case.case.cluster.kubectl_ok(&["delete", "isvc", "iris", "-n", &case.case.namespace]);
    case.apply_standard(&json!([entry("v2", 2, 0), entry("v3", 3, 0)]), &json!({}));
    case.wait(|status| status["deploymentMode"] == "Standard");
    case.rollout(&["set", "iris", "--percent", "20"]).snapshot(2);
    case.case.cluster.kubectl_ok(&["delete", "isvc", "iris", "-n", &case.case.namespace]);
    let old_form = json!({"trafficPercent": 0, "predictor": {"name": "v2", "sklearn": {"storageUri": uri(2)}}});
    case.apply_standard(&json!([old_form]), &json!({}));
    case.wait(|status| status["canaryStatuses"][0]["ready"] == true);
    case.rollout(&["promote", "iris"]).snapshot(2);
}

#[test]
fn dry_prints_the_patch_of_a_canary() {
    let Some(case) = RolloutCase::with_canary(0) else { return };
    let _transcript = transcript!();
    case.rollout(&["set", "iris", "--percent", "20", "--dry"]).snapshot(0);
    case.rollout(&["promote", "iris", "--dry"]).snapshot(0);
    assert_eq!(case.service()["spec"]["canary"][0]["trafficPercent"], 0);
}

/// Without KServe, and with a definition that says nothing about `spec`, as in KServe's chart `kserve-crd-minimal`.
#[test]
fn without_a_schema_nobody_can_tell_if_there_are_canaries() {
    let Some(cluster) = crate::support::kubernetes::ControlPlane::own() else { return };
    let cluster: &'static _ = Box::leak(Box::new(cluster));
    let case = crate::kubernetes::cluster_case::ClusterCase::of(cluster);
    let _transcript = transcript!();
    case.k(["rollout", "status", "iris"]).snapshot(4);
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "inferenceservices.serving.kserve.io"},
        "spec": {
            "group": "serving.kserve.io",
            "scope": "Namespaced",
            "names": {"kind": "InferenceService", "plural": "inferenceservices", "singular": "inferenceservice"},
            "versions": [{
                "name": "v1beta1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": any, "status": any}}},
            }],
        },
    });
    cluster.apply_in(&case.namespace, &definition.to_string());
    let crd = "crd/inferenceservices.serving.kserve.io";
    cluster.kubectl_ok(&["wait", "--for=condition=Established", crd, "--timeout=60s"]);
    cluster.apply_in(&case.namespace, &manifest(&json!(null), &json!({})));
    case.k(["rollout", "set", "iris", "--percent", "20"]).snapshot(2);
    cluster.stop();
}
