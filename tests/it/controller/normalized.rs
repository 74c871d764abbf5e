//! Routing objects that the API server stores in another form than templates render: nothing is written at rest, and drift is still seen.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::controller_case::{CONFIG, Controller, ControllerCase, routemap_with};

/// Another version of VirtualServices than the watched one, and further types of routing objects.
const TYPES: &str = "  \
  gateway-route: {Group: gateway.networking.k8s.io, Version: v1, Resource: httproutes}
  quota: {Group: '', Version: v1, Resource: resourcequotas}
  vs-v1: {Group: networking.istio.io, Version: v1, Resource: virtualservices}
routeTypes: [vs, gateway-route, quota, vs-v1]
";

/// Empty values, another version than the watched one, and the fields that `kubectl create --dry-run` writes.
const VIRTUAL_SERVICE: &str = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: wisdom
  creationTimestamp: null
  labels: {}
spec:
  hosts: [wisdom.example]
  gateways: []
  http:
  - headers: {}
    route:
    - destination: {host: wisdom.example}
      weight: {{ index .Weights 0 }}
status: {}
";

/// None of the defaults that the API server adds inside of lists.
const HTTP_ROUTE: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: wisdom}
spec:
  parentRefs: [{name: gateway}]
  hostnames: [wisdom.example]
  rules:
  - matches: [{headers: [{name: traffic, value: test}]}]
    backendRefs: [{name: wisdom-1, port: 80}]
  - backendRefs: [{name: wisdom-0, port: 80}]
";

/// Quantities that the API server converts.
const QUOTA: &str = "apiVersion: v1
kind: ResourceQuota
metadata: {name: wisdom, labels: null}
spec:
  hard: {requests.cpu: 1000m, requests.memory: 1024Mi, pods: 7, limits.cpu: 0.5}
";

/// Objects by type, with an edit of a field that the controller owns, and that field.
const OBJECTS: [(&str, &str, &str, &str, &str); 3] = [
    (
        "virtualservices",
        "vs-v1",
        VIRTUAL_SERVICE,
        r#"[{"op": "replace", "path": "/spec/http/0/route/0/destination/host", "value": "evil.example"}]"#,
        "spec.http[0].route[0].destination.host",
    ),
    (
        "httproutes",
        "gateway-route",
        HTTP_ROUTE,
        // A default inside of a list that is owned whole.
        r#"[{"op": "replace", "path": "/spec/rules/1/backendRefs/0/weight", "value": 5}]"#,
        "spec.rules[1].backendRefs[0].weight",
    ),
    (
        "resourcequotas",
        "quota",
        QUOTA,
        r#"[{"op": "replace", "path": "/spec/hard/requests.cpu", "value": "2"}]"#,
        "spec.hard.requests.cpu",
    ),
];

/// Returns the number of applies that the controller has sent.
fn applies(controller: &Controller) -> f64 {
    controller.metric("iter8_controller_apply_duration_seconds_count").unwrap_or_default()
}

/// Waits until each routemap was reconciled a few times without a change.
#[track_caller]
fn wait_for_resyncs(controller: &Controller) {
    let unchanged = || controller.metric("iter8_controller_reconciles_total{result=\"unchanged\"}").unwrap_or_default();
    let (before, started) = (unchanged(), Instant::now());
    while unchanged() < before + 12.0 {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", controller.log.text());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for some resyncs, and asserts that none of them has sent an apply.
#[track_caller]
fn assert_rest(controller: &Controller) {
    wait_for_resyncs(controller);
    let before = applies(controller);
    wait_for_resyncs(controller);
    assert_eq!(applies(controller), before, "{}", controller.log.text());
}

/// Returns what the API server has of an object, without its version and the times of writes.
fn spec(case: &ControllerCase, resource: &str) -> Value {
    case.get(resource, "wisdom")["spec"].clone()
}

#[test]
fn objects_that_the_api_server_rewrites_are_written_once() {
    let Some(case) = ControllerCase::new() else { return };
    let namespace = case.case.namespace.as_str();
    case.ready_models(&["wisdom-0"]);
    for (_, short, template, ..) in OBJECTS {
        let routemap = routemap_with(short, &["wisdom-0"], template);
        case.apply(&routemap.replace("gvrShort: vs\n", &format!("gvrShort: {short}\n")));
    }
    let config = format!("{}{TYPES}", CONFIG.replace("15m", "200ms"));
    let controller = case.controller("iter8-0", &config, &[]);
    let path = case.case.cli.path("iter8-0.yaml");
    let view = |args: &[&str]| case.case.k([&["routes", "--config", path.to_str().unwrap()], args].concat());
    view(&["--wait"]).exits(0);
    assert_rest(&controller);
    assert_eq!(applies(&controller), 3.0, "{}", controller.log.text());
    assert!(!controller.log.text().contains("was changed by someone else"), "{}", controller.log.text());
    insta::with_settings!({filters => vec![(namespace, "NAMESPACE"), (r"changed \d+s ago", "changed SECONDS ago")]}, {
        insta::assert_snapshot!("rewritten_objects_are_in_place", view(&[]).exits(0).stdout);
    });

    let patch = |resource: &str, of_type: &str, patch: &str, more: &[&str]| {
        let args = ["patch", resource, "wisdom", "-n", namespace, of_type, "-p", patch];
        case.case.cluster.kubectl_ok(&[&args, more].concat());
    };
    for (resource, _, _, edit, field) in OBJECTS {
        let before = spec(&case, resource);
        patch(resource, "--type=json", edit, &[]);
        controller.log.wait_for(&format!("{field} was changed by someone else"));
        assert_eq!(spec(&case, resource), before, "{resource}");
        // Fields of others are left alone.
        patch(resource, "--type=merge", r#"{"metadata": {"annotations": {"team": "search"}}}"#, &[]);
    }
    let status = json!({"status": {"parents": []}}).to_string();
    patch("httproutes", "--type=merge", &status, &["--subresource=status"]);
    view(&["--wait"]).exits(0);
    assert_rest(&controller);
    assert_eq!(applies(&controller), 6.0, "{}", controller.log.text());

    // Nobody else writes from here on: the quota's status follows its spec.
    let is_current = |object: &Value| object["status"]["hard"] == object["spec"]["hard"];
    case.case.cluster.wait_for("resourcequotas", namespace, "wisdom", is_current);
    // A restarted controller does not know the earlier applies. It may apply again, but that changes nothing.
    let versions = || OBJECTS.map(|(resource, ..)| case.get(resource, "wisdom")["metadata"]["resourceVersion"].clone());
    controller.stop();
    let before = versions();
    let controller = case.controller("iter8-0", &config, &[]);
    controller.wait_until_leader();
    assert_rest(&controller);
    assert!(applies(&controller) <= 3.0, "{}", controller.log.text());
    assert_eq!(versions(), before);
    assert!(!controller.log.text().contains("applied "), "{}", controller.log.text());
    let (resource, _, _, edit, field) = OBJECTS[1];
    patch(resource, "--type=json", edit, &[]);
    controller.log.wait_for(&format!("{field} was changed by someone else"));
}

#[test]
fn fields_that_only_the_api_server_sets_are_refused() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.ready_models(&["wisdom-0"]);
    let template =
        VIRTUAL_SERVICE.replace("/v1\n", "/v1beta1\n").replace("creationTimestamp: null", "resourceVersion: '5'");
    case.apply(&routemap_with("wisdom", &["wisdom-0"], &template));
    case.wait_for_event(
        "wisdom",
        "InvalidObject",
        "metadata.resourceVersion: is set by the API server; remove it from the template",
    );
}
