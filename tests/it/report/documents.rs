//! Experiment documents as a run would leave them, made from seeded latencies.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use iter8::metrics::histogram;
use iter8::model::counts::{Counts, Traffic};
use iter8::model::document::{Experiment, ExperimentResult, TaskRecord, TaskSpec, TaskStatus};
use iter8::model::duration::GoDuration;
use iter8::model::insights::{Insights, Observation, VersionName};
use iter8::model::load::{Lateness, LoadRecord};
use iter8::model::metric::{MetricMeta, MetricType};
use iter8::model::number::Number;
use iter8::model::series::Series;
use iter8::model::slo::{Bound, Outcome, Slo, SloLimits, SloMatrix, Verdict};
use serde_json::json;

use super::{confidence, extremes, providers, rollouts};

/// Behavior of one version of one endpoint.
#[derive(Clone, Copy)]
pub struct Behaviour {
    pub median_ms: f64,
    pub sigma: f64,
    pub requests: u64,
    pub failed: u64,
    pub timeouts: u64,
}

pub const FAST: Behaviour = Behaviour { median_ms: 18.0, sigma: 0.35, requests: 12_000, failed: 0, timeouts: 0 };
pub const SLOW: Behaviour = Behaviour { median_ms: 31.0, sigma: 0.75, requests: 12_000, failed: 84, timeouts: 17 };

pub fn start() -> DateTime<Utc> {
    "2025-03-04T10:15:00Z".parse().unwrap()
}

/// Numbers from 0 to 1 that are the same in every run (xorshift).
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn latencies(behaviour: Behaviour, seed: u64) -> histogram::Histogram {
    let mut uniform = Uniform(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut recorded = histogram::new();
    for _ in 0..behaviour.requests {
        let normal = (-2.0 * uniform.next().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * uniform.next()).cos();
        let ms = behaviour.median_ms * (behaviour.sigma * normal).exp();
        recorded.saturating_record((ms * 1000.0) as u64);
    }
    recorded
}

fn meta(kind: MetricType, units: Option<&str>, description: &str) -> MetricMeta {
    MetricMeta { description: description.to_owned(), units: units.map(str::to_owned), kind }
}

/// Adds what a load of one endpoint against one version leaves.
pub fn add_load(insights: &mut Insights, version: usize, provider: &str, behaviour: Behaviour) {
    grow(insights, version);
    let recorded = latencies(behaviour, (version as u64 + 1) * 1000 + provider.len() as u64);
    let errors = behaviour.failed + behaviour.timeouts;
    let msec = Some("msec");
    let mut gauge = |name: &str, value: f64, units, description: &str| {
        let name = format!("{provider}/{name}");
        insights.metrics_info.insert(name.clone(), meta(MetricType::Gauge, units, description));
        insights.non_hist_metric_values[version].insert(name, vec![value]);
    };
    gauge("error-rate", errors as f64 / behaviour.requests as f64, None, "fraction of requests that failed");
    gauge("latency-mean", recorded.mean() / 1000.0, msec, "mean latency");
    gauge("latency-stddev", recorded.stdev() / 1000.0, msec, "standard deviation of latency");
    gauge("latency-min", recorded.min() as f64 / 1000.0, msec, "shortest latency");
    gauge("latency-max", recorded.max() as f64 / 1000.0, msec, "longest latency");
    for p in [50.0, 75.0, 90.0, 95.0, 99.0, 99.9] {
        gauge(&format!("latency-p{p}"), histogram::percentile_ms(&recorded, p), msec, "percentile of latency");
    }
    for (name, count, description) in
        [("request-count", behaviour.requests, "requests sent"), ("error-count", errors, "requests that failed")]
    {
        let name = format!("{provider}/{name}");
        insights.metrics_info.insert(name.clone(), meta(MetricType::Counter, None, description));
        insights.non_hist_metric_values[version].insert(name, vec![count as f64]);
    }
    let name = format!("{provider}/latency");
    insights.metrics_info.insert(name.clone(), meta(MetricType::Histogram, msec, "latency, from the intended send"));
    insights.histograms[version].insert(name, histogram::encode(&recorded).unwrap());
    for (name, median_ms) in [
        ("service-time", behaviour.median_ms * 0.99),
        ("success-latency", behaviour.median_ms),
        ("first-byte", behaviour.median_ms * 0.9),
        ("connect", 0.21),
    ] {
        let requests = if name == "connect" { 16 } else { behaviour.requests - errors };
        add_distribution(
            insights,
            version,
            &format!("{provider}/{name}"),
            Behaviour { median_ms, requests, ..behaviour },
        );
    }
    insights.load[version].insert(provider.to_owned(), load(behaviour));
}

/// Adds a metric that is kept as a histogram alone.
pub fn add_distribution(insights: &mut Insights, version: usize, name: &str, behaviour: Behaviour) {
    insights.metrics_info.insert(name.to_owned(), meta(MetricType::Histogram, Some("msec"), "distribution"));
    let recorded = latencies(behaviour, name.len() as u64 + version as u64);
    insights.histograms[version].insert(name.to_owned(), histogram::encode(&recorded).unwrap());
}

/// A minute in seconds. A load with time-outs stalls for some of them, and what waited ends at once.
pub fn series(behaviour: Behaviour) -> Series {
    let mut uniform = Uniform(behaviour.requests | 1);
    let mean = behaviour.requests / 60;
    let mut found = Series { interval: GoDuration(Duration::from_secs(1)), ..Series::default() };
    found.last = Some(GoDuration(Duration::from_millis(1_012)));
    let mut waiting = 0;
    for second in 0..60 {
        let is_stalled = behaviour.timeouts > 0 && (31..35).contains(&second);
        let requests = if is_stalled { 0 } else { mean + waiting };
        let is_burst = waiting > 0 && !is_stalled;
        waiting = if is_stalled { waiting + mean } else { 0 };
        let noise = 1.0 + 0.2 * behaviour.sigma * (uniform.next() - 0.5);
        let round = |ms: f64| (ms * 100.0).round() / 100.0;
        let slow = if is_burst { 120.0 } else { (2.3 * behaviour.sigma).exp() };
        found.requests.push(requests);
        found.errors.push(if second % 9 == 4 { behaviour.failed / 7 } else { 0 }.min(requests));
        found.p50.push((!is_stalled).then(|| round(behaviour.median_ms * noise * if is_burst { 60.0 } else { 1.0 })));
        found.p99.push((!is_stalled).then(|| round(behaviour.median_ms * slow * (noise + 0.3 * uniform.next()))));
    }
    found
}

fn load(behaviour: Behaviour) -> LoadRecord {
    let positive = |pairs: &[(u16, u64)]| pairs.iter().copied().filter(|(_, n)| *n > 0).collect();
    let dropped = Counts { dropped: behaviour.timeouts * 2, ..Counts::default() };
    LoadRecord {
        url: "http://iris.models.svc.cluster.local/v1/models/iris:predict".to_owned(),
        method: "POST".to_owned(),
        start: Some(start()),
        duration: GoDuration(Duration::from_millis(60_012)),
        connections: 16,
        requested_rate: Some(200.0),
        achieved_rate: behaviour.requests as f64 / 60.0 - behaviour.timeouts as f64 / 10.0,
        counts: Counts {
            requests: behaviour.requests,
            errors: behaviour.failed + behaviour.timeouts,
            late: behaviour.failed * 3,
            ..dropped
        },
        statuses: positive(&[
            (200, behaviour.requests - behaviour.failed - behaviour.timeouts),
            (503, behaviour.failed - behaviour.failed / 4),
            (500, behaviour.failed / 4),
        ]),
        causes: [("timeout", behaviour.timeouts - behaviour.timeouts / 3), ("reset", behaviour.timeouts / 3)]
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .map(|(cause, n)| (cause.to_owned(), n))
            .collect::<BTreeMap<_, _>>(),
        traffic: Traffic {
            bytes_received: behaviour.requests * 212,
            bytes_sent: Some(behaviour.requests * 37),
            ..Traffic::default()
        },
        lateness: Some(Lateness { p50: 0.034, p99: 0.187, max: 2.41, ..Lateness::default() }),
        series: Some(series(behaviour)),
        ..LoadRecord::default()
    }
}

fn grow(insights: &mut Insights, version: usize) {
    let len = insights.num_versions.max(version + 1);
    insights.num_versions = len;
    insights.non_hist_metric_values.resize(len, BTreeMap::new());
    insights.histograms.resize(len, BTreeMap::new());
    insights.load.resize(len, BTreeMap::new());
    insights.observations.resize(len, BTreeMap::new());
}

pub fn name_versions(insights: &mut Insights, names: &[(&str, &str)]) {
    insights.version_names = names
        .iter()
        .map(|(version, track)| VersionName { version: (*version).into(), track: (*track).into() })
        .collect();
}

/// Judges upper limits by Iter8's rule; a metric without a value is inconclusive.
pub fn assess(insights: &mut Insights, limits: &[(&str, f64)]) {
    let mut matrix = SloMatrix::default();
    for (metric, limit) in limits {
        let mut row = Vec::new();
        for version in 0..insights.num_versions {
            let value = insights.non_hist_metric_values[version].get(*metric).and_then(|v| v.last()).copied();
            let (verdict, reason) = match value {
                Some(v) if v <= *limit => (Outcome::Satisfied, format!("{v:.2} is within the limit of {limit}")),
                Some(v) => (Outcome::Violated, format!("{v:.2} is above the limit of {limit}")),
                None => (Outcome::Inconclusive, format!("no data: {}", missing(insights, version, metric))),
            };
            row.push(verdict == Outcome::Satisfied);
            let slo = Slo { metric: (*metric).into(), limit: Number(*limit) };
            insights.verdicts.push(Verdict {
                value,
                verdict,
                samples: value.map(|_| 12_000),
                reason,
                ..Verdict::undecided(&slo, Bound::Upper, version)
            });
        }
        matrix.upper.push(row);
    }
    let upper = limits.iter().map(|(metric, limit)| Slo { metric: (*metric).into(), limit: Number(*limit) }).collect();
    insights.slos = Some(SloLimits { upper, lower: Vec::new() });
    insights.slos_satisfied = Some(matrix);
}

fn missing(insights: &Insights, version: usize, metric: &str) -> String {
    let observed = insights.observations[version].get(metric).and_then(|o| o.no_data.clone());
    observed.unwrap_or_else(|| "nothing was measured".to_owned())
}

pub fn task(name: &str, with: serde_json::Value) -> TaskSpec {
    TaskSpec { task: Some(name.to_owned()), with: Some(with), ..TaskSpec::default() }
}

pub fn record(name: &str, status: TaskStatus, after_ms: i64, took_ms: u64) -> TaskRecord {
    TaskRecord {
        task: name.to_owned(),
        status,
        start: Some(start() + TimeDelta::milliseconds(after_ms)),
        duration: Some(GoDuration(Duration::from_millis(took_ms))),
        error: None,
        notes: Vec::new(),
    }
}

/// An experiment whose tasks are through.
pub fn experiment(insights: Insights, mut spec: Vec<TaskSpec>, tasks: Vec<TaskRecord>) -> Experiment {
    if let (Some(slos), Some(task)) = (&insights.slos, spec.iter_mut().find(|task| task.name() == "assess")) {
        task.with.get_or_insert_with(|| json!({}))["SLOs"] = json!(slos);
    }
    let result = ExperimentResult {
        schema_version: Some(1),
        start_time: Some(start()),
        num_loops: 1,
        num_completed_tasks: spec.len(),
        iter8_version: Some("0.1.0".to_owned()),
        tasks,
        insights: Some(insights),
        ..ExperimentResult::default()
    };
    Experiment { spec, result: Some(result), ..Experiment::default() }
}

pub fn http_and_assess() -> Vec<TaskSpec> {
    vec![
        task(
            "http",
            json!({"url": "http://iris.models.svc.cluster.local/v1/models/iris:predict", "qps": 200, "duration": "60s",
                "headers": {"Authorization": "Bearer s3cr3t-of-the-load", "Accept": "application/json"},
                "payloadStr": "{\"instances\": [[6.8, 2.8, 4.8, 1.4]]}", "contentType": "application/json"}),
        ),
        task("assess", json!({"SLOs": {"upper": [{"metric": "http/latency-mean", "limit": 50}]}})),
    ]
}

pub fn both_done() -> Vec<TaskRecord> {
    vec![record("http", TaskStatus::Done, 0, 60_120), record("assess", TaskStatus::Done, 60_125, 2)]
}

/// One version that meets every objective.
pub fn passing() -> Experiment {
    let mut insights = Insights::default();
    add_load(&mut insights, 0, "http", FAST);
    assess(&mut insights, &[("http/latency-mean", 50.0), ("http/latency-p99", 60.0), ("http/error-count", 0.0)]);
    experiment(insights, http_and_assess(), both_done())
}

/// Two versions, of which the second is slower, fails at times and violates objectives.
pub fn two_versions() -> Experiment {
    let mut insights = Insights::default();
    add_load(&mut insights, 0, "http", FAST);
    add_load(&mut insights, 1, "http", SLOW);
    name_versions(&mut insights, &[("iris-v1", ""), ("iris-v2", "")]);
    let accuracy = "modelstats/accuracy";
    insights.metrics_info.insert(accuracy.to_owned(), meta(MetricType::Gauge, None, "share of right answers"));
    insights.non_hist_metric_values[0].insert(accuracy.to_owned(), vec![0.94]);
    let why =
        "query prometheus http://prometheus:9090/api/v1/query for modelstats/accuracy: HTTP 200 with an empty result";
    let observed = Observation { no_data: Some(why.to_owned()), ..Observation::default() };
    insights.observations[1].insert(accuracy.to_owned(), observed);
    let limits =
        [("http/latency-mean", 50.0), ("http/latency-p99", 120.0), ("http/error-rate", 0.001), (accuracy, 1.0)];
    assess(&mut insights, &limits);
    let mut spec = http_and_assess();
    spec.push(task(
        "slack",
        json!({"url": "https://hooks.slack.com/services/T00/B00/not-for-eyes", "softFailure": true}),
    ));
    spec.push(TaskSpec {
        run: Some("echo done".to_owned()),
        condition: Some("SLOs()".to_owned()),
        ..TaskSpec::default()
    });
    let mut tasks = both_done();
    tasks[0].notes = vec!["34 of 12000 requests were due and never sent: the target did not keep up".to_owned()];
    tasks.push(record("slack", TaskStatus::Done, 60_130, 412));
    let mut skipped = record("run", TaskStatus::Skipped, 60_545, 0);
    skipped.notes = vec!["skipped: the condition `SLOs()` is false".to_owned()];
    tasks.push(skipped);
    experiment(insights, spec, tasks)
}

/// A signal ended the load.
pub fn interrupted() -> Experiment {
    let mut insights = Insights::default();
    add_load(&mut insights, 0, "http", Behaviour { requests: 3_211, ..FAST });
    let load = insights.load[0].get_mut("http").unwrap();
    load.interrupted = true;
    load.duration = GoDuration(Duration::from_millis(16_055));
    let mut tasks = both_done();
    tasks[0] = record("http", TaskStatus::Interrupted, 0, 16_060);
    tasks[1] = TaskRecord { start: None, duration: None, status: TaskStatus::Planned, ..tasks[1].clone() };
    let mut found = experiment(insights, http_and_assess(), tasks);
    let result = found.result.as_mut().unwrap();
    result.interrupted = true;
    result.num_completed_tasks = 0;
    found
}

/// The load failed; nothing was measured.
pub fn failed() -> Experiment {
    let mut tasks = both_done();
    tasks[0] = record("http", TaskStatus::Failed, 0, 31);
    tasks[0].error = Some(
        "load http://user:pw@127.0.0.1:9/: no request was answered: connection refused (os error 111); 4 of 4 requests failed"
            .to_owned(),
    );
    tasks[1] = TaskRecord { start: None, duration: None, status: TaskStatus::Planned, ..tasks[1].clone() };
    let mut found = experiment(Insights::default(), http_and_assess(), tasks);
    let result = found.result.as_mut().unwrap();
    result.failure = true;
    result.num_completed_tasks = 0;
    result.insights = None;
    found
}

/// An objective on a metric that has no value.
pub fn no_data() -> Experiment {
    let mut insights = Insights::default();
    add_load(&mut insights, 0, "http", FAST);
    let observed =
        Observation { no_data: Some("the load ended before an answer came".to_owned()), ..Observation::default() };
    for (metric, _) in [("http/latency-p99", ()), ("http/latency-mean", ())] {
        insights.non_hist_metric_values[0].remove(metric);
        insights.observations[0].insert(metric.to_owned(), observed.clone());
    }
    insights.histograms[0].clear();
    assess(&mut insights, &[("http/latency-p99", 60.0), ("http/error-count", 0.0)]);
    experiment(insights, http_and_assess(), both_done())
}

/// Not run yet.
pub fn planned() -> Experiment {
    Experiment { spec: http_and_assess(), result: None, ..Experiment::default() }
}

/// One version with several endpoints.
pub fn endpoints() -> Experiment {
    let mut insights = Insights::default();
    for (index, name) in ["predict", "explain", "health", "metadata"].into_iter().enumerate() {
        let median_ms = 4.0 * 3.1_f64.powi(index as i32 % 3);
        let failed = if index == 1 { 12 } else { 0 };
        add_load(&mut insights, 0, &format!("http-{name}"), Behaviour { median_ms, failed, requests: 6_000, ..FAST });
    }
    assess(
        &mut insights,
        &[("http-predict/latency-p99", 30.0), ("http-explain/latency-p99", 20.0), ("http-health/error-count", 0.0)],
    );
    experiment(insights, http_and_assess(), both_done())
}

/// A model that answers in streams over gRPC: when the first message came, and how far apart the others were.
pub fn streams() -> Experiment {
    let mut insights = Insights::default();
    let tokens = Behaviour { median_ms: 840.0, sigma: 0.2, requests: 3_600, failed: 11, timeouts: 0 };
    add_load(&mut insights, 0, "grpc-chat", tokens);
    let first = Behaviour { median_ms: 95.0, ..tokens };
    let between = Behaviour { median_ms: 7.4, requests: 9_000, ..tokens };
    add_distribution(&mut insights, 0, "grpc-chat/first-message", first);
    add_distribution(&mut insights, 0, "grpc-chat/between-messages", between);
    // Iter8's documents, and ours, know no single numbers here.
    let is_number = |name: &String| name.contains("/latency-") || name.ends_with("/first-byte");
    insights.metrics_info.retain(|name, _| !is_number(name));
    insights.non_hist_metric_values[0].retain(|name, _| !is_number(name));
    insights.histograms[0].retain(|name, _| !is_number(name));
    let load = insights.load[0].get_mut("grpc-chat").unwrap();
    load.url = "llm.models.svc.cluster.local:9000".to_owned();
    load.method = "chat.Chat/Complete".to_owned();
    load.requested_rate = None;
    load.lateness = None;
    load.statuses = [(0, 3_589), (14, 4)].into();
    load.causes = [("reset".to_owned(), 7)].into();
    (load.traffic.messages_sent, load.traffic.messages_received) = (Some(3_600), Some(396_000));
    assess(&mut insights, &[("grpc-chat/error-rate", 0.01)]);
    let grpc = task("grpc", json!({"host": "llm.models.svc.cluster.local:9000"}));
    let records = vec![record("grpc", TaskStatus::Done, 0, 60_120), record("assess", TaskStatus::Done, 60_125, 2)];
    experiment(insights, vec![grpc, task("assess", json!({}))], records)
}

/// As Iter8 v0.13 writes documents: no task records, buckets in place of histograms, booleans in place of verdicts.
pub fn iter8_v013() -> Experiment {
    iter8::model::codec::experiment_from_yaml(include_str!("../../../testdata/reports/iter8-v0.13.yaml")).unwrap()
}

/// Four loops, as Iter8 v0.13 keeps them: lists of values alone.
pub fn iter8_multi_loop() -> Experiment {
    let text = include_str!("../../../testdata/results/iter8-multi-loop.yaml");
    iter8::model::codec::experiment_from_yaml(text).unwrap()
}

/// All of them, named.
pub fn all() -> Vec<(&'static str, Experiment)> {
    let mut all = vec![
        ("passing", passing()),
        ("two-versions", two_versions()),
        ("interrupted", interrupted()),
        ("failed", failed()),
        ("no-data", no_data()),
        ("planned", planned()),
        ("endpoints", endpoints()),
        ("streams", streams()),
        ("iter8-v0.13", iter8_v013()),
        ("loops", providers::loops()),
        ("iter8-multi-loop", iter8_multi_loop()),
        ("confidence", confidence::verdicts()),
        ("confidence-relative", confidence::comparisons()),
        ("confidence-edited", confidence::edited()),
        ("large", extremes::large()),
        ("hostile", extremes::hostile()),
    ];
    all.extend(rollouts::all());
    all
}
