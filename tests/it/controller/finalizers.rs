//! Deletions are seen, and no resource is ever stuck in its deletion.

use std::path::Path;

use serde_json::{Value, json};

use super::controller_case::{CONFIG, ControllerCase, routemap, service_account};
use crate::support::cli_case::CliOutput;

/// Finalizers of an InferenceService.
fn finalizers(case: &ControllerCase, name: &str) -> Value {
    case.get("inferenceservices", name)["metadata"]["finalizers"].clone()
}

#[track_caller]
fn wait_for_finalizers(case: &ControllerCase, name: &str, expected: &Value) {
    case.case.cluster.wait_for("inferenceservices", &case.case.namespace, name, |object| {
        object["metadata"]["finalizers"] == *expected
    });
}

#[test]
fn a_finalizer_is_set_while_a_routemap_names_the_resource() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.model("shop-0");
    case.model("other-0");
    let namespace = case.case.namespace.clone();
    let foreign = json!({"metadata": {"finalizers": ["example.com/keep"]}}).to_string();
    case.case.cluster.kubectl_ok(&["patch", "isvc", "shop-0", "-n", &namespace, "--type=merge", "-p", &foreign]);
    case.apply(&routemap("shop"));
    wait_for_finalizers(&case, "shop-0", &json!(["example.com/keep", "iter8.tools/finalizer"]));
    case.wait_for_shop();
    assert_eq!(finalizers(&case, "other-0"), Value::Null);

    // Without its label the resource is not watched any more.
    case.case.cluster.kubectl_ok(&["label", "isvc", "shop-0", "iter8.tools/watch-", "-n", &namespace]);
    wait_for_finalizers(&case, "shop-0", &json!(["example.com/keep"]));
    case.case.cluster.kubectl_ok(&["label", "isvc", "shop-0", "iter8.tools/watch=true", "-n", &namespace]);
    wait_for_finalizers(&case, "shop-0", &json!(["example.com/keep", "iter8.tools/finalizer"]));

    case.delete("cm/shop-routemap");
    wait_for_finalizers(&case, "shop-0", &json!(["example.com/keep"]));
}

#[test]
fn a_resource_is_deleted_when_the_last_routemap_has_moved_its_traffic() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.ready_models(&["shop-0", "shop-1"]);
    case.apply(&routemap("shop"));
    case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 1)]);
    wait_for_finalizers(&case, "shop-1", &json!(["iter8.tools/finalizer"]));
    case.delete("isvc/shop-1");
    case.case.cluster.wait_until_gone("inferenceservices", &case.case.namespace, "shop-1");
    case.wait_for_shop();
}

#[test]
fn a_deletion_while_no_controller_runs_is_handled_at_the_start() {
    let Some(case) = ControllerCase::new() else { return };
    let controller = case.ready_controller();
    case.ready_models(&["shop-0", "shop-1", "gone-0"]);
    case.apply(&routemap("shop"));
    case.apply(&routemap("gone"));
    case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 1)]);
    for name in ["shop-1", "gone-0"] {
        wait_for_finalizers(&case, name, &json!(["iter8.tools/finalizer"]));
    }
    controller.kill();
    case.delete("isvc/shop-1");
    case.delete("cm/gone-routemap");
    let _controller = case.ready_controller();
    case.case.cluster.wait_until_gone("inferenceservices", &case.case.namespace, "shop-1");
    case.wait_for_shop();
    wait_for_finalizers(&case, "gone-0", &Value::Null);
}

#[test]
fn cleanup_stops_the_controller_and_removes_all_finalizers() {
    let Some(case) = ControllerCase::new() else { return };
    let controller = case.ready_controller();
    case.model("shop-0");
    case.apply(&routemap("shop"));
    wait_for_finalizers(&case, "shop-0", &json!(["iter8.tools/finalizer"]));
    let namespace = case.case.namespace.clone();
    // Also from a resource that the controller does not watch any more.
    let config = case.case.cli.write("config.yaml", CONFIG);
    let mut command = case.case.command(["controllers", "--cleanup", "-n", &namespace, "--config"]);
    let output = CliOutput::run(command.arg(config), &case.case.cli.path(""));
    output.exits(0);
    assert_eq!(output.stdout, format!("inferenceservices.serving.kserve.io {namespace}/shop-0: finalizer removed\n"));
    assert_eq!(finalizers(&case, "shop-0"), Value::Null);
    assert_eq!(controller.metric("iter8_controller_leader"), Some(0.0));
    case.delete("isvc/shop-0");
    case.case.cluster.wait_until_gone("inferenceservices", &namespace, "shop-0");
}

/// Sets the controller's finalizer on an InferenceService, like an earlier controller.
#[track_caller]
fn leave_finalizer(case: &ControllerCase, name: &str) {
    let patch = json!({"metadata": {"finalizers": ["iter8.tools/finalizer"]}}).to_string();
    case.case.cluster.kubectl_ok(&["patch", "isvc", name, "-n", &case.case.namespace, "--type=merge", "-p", &patch]);
}

#[test]
fn a_label_that_was_lost_while_no_controller_ran_is_noticed_at_the_start() {
    let Some(case) = ControllerCase::new() else { return };
    case.ready_models(&["shop-0", "shop-1"]);
    for name in ["shop-0", "shop-1"] {
        leave_finalizer(&case, name);
        case.case.cluster.kubectl_ok(&["label", "isvc", name, "iter8.tools/watch-", "-n", &case.case.namespace]);
    }
    case.delete("isvc/shop-1");
    let _controller = case.ready_controller();
    case.case.cluster.wait_until_gone("inferenceservices", &case.case.namespace, "shop-1");
    wait_for_finalizers(&case, "shop-0", &Value::Null);
}

#[test]
fn cleanup_finds_types_that_are_not_in_the_configuration_any_more() {
    let Some(case) = ControllerCase::new() else { return };
    case.model("shop-0");
    leave_finalizer(&case, "shop-0");
    let without_models = "resourceTypes: {svc: {Group: '', Version: v1, Resource: services}}";
    let config = case.case.cli.write("config.yaml", without_models);
    let cleanup = |kubeconfig: &Path| {
        let mut command = case.case.command(["controllers", "--cleanup", "-n", &case.case.namespace, "--config"]);
        command.arg(&config).env("KUBECONFIG", kubeconfig);
        CliOutput::run(&mut command, &case.case.cli.path(""))
    };

    // A user who may not list them gets a warning.
    let namespace = case.case.namespace.clone();
    case.apply(&service_account(
        "limited",
        "{apiGroups: [''], resources: [services], verbs: [get, list, watch, patch]}",
    ));
    let token = case.case.cluster.token(&namespace, "limited");
    let output = cleanup(&case.case.cluster.kubeconfig_with_token(&token, &namespace));
    output.exits(0);
    assert!(output.stderr.contains("repeat the cleanup as a user who may list and patch it: "), "{}", output.stderr);
    assert!(output.stderr.contains("inferenceservices.serving.kserve.io"), "{}", output.stderr);
    assert_eq!(finalizers(&case, "shop-0"), json!(["iter8.tools/finalizer"]));

    let output = cleanup(&case.case.kubeconfig);
    output.exits(0);
    assert_eq!(output.stdout, format!("inferenceservices.serving.kserve.io {namespace}/shop-0: finalizer removed\n"));
    assert_eq!(finalizers(&case, "shop-0"), Value::Null);
}

#[test]
fn no_finalizer_is_set_for_a_routemap_that_names_a_type_that_cannot_be_read() {
    let Some(case) = ControllerCase::new() else { return };
    let namespace = case.case.namespace.clone();
    let rules = "{apiGroups: ['', serving.kserve.io, networking.istio.io, apps], \
                 resources: [configmaps, inferenceservices, virtualservices, deployments], \
                 verbs: [get, list, watch, patch, create]}, \
                 {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}";
    case.apply(&service_account("limited", rules));
    let token = case.case.cluster.token(&namespace, "limited");
    let kubeconfig = case.case.cluster.kubeconfig_with_token(&token, &namespace);
    let case = ControllerCase { case: case.case.with_kubeconfig(kubeconfig) };
    let controller = case.controller("iter8-0", CONFIG, &[]);
    controller.log.wait_for("cannot list services");
    controller.wait_until_leader();
    case.ready_models(&["both-0", "shop-0"]);
    let both = routemap("both")
        .replace("{gvrShort: isvc, name: both-0}", "{gvrShort: isvc, name: both-0}, {gvrShort: svc, name: both}");
    case.apply(&both);
    case.apply(&routemap("shop"));
    wait_for_finalizers(&case, "shop-0", &json!(["iter8.tools/finalizer"]));
    assert_eq!(finalizers(&case, "both-0"), Value::Null);
    assert_eq!(controller.http("/readyz").0, 503);
    assert!(
        controller.metric("iter8_controller_watch_restarts_total{resource=\"services\",reason=\"forbidden\"}")
            > Some(0.0)
    );

    // With the missing permission, the routemap is decided.
    case.apply(&service_account("limited", &rules.replace("configmaps,", "configmaps, services,")));
    wait_for_finalizers(&case, "both-0", &json!(["iter8.tools/finalizer"]));
    controller.wait_until_ready();
}
