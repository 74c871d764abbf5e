//! Documents of loads for tests, as a run with a confidence writes them.

use std::time::Duration;

use crate::confidence::design_effect::midway;
use crate::metrics::histogram;
use crate::model::contribution::Assessment;
use crate::model::counts::Counts;
use crate::model::duration::GoDuration;
use crate::model::insights::Insights;
use crate::model::load::{LoadRecord, Pair, VersionFrom};
use crate::model::metric::{MetricMeta, MetricType};
use crate::model::number::Number;
use crate::model::objectives::{Confidence, Objectives, RelativeLimits};
use crate::model::series::{Over, Series};
use crate::model::slo::{Slo, SloLimits, Verdict};
use crate::slo::judge::judge_objectives;

pub(in crate::slo) const P95: &str = "http/latency-p95";
pub(in crate::slo) const RATE: &str = "http/error-rate";

/// A load of one version: latencies in µs of each interval, and the errors among its requests.
#[derive(Clone, Default)]
pub(in crate::slo) struct TestLoad {
    pub intervals: Vec<(Vec<u64>, u64)>,
    /// Limits in msec whose exceedances are counted.
    pub limits: Vec<f64>,
}

impl TestLoad {
    /// Intervals of `count` requests each, of which `slow(interval)` take `slow_micros` and the others 10 ms.
    pub(in crate::slo) fn with_slow(
        intervals: usize,
        count: u64,
        slow_micros: u64,
        slow: impl Fn(usize) -> u64,
    ) -> Self {
        let interval = |at: usize| {
            let slow = slow(at).min(count);
            let latencies = (0..count).map(|request| if request < slow { slow_micros } else { 10_000 });
            (latencies.collect(), 0)
        };
        Self { intervals: (0..intervals).map(interval).collect(), limits: vec![50.0] }
    }

    /// Intervals of `count` requests each, of which `errors(interval)` fail.
    pub(in crate::slo) fn with_errors(intervals: usize, count: u64, errors: impl Fn(usize) -> u64) -> Self {
        let interval = |at: usize| ((0..count).map(|request| 9_000 + request * 7).collect(), errors(at));
        Self { intervals: (0..intervals).map(interval).collect(), limits: vec![50.0] }
    }

    fn histogram(&self) -> histogram::Histogram {
        let mut values = histogram::new();
        self.intervals.iter().flat_map(|(latencies, _)| latencies).for_each(|micros| values.saturating_record(*micros));
        values
    }

    fn record(&self) -> LoadRecord {
        let values = self.histogram();
        let requests: Vec<u64> = self.intervals.iter().map(|(latencies, _)| latencies.len() as u64).collect();
        let counts = |limit: u64| {
            let over =
                |(latencies, _): &(Vec<u64>, u64)| latencies.iter().filter(|micros| **micros > limit).count() as u64;
            self.intervals.iter().map(over).collect::<Vec<u64>>()
        };
        let exact = self.limits.iter().map(|limit| Over {
            limit: *limit,
            percentile: None,
            counts: counts((limit * 1_000.0) as u64),
        });
        let percentile = |p: f64| {
            let limit = values.value_at_quantile(p / 100.0);
            Over { limit: limit as f64 / 1_000.0, percentile: Some(p), counts: counts(limit) }
        };
        let [median, p90] = [0.5, 0.9].map(|q| values.value_at_quantile(q));
        let middle = |limit: &f64| {
            let micros = midway(median as f64, limit * 1_000.0) as u64;
            let within = 100.0 * values.quantile_below(micros);
            (micros > p90).then(|| Over {
                limit: micros as f64 / 1_000.0,
                percentile: Some(within),
                counts: counts(micros),
            })
        };
        let over =
            exact.chain([50.0, 90.0, 99.0].map(percentile)).chain(self.limits.iter().filter_map(middle)).collect();
        let seconds = self.intervals.len() as u64;
        let total: u64 = requests.iter().sum();
        LoadRecord {
            start: Some(chrono::DateTime::UNIX_EPOCH),
            duration: GoDuration(Duration::from_secs(seconds)),
            counts: Counts {
                requests: total,
                errors: self.intervals.iter().map(|(_, errors)| errors).sum(),
                ..Counts::default()
            },
            achieved_rate: total as f64 / seconds as f64,
            series: Some(Series {
                interval: GoDuration(Duration::from_secs(1)),
                errors: self.intervals.iter().map(|(_, errors)| *errors).collect(),
                sum: self.intervals.iter().map(|(latencies, _)| latencies.iter().sum()).collect(),
                requests,
                over,
                ..Series::default()
            }),
            pairs: [50.0, 90.0, 95.0, 99.0]
                .map(|percentile| Pair { percentile, deff: 1.2, df: 20.0, is_from_p90: false })
                .to_vec(),
            ..LoadRecord::default()
        }
    }
}

/// Insights of these loads, one per version, as provider `http` measures them.
pub(in crate::slo) fn insights(loads: &[TestLoad]) -> Insights {
    let mut insights = Insights { num_versions: loads.len(), ..Insights::default() };
    let meta =
        |kind, units: Option<&str>| MetricMeta { description: String::new(), units: units.map(str::to_owned), kind };
    insights.metrics_info = [
        ("http/request-count".to_owned(), meta(MetricType::Counter, None)),
        ("http/error-count".to_owned(), meta(MetricType::Counter, None)),
        ("http/error-rate".to_owned(), meta(MetricType::Gauge, None)),
        ("http/latency-mean".to_owned(), meta(MetricType::Gauge, Some("msec"))),
        ("http/latency-max".to_owned(), meta(MetricType::Gauge, Some("msec"))),
        ("http/latency-stddev".to_owned(), meta(MetricType::Gauge, Some("msec"))),
        ("http/latency".to_owned(), meta(MetricType::Histogram, Some("msec"))),
        ("http/service-time".to_owned(), meta(MetricType::Histogram, Some("msec"))),
    ]
    .into();
    for load in loads {
        let (record, values) = (load.record(), load.histogram());
        let Counts { requests, errors, .. } = record.counts;
        let scalars = [
            ("http/request-count", requests as f64),
            ("http/error-count", errors as f64),
            ("http/error-rate", errors as f64 / requests as f64),
            ("http/latency-mean", histogram::mean_ms(&values)),
            ("http/latency-max", histogram::max_ms(&values)),
            ("http/latency-stddev", histogram::stddev_ms(&values)),
        ];
        insights.non_hist_metric_values.push(scalars.map(|(name, value)| (name.to_owned(), vec![value])).into());
        let encoded = histogram::encode(&values).unwrap();
        insights
            .histograms
            .push(["http/latency", "http/service-time"].map(|name| (name.to_owned(), encoded.clone())).into());
        insights.load.push([("http".to_owned(), record)].into());
    }
    insights
}

/// A minute of 50 requests per second, none of which is slow or fails.
pub(in crate::slo) fn fast() -> TestLoad {
    TestLoad::with_slow(60, 50, 60_000, |_| 0)
}

/// Half a minute of 50 requests per second, one of which is slow in every third.
pub(super) fn good() -> TestLoad {
    TestLoad::with_slow(30, 50, 60_000, |at| u64::from(at % 3 == 0))
}

/// As [`good`], with six slow ones in every second.
pub(super) fn bad() -> TestLoad {
    TestLoad::with_slow(30, 50, 60_000, |at| 6 + at as u64 % 2)
}

pub(in crate::slo) fn record(insights: &mut Insights, version: usize) -> &mut LoadRecord {
    insights.load[version].get_mut("http").unwrap()
}

pub(super) fn series(insights: &mut Insights, version: usize) -> &mut Series {
    record(insights, version).series.as_mut().unwrap()
}

/// Every number of a verdict is one that a document can hold.
pub(super) fn assert_finite(verdict: &Verdict) {
    let json = serde_json::to_string(verdict).unwrap();
    let read: Verdict = serde_json::from_str(&json).unwrap();
    assert_eq!(&read, verdict, "{json}");
}

pub(in crate::slo) fn slo(metric: &str, limit: f64) -> Slo {
    Slo { metric: metric.into(), limit: Number(limit) }
}

/// Objectives at 95 %.
pub(in crate::slo) fn objectives(upper: &[(&str, f64)], lower: &[(&str, f64)], relative: &[(&str, f64)]) -> Objectives {
    let slos = |limits: &[(&str, f64)]| limits.iter().map(|(metric, limit)| slo(metric, *limit)).collect::<Vec<Slo>>();
    Objectives {
        limits: SloLimits { upper: slos(upper), lower: slos(lower) },
        relative: RelativeLimits { upper: slos(relative) },
        confidence: Some(Confidence { level: 0.95, burst: Confidence::DEFAULT_BURST, is_strict: false }),
        ..Objectives::default()
    }
}

pub(in crate::slo) fn assess(insights: &Insights, objectives: &Objectives) -> Assessment {
    judge_objectives(insights, objectives)
}

/// The verdict on the only objective and version.
pub(in crate::slo) fn verdict(insights: &Insights, objectives: &Objectives) -> Verdict {
    let [verdict] = <[Verdict; 1]>::try_from(assess(insights, objectives).verdicts).unwrap();
    verdict
}

/// The verdict on one upper limit for one version.
pub(in crate::slo) fn upper(load: &TestLoad, metric: &str, limit: f64) -> Verdict {
    verdict(&insights(std::slice::from_ref(load)), &objectives(&[(metric, limit)], &[], &[]))
}

/// A document whose last load is of unknown origin.
pub(in crate::slo) fn attributed(loads: &[TestLoad]) -> Insights {
    let mut document = insights(loads);
    let known = loads.len() - 1;
    (document.num_versions, document.unknown_version) = (known, Some(known));
    let requests = document.load.iter().map(|loads| loads["http"].counts.requests).sum();
    for version in 0..known {
        let mut whole = VersionFrom::default();
        whole.counts.requests = requests;
        record(&mut document, version).version_from = Some(whole);
    }
    document
}

/// The verdict on one limit relative to version 0, for one candidate.
pub(super) fn relative(document: &Insights, metric: &str, limit: f64) -> Verdict {
    verdict(document, &objectives(&[], &[], &[(metric, limit)]))
}
