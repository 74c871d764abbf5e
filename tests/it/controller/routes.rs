//! Routes follow the resources of versions, and nothing else is written.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::controller_case::{CONFIG, ControllerCase, model, routemap, routemap_with, template};

/// Resource version of the VirtualService.
fn version(case: &ControllerCase, name: &str) -> Value {
    case.get("virtualservices", name)["metadata"]["resourceVersion"].clone()
}

#[test]
fn a_candidate_gets_traffic_while_it_is_ready() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.shop();
    case.wait_for_shop();
    case.wait_for_event("shop-routemap", "RoutesApplied", "version 1 is not available (isvc");
    case.wait_for_event("shop", "RoutesApplied", "weights 1, 0");

    case.model("shop-1");
    case.set_ready("shop-1", "False");
    case.set_ready("shop-1", "True");
    case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 1)]);
    case.case.cluster.kubectl_ok(&["annotate", "isvc", "shop-1", "iter8.tools/weight=3", "-n", &case.case.namespace]);
    case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 3)]);
    case.set_ready("shop-1", "Unknown");
    case.wait_for_shop();
    case.set_ready("shop-1", "true");
    case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 3)]);
    case.delete("isvc/shop-1");
    case.wait_for_shop();
    case.case.cluster.wait_until_gone("isvc", &case.case.namespace, "shop-1");
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let Some(case) = ControllerCase::new() else { return };
    case.shop();
    let controller = case.ready_controller();
    case.wait_for_shop();
    controller.log.wait_for("applied virtualservices");
    let before = version(&case, "shop");
    controller.stop();

    let controller = case.controller("iter8-0", &CONFIG.replace("15m", "200ms"), &[]);
    controller.wait_until_leader();
    let started = Instant::now();
    while controller.metric("iter8_controller_reconciles_total{result=\"unchanged\"}").unwrap_or_default() < 5.0 {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", controller.log.text());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(controller.metric("iter8_controller_apply_duration_seconds_count"), Some(0.0));
    assert_eq!(version(&case, "shop"), before);
}

#[test]
fn edits_of_our_fields_are_undone_and_fields_of_others_are_kept() {
    let Some(case) = ControllerCase::new() else { return };
    let controller = case.ready_controller();
    case.shop();
    case.wait_for_shop();
    let namespace = &case.case.namespace;

    let foreign = json!({"metadata": {"labels": {"team": "search"}}, "spec": {"exportTo": ["."]}}).to_string();
    case.case.cluster.kubectl_ok(&["patch", "virtualservice", "shop", "-n", namespace, "--type=merge", "-p", &foreign]);
    let edit = json!([{"op": "replace", "path": "/spec/http/0/route/0/destination/host", "value": "evil.example"}]);
    case.case.cluster.kubectl_ok(&[
        "patch",
        "virtualservice",
        "shop",
        "-n",
        namespace,
        "--type=json",
        "-p",
        &edit.to_string(),
    ]);
    let repaired = case.wait_for_shop();
    assert_eq!(repaired["metadata"]["labels"]["team"], "search");
    assert_eq!(repaired["spec"]["exportTo"], json!(["."]));
    case.wait_for_event("shop", "DriftRepaired", "spec.http[0].route[0].destination.host was changed by someone else");

    case.delete("virtualservice/shop");
    case.wait_for_event("shop", "DriftRepaired", "was deleted by someone else and has been created again");
    case.wait_for_shop();
    assert!(controller.metric("iter8_controller_drift_repairs_total") >= Some(2.0));
}

#[test]
fn one_resource_may_belong_to_many_routemaps() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.ready_models(&["shop-0", "shop-1"]);
    for name in ["first", "second"] {
        let routes = template(name).replace(&format!("{name}-0."), "shop-0.").replace(&format!("{name}-1."), "shop-1.");
        case.apply(&routemap_with(&format!("{name}-routemap"), &["shop-0", "shop-1"], &routes));
    }
    for status in ["True", "False", "True"] {
        case.set_ready("shop-1", status);
        for name in ["first", "second"] {
            let both = [("shop-0", 1), ("shop-1", 1)];
            case.wait_for_weights(name, if status == "True" { &both } else { &both[..1] });
        }
    }
}

#[test]
fn resources_of_a_type_that_appears_later_are_watched() {
    let Some(case) = ControllerCase::new() else { return };
    let group = format!("{}.example", case.case.namespace);
    let config = format!("{CONFIG}  late: {{Group: {group}, Version: v1, Resource: things}}\n");
    let controller = case.controller("iter8-0", &config, &[]);
    controller.wait_until_ready();
    let name = format!("things.{group}");
    case.apply(&model("shop-0"));
    case.set_ready("shop-0", "True");
    case.apply(&routemap("shop").replace("gvrShort: isvc, name: shop-1", "gvrShort: late, name: shop-1"));
    case.wait_for_shop();
    case.case.cluster.kubectl_with_input(&["create", "-f", "-"], &format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {name}}}\nspec:\n  group: {group}\n  \
         scope: Namespaced\n  names: {{plural: things, singular: thing, kind: Thing}}\n  versions:\n  - name: v1\n    served: true\n    \
         storage: true\n    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}\n"
    )).exits(0);
    let thing = format!(
        "apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: shop-1, labels: {{iter8.tools/watch: 'true'}}}}\n"
    );
    let started = Instant::now();
    while case.case.cluster.kubectl_with_input(&["apply", "-n", &case.case.namespace, "-f", "-"], &thing).code
        != Some(0)
    {
        assert!(started.elapsed() < Duration::from_secs(60), "the type is not known");
        std::thread::sleep(Duration::from_millis(100));
    }
    case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 1)]);
    case.case.cluster.kubectl_ok(&["delete", "crd", &name, "--wait=false"]);
}

#[test]
fn routes_that_were_lost_without_their_routemap_come_back_with_it() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.model("shop-0");
    case.set_ready("shop-0", "True");
    for _ in 0..2 {
        case.apply(&routemap("shop"));
        case.wait_for_shop();
        case.delete("cm/shop-routemap");
        case.case.cluster.wait_until_gone("configmaps", &case.case.namespace, "shop-routemap");
        case.delete("virtualservice/shop");
        case.case.cluster.wait_until_gone("virtualservices", &case.case.namespace, "shop");
    }
}

#[test]
fn a_weight_annotation_without_effect_is_reported() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.shop();
    case.wait_for_shop();
    let namespace = &case.case.namespace;
    for weight in ["-1", "1e9", "abc"] {
        let annotation = format!("iter8.tools/weight={weight}");
        case.case.cluster.kubectl_ok(&["annotate", "isvc", "shop-0", &annotation, "--overwrite", "-n", namespace]);
        case.wait_for_event("shop-routemap", "InvalidWeight", &format!("`{weight}` is not a valid weight"));
        case.wait_for_shop();
    }
}
