//! `iter8 k routes`: what the controller sees and decides.

use std::process::{Child, Stdio};

use serde_json::Value;

use super::controller_case::{CONFIG, ControllerCase, Log, routemap, routemap_with, template};
use crate::kubernetes::cluster_case::ClusterCase;
use crate::support::cli_case::CliOutput;

/// Runs `iter8 k routes` in the namespace.
fn routes(case: &ControllerCase, args: &[&str]) -> CliOutput {
    case.case.k([&["routes"], args].concat())
}

/// A snapshot without what differs between runs.
fn snapshot(case: &ControllerCase, name: &str, output: &CliOutput) {
    let filters = vec![(case.case.namespace.as_str(), "NAMESPACE"), (r"changed \d+s ago", "changed SECONDS ago")];
    insta::with_settings!({filters => filters}, { insta::assert_snapshot!(name, output.stdout) });
}

#[test]
fn routes_are_shown_with_versions_and_reasons() {
    let Some(case) = ControllerCase::new() else { return };
    snapshot(&case, "none", routes(&case, &[]).exits(0));
    case.model("shop-0");
    case.set_ready("shop-0", "True");
    case.model("shop-1");
    case.set_ready("shop-1", "False");
    case.apply(&routemap("shop"));
    snapshot(&case, "before_the_controller", routes(&case, &[]).exits(0));
    let _controller = case.ready_controller();
    routes(&case, &["shop-routemap", "--wait"]).exits(0);
    snapshot(&case, "in_place", routes(&case, &[]).exits(0));
    case.apply(&routemap_with("broken", &["shop-0"], "{{ if }}"));
    snapshot(&case, "a_broken_routemap", routes(&case, &[]).exits(0));
    let states: Value = serde_json::from_str(&routes(&case, &["shop-routemap", "-o", "json"]).exits(0).stdout).unwrap();
    assert_eq!(states[0]["versions"][1]["available"], false);
    assert_eq!(states[0]["routes"][0]["state"], "inPlace");
    routes(&case, &["shop"]).expect(2, &["no routemap is named `shop`", "broken, shop-routemap"]);
}

/// A running `iter8 k routes --watch`; killed at the end of the test.
struct Watch {
    child: Child,
    output: Log,
}

impl Watch {
    fn start(case: &ControllerCase) -> Self {
        let mut command = case.case.command(["k", "routes", "--watch", "-n", &case.case.namespace]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = Log::default();
        let (reader, stdout) = (output.clone(), child.stdout.take().unwrap());
        std::thread::spawn(move || reader.follow(stdout));
        Self { child, output }
    }

    /// Waits for a line with this text.
    #[track_caller]
    fn wait_for(&self, text: &str) {
        self.output.wait_for(text);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A user who may read these types, and nothing else.
fn user(case: &ControllerCase, rules: &[(&str, &str)]) -> ClusterCase {
    let rule = |(group, resources): &(&str, &str)| {
        format!("{{apiGroups: ['{group}'], resources: [{resources}], verbs: [get, list, watch]}}")
    };
    let rules: Vec<String> = rules.iter().map(rule).collect();
    let namespace = case.case.namespace.as_str();
    case.apply(&format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: viewer}}}}\n---\n\
         {{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: viewer}}, rules: [{}]}}\n---\n\
         {{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: viewer}}, \
         subjects: [{{kind: ServiceAccount, name: viewer, namespace: {namespace}}}], \
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: viewer}}}}\n",
        rules.join(", ")
    ));
    let token = case.case.cluster.token(namespace, "viewer");
    case.case.as_user(case.case.cluster.kubeconfig_with_token(&token, namespace))
}

#[test]
fn types_that_cannot_be_read_affect_only_the_routemaps_that_need_them() {
    let Some(case) = ControllerCase::new() else { return };
    let config = format!(
        "{CONFIG}  late: {{Group: late.example, Version: v1, Resource: things}}\n  \
         quota: {{Group: '', Version: v1, Resource: resourcequotas}}\nrouteTypes: [vs, quota]\n"
    );
    let controller = case.controller("iter8-0", &config, &[]);
    controller.wait_until_ready();
    case.shop();
    let other = |name: &str, from: &str, to: &str| {
        let routemap = routemap_with(name, &["shop-0", "shop-1"], &template(name));
        assert!(routemap.contains(from), "{routemap}");
        case.apply(&routemap.replace(from, to));
    };
    other("forbidden", "gvrShort: isvc, name: shop-1", "gvrShort: deploy, name: shop-1");
    other("late", "gvrShort: isvc, name: shop-1", "gvrShort: late, name: shop-1");
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: quota}\nspec: {hard: {pods: 5}}\n";
    case.apply(&routemap_with("quota", &["shop-0"], quota).replace("gvrShort: vs\n", "gvrShort: quota\n"));
    case.case.cluster.wait_for("resourcequotas", &case.case.namespace, "quota", |_| true);
    case.wait_for_weights("forbidden", &[("forbidden-0", 1)]);
    case.wait_for_weights("late", &[("late-0", 1)]);
    case.wait_for_shop();

    let readable = [
        ("", "configmaps"),
        ("serving.kserve.io", "inferenceservices"),
        ("networking.istio.io", "virtualservices"),
        ("late.example", "things"),
    ];
    let user = user(&case, &readable);
    let path = case.case.cli.path("iter8-0.yaml");
    let view = |args: &[&str]| user.k([&["routes", "--config", path.to_str().unwrap()], args].concat());
    snapshot(&case, "types_that_cannot_be_read", view(&[]).exits(0));
    view(&["shop-routemap", "late", "--wait"]).exits(0);
    for name in ["forbidden", "quota"] {
        view(&[name, "--wait", "--timeout", "5s"]).exits(1);
    }
    let states: Value = serde_json::from_str(&view(&["forbidden", "-o", "json"]).exits(0).stdout).unwrap();
    assert!(states[0]["unreadable"][0].as_str().unwrap().contains("list deployments.apps"), "{states}");
    assert_eq!(states[0]["routes"], Value::Array(Vec::new()));
}

#[test]
fn routemaps_that_cannot_be_listed_are_an_error() {
    let Some(case) = ControllerCase::new() else { return };
    let user = user(&case, &[("serving.kserve.io", "inferenceservices")]);
    user.k(["routes"]).expect(4, &["cannot read the routes", "cannot list configmaps"]);
}

#[test]
fn a_route_that_is_claimed_during_the_wait_is_read() {
    let Some(case) = ControllerCase::new() else { return };
    // The type is listed for another routemap, before anyone claims the second VirtualService.
    case.ready_models(&["shop-0", "shop-1"]);
    case.apply(&routemap("other"));
    let both = template("shop").replace("{{ index .Weights 0 }}", "1").replace("{{ index .Weights 1 }}", "1");
    let both: String = both.lines().filter(|line| !line.contains("{{")).map(|line| format!("{line}\n")).collect();
    case.apply(&both);
    let watch = Watch::start(&case);
    watch.wait_for("other: does not exist yet");
    case.apply(&routemap("shop"));
    watch.wait_for("shop: in place");
}

#[test]
fn waiting_ends_with_an_error_if_routes_are_not_in_place() {
    let Some(case) = ControllerCase::new() else { return };
    case.model("shop-0");
    case.apply(&routemap("shop"));
    let output = routes(&case, &["--wait", "--timeout", "3s"]);
    output.exits(1);
    assert!(output.stdout.starts_with("1 routemap: routes of 1 are not in place\n"), "{output:#?}");
}

#[test]
fn a_plan_shows_the_difference_before_it_is_applied() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.ready_models(&["shop-0", "shop-1"]);
    case.apply(&routemap("shop"));
    case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 1)]);
    let planned = routemap_with(
        "shop-routemap",
        &["shop-0", "shop-1"],
        &template("shop").replace("shop-1.example", "new.example"),
    );
    let path = case.case.cli.write("planned.yaml", &planned);
    snapshot(&case, "a_plan", routes(&case, &["--plan", "-f", path.to_str().unwrap()]).exits(0));
    let live = case.get("virtualservices", "shop");
    assert_eq!(live["spec"]["http"][0]["route"][1]["destination"]["host"], "shop-1.example");

    // As planned after the routemap was replaced.
    case.case
        .cluster
        .kubectl_with_input(&["replace", "--force", "-n", &case.case.namespace, "-f", "-"], &planned)
        .exits(0);
    routes(&case, &["--plan", "-f", path.to_str().unwrap(), "--wait"]).exits(0);
    case.wait_for_weights("shop", &[("shop-0", 1), ("new", 1)]);
}

#[test]
fn a_plan_of_a_new_routemap_knows_the_object_that_exists() {
    let Some(case) = ControllerCase::new() else { return };
    case.ready_models(&["shop-0", "shop-1"]);
    // Another routemap of this type exists, so the objects of the type are listed before the plan.
    case.apply(&routemap("other"));
    let (existing, _) = template("shop")
        .replace("{{ index .Weights 0 }}", "7")
        .split_once("    {{-")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    case.apply(&existing.replace("weight: 7", "weight: 7\n    mirror: {host: shop-1.example}"));
    let path = case.case.cli.write("planned.yaml", &routemap("shop"));
    snapshot(
        &case,
        "a_plan_over_an_existing_object",
        routes(&case, &["--plan", "-f", path.to_str().unwrap()]).exits(0),
    );
    // The same weights, and a mirror that is not planned: not in place.
    let mirrored =
        "weight: 1\n    - destination: {host: shop-1.example}\n      weight: 1\n    mirror: {host: shop-1.example}";
    case.apply(&existing.replace("weight: 7", mirrored));
    let output = routes(&case, &["--plan", "-f", path.to_str().unwrap(), "--wait", "--timeout", "3s"]);
    output.exits(1);
    assert!(output.stdout.contains("differs in spec.http[0].mirror"), "{output:#?}");
}

#[test]
fn a_watch_prints_each_change() {
    let Some(case) = ControllerCase::new() else { return };
    let _controller = case.ready_controller();
    case.shop();
    case.wait_for_shop();
    let watch = Watch::start(&case);
    watch.wait_for("1        0       no: isvc");
    case.model("shop-1");
    case.set_ready("shop-1", "True");
    watch.wait_for("1        1       yes");
}

#[test]
fn a_plan_that_would_not_be_applied_is_an_error() {
    let Some(case) = ControllerCase::new() else { return };
    case.model("shop-0");
    let plan = |yaml: &str| {
        let path = case.case.cli.write("planned.yaml", yaml);
        routes(&case, &["--plan", "-f", path.to_str().unwrap()])
    };
    let valid = routemap_with("shop-routemap", &["shop-0"], &template("shop").replace("(index .Weights 1)", "0"));
    let indented: String = valid.lines().map(|line| format!("  {line}\n")).collect();
    plan(&format!("apiVersion: v1\nkind: List\nitems:\n-{}", &indented[1..])).exits(0);
    let broken = plan(&valid.replace("immutable: true", "immutable: false")).expect(2, &[]).stdout.clone();
    assert!(broken.contains("not valid: immutable: must be `true`"), "{broken}");
    let refused = plan(&valid.replace("kind: VirtualService", "kind: Secret")).expect(2, &[]).stdout.clone();
    assert!(refused.contains("not applied: kind: is `Secret`"), "{refused}");
    plan(&format!("{valid}---\n{valid}")).expect(2, &["has the routemap `shop-routemap` twice"]);
    let elsewhere =
        valid.replace("metadata: {name: shop-routemap,", "metadata: {name: shop-routemap, namespace: other,");
    plan(&elsewhere).expect(2, &["`shop-routemap` is in namespace other; expected", "-n other"]);
    plan(&format!("{valid}---\n---\na: [\n"))
        .expect(2, &["is not valid YAML", &format!("line {}", valid.lines().count() + 3)]);
}

#[test]
fn a_cluster_scoped_view_knows_the_resources_of_other_namespaces() {
    let (Some(case), Some(other)) = (ControllerCase::new(), ControllerCase::new()) else { return };
    other.ready_models(&["shop-0", "shop-1"]);
    let namespace = &other.case.namespace;
    let elsewhere = routemap("shop").replace("gvrShort: isvc,", &format!("gvrShort: isvc, namespace: {namespace},"));
    case.apply(&elsewhere);
    let config = format!("clusterScoped: true\n{}", CONFIG);
    let config = case.case.cli.write("config.yaml", &config);
    let output = routes(&case, &["--config", config.to_str().unwrap()]);
    output.exits(0);
    assert!(output.stdout.contains("1        1       yes"), "{output:#?}");
    assert!(output.stdout.starts_with("1 routemap: "), "{output:#?}");
}
