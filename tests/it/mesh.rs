//! VirtualServices route real requests: through an Envoy that istiod configures, to the sample service. The routes are those that the
//! release controller applies; these tests show what they do.

use serde_json::{Value, json};

use crate::support::kubernetes::ControlPlane;
use crate::support::mesh::binomial::interval;
use crate::support::mesh::{Counts, Mesh};

/// Versions of the model.
const STABLE: &str = "wisdom-0";
const CANDIDATE: &str = "wisdom-1";

/// Host of the requests.
const HOST: &str = "wisdom.example";

/// A mesh with both versions and a gateway; `None` if programs are missing.
fn mesh() -> Option<Mesh<'static>> {
    let cluster = ControlPlane::shared()?;
    let mesh = Mesh::start(cluster, &cluster.namespace(), &[STABLE, CANDIDATE])?;
    mesh.add_gateway("mm-gateway");
    Some(mesh)
}

/// A VirtualService's spec for a host.
fn spec(host: &str, http: &Value) -> Value {
    json!({"gateways": ["mm-gateway"], "hosts": [host], "http": http})
}

/// A destination of ModelMesh, which serves all versions.
fn modelmesh(version: &str) -> Value {
    json!({
        "destination": {"host": "modelmesh-serving", "port": {"number": 8033}},
        "headers": {"request": {"set": {"mm-vmodel-id": version}}},
    })
}

/// Routes that split requests by these weights.
fn split(stable: u32, candidate: u32) -> Value {
    let (mut first, mut second) = (modelmesh(STABLE), modelmesh(CANDIDATE));
    first["weight"] = json!(stable);
    second["weight"] = json!(candidate);
    json!([{"route": [first, second]}])
}

/// A destination of a version's own Service.
fn service(version: &str) -> Value {
    json!({"host": version, "port": {"number": 80}})
}

#[test]
fn requests_with_the_header_reach_the_candidate() {
    let Some(mesh) = mesh() else { return };
    let http = json!([
        {"match": [{"headers": {"traffic": {"exact": "test"}}}], "route": [modelmesh(CANDIDATE)]},
        {"route": [modelmesh(STABLE)]},
    ]);
    mesh.route("wisdom", &spec(HOST, &http));
    mesh.wait_for_routes(HOST, |routes| routes.len() == 2);
    assert_eq!(mesh.counts(HOST, &[("traffic", "test")], 20), Counts::from([(CANDIDATE.to_owned(), 20)]));
    assert_eq!(mesh.counts(HOST, &[("traffic", "tests")], 20), Counts::from([(STABLE.to_owned(), 20)]));
    assert_eq!(mesh.counts(HOST, &[], 20), Counts::from([(STABLE.to_owned(), 20)]));
    assert_eq!(mesh.request("other.example", &[]), "404 Not Found: ");
}

#[test]
fn weights_split_requests() {
    let Some(mesh) = mesh() else { return };
    mesh.route("wisdom", &spec(HOST, &split(80, 20)));
    mesh.wait_for_weights(HOST, &[(STABLE, 80), (CANDIDATE, 20)]);
    let counts = mesh.counts(HOST, &[], 1000);
    assert_eq!(counts[STABLE] + counts[CANDIDATE], 1000, "{counts:?}");
    assert!(interval(1000, 0.2).contains(&counts[CANDIDATE]), "{counts:?}");
}

#[test]
fn copies_of_requests_reach_the_mirror() {
    let Some(mesh) = mesh() else { return };
    let mirrored = |percentage: u32| {
        let route = json!([{"destination": service(STABLE)}]);
        json!([{"route": route, "mirror": service(CANDIDATE), "mirrorPercentage": {"value": percentage}}])
    };
    let wait = |percentage: u64| {
        mesh.wait_for_routes(HOST, |routes| {
            let copies = &routes.first().unwrap_or(&Value::Null)["route"]["request_mirror_policies"][0];
            copies["runtime_fraction"]["default_value"]["numerator"].as_u64() == Some(percentage * 10_000)
        })
    };
    mesh.route("wisdom", &spec(HOST, &mirrored(100)));
    wait(100);
    assert_eq!(mesh.counts(HOST, &[], 100), Counts::from([(STABLE.to_owned(), 100)]));
    assert_eq!((mesh.predictions(STABLE), mesh.predictions(CANDIDATE)), (100, 100));

    mesh.route("wisdom", &spec(HOST, &mirrored(25)));
    wait(25);
    assert_eq!(mesh.counts(HOST, &[], 400), Counts::from([(STABLE.to_owned(), 400)]));
    assert_eq!(mesh.predictions(STABLE), 500);
    let copies = usize::try_from(mesh.predictions(CANDIDATE)).unwrap() - 100;
    assert!(interval(400, 0.25).contains(&copies), "{copies}");
}

/// A copy has the headers of its request, as they were sent to the stable version, so it would reach the same model. Sent to the gateway
/// once more, it is recognized by a header that the stable version's route has set.
#[test]
fn copies_through_the_gateway_reach_another_model() {
    let Some(mesh) = mesh() else { return };
    let (mut stable, mut copies) = (modelmesh(STABLE), modelmesh(CANDIDATE));
    stable["headers"]["request"]["set"]["x-iter8-mirror"] = json!("wisdom");
    copies["headers"]["request"]["remove"] = json!(["x-iter8-mirror"]);
    let gateway = json!({"host": "istio-ingressgateway", "port": {"number": 80}});
    let http = json!([
        {"match": [{"headers": {"x-iter8-mirror": {"exact": "wisdom"}}}], "route": [copies]},
        {"route": [stable], "mirror": gateway, "mirrorPercentage": {"value": 100}},
    ]);
    mesh.route("wisdom", &spec(HOST, &http));
    mesh.wait_for_routes(HOST, |routes| routes.len() == 2);
    assert_eq!(mesh.counts(HOST, &[], 100), Counts::from([(STABLE.to_owned(), 100)]));
    assert_eq!((mesh.predictions(STABLE), mesh.predictions(CANDIDATE)), (100, 100));
}

#[test]
fn no_request_fails_while_weights_change() {
    let Some(mesh) = mesh() else { return };
    mesh.route("wisdom", &spec(HOST, &split(50, 50)));
    mesh.wait_for_weights(HOST, &[(STABLE, 50), (CANDIDATE, 50)]);
    let traffic = mesh.start_traffic(HOST);
    for change in 0..50 {
        let weight = 1 + change;
        mesh.route("wisdom", &spec(HOST, &split(100 - weight, weight)));
        mesh.wait_for_weights(HOST, &[(STABLE, u64::from(100 - weight)), (CANDIDATE, u64::from(weight))]);
    }
    let counts = traffic.stop();
    assert_eq!(counts.keys().collect::<Vec<_>>(), [STABLE, CANDIDATE], "{counts:?}");
    assert!(counts.values().sum::<usize>() > 500, "{counts:?}");
}

/// The API server accepts such a VirtualService, but Envoy rejects it, together with every later change of any VirtualService of that port.
/// So the release controller must never apply one.
#[test]
fn a_route_whose_weights_are_all_0_blocks_its_gateway_port() {
    let Some(mesh) = mesh() else { return };
    mesh.route("wisdom", &spec(HOST, &split(100, 0)));
    mesh.wait_for_weights(HOST, &[(STABLE, 100)]);

    mesh.route("zero", &spec("zero.example", &split(0, 0)));
    mesh.wait_until("Envoy rejects it", || mesh.rejected_routes() > 0);
    let rejected = mesh.rejected_routes();
    mesh.route("wisdom", &spec(HOST, &split(0, 100)));
    mesh.wait_until("Envoy rejects another route's change", || mesh.rejected_routes() > rejected);
    assert_eq!(mesh.counts(HOST, &[], 20), Counts::from([(STABLE.to_owned(), 20)]));

    mesh.delete_route("zero");
    mesh.wait_for_weights(HOST, &[(CANDIDATE, 100)]);
    assert_eq!(mesh.counts(HOST, &[], 20), Counts::from([(CANDIDATE.to_owned(), 20)]));
}

#[test]
fn an_interval_leaves_out_the_improbable() {
    // By hand: 1e-6 / 2 lies between 2^-21 and 2^-20, so 20 coins may well all fall the same way, and 21 may not.
    assert_eq!(interval(20, 0.5), 0..=20);
    assert_eq!(interval(22, 0.5), 1..=21);
    // About 4.9 standard deviations of 12.6 around 200.
    let wide = interval(1000, 0.2);
    assert!((136..=142).contains(wide.start()) && (262..=268).contains(wide.end()), "{wide:?}");
}
