//! From a load's outcome to metrics and the document's record.

use chrono::{DateTime, Utc};

use super::plan::Load;
use crate::load::outcome::LoadOutcome;
use crate::logic::histogram::{Histogram, buckets, encode, percentile_ms, percentile_name};
use crate::model::contribution::{Measurement, Values, VersionMetrics};
use crate::model::duration::GoDuration;
use crate::model::insights::Observation;
use crate::model::load::LoadRecord;
use crate::model::metric::{MSEC, MetricMeta, MetricType};

/// Buckets of a histogram in Iter8's form.
const BUCKETS: usize = 60;

/// An offered rate below this share of the one asked for is told.
const OFFERED: f64 = 0.95;

/// Adds the load's metrics and its record to those of its version.
pub(super) fn add(load: &Load, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics) {
    let source = load.shown_url();
    let mut put = |name: &str, meta: MetricMeta, values: Values, samples: u64| {
        let no_data = match &values {
            Values::NoData(reason) => Some(reason.clone()),
            _ => None,
        };
        let observation = Observation { source: Some(source.clone()), query: None, samples: Some(samples), no_data };
        into.metrics
            .insert(format!("{}/{name}", load.provider), Measurement { meta, values, observation: Some(observation) });
    };
    let requests = outcome.requests;
    let counter = |description: &str| meta(description, MetricType::Counter, None);
    put("request-count", counter("number of requests sent"), Values::Scalar(requests as f64), requests);
    put("error-count", counter("number of requests that failed"), Values::Scalar(outcome.errors as f64), requests);
    let rate = match requests {
        0 => Values::NoData(no_answers(outcome)),
        _ => Values::Scalar(outcome.errors as f64 / requests as f64),
    };
    put("error-rate", meta("fraction of requests that failed", MetricType::Gauge, None), rate, requests);
    let kinds = [("latency", &outcome.latency), ("service-time", &outcome.service_time)];
    for (kind, histogram) in kinds {
        let what = match kind {
            "latency" => "latency, from the instant a request was due",
            _ => "service time, from the instant a request was sent",
        };
        let samples = histogram.len();
        let has_answers = outcome.answers > 0;
        for (name, description, value) in statistics(histogram, &load.percentiles) {
            let values = if has_answers { Values::Scalar(value) } else { Values::NoData(no_answers(outcome)) };
            let meta = meta(&format!("{description} of the {what}"), MetricType::Gauge, Some(MSEC));
            put(&format!("{kind}-{name}"), meta, values, samples);
        }
        let values = if has_answers {
            Values::Distribution { buckets: buckets(histogram, BUCKETS), histogram: encode(histogram) }
        } else {
            Values::NoData(no_answers(outcome))
        };
        put(kind, meta(&format!("distribution of the {what}"), MetricType::Histogram, Some(MSEC)), values, samples);
    }
    into.load.insert(load.provider.clone(), record(load, outcome, start));
}

fn meta(description: &str, kind: MetricType, units: Option<&str>) -> MetricMeta {
    MetricMeta { description: description.to_owned(), units: units.map(str::to_owned), kind }
}

/// Name, description and value in msec; the values mean nothing when the histogram is empty.
fn statistics(histogram: &Histogram, percentiles: &[f64]) -> Vec<(String, String, f64)> {
    let msec = |micros: f64| micros / 1000.0;
    let mut statistics = vec![
        ("mean".to_owned(), "mean".to_owned(), msec(histogram.mean())),
        ("stddev".to_owned(), "standard deviation".to_owned(), msec(histogram.stdev())),
        ("min".to_owned(), "minimum".to_owned(), msec(histogram.min() as f64)),
        ("max".to_owned(), "maximum".to_owned(), msec(histogram.max() as f64)),
    ];
    statistics.extend(percentiles.iter().map(|p| {
        let name = percentile_name(*p);
        (name, format!("percentile {p}"), percentile_ms(histogram, *p))
    }));
    statistics
}

/// Why there are no latencies.
fn no_answers(outcome: &LoadOutcome) -> String {
    if outcome.requests == 0 {
        let why = if outcome.interrupted {
            "the load was interrupted before its first answer"
        } else {
            "no request was sent"
        };
        return why.to_owned();
    }
    let causes: Vec<_> =
        outcome.causes.iter().map(|(cause, (count, _))| format!("{} ×{count}", cause.words())).collect();
    format!("none of {} requests got an answer: {}", outcome.requests, causes.join(", "))
}

fn record(load: &Load, outcome: &LoadOutcome, start: DateTime<Utc>) -> LoadRecord {
    LoadRecord {
        url: load.shown_url(),
        method: load.method.to_string(),
        start: Some(start),
        duration: GoDuration(outcome.duration),
        connections: outcome.connections as u64,
        asked_rate: outcome.asked_rate,
        achieved_rate: outcome.achieved_rate,
        requests: outcome.requests,
        errors: outcome.errors,
        late: outcome.late,
        dropped: outcome.dropped,
        statuses: outcome.statuses.clone(),
        causes: outcome.causes.iter().map(|(cause, (count, _))| (cause.name().to_owned(), *count)).collect(),
        bytes_received: outcome.bytes_received,
        interrupted: outcome.interrupted,
        ..LoadRecord::default()
    }
}

/// What readers should know of the load.
pub(super) fn notes(load: &Load, outcome: &LoadOutcome) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(asked) = outcome.asked_rate
        && (outcome.dropped > 0 || outcome.achieved_rate < OFFERED * asked)
        && !outcome.interrupted
    {
        notes.push(format!(
            "{}: {:.1} of {asked} requests/s were offered ({} late, {} dropped); more connections may help",
            load.label, outcome.achieved_rate, outcome.late, outcome.dropped
        ));
    }
    for (cause, (count, first)) in &outcome.causes {
        notes.push(format!("{}: {} ×{count}, the first: {first}", load.label, cause.name()));
    }
    notes
}
