//! The chart's routes in real traffic, as far as they differ from plain routes.

use super::routes::{render, routing_template};
use super::{Helm, objects};
use crate::support::kubernetes::ControlPlane;
use crate::support::mesh::{Counts, Mesh};

#[test]
fn copies_of_requests_in_modelmesh_reach_the_candidate() {
    let (Some(cluster), Some(helm)) = (ControlPlane::shared(), Helm::new()) else { return };
    let namespace = cluster.namespace();
    let Some(mesh) = Mesh::start(cluster, &namespace, &["wisdom-0", "wisdom-1"]) else { return };
    mesh.add_gateway("mm-gateway");
    let template = routing_template(&helm.objects(&[
        "--set=templateName=initialize,modelName=wisdom,targetEnv=kserve-modelmesh,trafficStrategy=mirror",
        &format!("--set=modelmeshServingNamespace={namespace},externalGateway={namespace}/mm-gateway"),
        &format!("--set=externalGatewayServiceNamespace={namespace}"),
    ]));
    let route = |weights: &[u32]| mesh.route("wisdom", &objects(&render(&template, weights))[0]["spec"]);
    let host = format!("wisdom.{namespace}");
    let predictions = || (mesh.predictions("wisdom-0"), mesh.predictions("wisdom-1"));

    route(&[1, 0]);
    mesh.wait_for_routes(&host, |routes| routes.len() == 1);
    assert_eq!(mesh.counts(&host, &[], 20), Counts::from([("wisdom-0".to_owned(), 20)]));
    assert_eq!(predictions(), (20, 0));

    route(&[1, 100]);
    mesh.wait_for_routes(&host, |routes| routes.len() == 2);
    assert_eq!(mesh.counts(&host, &[], 100), Counts::from([("wisdom-0".to_owned(), 100)]));
    assert_eq!(predictions(), (120, 100));

    route(&[0, 100]);
    mesh.wait_for_routes(&host, |routes| routes.len() == 1);
    assert_eq!(mesh.counts(&host, &[], 20), Counts::from([("wisdom-1".to_owned(), 20)]));
    assert_eq!(predictions(), (120, 120));
}
