//! The controller survives restarts of the API server, crashes in the middle of its work, and objects that flap.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::json;

use super::controller_case::{CONFIG, Controller, ControllerCase, model, routemap};
use crate::support::runtime::block_on;

/// Creates routemaps `m0`, `m1`, … with two ready InferenceServices each, and waits for their routes.
#[track_caller]
fn applications(case: &ControllerCase, count: usize) {
    let names: Vec<String> = (0..count).map(|number| format!("m{number}")).collect();
    let yaml: Vec<String> = names
        .iter()
        .flat_map(|name| [model(&format!("{name}-0")), model(&format!("{name}-1")), routemap(name)])
        .collect();
    case.apply(&yaml.join("---\n"));
    let models: Vec<String> = names.iter().flat_map(|name| [format!("{name}-0"), format!("{name}-1")]).collect();
    set_all(case, &models, "True");
    for name in &names {
        case.wait_for_weights(name, &[(&format!("{name}-0"), 1), (&format!("{name}-1"), 1)]);
    }
}

/// Sets the status of InferenceServices, many at a time.
fn set_all(case: &ControllerCase, models: &[String], status: &str) {
    let kind = GroupVersionKind::gvk("serving.kserve.io", "v1beta1", "InferenceService");
    let client = case.case.cluster.client();
    let api: Api<DynamicObject> = Api::namespaced_with(client, &case.case.namespace, &ApiResource::from_gvk(&kind));
    let patch = json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
    let set = |name: &String| {
        let (api, patch, name) = (api.clone(), patch.clone(), name.clone());
        async move {
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        }
    };
    block_on(stream::iter(models).for_each_concurrent(16, set));
}

fn applies(controller: &Controller) -> f64 {
    controller.metric("iter8_controller_apply_duration_seconds_count").unwrap_or_default()
}

#[test]
fn a_restart_of_the_api_server_loses_nothing() {
    let Some(case) = ControllerCase::own() else { return };
    let cluster = case.case.cluster;
    let controller = case.ready_controller();
    applications(&case, 3);
    let settled = controller.log.text().len();
    for _ in 0..2 {
        cluster.stop_api_server();
        cluster.start_api_server();
        case.set_ready("m1-1", "False");
        case.wait_for_weights("m1", &[("m1-0", 1)]);
        case.set_ready("m1-1", "True");
        case.wait_for_weights("m1", &[("m1-0", 1), ("m1-1", 1)]);
    }
    // The others kept their traffic: an InferenceService that cannot be read is not a missing one.
    for name in ["m0", "m2"] {
        let log = controller.log.text();
        let mut decisions = log[settled..].lines().filter(|line| line.contains(&format!("/{name}-routemap: weights")));
        assert!(decisions.all(|line| line.contains("weights 1, 1")), "{log}");
    }
    assert!(controller.log.text()[settled..].contains("/m1-routemap: weights"), "the log shows decisions");
    controller.wait_until_leader();
    drop(controller);
    cluster.stop();
}

#[test]
fn a_deletion_that_no_watch_reports_is_noticed() {
    let Some(case) = ControllerCase::own() else { return };
    let cluster = case.case.cluster;
    let controller = case.ready_controller();
    applications(&case, 2);
    // The controller is suspended and loses its connections. When it asks for the changes in between, the API server no longer has them.
    controller.suspend(true);
    let restart = || {
        cluster.stop_api_server();
        cluster.start_api_server();
    };
    restart();
    let namespace = &case.case.namespace;
    case.delete("isvc/m1-1");
    let release = json!({"metadata": {"finalizers": null}}).to_string();
    cluster.kubectl_ok(&["patch", "isvc", "m1-1", "-n", namespace, "--type=merge", "-p", &release]);
    cluster.wait_until_gone("inferenceservices", namespace, "m1-1");
    restart();
    controller.suspend(false);
    case.wait_for_weights("m1", &[("m1-0", 1)]);
    let expired =
        "iter8_controller_watch_restarts_total{resource=\"inferenceservices.serving.kserve.io\",reason=\"expired\"}";
    assert!(controller.metric(expired) > Some(0.0), "the deletion was not missed: {}", controller.log.text());
    case.wait_for_weights("m0", &[("m0-0", 1), ("m0-1", 1)]);
    assert_eq!(controller.http("/healthz").0, 200);
    drop(controller);
    cluster.stop();
}

#[test]
fn objects_that_flap_cause_bounded_work_and_no_write_at_rest() {
    let Some(case) = ControllerCase::new() else { return };
    let controller = case.controller("iter8-0", &CONFIG.replace("15m", "500ms"), &[]);
    controller.wait_until_leader();
    applications(&case, 25);
    let before = applies(&controller);
    let started = Instant::now();
    let candidates: Vec<String> = (0..25).map(|number| format!("m{number}-1")).collect();
    for round in 0..40 {
        set_all(&case, &candidates, if round % 2 == 0 { "False" } else { "True" });
    }
    for number in 0..25 {
        let name = format!("m{number}");
        case.wait_for_weights(&name, &[(&format!("{name}-0"), 1), (&format!("{name}-1"), 1)]);
    }
    // At most one apply per status, and ten per second and routemap.
    let intervals = started.elapsed().as_secs_f64() / 0.1 + 2.0;
    let written = applies(&controller) - before;
    assert!(written <= 25.0 * intervals.min(41.0), "{written} applies for 1,000 changes of status");
    let reconciled =
        || controller.metric("iter8_controller_reconciles_total{result=\"unchanged\"}").unwrap_or_default();
    let resync = || {
        let (unchanged, deadline) = (reconciled(), Instant::now() + Duration::from_secs(60));
        while reconciled() < unchanged + 75.0 {
            assert!(Instant::now() < deadline, "no resync");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    // Applies are counted after their response, so the last one may not be counted yet.
    resync();
    let written = applies(&controller);
    resync();
    assert_eq!(applies(&controller), written, "nothing is written at rest");
}

#[test]
fn a_leader_that_dies_in_the_middle_of_its_work_is_replaced() {
    let Some(case) = ControllerCase::new() else { return };
    let first = case.controller("iter8-a", CONFIG, &[]);
    first.wait_until_leader();
    let second = case.controller("iter8-b", CONFIG, &[]);
    second.wait_until_ready();
    applications(&case, 20);
    let before = applies(&first);
    let candidates: Vec<String> = (0..20).map(|number| format!("m{number}-1")).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| set_all(&case, &candidates, "False"));
        while applies(&first) < before + 3.0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        first.kill();
    });
    for number in 0..20 {
        let name = format!("m{number}");
        case.wait_for_weights(&name, &[(&format!("{name}-0"), 1)]);
    }
    second.wait_until_leader();
}
