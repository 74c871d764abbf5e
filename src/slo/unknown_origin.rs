//! Requests of unknown origin in loads whose responses are attributed to versions.
//!
//! A request without a response, or with one that names no version, may have been any version's. A satisfied verdict must not depend on whose
//! it was: a version satisfies an SLO only if it still does with all such requests that would harm it. So an error that a crashed version
//! leaves to the gateway in front of it is never lost, and a few lost connections among many requests decide nothing.

use crate::metrics::Distribution;
use crate::metrics::histogram::{self, Histogram};
use crate::model::insights::Insights;
use crate::model::load::LoadRecord;
use crate::model::metric_name::{Aggregation, MetricName};
use crate::model::readable::show_pair;
use crate::model::slo::Bound;

/// Explains that a satisfied SLO of a version would be violated with requests of unknown origin; `None` if it would not. `limit` is the
/// SLO's limit.
pub(super) fn doubt(
    insights: &Insights,
    version: usize,
    name: &MetricName,
    bound: Bound,
    limit: f64,
) -> Option<String> {
    let of = |version: usize| insights.load.get(version)?.get(&name.provider);
    let (own, unknown) = (of(version)?, of(insights.unknown_version?)?);
    if own.version_from.is_none() || unknown.counts.requests == 0 {
        return None;
    }
    let worst = match name.aggregation {
        None => counted(own, unknown, &name.metric, bound),
        Some(_) => None,
    };
    let worst = worst.map(Ok).or_else(|| {
        let (key, aggregation) = name.distribution().or_else(|| super::load_validity::named_statistic(name))?;
        let histogram = |version: usize| insights.histograms.get(version)?.get(&key).map(histogram::decode);
        let unknown = histogram(insights.unknown_version?)?;
        let (Some(Ok(own)), Ok(unknown)) = (histogram(version), unknown) else { return Some(Err(UNREADABLE)) };
        if aggregation == Aggregation::StdDev && !unknown.is_empty() {
            // Any selection of them may be the worst.
            return Some(Err("the standard deviation with some of them is not known"));
        }
        aggregated(own, &unknown, aggregation, bound, limit).map(Ok)
    })?;
    let (errors, requests, all) = (unknown.counts.errors, unknown.counts.requests, own.whole_counts().requests);
    let origin = format!("{requests} of {all} requests are of unknown origin, {errors} of them errors");
    match worst {
        Ok(worst) if bound.admits(worst, limit) => None,
        Ok(worst) => {
            let (worst, limit) = show_pair(worst, limit);
            Some(format!("{origin}: if they are this version's, it may be {worst}, beyond {limit}"))
        }
        Err(reason) => Some(format!("{origin}, and {reason}")),
    }
}

/// Returns the worst value of a metric that counts requests; `None` for other metrics.
fn counted(own: &LoadRecord, unknown: &LoadRecord, metric: &str, bound: Bound) -> Option<f64> {
    let all = own.whole_counts().requests as f64;
    let (own, unknown) = (&own.counts, &unknown.counts);
    let [requests, errors, unknown_requests, unknown_errors] =
        [own.requests, own.errors, unknown.requests, unknown.errors].map(|count| count as f64);
    let successes = unknown_requests - unknown_errors;
    Some(match (metric, bound) {
        ("request-count", Bound::Upper) => requests + unknown_requests,
        ("request-count", Bound::Lower) => requests,
        ("error-count", Bound::Upper) => errors + unknown_errors,
        ("error-count", Bound::Lower) => errors,
        ("error-rate", Bound::Upper) => (errors + unknown_errors) / (requests + unknown_errors),
        ("error-rate", Bound::Lower) => errors / (requests + successes),
        ("split", Bound::Upper) => (requests + unknown_requests) / all,
        ("split", Bound::Lower) => requests / all,
        _ => return None,
    })
}

/// Returns the worst value of an aggregated distribution: with all values of unknown origin on the wrong side of the limit.
fn aggregated(
    mut own: Histogram,
    unknown: &Histogram,
    aggregation: Aggregation,
    bound: Bound,
    limit: f64,
) -> Option<f64> {
    for cell in unknown.iter_recorded() {
        // The same value that the aggregates use.
        let value = cell.value_iterated_to();
        let harms = [unknown.lowest_equivalent(value), unknown.highest_equivalent(value)]
            .iter()
            .any(|edge| !bound.admits(*edge as f64 / MICROS_PER_MS, limit));
        // More values can only help a lower bound on a count.
        let harms = if aggregation == Aggregation::Count { bound == Bound::Upper } else { harms };
        if harms {
            own.saturating_record_n(value, cell.count_at_value());
        }
    }
    Distribution::of_histogram(own).aggregate(aggregation)
}

/// Reason for a doubt that rests on no values.
const UNREADABLE: &str = "their distribution cannot be read";

/// Histograms count in microseconds, limits in milliseconds.
const MICROS_PER_MS: f64 = 1_000.0;

#[cfg(test)]
#[path = "unknown_origin_tests.rs"]
mod tests;
