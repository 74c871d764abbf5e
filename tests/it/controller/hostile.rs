//! Users who may create ConfigMaps cannot change workloads with the rights of the controller, stop it, or make it use much memory.

use std::time::{Duration, Instant};

use super::controller_case::{CONFIG, Controller, ControllerCase, LABELS, routemap, routemap_with};

/// A template that would replace the image and the service account of a workload.
const TAKEOVER: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: victim}
spec:
  selector: {matchLabels: {app: victim}}
  template:
    metadata: {labels: {app: victim}}
    spec: {serviceAccountName: admin, containers: [{name: app, image: evil}]}
";

#[test]
fn workloads_cannot_be_changed_with_the_rights_of_the_controller() {
    let Some(case) = ControllerCase::new() else { return };
    let controller = case.ready_controller();
    case.apply(&TAKEOVER.replace("evil", "good").replace("serviceAccountName: admin, ", ""));
    let before = case.get("deployments", "victim")["spec"].clone();
    case.apply(&routemap_with("takeover", &["shop-0"], TAKEOVER).replace("gvrShort: vs", "gvrShort: deploy"));
    case.wait_for_event("takeover", "TypeNotAllowed", "add `deploy` to routeTypes in the controller's configuration");
    controller.log.wait_for("objects of type `deploy` may not be rendered (allowed: vs)");
    assert!(controller.metric("iter8_controller_errors_total{reason=\"type_not_allowed\"}") >= Some(1.0));
    let view = case.case.k(["routes", "takeover"]);
    assert!(view.exits(0).stdout.contains("objects of type `deploy` may not be rendered"), "{view:#?}");
    assert_eq!(case.get("deployments", "victim")["spec"], before);
}

/// A template that needs far more work than a routemap may do.
const COSTLY: &str = "{{ range until 100 }}{{ regexFindAll \"(a|b)*c\" (repeat 100000 \"a\") -1 }}{{ end }}";

#[test]
fn costly_templates_delay_neither_other_routemaps_nor_probes() {
    let Some(case) = ControllerCase::new() else { return };
    let controller = case.ready_controller();
    controller.wait_until_leader();
    case.ready_models(&["shop-0", "shop-1"]);
    case.apply(&routemap("shop"));
    case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 1)]);
    let templates: String =
        (0..100).map(|number| format!("      t{number}: {{gvrShort: vs, template: '{COSTLY}'}}\n")).collect();
    for number in 0..6 {
        let routemap = routemap_with(&format!("costly-{number}"), &["shop-1"], "");
        let (start, _) = routemap.split_once("      routes:").unwrap();
        case.apply(&format!("{start}{templates}"));
    }
    let started = Instant::now();
    case.set_ready("shop-1", "False");
    case.wait_for_weights("shop", &[("shop-0", 1)]);
    assert_eq!(controller.http("/healthz").0, 200);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    case.wait_for_event("costly-0", "TemplateFailed", "share a limit");
    controller.wait_until_leader();
}

/// Largest memory of the process so far, in MiB.
fn peak(controller: &Controller) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", controller.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[test]
fn large_objects_of_others_take_little_memory() {
    let Some(case) = ControllerCase::new() else { return };
    let text = "x".repeat(999_000);
    for number in 0..60 {
        let yaml =
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: plain-{number}}}\ndata: {{text: {text}}}\n");
        case.apply(&yaml);
    }
    let controller = case.controller("iter8-0", &format!("{CONFIG}routeTypes: [cm]\n"), &[]);
    controller.wait_until_ready();
    let before = peak(&controller);
    let output = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: out}\ndata: {a: b}\n";
    case.apply(&routemap_with("routes", &["shop-0"], output).replace("gvrShort: vs", "gvrShort: cm"));
    case.case.cluster.wait_for("configmaps", &case.case.namespace, "out", |_| true);
    let taken = peak(&controller) - before;
    assert!(taken < 64, "{taken} MiB, {before} MiB before");
}

#[test]
fn a_small_text_that_expands_to_many_maps_is_an_invalid_routemap() {
    let Some(case) = ControllerCase::new() else { return };
    let controller = case.ready_controller();
    let before = peak(&controller);
    let mut bomb = "    a0: &a0 {\"\": 0}\n".to_owned();
    for level in 1..5 {
        bomb.push_str(&format!("    a{level}: &a{level} [{}]\n", format!("*a{}, ", level - 1).repeat(10)));
    }
    bomb.push_str(&format!("    versions: [{}]\n", "*a4, ".repeat(28)));
    case.apply(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: bomb, labels: {LABELS}}}\nimmutable: true\ndata:\n  strSpec: |\n{bomb}"
    ));
    case.wait_for_event("bomb", "InvalidRoutemap", "aliases expand");
    let taken = peak(&controller) - before;
    assert!(taken < 64, "{taken} MiB, {before} MiB before");
}
