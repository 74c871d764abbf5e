//! The split of canaries in Standard mode. No released KServe makes it yet, so the test stands in for KServe: it writes the InferenceService's
//! status, and the weights of the HTTPRoutes as KServe's later manager does (kserve/kserve#5912).

use serde_json::{Value, json};

use crate::kubernetes::cluster_case::{ClusterCase, Running};
use crate::support::kubernetes::accepted;

const STABLE: &str = "iris-predictor";
const CANDIDATE: &str = "iris-v2-predictor";

/// An InferenceService with a canary, and its routes.
struct Split {
    case: ClusterCase,
}

impl Split {
    fn new() -> Option<Self> {
        let case = ClusterCase::without_node()?;
        if !case.cluster.crds() {
            return None;
        }
        let new = Self { case };
        new.case.cluster.apply_in(&new.case.namespace, &service(0));
        new.set_status(true);
        for route in ["iris", STABLE] {
            new.route(route, &[(STABLE, 1)]);
            new.accept(route);
        }
        Some(new)
    }

    fn set_status(&self, is_ready: bool) {
        let condition = |name: &str, status: bool| json!({"type": name, "status": if status { "True" } else { "False" }, "reason": "CanariesNotReady"});
        let conditions =
            [condition("PredictorReady", true), condition("Ready", true), condition("CanaryPredictorReady", is_ready)];
        let status = json!({
            "deploymentMode": "Standard",
            "canaryStatuses": [{"name": "v2", "ready": is_ready, "trafficPercent": 0}],
            "conditions": conditions,
        });
        self.case.cluster.set_status("inferenceservices", &self.case.namespace, "iris", &status);
    }

    /// Writes a route with these weights.
    fn route(&self, name: &str, weights: &[(&str, u32)]) {
        let backends: Vec<Value> =
            weights.iter().map(|(name, weight)| json!({"name": name, "port": 80, "weight": weight})).collect();
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": name},
            "spec": {"parentRefs": [{"name": "gateway"}], "rules": [{"backendRefs": backends}]},
        });
        self.case.cluster.apply_in(&self.case.namespace, &route.to_string());
    }

    /// Accepts the current generation of a route.
    fn accept(&self, name: &str) {
        let status = accepted(&self.case.get("httproutes", name));
        self.case.cluster.set_status("httproutes", &self.case.namespace, name, &status);
    }

    fn start(&self, args: &[&str], waiting_for: &str) -> Running {
        self.case.start_and_wait(["rollout"].iter().chain(args), waiting_for)
    }

    fn patch(&self, spec: &Value) {
        let patch = json!({ "spec": spec }).to_string();
        let args = [
            "patch",
            "isvc",
            "iris",
            "-n",
            &self.case.namespace,
            "--field-manager=argocd",
            "--type=merge",
            "-p",
            &patch,
        ];
        self.case.cluster.kubectl_ok(&args);
    }
}

fn service(percent: u8) -> String {
    let model = |version: u8| json!({"name": "", "modelFormat": {"name": "sklearn"}, "storageUri": format!("s3://models/iris/{version}")});
    let object = json!({
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris", "annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
        "spec": {
            "predictor": {"model": model(1)},
            "canary": [{"trafficPercent": percent, "predictor": {"name": "v2", "model": model(2)}}],
        },
    });
    object.to_string()
}

#[test]
fn a_canary_has_its_percent_when_both_routes_split_and_a_gateway_has_accepted_them() {
    let Some(split) = Split::new() else { return };
    let both = |candidate: u32| [(STABLE, 100 - candidate), (CANDIDATE, candidate)];
    let set = split.start(
        &["set", "iris", "--percent", "20"],
        "HTTPRoute iris gives iris-v2-predictor 0 % of the traffic; expected 20 %",
    );
    split.route("iris", &both(20));
    split.accept("iris");
    split.route(STABLE, &both(20));
    split.accept(STABLE);
    let set = set.end();
    assert_eq!(set.exits(0).stdout, "iris: 20 % to iris-v2-predictor (candidate), 80 % to iris-predictor (stable)\n");

    split.route("iris", &both(30));
    split.accept("iris");
    let set = split.start(
        &["set", "iris", "--percent", "30"],
        "HTTPRoute iris-predictor gives iris-v2-predictor 20 % of the traffic; expected 30 %",
    );
    split.route(STABLE, &both(30));
    split.accept(STABLE);
    set.end().exits(0);

    split.route("iris", &both(40));
    split.accept("iris");
    split.route(STABLE, &both(40));
    let waiting = "the gateway has not seen the current spec of HTTPRoute iris-predictor yet";
    let set = split.start(&["set", "iris", "--percent", "40"], waiting);
    split.accept(STABLE);
    set.end().exits(0);
}

#[test]
fn a_canary_gets_its_percent_once_it_is_ready() {
    let Some(split) = Split::new() else { return };
    split.set_status(false);
    let waiting = "iris-v2-predictor is not ready: CanaryPredictorReady is False (CanariesNotReady)";
    let set = split.start(&["set", "iris", "--percent", "20"], waiting);
    for route in ["iris", STABLE] {
        split.route(route, &[(STABLE, 80), (CANDIDATE, 20)]);
        split.accept(route);
    }
    split.set_status(true);
    set.end().exits(0);
}

#[test]
fn an_outside_edit_of_a_canary_ends_the_wait() {
    let Some(split) = Split::new() else { return };
    let entry = |percent: u8, model: u8| {
        let model =
            json!({"name": "", "modelFormat": {"name": "sklearn"}, "storageUri": format!("s3://models/iris/{model}")});
        json!([{"trafficPercent": percent, "predictor": {"name": "v2", "model": model}}])
    };
    for (edit, lost) in [
        (entry(60, 2), "spec.canary was changed by argocd: the percent is 60; expected 20"),
        (entry(20, 3), "spec.canary was changed by argocd"),
        (json!(null), "spec.canary was changed by someone else"),
    ] {
        split.patch(&json!({"canary": entry(0, 2)}));
        let set = split.start(&["set", "iris", "--percent", "20"], "expected 20 %");
        split.patch(&json!({"canary": edit}));
        let set = set.end();
        set.expect(4, &[&format!("error: the change of InferenceService iris was lost: {lost}")]);
    }
}

#[test]
fn a_deleted_service_ends_the_wait() {
    let Some(split) = Split::new() else { return };
    let set = split.start(&["set", "iris", "--percent", "20"], "expected 20 %");
    split.case.cluster.kubectl_ok(&["delete", "isvc", "iris", "-n", &split.case.namespace]);
    set.end().expect(4, &["error: the change of InferenceService iris was lost: it was deleted"]);
}

#[test]
fn a_service_without_http_routes_is_refused() {
    let Some(split) = Split::new() else { return };
    split.case.cluster.kubectl_ok(&["delete", "httproute", "iris", "-n", &split.case.namespace]);
    let set = split.case.k(["rollout", "set", "iris", "--percent", "20"]);
    set.expect(2, &["it has no HTTPRoute iris: KServe routes it by an Ingress, which it never splits"]);
}

#[test]
fn a_promotion_ends_when_the_routes_name_the_candidate_alone() {
    let Some(split) = Split::new() else { return };
    let promotion =
        split.start(&["promote", "iris"], "HTTPRoute iris gives iris-v2-predictor 0 % of the traffic; expected 100 %");
    for route in ["iris", STABLE] {
        split.route(route, &[(CANDIDATE, 1)]);
        split.accept(route);
    }
    assert_eq!(promotion.end().exits(0).stdout, "iris: 100 % to iris-v2-predictor (stable)\n");
    let service = split.case.get("isvc", "iris");
    assert_eq!(service["spec"]["canary"], Value::Null);
    assert_eq!(service["spec"]["predictor"]["name"], "v2");
    assert_eq!(service["spec"]["predictor"]["model"]["storageUri"], "s3://models/iris/2");
}
