//! The task `ready`, against real objects of a real API server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster_case::ClusterCase;
use crate::support::api_server_proxy::{Action, ApiServerProxy};
use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::transcript::transcript;

/// Runs an experiment of this one task on this machine, in the namespace of the case.
fn run(case: &ClusterCase, values: &[&str]) -> CliOutput {
    let namespace = format!("ready.namespace={}", case.namespace);
    let values = ["tasks={ready}", &namespace].into_iter().chain(values.iter().copied());
    let mut command = case.command(["run"]);
    command.args(values.flat_map(|pair| ["--set", pair]));
    CliOutput::run(&mut command, &case.cli.path(""))
}

/// The same, and does something once it has said this on standard error.
fn run_and(case: &ClusterCase, values: &[&str], line: &str, act: impl FnOnce()) -> CliOutput {
    use std::io::{BufRead, BufReader, Read};
    let namespace = format!("ready.namespace={}", case.namespace);
    let values = ["tasks={ready}", &namespace].into_iter().chain(values.iter().copied());
    let mut command = case.command(["run"]);
    command.args(values.flat_map(|pair| ["--set", pair])).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut result = BufReader::new(child.stderr.take().unwrap());
    let mut stderr = String::new();
    while !stderr.contains(line) {
        assert!(result.read_line(&mut stderr).unwrap() > 0, "it did not say {line:?}: {stderr}");
    }
    act();
    result.read_to_string(&mut stderr).unwrap();
    let output =
        std::process::Output { status: child.wait().unwrap(), stdout: Vec::new(), stderr: stderr.into_bytes() };
    CliOutput::of(&command, output, &case.cli.path(""))
}

const DEPLOYMENT: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: shop}, spec: {replicas: 0, selector: \
    {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: a, image: a}]}}}}";

#[test]
fn waits_until_a_deployment_is_available() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let output = run(&case, &["ready.deploy=shop", "ready.timeout=5s"]);
    output.snapshot(3);
    // It comes while it is waited for; its controller makes it available.
    let started = Instant::now();
    let apply = || case.cluster.apply_in(&case.namespace, DEPLOYMENT);
    let waiting = "waiting for deployments.apps/shop: does not exist";
    run_and(&case, &["ready.deploy=shop", "ready.timeout=100s"], waiting, apply).exits(0);
    assert!(started.elapsed() < Duration::from_secs(60), "it is watched, not waited out");
    let document = case.cli.document();
    assert_eq!(document["spec"][0]["with"]["condition"], "Available");
    assert_eq!(document["result"]["tasks"][0]["status"], "done");
}

#[test]
fn services_and_other_objects_need_only_exist() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let service = "{apiVersion: v1, kind: Service, metadata: {name: shop}, spec: {ports: [{port: 80}]}}";
    case.cluster.apply_in(&case.namespace, service);
    let any = [
        "ready.resources[0].version=v1",
        "ready.resources[0].resource=configmaps",
        "ready.resources[0].name=kube-root-ca.crt",
    ];
    run(&case, &[&["ready.service=shop", "ready.timeout=20s"][..], &any].concat()).exits(0);
    let with_condition = [&any[..], &["ready.resources[0].condition=Happy", "ready.timeout=5s"]].concat();
    run(&case, &with_condition).snapshot(3);
}

#[test]
fn a_terminating_object_is_not_ready() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let service =
        "{apiVersion: v1, kind: Service, metadata: {name: old, finalizers: [test/stay]}, spec: {ports: [{port: 80}]}}";
    case.cluster.apply_in(&case.namespace, service);
    case.cluster.kubectl_ok(&["delete", "service", "-n", &case.namespace, "old", "--wait=false"]);
    run(&case, &["ready.service=old", "ready.timeout=5s"]).snapshot(3);
    let patch = r#"{"metadata": {"finalizers": null}}"#;
    case.cluster.kubectl_ok(&["patch", "service", "-n", &case.namespace, "old", "--type=merge", "-p", patch]);
}

#[test]
fn an_unknown_kind_fails_immediately() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let started = Instant::now();
    let output = run(&case, &["ready.chaosengine=storm", "ready.timeout=100s"]);
    output.snapshot(3);
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// The status of an InferenceService whose newest revision is `created`, as KServe sets it.
fn kserve(created: &str, ready: &str, percent: i64) -> Value {
    json!({
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        // The counter of a child, which says nothing of the InferenceService.
        "observedGeneration": 1,
        "components": {"predictor": {
            "latestCreatedRevision": created, "latestReadyRevision": ready, "latestRolledoutRevision": "iris-1",
            "traffic": [{"latestRevision": true, "percent": percent, "revisionName": created},
                {"latestRevision": false, "percent": 100 - percent, "revisionName": "iris-1", "tag": "prev"}],
        }},
    })
}

#[test]
fn an_inference_service_is_ready_once_its_newest_revision_has_its_traffic() {
    let Some(case) = ClusterCase::without_node() else { return };
    if !case.cluster.crds() {
        return;
    }
    let _transcript = transcript!();
    let isvc = "{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {name: iris}, spec: {predictor: \
                {canaryTrafficPercent: 10, model: {modelFormat: {name: sklearn}, storageUri: 'gs://models/iris'}}}}";
    case.cluster.apply_in(&case.namespace, isvc);
    let set = |status: &Value| case.cluster.set_status("inferenceservices", &case.namespace, "iris", status);
    let seen = || run(&case, &["ready.isvc=iris", "ready.timeout=5s"]);
    seen().snapshot(3);
    set(&kserve("iris-2", "iris-1", 100));
    seen().snapshot(3);
    set(&kserve("iris-2", "iris-2", 100));
    seen().snapshot(3);
    let set = || set(&kserve("iris-2", "iris-2", 10));
    run_and(&case, &["ready.isvc=iris", "ready.timeout=100s"], "expected 10 %", set).exits(0);
}

#[test]
fn a_status_from_before_a_change_is_not_used() {
    let Some(case) = ClusterCase::without_node() else { return };
    if !case.cluster.crds() {
        return;
    }
    let _transcript = transcript!();
    let isvc = |model: &str| {
        let text = "{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {name: iris}, spec: {predictor: \
                    {canaryTrafficPercent: 10, model: {modelFormat: {name: sklearn}, storageUri: 'gs://models/MODEL'}}}}";
        case.cluster.apply_in(&case.namespace, &text.replace("MODEL", model));
    };
    isvc("v1");
    case.cluster.set_status("inferenceservices", &case.namespace, "iris", &kserve("iris-2", "iris-2", 10));
    isvc("v2");
    // KServe has not noticed the new model yet.
    run(&case, &["ready.isvc=iris", "ready.timeout=1s"]).snapshot(3);
    let notice = || {
        case.cluster.set_status("inferenceservices", &case.namespace, "iris", &kserve("iris-3", "iris-2", 10));
    };
    isvc("v3");
    let output = run_and(&case, &["ready.isvc=iris", "ready.timeout=12s"], "may be out of date", notice);
    output.expect(3, &["revision iris-3 of the predictor is not ready yet; iris-2 still serves traffic"]);
    // After a while nobody is expected to notice any more.
    isvc("v4");
    case.cluster.set_status("inferenceservices", &case.namespace, "iris", &kserve("iris-3", "iris-3", 10));
    run(&case, &["ready.isvc=iris", "ready.timeout=100s"]).expect(0, &["changed less than 10s ago"]);
}

#[test]
fn watches_are_reopened() {
    let Some(case) = ClusterCase::without_node() else { return };
    let watches = Arc::new(AtomicU32::new(0));
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version"}});
    let proxy = ApiServerProxy::start(case.cluster, {
        let watches = Arc::clone(&watches);
        move |_, path| {
            if !path.contains("watch=true") {
                return Action::Forward;
            }
            match watches.fetch_add(1, Ordering::Relaxed) {
                // Closed at once, expired in the stream, expired at once, in trouble.
                0 => Action::Respond(200, vec![], String::new()),
                1 => Action::Respond(200, vec![], format!("{gone}\n")),
                2 => Action::Respond(410, vec![], gone["object"].to_string()),
                3 => Action::Respond(503, vec![], "in trouble".to_owned()),
                _ => Action::Forward,
            }
        }
    });
    let case = case.through(&proxy);
    let output = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| run(&case, &["ready.deploy=shop", "ready.timeout=100s"]));
        let started = Instant::now();
        while watches.load(Ordering::Relaxed) < 5 {
            assert!(started.elapsed() < Duration::from_secs(60), "{watches:?} watches");
            std::thread::sleep(Duration::from_millis(20));
        }
        case.cluster.apply_in(&case.namespace, DEPLOYMENT);
        waiting.join().unwrap()
    });
    output.exits(0);
}

#[test]
fn watches_that_are_closed_at_once_are_reopened_after_ever_longer_pauses() {
    let Some(case) = ClusterCase::without_node() else { return };
    let expired = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version"}});
    for body in [String::new(), format!("{expired}\n")] {
        let watches = Arc::new(AtomicU32::new(0));
        let proxy = ApiServerProxy::start(case.cluster, {
            let (watches, body) = (Arc::clone(&watches), body.clone());
            move |_, path| {
                if !path.contains("watch=true") {
                    return Action::Forward;
                }
                watches.fetch_add(1, Ordering::Relaxed);
                Action::Respond(200, vec![], body.clone())
            }
        });
        let case = ClusterCase::without_node().unwrap().through(&proxy);
        run(&case, &["ready.deploy=shop", "ready.timeout=5s"]).exits(3);
        let watches = watches.load(Ordering::Relaxed);
        assert!((3..=8).contains(&watches), "{watches} watches in 5 s, closed by {body:?}");
    }
}

#[test]
fn an_interrupted_wait_is_not_a_failure() {
    let Some(case) = ClusterCase::without_node() else { return };
    let namespace = format!("ready.namespace={}", case.namespace);
    let mut command =
        case.command(["run", "--set", "tasks={ready}", "--set", &namespace, "--set", "ready.deploy=never"]);
    let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let started = Instant::now();
    let is_waiting =
        || std::fs::read_to_string(case.cli.path("experiment.yaml")).is_ok_and(|text| text.contains("running"));
    while !is_waiting() {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = CliOutput::of(&command, child.wait_with_output().unwrap(), &case.cli.path(""));
    output.expect(143, &["interrupted"]);
    assert_eq!(case.cli.document()["result"]["tasks"][0]["status"], "interrupted");
}

#[test]
fn an_api_server_whose_name_does_not_resolve_is_retried_until_the_timeout() {
    let bench = CliCase::new();
    let kubeconfig = "clusters: [{name: c, cluster: {server: 'https://no-such-host.invalid:6443'}}]\ncurrent-context: x\n\
                      contexts: [{name: x, context: {cluster: c}}]\n";
    let path = bench.write("lost.kubeconfig", kubeconfig);
    let mut command = bench.command();
    let values = ["tasks={ready}", "ready.deploy=shop", "ready.timeout=2s"];
    command.env("KUBECONFIG", path).arg("run").args(values.iter().flat_map(|pair| ["--set", pair]));
    let begun = Instant::now();
    CliOutput::run(&mut command, &bench.path("")).expect(3, &["not ready within 2s", "dns error"]);
    assert!(begun.elapsed() >= Duration::from_secs(2));
}
