//! A rollout in steps as a Job, whose pod is killed.

use serde_json::{Value, json};

use super::rollout_case::{R1, R2, RolloutCase, uri};
use crate::support::kubernetes::{KServe, Model, Node};

/// Names of the pods of the group's Job, the oldest first.
fn pods(case: &RolloutCase) -> Vec<String> {
    let labels = "-l=batch.kubernetes.io/job-name=canary-1-job";
    let args = ["get", "pods", "-n", &case.case.namespace, labels, "-o=name", "--sort-by=.metadata.creationTimestamp"];
    let names = case.case.cluster.kubectl_ok(&args);
    names.lines().filter_map(|name| Some(name.strip_prefix("pod/")?.to_owned())).collect()
}

/// Waits until the Lease shows this phase and has been renewed by the run of this moment.
#[track_caller]
fn wait_for_phase(case: &RolloutCase, phase: &str) -> Value {
    case.case.cluster.wait_for("leases", &case.case.namespace, "iter8-rollout-isvc-iris", |lease| {
        lease["metadata"]["annotations"]["iter8.tools/rollout-phase"] == phase
    })
}

#[test]
fn a_killed_pod_is_replaced_and_the_rollout_goes_on() {
    let Some(kserve) = KServe::own() else { return };
    let kserve: &'static KServe = Box::leak(Box::new(kserve));
    let Some(node) = Node::start(kserve.cluster) else { return };
    let case = RolloutCase::of(kserve).stable().candidate(0);
    let gateway = case.gateway(&[(&uri(1), Model::new("stable")), (&uri(2), Model::new("good"))]);
    gateway.wait_for_split("iris", &[(R1, 100)]);
    let values = json!({
        "tasks": ["rollout"],
        "runner": "job",
        "rollout": {"isvc": "iris", "steps": [{"percent": 10, "pause": true}, 50, 100], "analysis": ["http", "assess"]},
        "http": {
            "url": format!("{}/v1/models/iris:predict", gateway.url()),
            "headers": {"Host": gateway.host("iris")},
            "payloadStr": "{\"instances\": [[6.8, 2.8, 4.8, 1.4]]}",
            "numRequests": 20,
            "qps": 20,
        },
        "assess": {"SLOs": {"upper": {"http/error-rate": 0}}},
    });
    case.case.cli.write("values.yaml", &values.to_string());
    case.case.k(["launch", "-g", "canary", "-f", "values.yaml"]).exits(0);
    let role = case.case.get("roles", "canary-ready");
    let expected = json!([
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["iter8-rollout-isvc-iris"],
            "verbs": ["list", "watch", "patch"]},
        {"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"], "resourceNames": ["iris"],
            "verbs": ["list", "watch", "patch"]},
    ]);
    assert_eq!(role["rules"], expected, "no more rights than that");

    wait_for_phase(&case, "paused");
    case.wait_for_traffic(&[(R2, 10), (R1, 90)]);
    // Not before its analysis has ended: neither completed nor decided.
    case.case.k(["assert", "-g", "canary", "-c", "completed"]).exits(1);
    case.case.k(["assert", "-g", "canary", "-c", "slos"]).exits(5);
    let [first] = &pods(&case)[..] else { panic!("{:?}", pods(&case)) };
    node.kill(&case.case.namespace, first);
    case.case.cluster.wait_for_one("pods", &case.case.namespace, "batch.kubernetes.io/job-name=canary-1-job", |pod| {
        pod["metadata"]["name"].as_str() != Some(first) && pod["status"]["phase"] == "Running"
    });
    assert_eq!(case.rollout(&["resume", "iris"]).exits(0).stdout, "resumed the rollout of iris\n");
    let conditions = ["-c", "completed", "-c", "slos", "--timeout", "120s"];
    case.case.k(["assert", "-g", "canary"].into_iter().chain(conditions)).exits(0);
    case.wait_for_traffic(&[(R2, 100)]);
    assert_eq!(case.case.document("canary")["result"]["rollout"]["phase"], "promoted");
    assert_eq!(wait_for_phase(&case, "promoted")["spec"]["holderIdentity"], Value::Null);
    case.case.cluster.wait_for_condition("jobs", &case.case.namespace, "canary-1-job", "Complete");
    let log = node.log(&case.case.namespace, &pods(&case)[1]);
    assert!(log.contains("continuing the rollout of InferenceService iris: paused, step 1 of 2"), "{log}");
    drop(node);
    kserve.stop();
}
