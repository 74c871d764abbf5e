//! States of pods, as kubelets report them.

use serde_json::{Value, json};

use super::*;

fn pod(status: Value) -> Pod {
    let labels = json!({"iter8.tools/group": "g", "iter8.tools/revision": "3"});
    serde_json::from_value(json!({"metadata": {"name": "g-3-job-x", "labels": labels}, "status": status})).unwrap()
}

fn with(phase: &str, containers: Value) -> Pod {
    pod(json!({"phase": phase, "containerStatuses": containers}))
}

/// Status of a container.
fn container(name: &str, state: Value) -> Value {
    json!({"name": name, "state": state, "image": "", "imageID": "", "ready": false, "restartCount": 0})
}

fn ended(code: i32, reason: &str) -> Value {
    json!({"terminated": {"exitCode": code, "reason": reason}})
}

fn running() -> Value {
    json!({"running": {}})
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn not_started(reason: &str, is_usual: bool) -> PodState {
    PodState::Waiting { reason: reason.to_owned(), is_usual }
}

fn over(failure: Option<&str>, kept_by: &[&str]) -> PodState {
    PodState::Ended {
        failure: failure.map(str::to_owned),
        kept_by: kept_by.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn the_container_decides_and_not_the_phase() {
    let cases = [
        (with("Running", json!([container("iter8", running())])), PodState::Running),
        (with("Succeeded", json!([container("iter8", ended(0, "Completed"))])), over(None, &[])),
        // The sidecar may come first.
        (
            with("Running", json!([container("proxy", running()), container("iter8", ended(0, "Completed"))])),
            over(None, &["proxy"]),
        ),
        (
            with("Running", json!([container("iter8", ended(3, "Error")), container("proxy", running())])),
            over(Some("exited with code 3 (Error)"), &["proxy"]),
        ),
        (
            with("Running", json!([container("proxy", ended(1, "Error")), container("iter8", running())])),
            PodState::Running,
        ),
        (
            with("Running", json!([container("proxy", running()), container("iter8", waiting("ErrImagePull", "no"))])),
            not_started("ErrImagePull: no; set `iter8Image` to an image that the cluster can pull", false),
        ),
        // The kubelet has not reported the sidecar yet.
        (with("Running", json!([container("iter8", ended(0, "Completed"))])), over(None, &[])),
    ];
    for (pod, expected) in cases {
        assert_eq!(state(&pod), expected, "{:?}", pod.status);
    }
}

#[test]
fn failures_name_their_cause() {
    let failed = |containers: Value| state(&with("Failed", containers));
    assert_eq!(
        failed(json!([container("iter8", ended(137, "OOMKilled"))])),
        over(Some("exited with code 137 (OOMKilled); increase `resources.limits.memory`"), &[])
    );
    assert_eq!(
        failed(json!([container("iter8", ended(0, "Completed")), container("proxy", ended(2, "Error"))])),
        over(Some("container proxy exited with code 2 (Error)"), &[])
    );
    let evicted = pod(json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}));
    assert_eq!(state(&evicted), over(Some("Evicted: The node was low on memory"), &[]));
    assert_eq!(failed(json!([])), over(Some("failed"), &[]));
}

#[test]
fn pods_that_cannot_start_say_why() {
    let unscheduled = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"}]);
    let initializing = json!([container("iter8", waiting("PodInitializing", ""))]);
    let with_init = |state: Value| {
        pod(json!({"phase": "Pending", "containerStatuses": initializing.clone(),
            "initContainerStatuses": [container("setup", state)]}))
    };
    let cases = [
        (pod(json!({})), not_started("not started yet", true)),
        (with("Pending", json!([container("iter8", json!({}))])), not_started("not started yet", true)),
        (pod(json!({"phase": "Pending", "conditions": unscheduled})), not_started("Unschedulable: 0/1", false)),
        (
            with("Pending", json!([container("iter8", waiting("CreateContainerConfigError", "no key"))])),
            not_started("CreateContainerConfigError: no key", false),
        ),
        (
            with_init(waiting("ImagePullBackOff", "back-off")),
            not_started("init container setup: ImagePullBackOff: back-off", false),
        ),
        (with_init(ended(1, "Error")), not_started("init container setup: exited with code 1 (Error)", false)),
        (with_init(running()), not_started("PodInitializing: ", true)),
    ];
    for (pod, expected) in cases {
        assert_eq!(state(&pod), expected, "{:?}", pod.status);
    }
}

#[test]
fn a_run_is_over_if_all_its_pods_are_kept() {
    let kept = || with("Running", json!([container("iter8", ended(0, "Completed")), container("proxy", running())]));
    let active = || with("Running", json!([container("iter8", running())]));
    assert!(are_kept(&[kept()], 3, 1) && are_kept(&[kept(), kept()], 3, 2));
    // A second pod is active, or about to be created.
    assert!(!are_kept(&[kept(), active()], 3, 2) && !are_kept(&[kept()], 3, 2));
    // The pod of an earlier revision, and no pod at all.
    assert!(!are_kept(&[kept()], 4, 1) && !are_kept(&[], 3, 0));
    assert_eq!(state(&kept()).problems().len(), 1);
    assert_eq!(state(&active()).problems(), [""; 0]);
}
