//! Routemaps that cannot be used are reported with their reason and never stop the others.

use super::controller_case::{ControllerCase, routemap, routemap_with, template};

/// A template whose routes have no weight at all: Envoy would reject it, and all later changes of the gateway's port with it.
const ALL_ZERO: &str = "apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: zero}
spec:
  hosts: [zero.example]
  http:
  - route:
    - {destination: {host: a.example}, weight: 0}
    - {destination: {host: b.example}, weight: 0}
";

#[test]
fn invalid_routemaps_are_reported_and_do_not_stop_others() {
    let Some(case) = ControllerCase::new() else { return };
    let controller = case.ready_controller();
    case.model("shop-0");
    case.set_ready("shop-0", "True");
    let bad = [
        (
            "mutable",
            routemap_with("mutable", &["shop-0"], ALL_ZERO).replace("immutable: true\n", ""),
            "immutable: must be `true`",
        ),
        ("empty", routemap_with("empty", &[], ALL_ZERO), "versions: is empty"),
        (
            "unknown",
            routemap_with("unknown", &["shop-0"], ALL_ZERO).replace("gvrShort: isvc", "gvrShort: ksvc"),
            "`ksvc` is not a configured",
        ),
        ("syntax", routemap_with("syntax", &["shop-0"], "{{ if }}"), "routingTemplates.routes.template: "),
        ("clock", routemap_with("clock", &["shop-0"], "# {{ now }}\n"), "unsupported function `now`"),
        (
            "foreign",
            routemap_with("foreign", &["shop-0"], ALL_ZERO).replace("name: shop-0", "name: shop-0, namespace: default"),
            "`default` is not the namespace",
        ),
        (
            "endless",
            routemap_with(
                "endless",
                &["shop-0"],
                "{{ range until 100000 }}{{ range until 100000 }}x{{ end }}{{ end }}",
            ),
            "template `routes`: ",
        ),
        (
            "kind",
            routemap_with(
                "kind",
                &["shop-0", "shop-1"],
                &template("kind").replace("kind: VirtualService", "kind: Secret"),
            ),
            "is `Secret`",
        ),
        (
            "elsewhere",
            routemap_with(
                "elsewhere",
                &["shop-0", "shop-1"],
                &template("elsewhere").replace("  name: elsewhere", "  name: elsewhere\n  namespace: kube-system"),
            ),
            "kube-system",
        ),
        ("zero", routemap_with("zero", &["shop-0", "shop-1"], ALL_ZERO), "all weights are 0"),
    ];
    for (_, yaml, _) in &bad {
        case.apply(yaml);
    }
    case.apply(&routemap("shop"));
    case.wait_for_shop();
    let mut notes = String::new();
    for (name, _, text) in &bad {
        let (status, body) = controller.http("/healthz");
        assert_eq!(status, 200, "{body}");
        let note = ["InvalidRoutemap", "TemplateFailed", "InvalidObject"];
        let reason = match *name {
            "endless" => note[1],
            "kind" | "elsewhere" | "zero" => note[2],
            _ => note[0],
        };
        notes.push_str(&format!("{name}: {}\n", case.wait_for_event(name, reason, text)));
        controller.log.wait_for(&format!("routemap {}/{name}", case.case.namespace));
    }
    insta::with_settings!({filters => vec![(case.case.namespace.as_str(), "NAMESPACE")]}, {
        insta::assert_snapshot!(notes);
    });
    assert_eq!(controller.metric("iter8_controller_routemaps{state=\"invalid\"}"), Some(6.0));
    assert!(controller.metric("iter8_controller_errors_total{reason=\"invalid_routemap\"}") >= Some(6.0));
}

#[test]
fn two_routemaps_that_want_one_object_are_both_refused_and_say_so() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.shop();
    let before = case.wait_for_shop();
    let rival = template("shop").replace("shop-0.example", "rival.example");
    case.apply(&routemap_with("rival", &["shop-0", "shop-1"], &rival));
    case.wait_for_event("rival", "Contested", "shop-routemap");
    case.wait_for_event("shop-routemap", "Contested", "rival");
    assert_eq!(case.get("virtualservices", "shop")["spec"], before["spec"]);
    case.delete("cm/shop-routemap");
    case.wait_for_weights("shop", &[("rival", 1)]);
}

#[test]
fn routes_of_another_controller_are_left_alone() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.model("shop-0");
    case.set_ready("shop-0", "True");
    let theirs = template("shop").replace("{{ index .Weights 0 }}", "100");
    let (theirs, _) = theirs.split_once("    {{-").unwrap();
    let apply = |manager: &str| {
        let manager = format!("--field-manager={manager}");
        let args = ["apply", "--server-side", "--force-conflicts", &manager, "-n", &case.case.namespace, "-f", "-"];
        case.case.cluster.kubectl_with_input(&args, theirs).exits(0);
    };
    apply("flagger");
    case.apply(&routemap("shop"));
    case.wait_for_event("shop-routemap", "OwnedByOthers", "managed by flagger");
    assert_eq!(case.get("virtualservices", "shop")["spec"]["http"][0]["route"][0]["weight"], 100);
}

#[test]
fn a_rival_does_not_get_the_route_of_a_routemap_whose_template_fails() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.ready_models(&["shop-0", "shop-1", "rival-0", "rival-1", "other-0", "other-1"]);
    let fails = "{{ if eq (index .Weights 1) 0 }}{{ fail \"no candidate\" }}{{ end }}\n";
    case.apply(&routemap_with("owner", &["shop-0", "shop-1"], &(fails.to_owned() + &template("contested"))));
    case.wait_for_weights("contested", &[("contested-0", 1), ("contested-1", 1)]);
    let rival = template("contested").replace("contested-0.example", "rival-0.example");
    case.apply(&routemap_with("rival", &["rival-0", "rival-1"], &rival));
    case.wait_for_event("rival", "Contested", "owner");
    case.set_ready("shop-1", "False");
    case.wait_for_event("owner", "TemplateFailed", "no candidate");
    // The rival is decided again, and then another routemap is applied.
    case.set_ready("rival-1", "False");
    case.apply(&routemap("other"));
    case.wait_for_weights("other", &[("other-0", 1), ("other-1", 1)]);
    case.set_ready("other-1", "False");
    case.wait_for_weights("other", &[("other-0", 1)]);
    let live = case.get("virtualservices", "contested");
    assert_eq!(live["spec"]["http"][0]["route"][0]["destination"]["host"], "contested-0.example", "{live}");
    assert_eq!(live["spec"]["http"][0]["route"].as_array().unwrap().len(), 2, "the routes stay as they are");
}
