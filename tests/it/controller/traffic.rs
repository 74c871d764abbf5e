//! Requests of clients, while the controller changes the routes of the chart's strategies: a real Envoy, configured by a real istiod.

use super::controller_case::{Controller, ControllerCase};
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
        let controller = case.ready_controller();
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
}

#[test]
fn a_canary_gets_the_requests_that_match() {
    let Some(rollout) = Rollout::new() else { return };
    rollout.model(STABLE);
    let values = "templateName: initialize-rollout\ntargetEnv: kserve-modelmesh\ntrafficStrategy: canary\n";
    if rollout.chart(values).is_none() {
        return;
    }
    rollout.mesh.wait_for_gateway();
    let host = rollout.host();
    rollout.mesh.wait_for_routes(&host, |routes| routes.len() == 1);
    assert_eq!(rollout.mesh.counts(&host, &[("traffic", "test")], 20), Counts::from([(STABLE.to_owned(), 20)]));
    rollout.model(CANDIDATE);
    rollout.mesh.wait_for_routes(&host, |routes| routes.len() == 2);
    assert_eq!(rollout.mesh.counts(&host, &[("traffic", "test")], 20), Counts::from([(CANDIDATE.to_owned(), 20)]));
    assert_eq!(rollout.mesh.counts(&host, &[], 20), Counts::from([(STABLE.to_owned(), 20)]));
    rollout.case.delete("isvc/wisdom-1");
    rollout.mesh.wait_for_routes(&host, |routes| routes.len() == 1);
    assert_eq!(rollout.mesh.counts(&host, &[("traffic", "test")], 20), Counts::from([(STABLE.to_owned(), 20)]));
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
    let deployment = |name: &str| {
        rollout.case.apply(&format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, labels: {{iter8.tools/watch: 'true'}}}}\n\
             spec: {{replicas: 0, selector: {{matchLabels: {{app: x-{name}}}}}, \
             template: {{metadata: {{labels: {{app: x-{name}}}}}, spec: {{containers: [{{name: x, image: x}}]}}}}}}\n"
        ));
        let namespace = &rollout.case.case.namespace;
        rollout.case.case.cluster.kubectl_ok(&["label", "service", name, "iter8.tools/watch=true", "-n", namespace]);
    };
    deployment(STABLE);
    let values =
        "templateName: initialize-rollout\ntargetEnv: deployment\ntrafficStrategy: mirror\nmirrorPercentage: 100\n";
    if rollout.chart(values).is_none() {
        return;
    }
    rollout.mesh.wait_for_gateway();
    let host = rollout.host();
    rollout.mesh.wait_for_routes(&host, |routes| routes.len() == 1);
    assert_eq!(rollout.mesh.counts(&host, &[], 50), Counts::from([(STABLE.to_owned(), 50)]));
    deployment(CANDIDATE);
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
