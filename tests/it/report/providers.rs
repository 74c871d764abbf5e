//! Documents with custom metrics over several loops, judged as a run judges them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use iter8::metrics::insights;
use iter8::model::contribution::{Contribution, Measurement, Values, VersionMetrics};
use iter8::model::document::{Experiment, TaskStatus};
use iter8::model::insights::{Insights, Observation};
use iter8::model::loops::LoopRule;
use iter8::model::metric::{MetricMeta, MetricType};
use iter8::model::missing::{ErrorKind, Missing, MissingCause, NoDataPolicy};
use iter8::model::number::Number;
use iter8::model::slo::{Slo, SloLimits};
use iter8::slo::assess;
use iter8::slo::loops::{self, ThisLoop};
use serde_json::json;

use super::documents::{experiment, name_versions, record, start, task};

const PROVIDER: &str = "kserve-prometheus";
const LOOPS: u64 = 14;
/// The source of what is asked.
const URL: &str = "http://prometheus-operated.kfserving-monitoring:9090/api/v1/query";

fn increase(metric: &str, revision: &str) -> String {
    let series = format!(r#"{metric}{{namespace_name="models",revision_name="{revision}""#);
    format!(
        "increase({series}}}[840s])\n    + ({series}}} unless {series}}} offset 840s) * 0\n    or {series}}} unless {series}}} offset 840s"
    )
}

fn mean_query(revision: &str) -> String {
    let [sum, count] = ["revision_app_request_latencies_sum", "revision_app_request_latencies_count"];
    format!("sum(\n    {}\n)\n/ (\n  sum(\n    {}\n  ) > 0\n)", increase(sum, revision), increase(count, revision))
}

fn rate_query(revision: &str) -> String {
    let all = increase("revision_app_request_count", revision);
    let failed = all.replace("\"}", "\",response_code_class!=\"2xx\"}");
    format!("(\n  sum({failed})\n  or 0 * sum({all})\n)\n/ (sum({all}) > 0)")
}

fn measurement(
    units: Option<&str>,
    description: &str,
    query: String,
    at: DateTime<Utc>,
    values: Values,
) -> Measurement {
    let raw = match &values {
        Values::Scalar(value) => Some(value.to_string()),
        _ => None,
    };
    let observation = Observation {
        source: Some(URL.to_owned()),
        query: Some(query),
        time: Some(at),
        status: Some(200),
        attempts: Some(1),
        series: Some(u64::from(raw.is_some())),
        raw,
        ..Observation::default()
    };
    let kind = if matches!(values, Values::Samples(_)) { MetricType::Sample } else { MetricType::Gauge };
    let meta = MetricMeta { description: description.to_owned(), units: units.map(str::to_owned), kind };
    Measurement { meta, values, observation: Some(observation) }
}

/// Numbers that look measured and are the same in every run.
fn noise(of: u64) -> f64 {
    let mixed = (of + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)) % 1_000) as f64 / 1_000.0 - 0.5
}

fn version(number: u64, index: u64, at: DateTime<Utc>) -> VersionMetrics {
    let revision = ["sklearn-iris-predictor-00001", "sklearn-iris-predictor-00002"][index as usize];
    let mut found = VersionMetrics::default();
    let mut add = |name: &str, measurement| drop(found.metrics.insert(format!("{PROVIDER}/{name}"), measurement));
    let msec = Some("msec");
    // The candidate is slow in some loops, and gets better.
    let spike = if index == 1 && [3, 4, 9].contains(&number) { 31.0 } else { 0.0 };
    let mean = 22.0 + 14.0 * index as f64 + spike + 6.0 * noise(number * 2 + index);
    add("latency-mean", measurement(msec, "mean latency", mean_query(revision), at, Values::Scalar(mean)));
    let rate = if index == 1 { 0.004 + 0.006 * (noise(number + 77) + 0.5) } else { 0.0 };
    let mut errors = measurement(None, "share of requests that failed", rate_query(revision), at, Values::Scalar(rate));
    if number == 6 || (index == 0 && number == LOOPS) {
        let reason = "no requests in the window of 840s: the answer has no series";
        errors.values = Values::NoData(Missing::absent(reason));
        let seen = errors.observation.as_mut().unwrap();
        (seen.no_data, seen.policy) = (Some(reason.to_owned()), Some(NoDataPolicy::Pass));
        (seen.raw, seen.series) = (None, Some(0));
    }
    add("error-rate", errors);
    let mut tail =
        measurement(msec, "99.9th percentile of latency", mean_query(revision), at, Values::Scalar(mean * 2.4));
    if index == 1 {
        let reason =
            "HTTP 503 in 4 attempts: Service Unavailable: upstream connect error or disconnect/reset before headers";
        tail.values = Values::NoData(Missing::error(ErrorKind::Status, reason));
        let seen = tail.observation.as_mut().unwrap();
        seen.no_data = Some(reason.to_owned());
        (seen.raw, seen.series, seen.status, seen.attempts) = (None, None, Some(503), Some(4));
    }
    add("latency-p99.9", tail);
    let samples: Vec<f64> = (0..15).map(|minute| 0.3 + 0.2 * noise(minute + index * 31)).collect();
    let mut cpu = measurement(
        Some("cores"),
        "processor time of the pods, by the minute",
        format!("sum(rate(container_cpu_usage_seconds_total{{pod=~\"{revision}-deployment-.*\"}}[1m]))"),
        at,
        Values::Samples(samples),
    );
    let seen = cpu.observation.as_mut().unwrap();
    (seen.source, seen.samples, seen.series) = (Some(format!("{URL}_range")), Some(15), Some(1));
    seen.warnings =
        vec!["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count".to_owned()];
    add("cpu", cpu);
    let mut zero = measurement(
        None,
        "alerts that fire",
        "count(ALERTS{alertstate=\"firing\"})".to_owned(),
        at,
        Values::Scalar(0.0),
    );
    let seen = zero.observation.as_mut().unwrap();
    (seen.no_data, seen.policy) = (Some("the answer has no series".to_owned()), Some(NoDataPolicy::Zero));
    seen.missing = Some(MissingCause::Absent);
    (seen.raw, seen.series) = (None, Some(0));
    add("alerts", zero);
    found
}

/// Two versions of a model, judged by Prometheus in fourteen loops, of which three in a row must be good.
pub fn loops() -> Experiment {
    let slo = |name: &str, limit: f64| Slo { metric: format!("{PROVIDER}/{name}").into(), limit: Number(limit) };
    let upper =
        vec![slo("latency-mean", 50.0), slo("latency-p99.9", 120.0), slo("error-rate", 0.01), slo("cpu/max", 1.0)];
    let limits = SloLimits { upper, lower: Vec::new() };
    let mut found = Insights::default();
    for number in 1..=LOOPS {
        // One loop was not assessed.
        let started = start() + TimeDelta::minutes(15 * number as i64);
        let versions = (0..2).map(|index| version(number, index, started + TimeDelta::seconds(2))).collect();
        insights::merge(&mut found, &Contribution { versions, ..Contribution::default() }).unwrap();
        if number == 7 {
            continue;
        }
        let this = ThisLoop {
            number,
            start: Some(started),
            measured: BTreeSet::from([PROVIDER.to_owned()]),
            ..ThisLoop::default()
        };
        let mut assessment = assess::assess(&found, &limits);
        loops::judge(&mut assessment, &found, Some(LoopRule::Consecutive(3)), &this);
        let contribution = Contribution { assessment: Some(assessment), ..Contribution::default() };
        insights::merge(&mut found, &contribution).unwrap();
    }
    name_versions(&mut found, &[("iris-v1", ""), ("iris-v2", "")]);
    let spec = vec![
        task(
            "custommetrics",
            json!({
                "templates": {PROVIDER: "builtin:kserve-prometheus"},
                "values": {"latencyPercentiles": [99.9], "noData": "pass"},
                "versionValues": [
                    {"labels": {"revision_name": "sklearn-iris-predictor-00001"}},
                    {"labels": {"revision_name": "sklearn-iris-predictor-00002"}},
                ],
            }),
        ),
        task("assess", json!({"SLOs": {"upper": limits.upper}, "consecutive": 3})),
    ];
    let tasks = vec![
        record("custommetrics", TaskStatus::Done, 15 * 60_000 * LOOPS as i64, 1_400),
        record("assess", TaskStatus::Done, 15 * 60_000 * LOOPS as i64 + 1_402, 2),
    ];
    let mut found = experiment(found, spec, tasks);
    found.result.as_mut().unwrap().num_loops = LOOPS;
    found
}
