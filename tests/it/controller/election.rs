//! Replicas: one writer, and a quick failover.

use std::time::{Duration, Instant};

use serde_json::json;

use super::controller_case::{CONFIG, ControllerCase, service_account};

#[test]
fn a_standby_takes_over_within_15_seconds_after_a_crash() {
    let Some(case) = ControllerCase::new() else { return };
    let first = case.controller("iter8-a", CONFIG, &[]);
    first.wait_until_leader();
    let second = case.controller("iter8-b", CONFIG, &[]);
    second.wait_until_ready();
    assert_eq!(second.metric("iter8_controller_leader"), Some(0.0));
    case.shop();
    case.wait_for_shop();
    case.model("shop-1");
    first.kill();
    let crashed = Instant::now();
    case.set_ready("shop-1", "True");
    case.wait_for_weights("shop", &[("shop-0", 1), ("shop-1", 1)]);
    assert!(crashed.elapsed() < Duration::from_secs(15), "{:?}", crashed.elapsed());
    assert_eq!(second.metric("iter8_controller_leader"), Some(1.0));
}

#[test]
fn a_leader_that_stops_hands_over_immediately() {
    let Some(case) = ControllerCase::new() else { return };
    let first = case.controller("iter8-a", CONFIG, &[]);
    first.wait_until_leader();
    let second = case.controller("iter8-b", CONFIG, &[]);
    second.wait_until_ready();
    let started = Instant::now();
    assert_eq!(first.stop(), 0);
    second.wait_until_leader();
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    let lease = case.get("leases", "iter8-controller");
    assert!(lease["spec"]["holderIdentity"].as_str().unwrap().starts_with("iter8-b_"), "{lease:#}");
}

#[test]
fn the_first_pod_of_a_stateful_set_leads_until_it_has_access_to_leases() {
    let Some(case) = ControllerCase::new() else { return };
    let namespace = case.case.namespace.clone();
    let rules = "{apiGroups: ['', apps, serving.kserve.io, networking.istio.io], resources: ['*'], verbs: [get, list, watch, patch]}, \
                 {apiGroups: [networking.istio.io], resources: [virtualservices], verbs: [create]}";
    case.apply(&service_account("limited", rules));
    let token = case.case.cluster.token(&namespace, "limited");
    let kubeconfig = case.case.cluster.kubeconfig_with_token(&token, &namespace);
    let case = ControllerCase { case: case.case.with_kubeconfig(kubeconfig) };
    let second = case.controller("iter8-1", CONFIG, &[]);
    let first = case.controller("iter8-0", CONFIG, &[]);
    first.log.wait_for("leads without an election, because it is the first pod");
    second.log.wait_for("stays a standby");
    first.wait_until_leader();
    case.shop();
    case.wait_for_shop();
    assert_eq!(case.get("inferenceservices", "shop-0")["metadata"]["finalizers"], json!(["iter8.tools/finalizer"]));
    assert_eq!(second.metric("iter8_controller_leader"), Some(0.0));

    // With access, it joins the election: there is a Lease, and a standby that may take it.
    let rights = "{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}";
    case.apply(&service_account("limited", &format!("{rules}, {rights}")));
    first.log.wait_for("joins the election");
    case.case.cluster.wait_for("leases", &namespace, "iter8-controller", |lease| {
        lease["spec"]["holderIdentity"].as_str().is_some_and(|holder| holder.starts_with("iter8-0_"))
    });
    first.wait_until_leader();
    first.kill();
    second.wait_until_leader();
}
