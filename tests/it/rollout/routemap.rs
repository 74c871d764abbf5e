//! `iter8 k rollout … routemap/NAME`, with the real controller.

use serde_json::{Value, json};

use crate::controller::controller_case::{
    CONFIG, Controller, ControllerCase, model, routemap_with, service_account, template,
};
use crate::kubernetes::cluster_case::Running;
use crate::support::cli_case::CliOutput;
use crate::support::echo_server::EchoServer;
use crate::support::files;
use crate::support::helm::Helm;
use crate::support::transcript::transcript;

const TARGET: &str = "routemap/shop-routemap";

/// A namespace with the application `shop`, whose two versions are ready, and a controller.
struct Shop {
    case: ControllerCase,
    controller: Option<Controller>,
}

impl Shop {
    fn new() -> Option<Self> {
        let case = ControllerCase::new()?;
        case.ready_models(&["shop-0", "shop-1"]);
        case.apply(&crate::controller::controller_case::routemap("shop"));
        let controller = case.ready_controller();
        case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 1)]);
        Some(Self { case, controller: Some(controller) })
    }

    fn rollout(&self, args: &[&str]) -> CliOutput {
        let config = self.case.case.cli.write("config.yaml", CONFIG);
        self.case.case.k([&["rollout"], args, &["--config", config.to_str().unwrap()]].concat())
    }

    #[track_caller]
    fn start(&self, args: &[&str], waiting_for: &str) -> Running {
        let config = self.case.case.cli.write("config.yaml", CONFIG);
        self.case
            .case
            .start_and_wait([&["rollout"], args, &["--config", config.to_str().unwrap()]].concat(), waiting_for)
    }

    fn weight(&self, name: &str) -> Value {
        self.case.get("isvc", name)["metadata"]["annotations"]["iter8.tools/weight"].clone()
    }

    #[track_caller]
    fn annotate(&self, manager: &str, name: &str, weight: &str) {
        let patch = json!({"metadata": {"annotations": {"iter8.tools/weight": weight}}}).to_string();
        let (namespace, manager) = (&self.case.case.namespace, format!("--field-manager={manager}"));
        let args = ["patch", "isvc", name, "-n", namespace, &manager, "--type=merge", "-p", &patch];
        self.case.case.cluster.kubectl_ok(&args);
    }

    /// Stops the controller, so that routes stay as they are.
    fn stop_controller(&mut self) {
        self.controller.take().unwrap().kill();
    }
}

#[test]
fn a_candidate_of_a_routemap_goes_up_step_by_step_and_is_promoted() {
    let Some(shop) = Shop::new() else { return };
    let _transcript = transcript!();
    shop.rollout(&["status", TARGET]).snapshot(0);
    for percent in ["0", "20", "50"] {
        let set = shop.rollout(&["set", TARGET, "--percent", percent]);
        let rest = 100 - percent.parse::<u64>().unwrap();
        let expected = format!("shop-routemap: {percent} % to shop-1 (candidate), {rest} % to shop-0 (stable)\n");
        assert_eq!(set.exits(0).stdout, expected);
        assert_eq!((shop.weight("shop-0"), shop.weight("shop-1")), (json!(rest.to_string()), json!(percent)));
    }
    shop.case.wait_for_weights("shop", &[("shop-0", 50), ("shop-1", 50)]);
    let again = shop.rollout(&["set", TARGET, "--percent", "50"]);
    assert!(again.exits(0).stdout.ends_with(" (as before)\n"), "{again:#?}");
    shop.rollout(&["status", TARGET]).snapshot(0);
    shop.rollout(&["promote", TARGET, "--dry"]).snapshot(0);
    shop.rollout(&["promote", TARGET]).exits(0);
    shop.case.wait_for_weights("shop", &[("shop-0", 0), ("shop-1", 100)]);
    shop.rollout(&["rollback", TARGET]).exits(0);
    shop.case.wait_for_weights("shop", &[("shop-0", 100)]);
    shop.rollout(&["status", TARGET, "-o", "json"]).snapshot(0);
    shop.rollout(&["tags", TARGET, "on"]).snapshot(2);
}

#[test]
fn a_routemap_is_rolled_out_in_steps_judged_by_slos() {
    let Some(shop) = Shop::new() else { return };
    let url = format!("http.url={},http.numRequests=20,http.qps=20", EchoServer::plain().url());
    let run = |slo: &str| {
        let flags = ["run", TARGET, "--steps", "20,50", "--analysis", "http,assess", "--set", &url, "--set", slo];
        shop.case.case.k(["rollout"].into_iter().chain(flags))
    };
    run("assess.SLOs.upper.http/latency-mean=0").expect(1, &["shop-1 was rolled back: at 20 %: 1 of 1 violated"]);
    shop.case.wait_for_weights("shop", &[("shop-0", 100)]);
    run("assess.SLOs.upper.http/error-rate=0").expect(0, &["shop-1 was promoted (20 → 50 → 100 %)"]);
    shop.case.wait_for_weights("shop", &[("shop-0", 0), ("shop-1", 100)]);
    let lease = shop.case.get("leases", "iter8-rollout-routemap-shop-routemap");
    assert_eq!(lease["metadata"]["annotations"]["iter8.tools/rollout-phase"], "promoted");
    let again = run("assess.SLOs.upper.http/error-rate=0");
    again.expect(
        2,
        &["cannot roll out routemap shop-routemap: shop-1 already has all the traffic", "hint: deploy a new version"],
    );
    shop.case.wait_for_weights("shop", &[("shop-0", 0), ("shop-1", 100)]);
}

#[test]
fn weights_are_waited_for_until_the_routes_show_them() {
    let Some(mut shop) = Shop::new() else { return };
    shop.stop_controller();
    let waiting = "virtualservices.networking.istio.io NAMESPACE/shop does not show the weights yet: it differs in \
                   spec.http[0].route[0].weight";
    let waiting = waiting.replace("NAMESPACE", &shop.case.case.namespace);
    let late = shop.rollout(&["set", TARGET, "--percent", "20", "--timeout", "5s"]);
    let hint =
        "hint: `iter8 k routes shop-routemap` shows the state of its routes; check that the release controller runs";
    late.expect(4, &[&format!("within 5s: {waiting}"), hint]);
    let set = shop.start(&["set", TARGET, "--percent", "30"], &waiting);
    let _controller = shop.case.ready_controller();
    assert_eq!(set.end().exits(0).stdout, "shop-routemap: 30 % to shop-1 (candidate), 70 % to shop-0 (stable)\n");
}

#[test]
fn a_candidate_of_a_routemap_that_is_not_ready_gets_its_percent_once_it_is() {
    let Some(shop) = Shop::new() else { return };
    let _transcript = transcript!();
    shop.case.set_ready("shop-1", "False");
    shop.case.wait_for_weights("shop", &[("shop-0", 1)]);
    shop.rollout(&["promote", TARGET]).snapshot(2);
    shop.rollout(&["status", TARGET]).snapshot(0);
    let set = shop.start(&["set", TARGET, "--percent", "20"], "waiting: shop-1 is not available: isvc ");
    shop.case.set_ready("shop-1", "True");
    set.end().exits(0);
    shop.case.wait_for_weights("shop", &[("shop-0", 80), ("shop-1", 20)]);
}

#[test]
fn an_outside_edit_of_a_weight_ends_the_wait() {
    let Some(mut shop) = Shop::new() else { return };
    shop.stop_controller();
    let set = shop.start(&["set", TARGET, "--percent", "20"], "does not show the weights yet");
    shop.annotate("argocd", "shop-0", "0");
    let lost = "error: the change of routemap shop-routemap was lost: the annotation iter8.tools/weight of \
                inferenceservices.serving.kserve.io/shop-0 was changed by argocd: it is 0; expected 80";
    set.end().expect(4, &[lost, "hint: `iter8 k rollout status routemap/shop-routemap` shows its state"]);
}

#[test]
fn managers_who_may_set_a_weight_back_are_named() {
    let Some(shop) = Shop::new() else { return };
    shop.annotate("argocd", "shop-1", "5");
    let set = shop.rollout(&["set", TARGET, "--percent", "20"]);
    let warning = "argocd also manages the annotation iter8.tools/weight of inferenceservices.serving.kserve.io/shop-1";
    set.expect(0, &[warning]);
    assert!(!shop.rollout(&["set", TARGET, "--percent", "30"]).exits(0).stderr.contains("also manages"));
}

#[test]
fn a_routemap_that_is_replaced_ends_the_wait() {
    let Some(mut shop) = Shop::new() else { return };
    shop.stop_controller();
    let set = shop.start(&["set", TARGET, "--percent", "20"], "does not show the weights yet");
    let yaml = crate::controller::controller_case::routemap("shop");
    let args = ["replace", "--force", "-n", &shop.case.case.namespace, "-f", "-"];
    shop.case.case.cluster.kubectl_with_input(&args, &yaml).exits(0);
    let set = set.end();
    set.expect(4, &["error: the change of routemap shop-routemap was lost: it was "]);
}

#[test]
fn routemaps_without_two_weights_are_refused() {
    let Some(case) = ControllerCase::new() else { return };
    let _transcript = transcript!();
    let rollout = |args: &[&str]| case.case.k([&["rollout"], args].concat());
    case.ready_models(&["shop-0", "shop-1", "shop-2"]);
    rollout(&["status", TARGET]).snapshot(2);
    case.apply(&routemap_with("three", &["shop-0", "shop-1", "shop-2"], &template("three")));
    rollout(&["set", "routemap/three", "--percent", "20"]).snapshot(2);
    rollout(&["status", "routemap/three"]).snapshot(2);
    let mirror = template("mirror").replace("  - route:", "  - mirror: {host: shop-1.example}\n    route:");
    case.apply(&routemap_with("mirror", &["shop-0", "shop-1"], &mirror));
    rollout(&["promote", "routemap/mirror"]).snapshot(2);
    case.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}");
    rollout(&["status", "routemap/settings"]).snapshot(2);
    rollout(&["status", "pod/shop"]).expect(2, &["expected NAME, isvc/NAME, routemap/NAME or llmisvc/NAME"]);
}

/// The chart gives each version a ConfigMap with its weight, which need not have one yet.
#[test]
fn routemaps_of_the_chart_are_rolled_out() {
    let Some(case) = ControllerCase::new() else { return };
    let Some(helm) = Helm::new() else { return };
    let namespace = &case.case.namespace;
    let routes = "  httproute: {Group: gateway.networking.k8s.io, Version: v1, Resource: httproutes}\n";
    let config = format!("{CONFIG}{routes}");
    let controller = case.controller("iter8-0", &config, &[]);
    controller.wait_until_ready();
    for (strategy, env, api) in [
        ("blue-green", "kserve-modelmesh", "istio"),
        ("blue-green", "kserve", "gateway-api"),
        ("canary", "kserve-modelmesh", "istio"),
    ] {
        let name = format!("{strategy}-{api}");
        helm.cli.write(
            "values.yaml",
            &format!(
                "templateName: initialize\ntargetEnv: {env}\ntrafficStrategy: {strategy}\ntrafficApi: {api}\n\
                 modelName: {name}\nmodelmeshServingNamespace: {namespace}\nkserveDeploymentMode: Standard\n"
            ),
        );
        let chart = files::root().join("charts/traffic-templates");
        let output = helm.run(&["template", "traffic", chart.to_str().unwrap(), "-n", namespace, "-f", "values.yaml"]);
        case.apply(&output.exits(0).stdout);
        let target = format!("routemap/{name}-routemap");
        let set = |percent: &str| case.case.k(["rollout", "set", &target, "--percent", percent]);
        if strategy == "canary" {
            set("20").expect(2, &["its routes do not split requests by the weights of the versions"]);
            continue;
        }
        case.ready_models(&[&format!("{name}-0")]);
        // Before the candidate is deployed, so that it gets no traffic by itself.
        let zero = set("0");
        assert_eq!(zero.exits(0).stdout, format!("{name}-routemap: 100 % to {name}-0 (stable)\n"));
        case.apply(&model(&format!("{name}-1")));
        case.set_ready(&format!("{name}-1"), "True");
        let expected = |percent: u32| {
            format!("{name}-routemap: {percent} % to {name}-1 (candidate), {} % to {name}-0 (stable)\n", 100 - percent)
        };
        assert_eq!(set("20").exits(0).stdout, expected(20));
        let weight = case.get("configmaps", &format!("{name}-1-weight-config"))["metadata"]["annotations"].clone();
        assert_eq!(weight["iter8.tools/weight"], "20");
        let promotion = case.case.k(["rollout", "promote", &target]);
        assert_eq!(promotion.exits(0).stdout, expected(100));
        let rollback = case.case.k(["rollout", "rollback", &target]);
        assert_eq!(rollback.exits(0).stdout, expected(0));
    }
}

#[test]
fn permissions_on_the_objects_of_a_routemap_are_enough() {
    let Some(shop) = Shop::new() else { return };
    let rules = "{apiGroups: [''], resources: [configmaps], resourceNames: [shop-routemap], verbs: [list, watch]}, \
                 {apiGroups: [serving.kserve.io], resources: [inferenceservices], resourceNames: [shop-0, shop-1], verbs: [list, watch, patch]}, \
                 {apiGroups: [networking.istio.io], resources: [virtualservices], resourceNames: [shop], verbs: [list, watch]}";
    shop.case.apply(&service_account("ci", rules));
    let cluster = shop.case.case.cluster;
    let token = cluster.token(&shop.case.case.namespace, "ci");
    let user = shop.case.case.as_user(cluster.kubeconfig_with_token(&token, &shop.case.case.namespace));
    user.k(["rollout", "set", TARGET, "--percent", "20"]).exits(0);
    user.k(["rollout", "status", TARGET]).exits(0);
}
