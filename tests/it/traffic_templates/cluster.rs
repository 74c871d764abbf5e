//! The chart's objects on a real API server.

use std::collections::BTreeSet;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::Value;

use super::rollouts::Rollout;
use super::routes::{render, routing_template, weights};
use super::{Helm, ROUTES, objects, only};
use crate::kubernetes::cluster_case::ClusterCase;
use crate::support::runtime::block_on;

/// Arguments of kubectl: applies its input without storing it, and prints the objects with all defaults.
const DRY_RUN: [&str; 8] = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-"];

/// A namespace of a cluster that has all resource definitions.
fn case() -> Option<ClusterCase> {
    let case = ClusterCase::without_node()?;
    case.cluster.crds().then_some(case)
}

/// Values that put everything into the namespace of a case.
fn placed(case: &ClusterCase, gateways: &str) -> [String; 3] {
    [
        format!("--namespace={}", case.namespace),
        format!("--set=modelmeshServingNamespace={}", case.namespace),
        format!("--set=knativeLocalGatewayNamespace={gateways},externalGatewayServiceNamespace={gateways}"),
    ]
}

/// Spec of each object after the API server has filled in its defaults.
#[track_caller]
fn accepted(case: &ClusterCase, stream: &str) -> Vec<Value> {
    let output = case.cluster.kubectl_with_input(&DRY_RUN, stream);
    assert_eq!(output.code, Some(0), "{}\n{stream}", output.stderr);
    let mut list: Value = serde_json::from_str(&output.stdout).unwrap();
    if list["kind"] == "List" { list["items"].as_array_mut().unwrap().drain(..).collect() } else { vec![list] }
}

#[test]
fn the_api_server_accepts_every_route_and_adds_nothing() {
    let (Some(case), Some(helm)) = (case(), Helm::new()) else { return };
    let gateways = case.cluster.namespace();
    let placed = placed(&case, &gateways);
    for rollout in Rollout::all() {
        let flags: Vec<String> = rollout.flags().into_iter().chain(placed.clone()).collect();
        let output = helm.template(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(output.code, Some(0), "{rollout:?}: {}", output.stderr);
        let template = routing_template(&objects(&output.stdout));
        let mut stream = output.stdout;
        let routes: BTreeSet<String> =
            weights(rollout.versions).iter().map(|weights| render(&template, weights)).collect();
        for route in routes {
            let mut route = objects(&route).remove(0);
            route["metadata"]["namespace"] = case.namespace.as_str().into();
            stream.push_str(&format!("---\n{route}\n"));
        }
        let rendered = objects(&stream);
        let accepted = accepted(&case, &stream);
        assert_eq!(rendered.len(), accepted.len());
        for (rendered, accepted) in rendered.iter().zip(&accepted) {
            assert_eq!(rendered["spec"], accepted["spec"], "{rollout:?}: {}", rendered["kind"]);
        }
    }
}

/// Applies a route as the controller does.
#[track_caller]
fn apply_as_controller(case: &ClusterCase, text: &str) {
    let object = &objects(text)[0];
    let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap()));
    block_on(async {
        let api = Api::<DynamicObject>::namespaced_with(case.cluster.client(), &case.namespace, &resource);
        api.patch("wisdom", &PatchParams::apply("iter8").force(), &Patch::Apply(object)).await.unwrap();
    });
}

#[test]
fn a_rollout_is_applied_again_without_effect_and_deleted_completely() {
    let (Some(case), Some(helm)) = (case(), Helm::new()) else { return };
    let gateways = case.cluster.namespace();
    let kubectl = |verb: &[&str], input: &str| {
        let output = case.cluster.kubectl_with_input(&[verb, &["-f", "-"]].concat(), input);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output.stdout
    };
    let kinds = "configmaps,virtualservices,gateways.networking.istio.io,gateways.gateway.networking.k8s.io,httproutes,referencegrants";
    let left = || {
        let names = [&case.namespace, &gateways]
            .map(|namespace| case.cluster.kubectl_ok(&["get", kinds, "-n", namespace, "-o", "name"]));
        names.concat().replace("configmap/kube-root-ca.crt\n", "")
    };
    for rollout in Rollout::all().iter().filter(|rollout| rollout.versions == 2) {
        let flags: Vec<String> = rollout.flags().into_iter().chain(placed(&case, &gateways)).collect();
        let manifests = helm.template(&flags.iter().map(String::as_str).collect::<Vec<_>>()).stdout;
        let count = objects(&manifests).len();
        let created = kubectl(&["apply"], &manifests);
        assert_eq!(created.matches(" created\n").count(), count, "{created}");
        // The controller finds the same state, and owns the route from now on.
        let template = routing_template(&objects(&manifests));
        apply_as_controller(&case, &render(&template, &[1, 0]));
        let again = kubectl(&["apply"], &manifests);
        assert_eq!(again.matches(" unchanged\n").count(), count, "{rollout:?}: {again}");
        // It can change the route, and kubectl can still delete it.
        let both = render(&template, &[50, 50]);
        apply_as_controller(&case, &both);
        let kind = only(&objects(&manifests), &ROUTES)["kind"].as_str().unwrap().to_lowercase();
        assert_eq!(case.get(&kind, "wisdom")["spec"], objects(&both)[0]["spec"], "{rollout:?}");
        kubectl(&["delete", "--force"], &manifests);
        assert_eq!(left(), "", "{rollout:?}");
    }
}
