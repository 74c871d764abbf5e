//! The gateway of these tests, which stands in for Knative's ingress.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rollout_case::{R1, R2, RolloutCase, uri};
use crate::support::kubernetes::{Gateway, Model, Outcome};
use crate::support::mesh::binomial;
use crate::support::mesh::client::{Answer, Client};
use crate::support::prometheus::Prometheus;
use crate::support::runtime::block_on;

/// A flower to which the classifiers give different classes.
const BODY: &str = r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#;
const PATH: &str = "/v1/models/iris:predict";

/// Sends a prediction.
fn predict(gateway: &Gateway, host: &str) -> Answer {
    block_on(Client::new(gateway.address.port()).send(host, PATH, &[], Some(BODY))).unwrap()
}

/// Sends predictions, one after the other, and counts the revisions that responded; those that failed have their status added.
pub fn counts(gateway: &Gateway, host: &str, requests: usize) -> BTreeMap<String, usize> {
    block_on(async {
        let mut client = Client::new(gateway.address.port());
        let mut counts = BTreeMap::new();
        for _ in 0..requests {
            let answer = client.send(host, PATH, &[], Some(BODY)).await.unwrap();
            let revision = answer.headers.get("x-model-version").map_or("none", |value| value.to_str().unwrap());
            let failed = if answer.status == 200 { String::new() } else { format!(" {}", answer.status.as_u16()) };
            *counts.entry(format!("{revision}{failed}")).or_default() += 1;
        }
        counts
    })
}

fn all(revision: &str, requests: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([(revision.to_owned(), requests)])
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn requests_are_split_by_the_percents_of_the_status() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let gateway = case.gateway(&[]);
    let host = gateway.host("iris");
    gateway.wait_for_split("iris", &[(R1, 80), (R2, 20)]);
    let counted = counts(&gateway, &host, 1000);
    assert_eq!(counted.values().sum::<usize>(), 1000, "{counted:?}");
    assert_eq!(counted.keys().collect::<Vec<_>>(), [R1, R2]);
    assert!(binomial::interval(1000, 0.2).contains(&counted[R2]), "{counted:?}");
    assert_eq!(gateway.requests(R2), counted[R2] as u64);

    let tagged = host.replace("iris-", "prev-iris-");
    assert_eq!(counts(&gateway, &tagged, 20), all(R1, 20));
    case.rollout(&["promote", "iris"]).exits(0);
    gateway.wait_for_split("iris", &[(R2, 100)]);
    assert_eq!(counts(&gateway, &host, 100), all(R2, 100));
    case.rollout(&["rollback", "iris"]).exits(0);
    gateway.wait_for_split("iris", &[(R1, 100)]);
    assert_eq!(counts(&gateway, &host, 100), all(R1, 100));
}

#[test]
fn revisions_that_are_not_ready_get_no_requests() {
    let Some(case) = RolloutCase::new() else { return };
    let gateway = case.gateway(&[]);
    let host = gateway.host("iris");
    let case = case.stable();
    gateway.wait_for_split("iris", &[(R1, 100)]);
    case.decide(R2, Outcome::Starting);
    case.apply(2, Some(20));
    case.wait_for_revision(R2);
    case.wait_for_traffic(&[(R1, 20), (R1, 80)]);
    assert_eq!(counts(&gateway, &host, 50), all(R1, 50));
    case.decide(R2, Outcome::Ready);
    gateway.wait_for_split("iris", &[(R1, 80), (R2, 20)]);
    assert!(counts(&gateway, &host, 200)[R2] > 0);
    // Pods of the stable revision are lost.
    case.decide(R1, Outcome::Starting);
    let tagged = host.replace("iris-", "prev-iris-");
    assert_eq!(counts(&gateway, &tagged, 10), all("none 503", 10));
    assert_eq!(counts(&gateway, "other.example.com", 10), all("none 404", 10));
}

#[test]
fn models_have_latencies_errors_and_metrics_of_their_own() {
    let Some(case) = RolloutCase::with_candidate(50) else { return };
    let latency = Duration::from_millis(30);
    let slow = Model::new("rf").decision_tree().latency(latency).error_rate(0.5);
    let gateway = case.gateway(&[(&uri(1), Model::new("xgb")), (&uri(2), slow)]);
    gateway.wait_for_split("iris", &[(R1, 50), (R2, 50)]);
    let host = gateway.host("iris");
    let (prev, latest) = (host.replace("iris-", "prev-iris-"), host.clone());
    let answer = body(&predict(&gateway, &prev));
    assert_eq!(answer, json!({"predictions": [2], "model_name": "xgb", "model_version": R1}));
    let started = Instant::now();
    let counted = counts(&gateway, &latest, 100);
    let failed = format!("{R2} 503");
    assert!(started.elapsed() >= latency * u32::try_from(counted[R2] + counted[&failed]).unwrap(), "{counted:?}");
    assert!(counted[R2] > 0 && !counted.contains_key(&format!("{R1} 503")), "{counted:?}");

    let Some(prometheus) = Prometheus::start(&[gateway.address]) else { return };
    let namespace = &case.case.namespace;
    let expect = |query: &str, expected: usize| {
        prometheus.wait_until(query, |value| value == Some(expected as f64));
    };
    let knative = |revision: &str, class: &str| {
        format!(
            "sum(revision_app_request_count{{namespace_name=\"{namespace}\",service_name=\"iris-predictor\",\
             revision_name=\"{revision}\",response_code_class=\"{class}\"}})"
        )
    };
    // One prediction was sent to the tagged host.
    expect(&knative(R1, "2xx"), counted[R1] + 1);
    expect(&knative(R2, "2xx"), counted[R2]);
    expect(&knative(R2, "5xx"), counted[&failed]);
    let istio = format!("destination_workload=\"{R2}-deployment\",destination_workload_namespace=\"{namespace}\"");
    expect(&format!("sum(istio_requests_total{{{istio},response_code=\"503\"}})"), counted[&failed]);
    expect(&format!("sum(istio_request_duration_milliseconds_bucket{{{istio},le=\"20\"}})"), 0);
    expect(&format!("sum(istio_request_duration_milliseconds_count{{{istio}}})"), counted[R2] + counted[&failed]);
}

#[test]
fn both_classifiers_respond_as_bentoml_services() {
    let Some(case) = RolloutCase::with_candidate(0) else { return };
    let models = [(uri(1), Model::new("xgb")), (uri(2), Model::new("rf").decision_tree())];
    let gateway = case.gateway(&models.each_ref().map(|(uri, model)| (uri.as_str(), model.clone())));
    let classes = |revision: &str| {
        gateway.wait_for_split("iris", &[(revision, 100)]);
        let mut client = Client::new(gateway.address.port());
        let rows = Some("[[6.8, 2.8, 4.8, 1.4], [5.1, 3.5, 1.4, 0.2]]");
        body(&block_on(client.send(&gateway.host("iris"), "/classify", &[], rows)).unwrap())
    };
    assert_eq!(classes(R1), json!([2, 0]));
    case.rollout(&["promote", "iris"]).exits(0);
    assert_eq!(classes(R2), json!([1, 0]));
}

#[test]
fn a_gateway_that_ignores_the_status_keeps_its_split() {
    let Some(case) = RolloutCase::with_candidate(0) else { return };
    let gateway = case.gateway(&[]);
    let host = gateway.host("iris");
    gateway.wait_for_split("iris", &[(R1, 100)]);
    gateway.ignore_status();
    case.rollout(&["set", "iris", "--percent", "50"]).exits(0);
    assert_eq!(counts(&gateway, &host, 50), all(R1, 50));
    gateway.follow_status();
    gateway.wait_for_split("iris", &[(R1, 50), (R2, 50)]);
    assert!(counts(&gateway, &host, 50)[R2] > 0);
}

#[test]
fn a_deleted_service_has_no_host_and_its_successor_has_its_own_models() {
    let Some(case) = RolloutCase::with_stable() else { return };
    let gateway = case.gateway(&[(&uri(1), Model::new("first")), (&uri(3), Model::new("third"))]);
    gateway.wait_for_split("iris", &[(R1, 100)]);
    let host = gateway.host("iris");
    assert_eq!(body(&predict(&gateway, &host))["model_name"], "first");
    case.case.cluster.kubectl_ok(&["delete", "isvc", "iris", "-n", &case.case.namespace]);
    // There is no garbage collection here.
    case.case.cluster.kubectl_ok(&["delete", "ksvc", "--all", "-n", &case.case.namespace]);
    gateway.wait_for_split("iris", &[]);
    assert_eq!(counts(&gateway, &host, 3), all("none 404", 3));
    case.apply(3, None);
    gateway.wait_for_split("iris", &[(R1, 100)]);
    assert_eq!(body(&predict(&gateway, &host))["model_name"], "third");
}
