//! Turns the outcome of a load into metrics and the load record of the document.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::metrics::{Distribution, ERROR_COUNT, ERROR_RATE, REQUEST_COUNT, SPLIT, Scalars};
use crate::load::cause::Cause;
use crate::load::histograms::HistogramKind;
use crate::load::outcome::{LoadOutcome, WholeLoad};
use crate::load::plan::RAISE_LIMITS;
use crate::load::timeline::MAX_INTERVALS;
use crate::metrics::histogram::{Histogram, buckets, coarser, encode, max_ms, percentile_ms};
use crate::model::contribution::{Measurement, Values, VersionMetrics};
use crate::model::counts::Counts;
use crate::model::duration::GoDuration;
use crate::model::insights::Observation;
use crate::model::load::{Lateness, LatenessPart, LoadRecord, VersionFrom};
use crate::model::metric::MetricMeta;
use crate::model::missing::{ErrorKind, Missing};
use crate::slo::load_validity::{is_missed, missing_time, own_pause, rounded};

/// Number of buckets of a histogram in Iter8's format.
const BUCKETS: usize = 60;

/// Significant digits of distributions without the load generator's own delays.
const UNDELAYED_DIGITS: u8 = 2;

/// Adds the metrics and the record of a load to its version.
///
/// `record` has the fields that only the task knows: target, method, and responses by status.
pub(in crate::tasks) fn add(
    provider: &str,
    outcome: &LoadOutcome,
    distributions: &[Distribution<'_>],
    start: DateTime<Utc>,
    record: LoadRecord,
    into: &mut VersionMetrics,
) {
    let mut put = |name: &str, meta: MetricMeta, values: Values, samples: u64| {
        let observation =
            Observation { source: Some(record.url.clone()), samples: Some(samples), ..Observation::default() };
        into.metrics.insert(format!("{provider}/{name}"), Measurement { meta, values, observation: Some(observation) });
    };
    let Counts { requests, errors, .. } = outcome.counts;
    put(REQUEST_COUNT.name, REQUEST_COUNT.meta(), Values::Scalar(requests as f64), requests);
    // Without requests, 0 errors would say that none failed.
    let of_requests = |value: f64| match requests {
        0 => Values::NoData(no_responses(outcome)),
        _ => Values::Scalar(value),
    };
    put(ERROR_COUNT.name, ERROR_COUNT.meta(), of_requests(errors as f64), requests);
    put(ERROR_RATE.name, ERROR_RATE.meta(), of_requests(errors as f64 / requests as f64), requests);
    if let Some(whole) = &outcome.whole {
        let all = whole.counts.requests;
        let share = match all {
            0 => Values::NoData(no_responses(outcome)),
            _ => Values::Scalar(requests as f64 / all as f64),
        };
        put(SPLIT.name, SPLIT.meta(), share, all);
    }
    for distribution in distributions {
        let histogram = &outcome.histograms[distribution.of];
        let missing = missing(distribution, outcome);
        let or_missing = |values: Values| missing.clone().map_or(values, Values::NoData);
        let samples = histogram.len();
        for (name, meta, statistic) in distribution.derived() {
            put(&name, meta, or_missing(Values::Scalar(statistic.value(histogram))), samples);
        }
        // Iter8's format is only written for metrics that Iter8 has.
        let has_buckets = matches!(distribution.scalars, Scalars::All(_));
        let buckets = if has_buckets { buckets(histogram, BUCKETS) } else { Vec::new() };
        let values = match encode(histogram) {
            Ok(histogram) => Values::Distribution { buckets, histogram },
            Err(error) => Values::NoData(Missing::error(ErrorKind::Other, error.to_string())),
        };
        put(distribution.name, distribution.meta(), or_missing(values), samples);
    }
    let undelayed = distributions.iter().filter_map(|distribution| {
        let histogram = outcome.histograms.undelayed(distribution.of)?;
        Some((distribution.name.to_owned(), encode(&coarser(&histogram, UNDELAYED_DIGITS)).ok()?))
    });
    let record = LoadRecord { undelayed: undelayed.collect(), ..record };
    into.load.insert(provider.to_owned(), completed(record, outcome, start));
}

/// Reason for an empty distribution; `None` if it has samples.
fn missing(distribution: &Distribution<'_>, outcome: &LoadOutcome) -> Option<Missing> {
    // Timeouts count as latencies, but alone they do not characterize the service. Those of unknown origin may be any version's, so they
    // are kept for its verdicts.
    let is_part = outcome.whole.as_ref().is_some_and(|whole| whole.is_unknown && whole.responses > 0);
    let has_some = is_part && !outcome.histograms[distribution.of].is_empty();
    if outcome.responses() == 0 && distribution.name != "connect" && !has_some {
        return Some(no_responses(outcome));
    }
    if !outcome.histograms[distribution.of].is_empty() {
        return None;
    }
    Some(Missing::nothing_to_count(match distribution.name {
        "connect" => "no connection was opened".to_owned(),
        "success-latency" => format!("all {} responses are errors", outcome.responses()),
        _ => format!("no {} was measured", distribution.quantity),
    }))
}

/// Reason for missing latencies.
fn no_responses(outcome: &LoadOutcome) -> Missing {
    if let Some(whole) = outcome.whole.as_ref().filter(|whole| whole.responses > 0 && outcome.counts.requests == 0) {
        let WholeLoad { counts, unknown, .. } = whole;
        let unknown = if *unknown > 0 { format!("; {unknown} are of unknown origin") } else { String::new() };
        return Missing::nothing_to_count(format!(
            "none of {} requests went to this version{unknown}",
            counts.requests
        ));
    }
    if outcome.whole.as_ref().map_or(outcome.counts.requests, |whole| whole.counts.requests) == 0 {
        return match outcome.counts.ignored {
            _ if outcome.interrupted => {
                Missing::error(ErrorKind::Interrupted, "the load was interrupted before its first response")
            }
            0 => Missing::nothing_to_count("no request was sent"),
            // The service took them and did not respond.
            ignored => Missing::error(
                ErrorKind::Transport,
                format!("no request ended in time: {ignored} were in flight at the end of the load, and ignored"),
            ),
        };
    }
    let (requests, causes): (_, Vec<(Cause, u64)>) = match &outcome.whole {
        Some(whole) if whole.responses == 0 => {
            (whole.counts.requests, whole.causes.iter().map(|(cause, count)| (*cause, *count)).collect())
        }
        _ => (outcome.counts.requests, outcome.causes.iter().map(|(cause, (count, _))| (*cause, *count)).collect()),
    };
    let causes: Vec<_> = causes.iter().map(|(cause, count)| format!("{} ×{count}", cause.description())).collect();
    let reason = format!("none of {requests} requests got a response: {}", causes.join(", "));
    Missing::error(ErrorKind::Transport, reason)
}

/// Fills in the numbers of the outcome.
fn completed(record: LoadRecord, outcome: &LoadOutcome, start: DateTime<Utc>) -> LoadRecord {
    let lateness = &outcome.histograms[HistogramKind::Lateness];
    let late = |p| percentile_ms(lateness, p);
    LoadRecord {
        start: Some(start),
        duration: GoDuration(outcome.duration),
        connections: outcome.connections as u64,
        requested_rate: outcome.requested_rate,
        arrival: outcome.spacing,
        stages: outcome.stages.clone(),
        achieved_rate: outcome.achieved_rate,
        counts: outcome.counts,
        lateness: (!lateness.is_empty()).then(|| Lateness {
            p50: late(50.0),
            p99: late(99.0),
            max: max_ms(lateness),
            waiting: part(&outcome.histograms[HistogramKind::Waiting], lateness.len()),
            own: part(&outcome.histograms[HistogramKind::OwnLateness], lateness.len()),
        }),
        causes: outcome.causes.iter().map(|(cause, (count, _))| (cause.name().to_owned(), *count)).collect(),
        traffic: outcome.traffic.in_document(),
        interrupted: outcome.interrupted,
        paused: Some(paused(outcome)).filter(|paused| !paused.is_zero()).map(GoDuration),
        series: outcome.timeline.series(MAX_INTERVALS),
        shards: outcome.shards.clone(),
        version_from: outcome.whole.as_ref().map(|whole| VersionFrom {
            counts: whole.counts,
            causes: whole.causes.iter().map(|(cause, count)| (cause.name().to_owned(), *count)).collect(),
            unknown: whole.unknown,
            ..record.version_from.clone().unwrap_or_default()
        }),
        ..record
    }
}

/// Returns the time in which a pod did not run, on average.
fn paused(outcome: &LoadOutcome) -> Duration {
    let pods = outcome.shards.as_ref().map_or(1, |shards| shards.count.max(1));
    outcome.paused.div_f64(pods as f64)
}

/// Sums up a part of the lateness that only some of all requests have; `None` if none has.
fn part(some: &Histogram, all: u64) -> Option<LatenessPart> {
    // Of all requests, those without a value come first.
    let without = all.saturating_sub(some.len()) as f64;
    let rank = (0.99 * all as f64 - without) / some.len() as f64;
    let p99 = if rank > 0.0 { percentile_ms(some, 100.0 * rank.min(1.0)) } else { 0.0 };
    (!some.is_empty()).then(|| LatenessPart { p99, max: max_ms(some) })
}

/// Notes on a load for readers of the document.
pub(in crate::tasks) fn notes(label: &str, outcome: &LoadOutcome) -> Vec<String> {
    let mut notes = Vec::new();
    // Missing pods explain a low rate.
    let is_complete = outcome.shards.as_ref().is_none_or(|shards| shards.missing.is_empty());
    if let Some(target) = outcome.requested_rate
        && (outcome.counts.dropped > 0
            || is_missed(target, outcome.achieved_rate, outcome.counts.requests, outcome.duration))
        && !outcome.interrupted
        && is_complete
    {
        let missing = missing_time(target, outcome.achieved_rate, &outcome.counts, outcome.duration);
        notes.push(format!(
            "{label}: {} of {} requests/s were offered ({} late, {} dropped); {}",
            rounded(outcome.achieved_rate),
            rounded(target),
            outcome.counts.late,
            outcome.counts.dropped,
            own_pause(paused(outcome), missing).unwrap_or_else(|| "more connections may help".to_owned())
        ));
    }
    if outcome.counts.resent > 0 {
        let times =
            if outcome.counts.resent == 1 { "once".to_owned() } else { format!("{} times", outcome.counts.resent) };
        notes.push(format!(
            "{label}: requests were sent again {times}, because the service had closed idle connections or did not take them"
        ));
    }
    if outcome.counts.ignored > 0 {
        notes.push(format!(
            "{label}: {} requests were in flight at the end of the load, and ignored",
            outcome.counts.ignored
        ));
    }
    if let Some(unknown) = outcome.versions.last().map(|version| version.counts.requests).filter(|count| *count > 0) {
        let (requests, reasons) = (outcome.counts.requests, &outcome.unknown);
        notes.push(format!("{label}: {unknown} of {requests} requests are of unknown origin: {reasons}"));
    }
    let mut causes: Vec<_> = outcome.causes.iter().collect();
    causes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for (cause, (count, details)) in causes {
        notes.push(format!("{label}: {} ×{count}: {details}", cause.name()));
        if *cause == Cause::ClientLimit {
            notes.push(format!("{label}: {RAISE_LIMITS}"));
        }
    }
    notes
}
