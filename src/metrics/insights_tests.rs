//! Tests of merging: every kind of contribution, and the bounds of a large document.

use super::*;
use crate::metrics::MetricsView;
use crate::model::contribution::Assessment;
use crate::model::counts::{Counts, Traffic};
use crate::model::document::{Experiment, ExperimentResult};
use crate::model::duration::GoDuration;
use crate::model::load::{Lateness, LoadRecord};
use crate::model::loops::LoopRule;
use crate::model::metric::{MetricMeta, Reading};
use crate::model::missing::{ErrorKind, Missing, MissingCause, NoDataPolicy};
use crate::model::number::Number;
use crate::model::slo::{Slo, SloLimits};
use crate::slo::assess::assess;

fn reading(insights: &Insights, version: usize, name: &str) -> Reading {
    MetricsView::new(insights, version).resolve(&name.into()).reading
}

fn http_503() -> Missing {
    Missing::error(ErrorKind::Status, "HTTP 503")
}

fn not_measured() -> Reading {
    Reading::Missing(Missing { cause: MissingCause::NotMeasured, reason: "not measured in this loop".into() })
}

fn samples(insights: &Insights, version: usize, name: &str) -> Option<u64> {
    MetricsView::new(insights, version).resolve(&name.into()).samples
}

fn meta(kind: MetricType) -> MetricMeta {
    MetricMeta { description: "what the metric is, in a line".into(), units: Some("msec".into()), kind }
}

fn measured(values: Values) -> Measurement {
    let kind = if matches!(values, Values::Distribution { .. }) { MetricType::Histogram } else { MetricType::Gauge };
    Measurement { meta: meta(kind), values, observation: None }
}

fn versions(values: &[Values]) -> Contribution {
    let version = |values: &Values| VersionMetrics {
        metrics: [("prom/m".to_owned(), measured(values.clone()))].into(),
        ..VersionMetrics::default()
    };
    Contribution { versions: values.iter().map(version).collect(), ..Contribution::default() }
}

fn distribution(micros: &[u64]) -> Values {
    let mut histogram = histogram::new();
    for value in micros {
        histogram.saturating_record(*value);
    }
    Values::Distribution {
        buckets: histogram::buckets(&histogram, 20),
        histogram: histogram::encode(&histogram).unwrap(),
    }
}

#[test]
fn loops_append_and_the_newest_value_is_last() {
    let mut insights = Insights::default();
    for value in [1.0, 2.0, 3.0] {
        merge(&mut insights, &versions(&[Values::Scalar(value), Values::Scalar(-value)])).unwrap();
    }
    assert_eq!(insights.num_versions, 2);
    assert_eq!(insights.non_hist_metric_values[0]["prom/m"], [1.0, 2.0, 3.0]);
    assert_eq!(reading(&insights, 1, "prom/m"), Reading::Value(-3.0));
    assert!(insights.histograms.is_empty() && insights.load.is_empty() && insights.observations.is_empty());
}

#[test]
fn a_loop_without_data_hides_earlier_values() {
    let mut insights = Insights::default();
    merge(&mut insights, &versions(&[Values::Scalar(1.0)])).unwrap();
    merge(&mut insights, &versions(&[Values::NoData(http_503())])).unwrap();
    assert_eq!(reading(&insights, 0, "prom/m"), Reading::Missing(http_503()));
    assert_eq!(insights.non_hist_metric_values[0]["prom/m"], [1.0]);
    merge(&mut insights, &versions(&[Values::Scalar(2.0)])).unwrap();
    assert_eq!(reading(&insights, 0, "prom/m"), Reading::Value(2.0));

    merge(&mut insights, &versions(&[Values::Scalar(f64::NAN)])).unwrap();
    assert_eq!(reading(&insights, 0, "prom/m"), Reading::Missing(Missing::nothing_to_count("measured as NaN")));
}

/// Contribution of one task: metrics by name, per version.
fn task(versions: &[&[(&str, Values)]]) -> Contribution {
    let version = |metrics: &&[(&str, Values)]| VersionMetrics {
        metrics: metrics.iter().map(|(name, values)| ((*name).to_owned(), measured(values.clone()))).collect(),
        ..VersionMetrics::default()
    };
    Contribution { versions: versions.iter().map(version).collect(), ..Contribution::default() }
}

#[test]
fn a_metric_that_its_provider_no_longer_has_is_not_measured_in_this_loop() {
    let one = Values::Scalar(1.0);
    let mut insights = Insights::default();
    let all: &[(&str, Values)] = &[("p/a", one.clone()), ("p/b", one.clone()), ("p/c", distribution(&[5_000]))];
    merge(&mut insights, &task(&[all, all])).unwrap();
    merge(&mut insights, &task(&[&[("q/b", one.clone())], &[("q/b", one.clone())]])).unwrap();
    // The next loop's template has fewer metrics, and none for the second version.
    merge(&mut insights, &task(&[&[("p/a", Values::Scalar(2.0))], &[]])).unwrap();
    let gone = not_measured();
    assert_eq!(reading(&insights, 0, "p/a"), Reading::Value(2.0));
    for (version, name) in [(0, "p/b"), (0, "p/c/max"), (0, "p/c-p50"), (1, "p/a"), (1, "p/b"), (1, "p/c/count")] {
        assert_eq!(reading(&insights, version, name), gone, "{version}: {name}");
    }
    // Another provider is not concerned, and the list of values stays.
    assert_eq!([0, 1].map(|version| reading(&insights, version, "q/b")), [Reading::Value(1.0), Reading::Value(1.0)]);
    assert_eq!(insights.non_hist_metric_values[0]["p/b"], [1.0]);
    merge(&mut insights, &task(&[all, all])).unwrap();
    assert_eq!(reading(&insights, 0, "p/b"), Reading::Value(1.0));
    assert!(matches!(reading(&insights, 1, "p/c/count"), Reading::Value(1.0)));
}

#[test]
fn a_policy_of_an_earlier_loop_does_not_decide_on_what_was_not_measured() {
    let mut insights = Insights::default();
    for policy in [NoDataPolicy::Pass, NoDataPolicy::Zero] {
        let seen =
            Observation { no_data: Some("an empty result".into()), policy: Some(policy), ..Observation::default() };
        let values = match policy {
            NoDataPolicy::Zero => Values::Scalar(0.0),
            _ => Values::NoData(Missing::absent("an empty result")),
        };
        let absent = Measurement { observation: Some(seen), ..measured(values) };
        let mut contribution = task(&[&[]]);
        contribution.versions[0].metrics.insert("p/m".into(), absent);
        merge(&mut insights, &contribution).unwrap();
        merge(&mut insights, &task(&[&[("p/other", Values::Scalar(1.0))]])).unwrap();
        assert_eq!(reading(&insights, 0, "p/m"), not_measured());
        assert_eq!(insights.observations[0]["p/m"].policy, None);
    }
}

#[test]
fn a_percentile_that_is_no_longer_written_down_is_read_from_its_distribution() {
    let values = [("http/latency-p50.0".to_owned(), vec![900.0]), ("http/latency-p99".to_owned(), vec![901.0])];
    let mut insights = Insights { num_versions: 1, non_hist_metric_values: vec![values.into()], ..Insights::default() };
    let metrics: &[(&str, Values)] =
        &[("http/latency", distribution(&[5_000; 9])), ("http/latency-p50", Values::Scalar(5.0))];
    merge(&mut insights, &task(&[metrics])).unwrap();
    assert_eq!(reading(&insights, 0, "http/latency-p50.0"), Reading::Value(5.0));
    let Reading::Value(p99) = reading(&insights, 0, "http/latency-p99") else { panic!("no value") };
    assert!((4.9..5.1).contains(&p99), "{p99}");
}

#[test]
fn distributions_are_those_of_the_newest_loop() {
    let mut insights = Insights::default();
    merge(&mut insights, &versions(&[distribution(&[5_000; 9])])).unwrap();
    merge(&mut insights, &versions(&[distribution(&[7_000])])).unwrap();
    assert_eq!(reading(&insights, 0, "prom/m/count"), Reading::Value(1.0));
    assert_eq!(insights.hist_metric_values[0]["prom/m"].len(), 1);
    merge(&mut insights, &versions(&[Values::NoData(http_503())])).unwrap();
    assert_eq!(reading(&insights, 0, "prom/m/max"), Reading::Missing(http_503()));
    assert!(insights.histograms[0].is_empty() && insights.hist_metric_values[0].is_empty());
}

#[test]
fn samples_of_an_iter8_document_are_replaced_by_the_newest_loop() {
    let mut insights = Insights {
        num_versions: 1,
        metrics_info: [("prom/m".to_owned(), meta(MetricType::Sample))].into(),
        non_hist_metric_values: vec![[("prom/m".to_owned(), vec![900.0, 901.0])].into()],
        ..Insights::default()
    };
    merge(&mut insights, &versions(&[distribution(&[5_000])])).unwrap();
    assert_eq!(reading(&insights, 0, "prom/m/count"), Reading::Value(1.0));
}

#[test]
fn tasks_with_different_numbers_of_versions_are_rejected() {
    let mut insights = Insights::default();
    merge(&mut insights, &versions(&[Values::Scalar(1.0)])).unwrap();
    let before = insights.clone();
    let error = merge(&mut insights, &versions(&[Values::Scalar(1.0), Values::Scalar(2.0)])).unwrap_err();
    assert!(error.to_string().starts_with("this task measures 2 version(s), but the document compares 1"));
    assert_eq!(insights, before);
    // A task that measures nothing fits any document.
    merge(&mut insights, &Contribution { notes: vec!["sent".into()], ..Contribution::default() }).unwrap();
    assert_eq!(insights, before);
}

#[test]
fn names_loads_and_verdicts_are_replaced() {
    let mut insights = Insights::default();
    let mut contribution = versions(&[Values::Scalar(1.0), Values::Scalar(2.0)]);
    contribution.versions[1].name = Some("v2".into());
    let load = LoadRecord { counts: Counts { requests: 7, ..Counts::default() }, ..LoadRecord::default() };
    contribution.versions[1].load.insert("http".into(), load);
    contribution.assessment = Some(Assessment::default());
    merge(&mut insights, &contribution).unwrap();
    assert_eq!(insights.version_names.len(), 2);
    assert_eq!(insights.version_names[1].version, "v2");
    assert_eq!(insights.load[1]["http"].counts.requests, 7);
    assert!(insights.slos.is_some() && insights.slos_satisfied.is_some());
}

#[test]
fn merged_buckets_keep_every_value() {
    let bucket = |at: usize| HistogramBucket { lower: at as f64, upper: at as f64 + 1.0, count: 3 };
    let many: Vec<HistogramBucket> = (0..MAX_BUCKETS + 1).map(bucket).collect();
    let mut versions = vec![[("a/b".to_owned(), many)].into()];
    limit_buckets(&mut versions);
    let kept = &versions[0]["a/b"];
    assert!(kept.len() <= MAX_BUCKETS);
    assert_eq!(kept.iter().map(|b| b.count).sum::<u64>(), 3 * (MAX_BUCKETS as u64 + 1));
    assert_eq!((kept[0].lower, kept[kept.len() - 1].upper), (0.0, MAX_BUCKETS as f64 + 1.0));
}

#[test]
fn long_strings_are_truncated_at_a_character() {
    let long = Observation { query: Some("é".repeat(MAX_TEXT_BYTES)), ..Observation::default() };
    let mut insights = Insights { observations: vec![[("a/b".to_owned(), long)].into()], ..Insights::default() };
    limit_texts(&mut insights);
    let query = insights.observations[0]["a/b"].query.as_ref().unwrap();
    assert!(query.ends_with("é…") && query.len() <= MAX_TEXT_BYTES);
}

#[test]
fn sources_that_the_load_repeats_are_removed_before_strings_are_truncated() {
    let url = "h".repeat(MAX_TEXT_BYTES / 2);
    let load = LoadRecord { url: url.clone(), ..LoadRecord::default() };
    let seen = |source: &str| Observation { source: Some(source.to_owned()), ..Observation::default() };
    let mut insights = Insights { load: vec![[("http".to_owned(), load)].into()], ..Insights::default() };
    insights.observations = vec![[("http/a".to_owned(), seen(&url)), ("prom/b".to_owned(), seen(&url))].into()];
    limit_texts(&mut insights);
    assert_eq!(insights.observations[0]["http/a"].source.as_ref(), Some(&url), "what fits stays");
    insights.observations[0].insert("http/c".to_owned(), seen("other"));
    limit_texts(&mut insights);
    let source = |key: &str| insights.observations[0][key].source.clone();
    assert_eq!((source("http/a"), source("prom/b")), (None, Some(url)));
    assert_eq!(source("http/c").as_deref(), Some("other"));
}

/// Latencies with a long tail, which make histograms large.
fn tail(seed: u64) -> Vec<u64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    (0..5_000).map(|_| 10_f64.powf(3.0 + 3.0 * next()) as u64).collect()
}

/// Returns the maximum number of points of a load.
fn series() -> Series {
    Series {
        interval: GoDuration(std::time::Duration::from_secs(4)),
        last: Some(GoDuration(std::time::Duration::from_millis(2_345))),
        requests: vec![123_456; 240],
        errors: vec![1_234; 240],
        p50: vec![Some(12.3); 240],
        p99: vec![Some(1234.0); 240],
        ..Series::default()
    }
}

/// One loop of a load on 20 endpoints, for one version.
fn load_of_twenty_endpoints(seed: u64) -> VersionMetrics {
    let mut version = VersionMetrics::default();
    let statistics = ["mean", "stddev", "min", "max", "p50", "p75", "p90", "p95", "p99", "p99.9"];
    let shared = distribution(&tail(seed));
    let Values::Distribution { histogram, .. } = shared.clone() else { panic!("no distribution") };
    let alone = Values::Distribution { buckets: Vec::new(), histogram };
    for endpoint in 0..20 {
        let provider = format!("http-endpoint-{endpoint:02}");
        let url = format!("http://model-{endpoint}.models.svc.cluster.local:8080/v1/models/iris:predict");
        let seen = Observation { source: Some(url.clone()), samples: Some(100_000), ..Observation::default() };
        let latencies = statistics.iter().flat_map(|s| [format!("latency-{s}"), format!("service-time-{s}")]);
        let counts = ["request-count", "error-count", "error-rate"].map(str::to_owned);
        for (at, metric) in latencies.chain(counts).enumerate() {
            let value = 12.345_678_901_234_567 * (at as f64 + 1.1) + seed as f64;
            let measurement = Measurement { observation: Some(seen.clone()), ..measured(Values::Scalar(value)) };
            version.metrics.insert(format!("{provider}/{metric}"), measurement);
        }
        for metric in ["latency", "service-time"] {
            let measurement = Measurement { observation: Some(seen.clone()), ..measured(shared.clone()) };
            version.metrics.insert(format!("{provider}/{metric}"), measurement);
        }
        for metric in ["success-latency", "first-byte", "connect"] {
            let measurement = Measurement { observation: Some(seen.clone()), ..measured(alone.clone()) };
            version.metrics.insert(format!("{provider}/{metric}"), measurement);
        }
        let record = LoadRecord {
            url,
            lateness: Some(Lateness { p50: 0.034, p99: 0.187, max: 12.345, ..Lateness::default() }),
            traffic: Traffic {
                bytes_sent: Some(123_456_789),
                messages_sent: Some(100_000),
                messages_received: Some(100_000),
                ..Traffic::default()
            },
            series: Some(series()),
            method: "POST".into(),
            statuses: [(200, 99_000), (429, 500), (503, 500)].into(),
            causes: [("timeout".to_owned(), 3), ("reset".to_owned(), 4)].into(),
            ..LoadRecord::default()
        };
        version.load.insert(provider, record);
    }
    version
}

/// Assesses a thousand loops in which three objectives per endpoint are judged for each version, values written as long as they get.
fn assess_many_loops(insights: &mut Insights) {
    let metrics = ["latency-mean", "latency-p99.9", "error-rate"];
    let names = (0..20).flat_map(|endpoint| metrics.map(|metric| format!("http-endpoint-{endpoint:02}/{metric}")));
    let slo = |metric: String| Slo { metric: metric.into(), limit: Number(123.456_789) };
    let limits = SloLimits { upper: names.map(slo).collect(), lower: Vec::new() };
    let measured = (0..20).map(|endpoint| format!("http-endpoint-{endpoint:02}")).collect();
    let mut this = crate::slo::loops::ThisLoop {
        measured,
        start: "2025-03-04T10:15:00.123456789Z".parse().ok(),
        ..Default::default()
    };
    for number in 851..=1_000 {
        this.number = number;
        let mut assessment = assess(insights, &limits);
        crate::slo::loops::judge(&mut assessment, insights, Some(LoopRule::Consecutive(100)), &this);
        let contribution = Contribution { assessment: Some(assessment), ..Contribution::default() };
        merge(insights, &contribution).unwrap();
    }
    assert!(insights.verdicts.iter().any(|verdict| verdict.reason.ends_with("; 100 of 100 good loops in a row")));
    assert_eq!(insights.loops.len(), 100, "as many loops as a rule may require");
    assert_eq!(insights.loops.iter().flat_map(|record| &record.values).count(), loop_records::MAX_VALUES);
}

#[test]
fn twenty_endpoints_five_versions_and_a_thousand_loops_stay_under_a_mebibyte() {
    let five = (1..=5).map(load_of_twenty_endpoints).collect();
    let newest = Contribution { versions: five, ..Contribution::default() };
    let mut insights = Insights::default();
    merge(&mut insights, &newest).unwrap();
    // 998 more loops, as a document without any bound would hold them.
    for values in insights.non_hist_metric_values.iter_mut().flat_map(BTreeMap::values_mut) {
        values.resize(999, values[0] + 0.000_123);
    }
    merge(&mut insights, &newest).unwrap();
    assess_many_loops(&mut insights);

    let experiment = Experiment {
        spec: Vec::new(),
        result: Some(ExperimentResult {
            insights: Some(insights.clone()),
            num_loops: 1_000,
            ..ExperimentResult::default()
        }),
        ..Experiment::default()
    };
    let json = serde_json::to_string(&experiment).unwrap().len();
    let yaml = crate::model::codec::to_yaml(&experiment).unwrap().len();
    assert!(json < 1 << 20, "JSON takes {json} bytes");
    // A spec and the notes of tasks need some room, too.
    assert!(yaml < 1_000_000, "YAML takes {yaml} bytes");

    let values: usize = insights.non_hist_metric_values.iter().flat_map(BTreeMap::values).map(Vec::len).sum();
    assert!(values <= MAX_LOOP_VALUES && values > MAX_LOOP_VALUES / 2, "{values} values");
    // The newest loop is whole, and its histograms hold every request.
    let Reading::Value(mean) = reading(&insights, 4, "http-endpoint-19/latency-mean") else { panic!("no value") };
    assert_eq!(Values::Scalar(mean), newest.versions[4].metrics["http-endpoint-19/latency-mean"].values);
    assert_eq!(samples(&insights, 4, "http-endpoint-19/latency/count"), Some(100_000));
    assert_eq!(reading(&insights, 4, "http-endpoint-19/first-byte/count"), Reading::Value(5_000.0));
    // So are its series.
    let series: Vec<&Series> =
        insights.load.iter().flat_map(BTreeMap::values).filter_map(|load| load.series.as_ref()).collect();
    let points: usize = series.iter().map(|series| series.requests.len()).sum();
    assert!(points <= MAX_SERIES_POINTS && points > MAX_SERIES_POINTS / 2, "{points} points");
    assert!(series.iter().all(|series| series.requests.iter().sum::<u64>() == 240 * 123_456));
}

/// A series of a load with a confidence, with as many limits of SLOs.
fn counted_series(limits: usize) -> Series {
    let over = |percentile| crate::model::series::Over { limit: 123.456, percentile, counts: vec![1_234; 240] };
    let percentiles = [Some(50.0), Some(90.0), Some(99.0)].map(over);
    Series {
        sum: vec![123_456_789; 240],
        over: (0..limits).map(|_| over(None)).chain(percentiles).collect(),
        ..series()
    }
}

#[test]
fn a_hundred_loads_with_confidence_keep_enough_intervals_and_stay_under_a_mebibyte() {
    // 20 endpoints of 5 versions, the whole document beside it as large as it gets.
    let document = |limits: Option<usize>| {
        let mut versions: Vec<_> = (1..=5).map(load_of_twenty_endpoints).collect();
        for load in versions.iter_mut().flat_map(|version| version.load.values_mut()) {
            load.series = Some(limits.map_or_else(series, counted_series));
        }
        let mut insights = Insights::default();
        merge(&mut insights, &Contribution { versions, ..Contribution::default() }).unwrap();
        for values in insights.non_hist_metric_values.iter_mut().flat_map(BTreeMap::values_mut) {
            values.resize(999, values[0] + 0.000_123);
        }
        limit_loop_values(&mut insights);
        insights
    };
    let size = |insights: &Insights| serde_json::to_string(insights).unwrap().len();
    let without = size(&document(None));
    for (limits, columns) in [(5, 8), (32, 8), (1, 4)] {
        let insights = document(Some(limits));
        let series: Vec<&Series> =
            insights.load.iter().flat_map(BTreeMap::values).filter_map(|load| load.series.as_ref()).collect();
        assert_eq!(series.len(), 100);
        for series in series {
            assert!(series.requests.len() >= MIN_INTERVALS, "{} intervals", series.requests.len());
            assert_eq!(series.requests.iter().sum::<u64>(), 240 * 123_456);
            assert_eq!(series.sum.iter().sum::<u64>(), 240 * 123_456_789);
            assert_eq!(series.over.len(), columns);
            assert!(series.over.iter().any(|over| over.percentile == Some(90.0)));
            assert!(series.over.iter().all(|over| over.counts.iter().sum::<u64>() == 240 * 1_234));
        }
        let (all, more) = (size(&insights), size(&insights) - without);
        assert!(all < 1_000_000 && more < 240_000, "{limits} limits: {all} bytes, {more} more");
    }
}

/// Contribution of a load whose responses are attributed to two versions, some of them to none.
fn attributed(unknown: Option<f64>) -> Contribution {
    let one = |requests: f64| VersionMetrics {
        metrics: [("http/request-count".to_owned(), measured(Values::Scalar(requests)))].into(),
        load: [("http".to_owned(), LoadRecord::default())].into(),
        ..VersionMetrics::default()
    };
    Contribution { versions: vec![one(7.0), one(3.0)], unknown: unknown.map(one), ..Contribution::default() }
}

#[test]
fn responses_of_unknown_origin_come_after_the_compared_versions_and_go_with_the_loop() {
    let mut insights = Insights::default();
    let counts = |insights: &Insights| {
        let count = |version: &BTreeMap<String, Vec<f64>>| version.get("http/request-count").cloned();
        insights.non_hist_metric_values.iter().map(count).collect::<Vec<_>>()
    };
    let known = [Some(vec![7.0]), Some(vec![3.0])];
    merge(&mut insights, &attributed(Some(2.0))).unwrap();
    assert_eq!((insights.num_versions, insights.unknown_version), (2, Some(2)));
    assert_eq!(counts(&insights), [&known[..], &[Some(vec![2.0])]].concat());
    assert_eq!(insights.version_label(2), "unknown");
    // A task that measures the same two versions in another way.
    let other = versions(&[Values::Scalar(1.0), Values::Scalar(2.0)]);
    merge(&mut insights, &other).unwrap();
    assert_eq!((insights.num_versions, insights.unknown_version), (2, Some(2)));
    let three = versions(&[Values::Scalar(1.0), Values::Scalar(2.0), Values::Scalar(3.0)]);
    assert_eq!(merge(&mut insights, &three), Err(MergeError::Versions { task: 3, document: 2 }));
    // The next loops have others, then none.
    merge(&mut insights, &attributed(Some(1.0))).unwrap();
    assert_eq!(counts(&insights)[2], Some(vec![1.0]), "of this loop alone");
    merge(&mut insights, &attributed(None)).unwrap();
    assert_eq!((insights.num_versions, insights.unknown_version), (2, None));
    assert_eq!(counts(&insights), [Some(vec![7.0; 3]), Some(vec![3.0; 3])]);
    assert_eq!((insights.load.len(), insights.observations.len()), (2, 0));
    assert_eq!(insights.version_label(2), "version 2");
}

#[test]
fn a_document_that_counts_a_compared_version_as_unknown_loses_nothing() {
    let mut insights = Insights::default();
    merge(&mut insights, &attributed(None)).unwrap();
    insights.unknown_version = Some(1);
    merge(&mut insights, &attributed(None)).unwrap();
    assert_eq!((insights.unknown_version, insights.load.len()), (None, 2));
}
