//! Requests of clients, while the controller changes the routes of the chart's strategies: a real Envoy, configured by a real istiod.

use serde_json::json;

use super::controller_case::{CONFIG, Controller, ControllerCase};
use crate::support::files;
use crate::support::helm::Helm;
use crate::support::mesh::binomial::interval;
use crate::support::mesh::{Counts, Mesh};

const STABLE: &str = "wisdom-0";
const CANDIDATE: &str = "wisdom-1";

/// A namespace with a mesh, a controller and two versions.
struct Rollout {
    mesh: Mesh<'static>,
    case: ControllerCase,
    _controller: Controller,
}

impl Rollout {
    fn new() -> Option<Self> {
        let case = ControllerCase::new()?;
        let mesh = Mesh::start(case.case.cluster, &case.case.namespace, &[STABLE, CANDIDATE])?;
        let routes = "  httproute: {Group: gateway.networking.k8s.io, Version: v1, Resource: httproutes}\n";
        let controller = case.controller("iter8-0", &format!("{CONFIG}{routes}"), &[]);
        controller.wait_until_ready();
        Some(Self { mesh, case, _controller: controller })
    }

    /// Host of the requests.
    fn host(&self) -> String {
        format!("wisdom.{}", self.case.case.namespace)
    }

    /// Applies what the chart renders from these values.
    #[track_caller]
    fn chart(&self, values: &str) -> Option<()> {
        let namespace = &self.case.case.namespace;
        let values = format!("modelName: wisdom\nmodelmeshServingNamespace: {namespace}\n{values}");
        let helm = Helm::new()?;
        helm.cli.write("values.yaml", &values);
        let chart = files::root().join("charts/traffic-templates");
        let output = helm.run(&["template", "traffic", chart.to_str().unwrap(), "-n", namespace, "-f", "values.yaml"]);
        output.exits(0);
        self.case.apply(&output.stdout);
        Some(())
    }

    fn model(&self, name: &str) {
        self.case.model(name);
        self.case.set_ready(name, "True");
    }

    /// Applies a Deployment without pods, which is available, and lets the controller watch its Service.
    fn deployment(&self, name: &str) {
        self.case.apply(&format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, labels: {{iter8.tools/watch: 'true'}}}}\n\
             spec: {{replicas: 0, selector: {{matchLabels: {{app: x-{name}}}}}, \
             template: {{metadata: {{labels: {{app: x-{name}}}}}, spec: {{containers: [{{name: x, image: x}}]}}}}}}\n"
        ));
        let namespace = &self.case.case.namespace;
        self.case.case.cluster.kubectl_ok(&["label", "service", name, "iter8.tools/watch=true", "-n", namespace]);
    }

    /// Rolls a canary out, and counts the requests that match and those that do not before, during and after it.
    #[track_caller]
    fn assert_canary(&self) {
        let (mesh, host) = (&self.mesh, &self.host());
        let all = |version: &str| Counts::from([(version.to_owned(), 20)]);
        mesh.wait_for_gateway();
        mesh.wait_for_routes(host, |routes| routes.len() == 1);
        assert_eq!(mesh.counts(host, &[("traffic", "test")], 20), all(STABLE));
        self.model(CANDIDATE);
        mesh.wait_for_routes(host, |routes| routes.len() == 2);
        assert_eq!(mesh.counts(host, &[("traffic", "test")], 20), all(CANDIDATE));
        assert_eq!(mesh.counts(host, &[], 20), all(STABLE));
        self.case.delete("isvc/wisdom-1");
        mesh.wait_for_routes(host, |routes| routes.len() == 1);
        assert_eq!(mesh.counts(host, &[("traffic", "test")], 20), all(STABLE));
    }
}

#[test]
fn a_canary_gets_the_requests_that_match() {
    let Some(rollout) = Rollout::new() else { return };
    rollout.model(STABLE);
    let values = "templateName: initialize-rollout\ntargetEnv: kserve-modelmesh\ntrafficStrategy: canary\n";
    if rollout.chart(values).is_none() {
        return;
    }
    rollout.assert_canary();
}

#[test]
fn a_canary_behind_a_gateway_of_the_gateway_api_gets_the_requests_that_match() {
    let Some(rollout) = Rollout::new() else { return };
    rollout.model(STABLE);
    let values = "templateName: initialize-rollout\ntargetEnv: kserve-modelmesh\ntrafficStrategy: canary\ntrafficApi: gateway-api\n";
    if rollout.chart(values).is_none() {
        return;
    }
    rollout.assert_canary();
}

/// The host name of an InferenceService selects it at Knative's local gateway, which is the same Envoy here.
#[test]
fn a_canary_in_knative_gets_the_requests_that_match_by_its_host_name() {
    let Some(rollout) = Rollout::new() else { return };
    rollout.model(STABLE);
    let namespace = &rollout.case.case.namespace;
    let values = format!(
        "templateName: initialize-rollout\ntargetEnv: kserve\ntrafficStrategy: canary\n\
         knativeLocalGatewayService: istio-ingressgateway\nknativeLocalGatewayNamespace: {namespace}\n"
    );
    if rollout.chart(&values).is_none() {
        return;
    }
    for version in [STABLE, CANDIDATE] {
        let host = format!("{version}.{namespace}.svc.cluster.local");
        let route = json!({"destination": {"host": version, "port": {"number": 80}}});
        let spec = json!({"gateways": ["mm-gateway"], "hosts": [host], "http": [{"route": [route]}]});
        rollout.mesh.route(&format!("{version}-local"), &spec);
        rollout.mesh.wait_for_routes(&host, |routes| routes.len() == 1);
    }
    rollout.assert_canary();
}

#[test]
fn http_routes_split_requests_by_weight() {
    let Some(rollout) = Rollout::new() else { return };
    let values = |template: &str| {
        format!(
            "templateName: {template}\ntargetEnv: deployment\ntrafficStrategy: blue-green\ntrafficApi: gateway-api\n\
             modelVersions: [{{weight: 20}}, {{weight: 80}}]\n"
        )
    };
    rollout.deployment(STABLE);
    if rollout.chart(&values("initialize-rollout")).is_none() {
        return;
    }
    rollout.mesh.wait_for_gateway();
    let host = rollout.host();
    rollout.mesh.wait_for_routes(&host, |routes| routes.len() == 1);
    assert_eq!(rollout.mesh.counts(&host, &[], 20), Counts::from([(STABLE.to_owned(), 20)]));
    rollout.deployment(CANDIDATE);
    rollout.chart(&values("modify-weights"));
    rollout.mesh.wait_for_weights(&host, &[(STABLE, 20), (CANDIDATE, 80)]);
    let split = rollout.mesh.counts(&host, &[], 500);
    assert_eq!(split.values().sum::<usize>(), split[STABLE] + split[CANDIDATE], "{split:?}");
    assert!(interval(500, 0.8).contains(&split[CANDIDATE]), "{split:?}");
}

#[test]
fn blue_green_splits_requests_and_none_fails_while_weights_change() {
    let Some(rollout) = Rollout::new() else { return };
    let initialize = "templateName: initialize-rollout\ntargetEnv: kserve-modelmesh\ntrafficStrategy: blue-green\n";
    rollout.model(STABLE);
    if rollout.chart(initialize).is_none() {
        return;
    }
    rollout.mesh.wait_for_gateway();
    let host = rollout.host();
    rollout.mesh.wait_for_routes(&host, |routes| routes.len() == 1);
    let traffic = rollout.mesh.start_traffic(&host);
    rollout.model(CANDIDATE);
    rollout.mesh.wait_for_weights(&host, &[(STABLE, 50), (CANDIDATE, 50)]);
    for (stable, candidate) in [(80, 20), (1, 99), (50, 50), (20, 80)] {
        let weights = format!("modelVersions: [{{weight: {stable}}}, {{weight: {candidate}}}]\n");
        rollout.chart(&format!("{}{weights}", initialize.replace("initialize-rollout", "modify-weights")));
        rollout.mesh.wait_for_weights(&host, &[(STABLE, stable), (CANDIDATE, candidate)]);
    }
    let split = rollout.mesh.counts(&host, &[], 1000);
    assert!(interval(1000, 0.8).contains(&split[CANDIDATE]), "{split:?}");
    rollout.case.delete("isvc/wisdom-1");
    rollout
        .mesh
        .wait_for_routes(&host, |routes| routes.len() == 1 && !routes[0].to_string().contains("weighted_clusters"));
    let counts = traffic.stop();
    assert_eq!(counts.keys().collect::<Vec<_>>(), [STABLE, CANDIDATE], "a request failed: {counts:?}");
    assert_eq!(rollout.mesh.counts(&host, &[], 20), Counts::from([(STABLE.to_owned(), 20)]));
}

#[test]
fn a_mirror_gets_copies_and_its_responses_are_dropped() {
    let Some(rollout) = Rollout::new() else { return };
    rollout.deployment(STABLE);
    let values =
        "templateName: initialize-rollout\ntargetEnv: deployment\ntrafficStrategy: mirror\nmirrorPercentage: 100\n";
    if rollout.chart(values).is_none() {
        return;
    }
    rollout.mesh.wait_for_gateway();
    let host = rollout.host();
    rollout.mesh.wait_for_routes(&host, |routes| routes.len() == 1);
    assert_eq!(rollout.mesh.counts(&host, &[], 50), Counts::from([(STABLE.to_owned(), 50)]));
    rollout.deployment(CANDIDATE);
    rollout.mesh.wait_for_routes(&host, |routes| {
        routes.iter().any(|route| !route["route"]["request_mirror_policies"].is_null())
    });
    let before = rollout.mesh.predictions(CANDIDATE);
    assert_eq!(rollout.mesh.counts(&host, &[], 50), Counts::from([(STABLE.to_owned(), 50)]));
    assert_eq!((before, rollout.mesh.predictions(CANDIDATE)), (0, 50));
    rollout.case.delete(&format!("deployment/{CANDIDATE}"));
    rollout.mesh.wait_for_routes(&host, |routes| {
        routes.iter().all(|route| route["route"]["request_mirror_policies"].is_null())
    });
    assert_eq!(rollout.mesh.counts(&host, &[], 50), Counts::from([(STABLE.to_owned(), 50)]));
    assert_eq!(rollout.mesh.predictions(CANDIDATE), 50);
}
