//! Tests of verdicts on versions while some requests are of unknown origin.

use super::*;
use crate::model::counts::Counts;
use crate::model::load::VersionFrom;
use crate::model::metric_name::MetricRef;

/// Latencies in milliseconds with their counts.
type Latencies<'a> = &'a [(u64, u64)];

/// A version with 100 requests, 1 of them an error, and requests of unknown origin with these latencies. Requests without a latency have
/// no response.
fn insights(own: Latencies<'_>, unknown: u64, errors: u64, latencies: Latencies<'_>) -> Insights {
    let counts = |requests, errors| Counts { requests, errors, ..Counts::default() };
    let whole = VersionFrom { counts: counts(100 + unknown, 1 + errors), unknown, ..VersionFrom::default() };
    let load = |counts| LoadRecord { counts, version_from: Some(whole.clone()), ..LoadRecord::default() };
    let encoded = |latencies: Latencies<'_>| {
        let mut histogram = histogram::new();
        for (ms, count) in latencies {
            histogram.saturating_record_n(ms * 1000, *count);
        }
        histogram::encode(&histogram).unwrap()
    };
    let one = |load| [("http".to_owned(), load)].into();
    Insights {
        num_versions: 1,
        unknown_version: Some(1),
        load: vec![one(load(counts(100, 1))), one(load(counts(unknown, errors)))],
        histograms: [own, latencies].map(|it| [("http/latency".to_owned(), encoded(it))].into()).into(),
        ..Insights::default()
    }
}

fn doubt_of(insights: &Insights, metric: &str, bound: Bound, limit: f64) -> Option<String> {
    let metric = MetricRef::from(metric);
    doubt(insights, 0, metric.name().unwrap(), bound, limit)
}

#[test]
fn errors_of_unknown_origin_count_against_every_version_that_they_would_harm() {
    let insights = insights(&[(5, 100)], 10, 3, &[]);
    let upper = |metric, limit| doubt_of(&insights, metric, Bound::Upper, limit);
    assert_eq!(upper("http/error-count", 4.0), None);
    assert_eq!(
        upper("http/error-count", 3.0).unwrap(),
        "10 of 110 requests are of unknown origin, 3 of them errors: if they are this version's, it may be 4, beyond 3"
    );
    assert_eq!(upper("http/error-rate", 0.039), None);
    assert!(upper("http/error-rate", 0.038).is_some(), "4 of 103");
    assert!(upper("http/split", 0.99).is_some() && upper("http/split", 1.0).is_none());
    assert!(upper("http/request-count", 109.0).is_some() && upper("http/request-count", 110.0).is_none());
    let lower = |metric, limit| doubt_of(&insights, metric, Bound::Lower, limit);
    assert_eq!(
        [lower("http/error-count", 1.0), lower("http/request-count", 100.0), lower("http/split", 0.9)],
        [(); 3].map(|()| None)
    );
    assert!(lower("http/error-rate", 0.0095).is_some(), "1 of 107");
    assert_eq!(upper("other/error-count", 0.0), None, "of another provider");
}

#[test]
fn latencies_of_unknown_origin_count_if_they_are_on_the_wrong_side_of_the_limit() {
    let upper = |insights: &Insights, metric, limit| doubt_of(insights, metric, Bound::Upper, limit).is_some();
    // 5 timeouts and 95 fast responses that name no version.
    let slow = insights(&[(5, 100)], 100, 5, &[(1, 95), (10_000, 5)]);
    for metric in
        ["http/latency-p99", "http/latency/p99", "http/latency-mean", "http/latency/max", "http/latency-stddev"]
    {
        assert!(upper(&slow, metric, 100.0), "{metric}");
    }
    assert!(!upper(&slow, "http/latency-p95", 100.0), "5 of 105 are beyond it");
    assert!(upper(&slow, "http/latency-p96", 100.0));
    assert!(!upper(&slow, "http/latency-max", 20_000.0) && !upper(&slow, "http/latency-min", 100.0));
    let fast = insights(&[(5, 100)], 100, 0, &[(1, 100)]);
    assert!(!upper(&fast, "http/latency-p99", 5.1));
    let lower = |metric| doubt_of(&fast, metric, Bound::Lower, 4.0).is_some();
    assert!(lower("http/latency-mean") && lower("http/latency-p50") && !lower("http/latency/count"));
}

#[test]
fn nothing_is_in_doubt_without_requests_of_unknown_origin() {
    let upper = |insights: &Insights| doubt_of(insights, "http/error-count", Bound::Upper, 1.0);
    let mut insights = insights(&[(5, 100)], 1, 1, &[]);
    assert!(upper(&insights).is_some());
    insights.unknown_version = None;
    assert_eq!(upper(&insights), None);
}

#[test]
fn a_distribution_that_cannot_be_read_is_in_doubt() {
    let mut insights = insights(&[(5, 100)], 1, 1, &[(5, 1)]);
    insights.histograms[1].get_mut("http/latency").unwrap().data = "?".to_owned();
    let reason = doubt_of(&insights, "http/latency-p99", Bound::Upper, 100.0).unwrap();
    assert!(reason.ends_with("1 of them errors, and their distribution cannot be read"), "{reason}");
}
