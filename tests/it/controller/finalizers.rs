//! Deletions are seen, and no resource is ever stuck in its deletion.

use serde_json::{Value, json};

use super::controller_case::{CONFIG, ControllerCase, routemap};

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
    let output = crate::support::cli_case::CliOutput::run(command.arg(config), &case.case.cli.path(""));
    output.exits(0);
    assert_eq!(output.stdout, format!("inferenceservices.serving.kserve.io {namespace}/shop-0: finalizer removed\n"));
    assert_eq!(finalizers(&case, "shop-0"), Value::Null);
    assert_eq!(controller.metric("iter8_controller_leader"), Some(0.0));
    case.delete("isvc/shop-0");
    case.case.cluster.wait_until_gone("inferenceservices", &namespace, "shop-0");
}
