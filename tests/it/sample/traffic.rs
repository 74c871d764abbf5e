//! Traffic splits of the front, errors of versions, and their counters.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::{port, serving};

/// The versions that answer this many predictions at the front, with this seed and weights of 80 and 20.
async fn sequence(seed: u64, count: usize) -> Vec<String> {
    let service = serving(|config| {
        config.seed = seed;
        (config.versions[0].weight, config.versions[1].weight) = (80, 20);
    })
    .await;
    let mut client = Client::http1(service.front).await;
    let mut versions = Vec::new();
    for _ in 0..count {
        let answer = client.predict().await;
        // Header, body and the model's own answer are of one mind.
        let class = if answer.version() == "v1" { 2 } else { 1 };
        assert_eq!(
            (&answer.json()["model_version"], &answer.json()["predictions"]),
            (&json!(answer.version()), &json!([class]))
        );
        versions.push(answer.version().to_owned());
    }
    versions
}

#[tokio::test]
async fn a_seed_determines_the_traffic_split() {
    let (first, again, other) = (sequence(1, 1000).await, sequence(1, 1000).await, sequence(2, 1000).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    // 4 standard deviations of a binomial distribution with n = 1000 and p = 0.2 are 51.
    let candidate = first.iter().filter(|version| *version == "v2").count();
    assert!(candidate.abs_diff(200) <= 51, "{candidate}");
}

#[tokio::test]
async fn a_header_routes_to_the_candidate() {
    let service = serving(|config| {
        config.versions[1].weight = 0;
        config.header.name = "X-Canary".into();
        config.header.value = "yes".into();
    })
    .await;
    let mut client = Client::http1(service.front).await;
    let body = json!({"instances": [[1, 2, 3, 4]]}).to_string();
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("x-canary", "yes")], "v2"),
        (&[("x-canary", "no"), ("X-CANARY", "yes")], "v2"),
        (&[("x-canary", "Yes")], "v1"),
        (&[("traffic", "test")], "v1"),
        (&[], "v1"),
    ];
    for (headers, version) in cases {
        let answer = client.send(Method::POST, "/v1/models/sklearn-iris:predict", headers, body.as_bytes()).await;
        assert_eq!(answer.version(), version, "{headers:?}");
    }
    let path = "/v2/models/sklearn-iris/versions/v2/ready";
    assert_eq!(client.get(path).await.version(), "v2");
}

#[tokio::test]
async fn a_model_id_names_the_version_at_the_front() {
    let service = serving(|config| config.versions[1].weight = 0).await;
    let body = json!({"instances": [[1, 2, 3, 4]]}).to_string();
    let path = "/v1/models/sklearn-iris:predict";
    let mut front = Client::http1(service.front).await;
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[("mm-vmodel-id", "v1")], "v1"),
        (&[("Mm-Vmodel-Id", "v2")], "v2"),
        (&[("mm-vmodel-id", "v1"), ("traffic", "test")], "v1"),
    ];
    for (headers, version) in cases {
        let answer = front.send(Method::POST, path, headers, body.as_bytes()).await;
        assert_eq!(answer.version(), version, "{headers:?}");
    }
    let answer = front.send(Method::POST, path, &[("mm-vmodel-id", "v3")], body.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.json()["error"], "unknown version `v3`; this port has: v1, v2");
    let mut own = Client::http1(port(&service, "v1")).await;
    let answer = own.send(Method::POST, path, &[("mm-vmodel-id", "v2")], body.as_bytes()).await;
    assert_eq!(answer.version(), "v1", "a version's own port has no other");
}

#[tokio::test]
async fn error_rates_are_exact() {
    let service = serving(|config| config.versions[1].error_rate = 0.1).await;
    let mut client = Client::http1(port(&service, "v2")).await;
    let mut failed = 0;
    for _ in 0..1000 {
        let answer = client.predict().await;
        assert_eq!(answer.version(), "v2");
        if answer.status != StatusCode::OK {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(answer.json()["error"].is_string());
            failed += 1;
        }
    }
    // 4 standard deviations of a binomial distribution with n = 1000 and p = 0.1 are 38.
    assert!(100_u64.abs_diff(failed) <= 38, "{failed}");
    assert_eq!((service.stats()[1].requests, service.stats()[1].errors), (1000, failed));
}

/// Samples by name and labels; panics on a line that is not of the text format.
fn samples(metrics: &Answer) -> BTreeMap<String, f64> {
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let mut samples = BTreeMap::new();
    for line in metrics.text().lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let labels = name.split_once('{').and_then(|(_, labels)| labels.strip_suffix('}')).unwrap();
        assert!(labels.split(',').all(|label| label.contains("=\"") && label.ends_with('"')), "{line}");
        assert_eq!(samples.insert(name.to_owned(), value.parse().unwrap()), None, "{line} is there twice");
    }
    samples
}

fn labels(revision: u8, code: u16) -> String {
    format!(
        "service_name=\"sklearn-iris-predictor-default\",\
         revision_name=\"sklearn-iris-predictor-default-0000{revision}\",\
         configuration_name=\"sklearn-iris-predictor-default\",namespace_name=\"default\",\
         response_code=\"{code}\",response_code_class=\"{}xx\"",
        code / 100
    )
}

#[tokio::test]
async fn metrics_count_every_request() {
    let service = serving(|config| config.versions[1].error_rate = 1.0).await;
    let (mut v1, mut v2) = (Client::http1(port(&service, "v1")).await, Client::http2(port(&service, "v2")).await);
    for _ in 0..7 {
        v1.predict().await;
        v1.get("/v2/health/ready").await;
    }
    v1.post("/v1/models/sklearn-iris:predict", &json!({})).await;
    for _ in 0..3 {
        v2.predict().await;
    }
    let front = Client::http1(service.front).await.get("/metrics").await;
    for kind in ["revision_app_request_count counter", "revision_app_request_latencies histogram"] {
        assert_eq!(front.text().matches(&format!("# TYPE {kind}\n")).count(), 1, "{kind}");
    }
    let front = samples(&front);
    let expected = [(1, 200, 7.0), (1, 400, 1.0), (2, 200, 0.0), (2, 503, 3.0)];
    for (revision, code, count) in expected {
        let labels = labels(revision, code);
        assert_eq!(front[&format!("revision_app_request_count{{{labels}}}")], count, "{labels}");
        assert_eq!(front[&format!("revision_app_request_latencies_count{{{labels}}}")], count, "{labels}");
        assert_eq!(front[&format!("revision_app_request_latencies_bucket{{{labels},le=\"+Inf\"}}")], count, "{labels}");
        assert_eq!(
            front[&format!("revision_app_request_latencies_bucket{{{labels},le=\"100000\"}}")],
            count,
            "{labels}"
        );
        let sum = front[&format!("revision_app_request_latencies_sum{{{labels}}}")];
        assert_eq!(sum > 0.0, count > 0.0, "{labels}");
    }
    // 26 buckets, +Inf, sum, count and the counter.
    assert_eq!(front.len(), expected.len() * 30);
    let own = samples(&v2.get("/metrics").await);
    assert_eq!(own.len(), 2 * 30);
    assert!(own.keys().all(|name| name.contains("-00002\"")));
}

#[tokio::test]
async fn histogram_buckets_add_up() {
    let service = serving(|config| config.versions[0].latency.constant = std::time::Duration::from_millis(6)).await;
    let mut client = Client::http1(port(&service, "v1")).await;
    for _ in 0..3 {
        client.predict().await;
    }
    let samples = samples(&client.get("/metrics").await);
    let bucket =
        |bound: &str| samples[&format!("revision_app_request_latencies_bucket{{{},le=\"{bound}\"}}", labels(1, 200))];
    assert_eq!((bucket("5"), bucket("100000")), (0.0, 3.0));
    assert!(samples[&format!("revision_app_request_latencies_sum{{{}}}", labels(1, 200))] >= 18.0);
}

#[tokio::test]
async fn statistics_without_samples_are_nan() {
    let service = serving(|config| config.versions[1].error_rate = 1.0).await;
    let mut v2 = Client::http1(port(&service, "v2")).await;
    let none = json!({"mean": null, "min": null, "max": null, "p50": null, "p95": null, "p99": null});
    assert_eq!(v2.get("/stats").await.json()["latency"], none);
    for _ in 0..4 {
        v2.predict().await;
    }
    let own = v2.get("/stats").await.json();
    assert_eq!((&own["name"], &own["requests"], &own["errors"]), (&json!("v2"), &json!(4), &json!(4)));
    assert_eq!(own["revision"], "sklearn-iris-predictor-default-00002");
    let at = |key: &str| own["latency"][key].as_f64().unwrap();
    assert!(0.0 < at("min") && at("min") <= at("mean") && at("mean") <= at("max"), "{own}");
    assert!(at("p50") <= at("p95") && at("p95") <= at("p99") && at("p99") <= at("max"), "{own}");

    let front: Value = Client::http1(service.front).await.get("/stats").await.json();
    assert_eq!(front["model"], "sklearn-iris");
    assert_eq!(front["versions"][0]["requests"], 0);
    assert_eq!(front["versions"][1], own);
}
