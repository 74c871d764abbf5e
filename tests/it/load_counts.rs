//! Counts that verdicts with confidence need: exact, in the document of a load, and only there.

use std::time::Duration;

use iter8::metrics::histogram::{Histogram, decode};
use iter8::model::contribution::{Contribution, Values};
use iter8::model::load::LoadRecord;
use iter8::model::number::Number;
use iter8::model::objectives::{Confidence, Objectives, RelativeLimits};
use iter8::model::series::Series;
use iter8::model::slo::{Slo, SloLimits};
use iter8::tasks::http::KIND;
use serde_json::{Value, json};

use crate::fleet::peers::{TIMEOUT, run_all};
use crate::schema::{errors, published};
use crate::support::env::TestEnv;
use crate::support::fleet::InMemoryFleet;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

/// Limits in msec that are the highest values of their cells in a histogram, so that it has exact counts, too.
const EDGES: [f64; 3] = [2.047, 10.007, 20.015];

/// A service that takes between 0 and 29 ms, and names a version in its responses.
fn service() -> MisbehavingServer {
    MisbehavingServer::scripted(|request| {
        std::thread::sleep(Duration::from_millis(request.number * 7 % 30));
        Reply::with(200, if request.number % 3 == 0 { "X-Version: new\r\n" } else { "X-Version: old\r\n" }, "")
    })
}

fn objectives(confidence: Option<f64>) -> Objectives {
    let slo = |metric: &str, limit: f64| Slo { metric: metric.into(), limit: Number(limit) };
    let upper = EDGES.map(|limit| slo("http/latency-p95", limit)).into();
    let lower = vec![slo("http/latency/p50", 0.5), slo("http/latency-mean", 1.0)];
    Objectives {
        limits: SloLimits { upper, lower },
        relative: RelativeLimits { upper: vec![slo("http/latency-p75", 1.1)] },
        confidence: confidence.map(|level| Confidence { level, burst: Confidence::DEFAULT_BURST, is_strict: false }),
        ..Objectives::default()
    }
}

async fn run(values: Value, objectives: &Objectives) -> Contribution {
    TestEnv::default().run_judged(&KIND, values, Some(objectives)).await.unwrap()
}

fn record(contribution: &Contribution, version: usize) -> &LoadRecord {
    &contribution.versions[version].load["http"]
}

fn series(contribution: &Contribution, version: usize) -> &Series {
    record(contribution, version).series.as_ref().unwrap()
}

fn latency(contribution: &Contribution, version: usize) -> Histogram {
    let Values::Distribution { histogram, .. } = &contribution.versions[version].metrics["http/latency"].values else {
        panic!("no distribution")
    };
    decode(histogram).unwrap()
}

/// Compares the counts of a series with the histogram of the same load.
fn assert_exact(series: &Series, latency: &Histogram) {
    let total = |column: &[u64]| column.iter().sum::<u64>();
    assert_eq!((series.timed.len(), total(&series.requests)), (0, latency.len()));
    let mean = total(&series.sum) as f64 / latency.len() as f64;
    assert!((mean / latency.mean() - 1.0).abs() < 1e-3, "{mean} {}", latency.mean());
    let [half, edges @ .., p50, p90, p99] = &series.over[..] else { panic!("{:?}", series.over) };
    assert_eq!((half.limit, edges.iter().map(|over| over.limit).collect::<Vec<_>>()), (0.5, EDGES.to_vec()));
    for over in edges {
        let within = latency.count_between(0, (over.limit * 1000.0).round() as u64);
        assert_eq!(total(&over.counts), latency.len() - within, "{} ms", over.limit);
        assert_eq!((over.percentile, over.counts.len()), (None, series.requests.len()));
    }
    for (over, (percentile, share)) in [p50, p90, p99].into_iter().zip([(50.0, 0.5), (90.0, 0.1), (99.0, 0.01)]) {
        assert_eq!(over.percentile, Some(percentile));
        assert!(total(&over.counts) as f64 <= share * latency.len() as f64, "{over:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_over_limits_are_counted_exactly_if_verdicts_have_a_confidence() {
    let server = service();
    let values = json!({"url": server.url(), "numRequests": 200, "qps": 100, "connections": 8});
    let with = run(values.clone(), &objectives(Some(0.95))).await;
    assert_exact(series(&with, 0), &latency(&with, 0));
    assert!(record(&with, 0).pairs.is_empty());
    let without = serde_json::to_value(record(&run(values, &objectives(None)).await, 0)).unwrap();
    for field in ["/pairs", "/stopped", "/series/timed", "/series/sum", "/series/over"] {
        assert_eq!(without.pointer(field), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_run_in_the_same_seconds_are_paired_with_version_0() {
    let server = service();
    let url = server.url();
    for (is_parallel, count) in [(true, 5), (false, 0)] {
        let values = json!({
            "url": url, "numRequests": 120, "qps": 60, "connections": 4, "parallel": is_parallel,
            "versionValues": [{"name": "old"}, {"name": "new"}],
        });
        let contribution = run(values, &objectives(Some(0.95))).await;
        for version in 0..2 {
            assert_exact(series(&contribution, version), &latency(&contribution, version));
        }
        let pairs = &record(&contribution, 1).pairs;
        assert_eq!((record(&contribution, 0).pairs.len(), pairs.len()), (0, count));
        assert!(pairs.iter().all(|pair| pair.deff > 0.0 && pair.df >= 1.0), "{pairs:?}");
        let percentiles: Vec<f64> = pairs.iter().map(|pair| pair.percentile).collect();
        assert_eq!(percentiles, [50.0, 75.0, 90.0, 95.0, 99.0][..count]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_one_target_have_their_own_counts_on_several_pods_too() {
    let server = service();
    let assess = json!({
        "confidence": 0.95,
        "SLOs": {
            "upper": EDGES.map(|limit| json!({"metric": "http/latency-p95", "limit": limit})),
            "lower": [{"metric": "http/latency-p50", "limit": 0.5}],
        },
    });
    let http = json!({
        "url": server.url(), "numRequests": 200, "qps": 100, "connections": 4,
        "versionFrom": {"header": "X-Version", "versions": ["old", "new"]},
    });
    let spec = json!([{"task": "http", "with": http}, {"task": "assess", "with": assess}]);
    for pods in [1, 2] {
        let document = run_all(&InMemoryFleet::new(pods, TIMEOUT), pods, &spec).await.experiment();
        assert_eq!(errors(&published("document"), &serde_json::to_value(&document).unwrap()), [""; 0]);
        let insights = document.result.unwrap().insights.unwrap();
        for (loads, histograms) in insights.load.iter().zip(&insights.histograms) {
            let record = &loads["http"];
            assert_eq!(record.shards.as_ref().map(|shards| shards.count), Some(pods as u64));
            assert_exact(record.series.as_ref().unwrap(), &decode(&histograms["http/latency"]).unwrap());
        }
        let pairs: Vec<usize> = insights.load.iter().map(|loads| loads["http"].pairs.len()).collect();
        assert_eq!(pairs, [0, 4]);
    }
}
