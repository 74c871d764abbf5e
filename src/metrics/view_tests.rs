//! Tests of looking up metrics.

use super::*;
use crate::metrics::histogram;
use crate::model::insights::HistogramBucket;

fn meta(kind: MetricType, units: Option<&str>) -> MetricMeta {
    MetricMeta { description: String::new(), units: units.map(str::to_owned), kind }
}

/// One version with a metric of each kind.
fn insights() -> Insights {
    let mut latencies = histogram::new();
    for ms in 1..=100 {
        latencies.saturating_record(ms * 1000);
    }
    let infos = [
        ("http/request-count", MetricType::Counter, None),
        ("http/latency-mean", MetricType::Gauge, Some("msec")),
        ("http/latency-p50.0", MetricType::Gauge, Some("msec")),
        ("http/latency", MetricType::Histogram, Some("msec")),
        ("old/latency", MetricType::Histogram, Some("msec")),
        ("grpc/latency", MetricType::Sample, Some("msec")),
        ("abn/score", MetricType::Summary, None),
        ("prom/broken", MetricType::Gauge, None),
        ("prom/elsewhere", MetricType::Gauge, None),
        ("prom/stale", MetricType::Gauge, None),
    ];
    let scalars: [(&str, &[f64]); 6] = [
        ("http/request-count", &[80.0, 100.0]),
        ("http/latency-mean", &[70.0, 50.5]),
        ("http/latency-p50.0", &[49.0]),
        ("grpc/latency", &[1.0, 2.0, 3.0, 4.0]),
        ("prom/broken", &[1.0, f64::NAN]),
        ("prom/stale", &[1.0]),
    ];
    let stale = Observation { no_data: Some("the query gave no result".into()), ..Observation::default() };
    let buckets = vec![HistogramBucket { lower: 0.0, upper: 10.0, count: 4 }];
    Insights {
        num_versions: 1,
        metrics_info: infos.into_iter().map(|(name, kind, units)| (name.to_owned(), meta(kind, units))).collect(),
        non_hist_metric_values: vec![
            scalars.into_iter().map(|(name, list)| (name.to_owned(), list.to_vec())).collect(),
        ],
        hist_metric_values: vec![[("old/latency".to_owned(), buckets)].into()],
        summary_metric_values: vec![[("abn/score".to_owned(), vec![4.0, 20.0, 2.0, 8.0, 120.0])].into()],
        histograms: vec![[("http/latency".to_owned(), histogram::encode(&latencies).unwrap())].into()],
        observations: vec![[("prom/stale".to_owned(), stale)].into()],
        ..Insights::default()
    }
}

fn metric<'a>(insights: &'a Insights, version: usize, name: &str) -> Metric<'a> {
    MetricsView::new(insights, version).resolve(&name.into())
}

fn reading(insights: &Insights, version: usize, name: &str) -> Reading {
    metric(insights, version, name).reading
}

fn units<'a>(insights: &'a Insights, name: &str) -> Option<&'a str> {
    metric(insights, 0, name).unit
}

fn samples(insights: &Insights, version: usize, name: &str) -> Option<u64> {
    metric(insights, version, name).samples
}

fn value(name: &str) -> f64 {
    match reading(&insights(), 0, name) {
        Reading::Value(value) => value,
        Reading::Missing(missing) => panic!("{name}: {missing:?}"),
    }
}

fn reason(name: &str) -> String {
    match reading(&insights(), 0, name) {
        Reading::Value(value) => panic!("{name} is {value}"),
        Reading::Missing(missing) => missing.reason,
    }
}

#[test]
fn every_kind_of_metric_gives_its_newest_value() {
    assert_eq!(value("http/latency-mean"), 50.5);
    assert_eq!(value("http/latency-p50"), 49.0);
    assert_eq!(value("http/latency-p50.00"), 49.0);
    assert_eq!(value("grpc/latency/mean"), 2.5);
    assert_eq!(value("grpc/latency/p50.0"), 2.0);
    assert_eq!(value("grpc/latency/count"), 4.0);
    assert_eq!(value("abn/score/mean"), 5.0);
    assert_eq!(value("old/latency/p50"), 5.0);
}

#[test]
fn a_percentile_that_was_not_written_down_comes_from_the_histogram() {
    assert!((value("http/latency/p99") - 99.0).abs() < 0.1);
    assert!((value("http/latency-p97") - 97.0).abs() < 0.1);
    assert_eq!(units(&insights(), "http/latency-p97"), Some("msec"));
    assert_eq!(samples(&insights(), 0, "http/latency/p99"), Some(100));
    let mut unsaid = insights();
    unsaid.non_hist_metric_values[0].clear();
    assert_eq!(samples(&unsaid, 0, "http/latency-p97"), Some(100));
    assert_eq!(samples(&unsaid, 0, "http/latency-mean"), None);
}

#[test]
fn a_damaged_histogram_is_an_error_even_beside_buckets() {
    let mut insights = insights();
    insights.histograms[0].get_mut("http/latency").unwrap().data.insert(0, 'x');
    let reason = |insights: &Insights, name| {
        let Reading::Missing(missing) = reading(insights, 0, name) else { panic!("a value of nothing") };
        missing.reason
    };
    let expected = "the histogram of `http/latency` in the document cannot be read: the histogram is not base64";
    assert_eq!(reason(&insights, "http/latency/p99"), expected);
    let buckets = vec![HistogramBucket { lower: 0.0, upper: 2.0, count: 1 }];
    insights.hist_metric_values[0].insert("http/latency".into(), buckets);
    assert_eq!(reason(&insights, "http/latency/max"), expected);
}

#[test]
fn no_data_comes_with_its_reason() {
    let cases = [
        ("prom/stale", "the query gave no result"),
        ("prom/broken", "the value of `prom/broken` in the document is NaN"),
        ("prom/elsewhere", "`prom/elsewhere` was not measured for this version"),
        ("http/latency-meen", "`http/latency-meen` was not measured; did you mean `http/latency-mean`?"),
        ("nowhere/at-all", "`nowhere/at-all` was not measured"),
        ("abn/zzz", "provider `abn` has no metric `zzz`; known metrics: score"),
        ("abn/score/p99", "`abn/score` is a summary, which has no percentiles: use mean, stddev, min, max or count"),
        (
            "grpc/latency",
            "`grpc/latency` has many values: name an aggregation, such as `grpc/latency/mean` or `grpc/latency/p99`",
        ),
        ("http/latency-mean/max", "`http/latency-mean` is a single number: leave out `/max`"),
    ];
    for (name, expected) in cases {
        assert_eq!(reason(name), expected);
    }
    assert!(reason("latency").contains("expected `provider/metric`"));
    assert!(matches!(reading(&insights(), 7, "http/latency-mean"), Reading::Missing(_)));
    assert!(matches!(reading(&Insights::default(), 0, "http/latency-mean"), Reading::Missing(_)));
}

#[test]
fn samples_and_units_are_known_if_the_document_has_them() {
    let insights = insights();
    let known = |name| (samples(&insights, 0, name), units(&insights, name));
    assert_eq!(known("http/latency-mean"), (Some(100), Some("msec")));
    assert_eq!(known("http/request-count"), (None, None));
    assert_eq!(known("grpc/latency/p99"), (Some(4), Some("msec")));
    assert_eq!(known("grpc/latency/count"), (Some(4), None));
    assert_eq!(known("abn/score/max"), (Some(4), None));
    assert_eq!(metric(&insights, 0, "http/latency-p50").kind(), Some(MetricType::Gauge));
}

/// Returns a document that keeps its newer metrics only as histograms.
fn distributions() -> Insights {
    let mut latencies = histogram::new();
    for micros in 1..=10_000 {
        latencies.saturating_record(micros * 100);
    }
    let keys = ["http/success-latency", "http-get/first-byte", "grpc/latency", "grpc/between-messages"];
    let of_key = |key: &str| (key.to_owned(), histogram::encode(&latencies).unwrap());
    Insights {
        num_versions: 1,
        metrics_info: keys.map(|key| (key.to_owned(), meta(MetricType::Histogram, Some("msec")))).into(),
        histograms: vec![keys.map(of_key).into()],
        ..Insights::default()
    }
}

#[test]
fn a_metric_kept_as_a_histogram_alone_gives_every_aggregation() {
    let insights = distributions();
    let value = |name: &str| match reading(&insights, 0, name) {
        Reading::Value(value) => value,
        Reading::Missing(missing) => panic!("{name}: {missing:?}"),
    };
    let expected = [
        ("http/success-latency/p99", 990.0),
        ("http/success-latency-p99", 990.0),
        ("http-get/first-byte/p50.0", 500.0),
        ("grpc/latency/mean", 500.05),
        ("grpc/latency/p99.95", 999.5),
        ("grpc/latency/stddev", 288.7),
        ("grpc/between-messages/max", 1000.0),
    ];
    for (name, expected) in expected {
        assert!((value(name) / expected - 1.0).abs() < 0.001, "{name}: {}", value(name));
        assert_eq!(units(&insights, name), Some("msec"), "{name}");
        assert_eq!(samples(&insights, 0, name), Some(10_000), "{name}");
    }
    assert_eq!(value("http/success-latency/count"), 10_000.0);
    assert_eq!((value("grpc/latency/min"), units(&insights, "grpc/latency/count")), (0.1, None));
    let Reading::Missing(missing) = reading(&insights, 0, "grpc/latency") else { panic!("one value of many") };
    let reason = missing.reason;
    assert!(reason.contains("name an aggregation, such as `grpc/latency/mean`"), "{reason}");
    let reading = reading(&insights, 0, "http/sucess-latency/p99");
    let Reading::Missing(Missing { reason, .. }) = reading else { panic!("a typing error") };
    assert!(reason.contains("did you mean `http/success-latency`?"), "{reason}");
}

#[test]
fn samples_of_an_iter8_document_give_every_aggregation() {
    let samples_list: Vec<f64> = (1..=10_000).rev().map(|n| f64::from(n) / 10.0).collect();
    let insights = Insights {
        num_versions: 1,
        metrics_info: [("grpc/latency".to_owned(), meta(MetricType::Sample, Some("msec")))].into(),
        non_hist_metric_values: vec![[("grpc/latency".to_owned(), samples_list)].into()],
        ..Insights::default()
    };
    let value = |name: &str| reading(&insights, 0, name);
    assert_eq!(value("grpc/latency/p99.95"), Reading::Value(999.5));
    assert_eq!(value("grpc/latency/p50.0"), Reading::Value(500.0));
    assert_eq!(value("grpc/latency/max"), Reading::Value(1000.0));
    assert_eq!(value("grpc/latency/count"), Reading::Value(10_000.0));
    let Reading::Value(mean) = value("grpc/latency/mean") else { panic!("no mean") };
    assert!((mean - 500.05).abs() < 1e-6, "{mean}");
    assert_eq!(samples(&insights, 0, "grpc/latency/p99.95"), Some(10_000));
}

#[test]
fn samples_and_histograms_win_over_buckets_and_an_unreadable_histogram_is_an_error() {
    let mut recorded = histogram::new();
    recorded.record_n(2_000, 10).unwrap();
    let encoded = histogram::encode(&recorded).unwrap();
    let buckets = vec![HistogramBucket { lower: 1.0, upper: 2.0, count: 4 }];
    let mut insights = Insights { hist_metric_values: vec![[("m".to_owned(), buckets)].into()], ..Insights::default() };
    let distribution = |insights: &Insights, version| MetricsView::new(insights, version).distribution("m");
    assert_eq!(distribution(&insights, 0).unwrap().unwrap().count(), 4);
    insights.histograms = vec![[("m".to_owned(), encoded.clone())].into()];
    assert_eq!(distribution(&insights, 0).unwrap().map(|d| (d.count(), d.percentile(50.0))), Some((10, 2.0)));
    insights.histograms[0].get_mut("m").unwrap().data = "AAAA".to_owned();
    let error = distribution(&insights, 0).unwrap_err();
    assert!(
        error.starts_with("the histogram of `m` in the document cannot be read: the histogram is damaged"),
        "{error}"
    );
    assert!(distribution(&insights, 1).unwrap().is_none());
    insights.non_hist_metric_values = vec![[("m".to_owned(), vec![-2.0, -1.0])].into()];
    assert_eq!(distribution(&insights, 0).unwrap().map(|d| (d.count(), d.max())), Some((2, -1.0)));
}

#[test]
fn a_damaged_sample_or_bucket_is_an_error_for_verdicts() {
    let mut insights = insights();
    insights.non_hist_metric_values[0].get_mut("grpc/latency").unwrap().push(f64::NAN);
    insights.hist_metric_values[0].get_mut("old/latency").unwrap()[0].upper = f64::NAN;
    let reason = |name| match reading(&insights, 0, name) {
        Reading::Missing(missing) => missing.reason,
        Reading::Value(value) => panic!("{name} is {value}"),
    };
    assert_eq!(reason("grpc/latency/max"), "a sample of `grpc/latency` in the document is not a number");
    assert_eq!(reason("old/latency/max"), "a bucket of `old/latency` in the document is not a number");
}

#[test]
fn a_summary_has_no_distribution_and_hides_none() {
    let mut insights = insights();
    let distribution = |insights: &Insights, key| MetricsView::new(insights, 0).distribution(key).unwrap();
    assert!(distribution(&insights, "abn/score").is_none());
    let buckets = vec![HistogramBucket { lower: 1.0, upper: 2.0, count: 5 }];
    insights.hist_metric_values[0].insert("abn/score".into(), buckets);
    assert_eq!(distribution(&insights, "abn/score").map(|values| values.count()), Some(5));
    // A single number of the same name hides no histogram either.
    insights.non_hist_metric_values[0].insert("http/latency".into(), vec![1.5]);
    assert_eq!(distribution(&insights, "http/latency").map(|values| values.count()), Some(100));
}

#[test]
fn a_malformed_name_takes_nothing_from_the_metric_it_begins_with() {
    let mut insights = insights();
    let passed = Observation { no_data: Some("no series".into()), ..Observation::default() };
    insights.observations[0].insert("prom/elsewhere".into(), passed);
    let metric = metric(&insights, 0, "prom/elsewhere/median");
    assert!(metric.observation.is_none() && metric.recorded().is_none() && metric.meta.is_none());
}
