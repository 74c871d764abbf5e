//! Expected splits of objects in a real cluster.

use serde_json::{Value, json};

use super::counted::Counted;
use crate::kubernetes::cluster_case::ClusterCase;
use crate::support::cli_case::CliOutput;

/// A namespace, and the responses that are counted in it.
struct Case {
    case: ClusterCase,
    counted: Counted,
}

impl Case {
    /// `None` if this machine has no cluster with the resource types of Istio and KServe, or no Prometheus.
    fn start() -> Option<Self> {
        let case = ClusterCase::without_node()?;
        let counted = case.cluster.crds().then(Counted::start)??;
        counted.set(&[78, 22]);
        Some(Self { case, counted })
    }

    fn apply(&self, object: &Value) {
        self.case.cluster.apply_in(&self.case.namespace, &object.to_string());
    }

    /// Runs an experiment that expects the weights of this object.
    fn run(&self, object: &str) -> CliOutput {
        let namespace = format!("split.expectedFrom.namespace={}", self.case.namespace);
        let sets = self.counted.sets("custommetrics,split", &[object, &namespace, "split.timeout=20s"]);
        let mut command = self.case.command(["run"]);
        command.args(sets.iter().flat_map(|set| ["--set", set]));
        CliOutput::run(&mut command, &self.case.cli.path(""))
    }

    fn split(&self) -> Value {
        self.case.cli.document()["result"]["insights"]["splits"][0].clone()
    }

    /// Runs an experiment, and returns the expected shares, the verdict and its reason.
    #[track_caller]
    fn compared(&self, object: &str) -> (Value, String, String) {
        self.run(object).exits(0);
        let split = self.split();
        let expected =
            split["versions"].as_array().unwrap().iter().map(|version| version["expected"].clone()).collect();
        let text = |key: &str| split[key].as_str().unwrap().to_owned();
        (Value::Array(expected), text("verdict"), text("reason"))
    }
}

/// An InferenceService whose candidate gets `percent` of the traffic.
fn service(percent: u8) -> Value {
    let model = json!({"modelFormat": {"name": "sklearn"}, "storageUri": "gs://models/iris"});
    json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "iris"},
        "spec": {"predictor": {"canaryTrafficPercent": percent, "model": model}},
    })
}

/// Status of an InferenceService with a candidate that is ready or not.
fn status(percent: u8, latest: &str) -> Value {
    json!({"components": {"predictor": {
        "latestCreatedRevision": "iris-2", "latestReadyRevision": latest, "latestRolledoutRevision": "iris-1",
        "traffic": [{"latestRevision": true, "percent": percent, "revisionName": latest},
            {"latestRevision": false, "percent": 100 - percent, "revisionName": "iris-1", "tag": "prev"}],
    }}})
}

#[test]
fn the_traffic_of_an_inference_service_is_expected() {
    let Some(case) = Case::start() else { return };
    let set = |percent: u8, status: Value| {
        case.apply(&service(percent));
        case.case.cluster.set_status("inferenceservices", &case.case.namespace, "iris", &status);
    };
    set(20, status(20, "iris-2"));
    let (expected, verdict, reason) = case.compared("split.expectedFrom.isvc=iris");
    assert_eq!((expected, verdict.as_str()), (json!([80, 20]), "satisfied"), "{reason}");
    assert_eq!(case.split()["expectedFrom"], format!("InferenceService {}/iris", case.case.namespace));
    set(50, status(50, "iris-2"));
    let (_, verdict, reason) = case.compared("split.expectedFrom.isvc=iris");
    assert!(
        verdict == "inconclusive" && reason.starts_with("v1 sent 78 of 100 responses (78 %), expected 50 %"),
        "{reason}"
    );
    // A change that has not taken effect, and a candidate that is not ready.
    let mut acted = status(50, "iris-2");
    // A status is up to date only if its write changes something.
    acted["conditions"] = json!([{"type": "LatestDeploymentReady", "status": "True"}]);
    set(20, acted);
    let (_, verdict, reason) = case.compared("split.expectedFrom.isvc=iris");
    let waiting =
        "the expected split is not known: the newest revision gets 50 % of the traffic, but 20 % is requested";
    assert_eq!((verdict.as_str(), reason.as_str()), ("inconclusive", waiting));
    set(20, status(20, "iris-1"));
    let (_, _, reason) = case.compared("split.expectedFrom.isvc=iris");
    assert!(reason.contains("the newest revision iris-2 gets no traffic, because it is not ready"), "{reason}");
    case.run("split.expectedFrom.isvc=other").expect(3, &["InferenceService", "other does not exist"]);
}

#[test]
fn the_weights_of_a_virtual_service_are_expected() {
    let Some(case) = Case::start() else { return };
    let route = |name: &str, weights: [u8; 2]| {
        let entry = |host: &str, weight: u8| json!({"destination": {"host": host}, "weight": weight});
        json!({"name": name, "route": [entry("v1", weights[0]), entry("v2", weights[1])]})
    };
    case.apply(&json!({
        "apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService", "metadata": {"name": "shop"},
        "spec": {"hosts": ["shop"], "http": [route("main", [80, 20]), route("other", [50, 50])]},
    }));
    let (expected, verdict, reason) =
        case.compared("split.expectedFrom.virtualService=shop,split.expectedFrom.route=main");
    assert_eq!((expected, verdict.as_str()), (json!([80, 20]), "satisfied"), "{reason}");
    let (_, verdict, _) = case.compared("split.expectedFrom.virtualService=shop,split.expectedFrom.route=other");
    assert_eq!(verdict, "inconclusive");
    case.run("split.expectedFrom.virtualService=shop")
        .expect(3, &["shop has 2 HTTP routes with destinations", "split.expectedFrom.route"]);
}

/// A routemap of two Services.
fn routemap() -> Value {
    let version = |name: &str, weight: u8| json!({"weight": weight, "resources": [{"gvrShort": "svc", "name": name}]});
    let spec = json!({"versions": [version("v1", 50), version("v2", 50)]});
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "immutable": true, "data": {"strSpec": spec.to_string()},
        "metadata": {"name": "shop", "labels": {
            "app.kubernetes.io/managed-by": "iter8", "iter8.tools/kind": "routemap", "iter8.tools/version": "v0.13",
        }},
    })
}

/// A Service of a version, with a weight.
fn of_version(name: &str, weight: &str) -> Value {
    let metadata =
        json!({"name": name, "labels": {"iter8.tools/watch": "true"}, "annotations": {"iter8.tools/weight": weight}});
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}})
}

#[test]
fn the_weights_of_a_routemap_are_those_of_the_controller() {
    let Some(case) = Case::start() else { return };
    case.apply(&routemap());
    case.apply(&of_version("v1", "80"));
    // A version that does not exist has no weight, so its responses are wrong.
    let (expected, verdict, reason) = case.compared("split.expectedFrom.routemap=shop");
    assert_eq!((expected, verdict.as_str()), (json!([100, 0]), "inconclusive"));
    assert_eq!(reason, "v2 sent 22 of 100 responses, although its expected share is 0 %");
    case.apply(&of_version("v2", "20"));
    let (expected, verdict, reason) = case.compared("split.expectedFrom.routemap=shop");
    assert_eq!((expected, verdict.as_str()), (json!([80, 20]), "satisfied"), "{reason}");
}

#[test]
fn an_experiment_needs_no_more_than_its_role() {
    let Some(case) = Case::start() else { return };
    case.apply(&routemap());
    case.apply(&of_version("v1", "80"));
    case.apply(&of_version("v2", "20"));
    let namespace = &case.case.namespace;
    let listed = [
        "split.expectedFrom.routemap=shop",
        "split.expectedFrom.resources[0].resource=services,split.expectedFrom.resources[0].name=v1",
        "split.expectedFrom.resources[1].resource=services,split.expectedFrom.resources[1].name=v2",
    ];
    // The objects of an experiment that is launched, as the user `canary` in place of its pods.
    let role = |values: &[&str]| {
        let sets = case.counted.sets("custommetrics,split", values);
        let args = ["launch", "--dry", "-g", "canary", "--set", "runner=job"].into_iter();
        case.case.k(args.chain(sets.iter().flat_map(|set| ["--set", set.as_str()]))).exits(0);
        let is_of_role = |manifest: &&str| {
            ["Role", "RoleBinding", "ServiceAccount"].iter().any(|kind| manifest.contains(&format!("kind: {kind}\n")))
        };
        let manifests = case.case.cli.read("manifest.yaml");
        let manifests: Vec<&str> = manifests.split("---\n").filter(is_of_role).collect();
        let applied =
            case.case.cluster.kubectl_with_input(&["apply", "-n", namespace, "-f", "-"], &manifests.join("---\n"));
        assert_eq!(applied.code, Some(0), "{applied:#?}");
    };
    role(&listed[..1]);
    let token = case.case.cluster.token(namespace, "canary-iter8-sa");
    let kubeconfig = case.case.cluster.kubeconfig_with_token(&token, namespace);
    let limited = Case { case: case.case.as_user(kubeconfig), counted: Counted::start().unwrap() };
    limited.counted.set(&[78, 22]);
    limited.run(listed[0]).expect(3, &["services/v1", "split.expectedFrom.resources"]);
    role(&listed);
    let (expected, verdict, reason) = limited.compared(listed[0]);
    assert_eq!((expected, verdict.as_str()), (json!([80, 20]), "satisfied"), "{reason}");
}
