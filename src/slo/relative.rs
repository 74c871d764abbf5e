//! Verdicts on limits relative to version 0, by the values alone.
//!
//! Each later version, a candidate, has one verdict per limit. An experiment of one version has a verdict on a candidate that was not
//! measured, so that such an objective is never forgotten.

use super::assess::decide;
use super::comparison::{Comparison, comparison};
use super::{failed_requests, load_validity, unknown_origin};
use crate::metrics::MetricsView;
use crate::metrics::missing::Recorded;
use crate::model::insights::Insights;
use crate::model::metric::Reading;
use crate::model::missing::NoDataPolicy;
use crate::model::objectives::RelativeLimits;
use crate::model::readable::{show, show_pair};
use crate::model::slo::{Bound, Outcome, Slo, Verdict};

/// The baseline.
pub(super) const BASELINE: usize = 0;

/// Judges every limit for every candidate: the verdicts on one limit are adjacent.
pub(super) fn judge_all(insights: &Insights, limits: &RelativeLimits) -> Vec<Verdict> {
    let candidates = candidates(insights);
    let judge = |slo| candidates.clone().map(move |version| judge(insights, version, slo));
    limits.upper.iter().flat_map(judge).collect()
}

/// Versions that are compared with version 0: at least one, even if it was not measured.
pub(crate) fn candidates(insights: &Insights) -> std::ops::Range<usize> {
    1..insights.num_versions.max(2)
}

/// Returns the compared value: the candidate's minus that of version 0, or divided by it. `None` if it is not defined.
pub(super) fn compared(comparison: Comparison, candidate: f64, baseline: f64) -> Option<f64> {
    let value = match comparison {
        Comparison::Difference => candidate - baseline,
        Comparison::Ratio if baseline > 0.0 && candidate >= 0.0 => candidate / baseline,
        Comparison::Ratio => return None,
    };
    Some(value).filter(|value| value.is_finite())
}

/// Returns true if every candidate satisfies a limit, and each has a verdict on it.
pub(crate) fn is_satisfied(insights: &Insights, slo: &Slo) -> bool {
    let is_its = |verdict: &&Verdict| {
        let is_same = verdict.limit == slo.limit.0 && verdict.metric.to_string() == slo.metric.to_string();
        is_same && verdict.reference == Some(BASELINE)
    };
    candidates(insights).all(|version| {
        let mut own = insights.verdicts.iter().filter(is_its).filter(|verdict| verdict.version == version).peekable();
        own.peek().is_some() && own.all(|verdict| verdict.verdict == Outcome::Satisfied)
    })
}

/// Number of verdicts on the limits relative to version 0.
pub(crate) fn count(insights: &Insights) -> usize {
    let limits = insights.relative.as_ref().map_or(0, |relative| relative.upper.len());
    limits.saturating_mul(candidates(insights).len())
}

fn judge(insights: &Insights, version: usize, slo: &Slo) -> Verdict {
    let mut verdict = Verdict { reference: Some(BASELINE), ..Verdict::undecided(slo, Bound::Upper, version) };
    if version >= insights.num_versions {
        verdict.reason = "no candidate was measured: there is only version 0".to_owned();
        return verdict;
    }
    let (Ok(name), Some(comparison)) = (slo.metric.name(), comparison(&slo.metric)) else {
        verdict.reason = format!("`{}` cannot be compared with version 0", slo.metric);
        return verdict;
    };
    let [baseline, candidate] =
        [BASELINE, version].map(|version| MetricsView::new(insights, version).resolve(&slo.metric));
    let label = insights.version_label(BASELINE);
    let candidate_value = match &candidate.reading {
        Reading::Value(value) => *value,
        Reading::Missing(missing) => {
            let recorded = candidate.recorded().filter(|recorded| recorded.missing == *missing);
            decide(&mut verdict, &recorded.unwrap_or_else(|| Recorded::without_policy(missing.clone())));
            return verdict;
        }
    };
    let baseline_value = match &baseline.reading {
        Reading::Value(value) => *value,
        Reading::Missing(missing) => {
            // Its policy is about its own objectives: without a baseline nothing is compared.
            verdict.reason = format!("no data of {label} to compare with: {}", missing.reason);
            verdict.missing = Some(missing.cause);
            return verdict;
        }
    };
    let Some(value) = compared(comparison, candidate_value, baseline_value) else {
        verdict.reason = format!("there is no ratio to {label}, whose value is {}", show(baseline_value));
        return verdict;
    };
    (verdict.value, verdict.samples) = (Some(value), candidate.samples);
    let load = |version: usize| insights.load.get(version)?.get(&name.provider);
    for version in [BASELINE, version] {
        if let Some(reason) = load(version).and_then(load_validity::inconclusive_reason) {
            verdict.reason = format!("of {}: {reason}", insights.version_label(version));
            return verdict;
        }
    }
    let limit = slo.limit.0;
    let is_within = Bound::Upper.admits(value, limit);
    verdict.verdict = if is_within { Outcome::Satisfied } else { Outcome::Violated };
    verdict.reason = explain(slo, comparison, [candidate_value, baseline_value], value, &label, candidate.unit);
    // The candidate's own limit, and the least value of version 0, that follow from this one.
    let (own, least) = match comparison {
        Comparison::Difference => (baseline_value + limit, candidate_value - limit),
        Comparison::Ratio => (baseline_value * limit, candidate_value / limit),
    };
    if is_within {
        let of_candidate = unknown_origin::doubt(insights, version, name, Bound::Upper, own);
        let of_origin = of_candidate.or_else(|| unknown_origin::doubt(insights, BASELINE, name, Bound::Lower, least));
        let of_errors = failed_requests::doubt_of_comparison(load(version), load(BASELINE), name, &label);
        let of_errors = || of_errors.or_else(|| failed_requests::doubt(insights, version, name, Bound::Upper, own));
        let doubt = of_origin.or_else(of_errors);
        if let Some(reason) = doubt {
            verdict.verdict = Outcome::Inconclusive;
            verdict.reason.push_str(&format!("; {reason}"));
        }
        // Delays of the load generator in version 0 make a slower candidate look as fast.
        let undelayed = |version: usize| load(version).and_then(|load| load_validity::undelayed(load, name));
        let without = undelayed(BASELINE)
            .and_then(|baseline| compared(comparison, undelayed(version).unwrap_or(candidate_value), baseline));
        if let Some(without) = without.filter(|without| !Bound::Upper.admits(*without, limit)) {
            verdict.verdict = Outcome::Inconclusive;
            verdict.reason.push_str(&without_delays(comparison, without, limit, &label));
        }
    } else if let Some(reason) = failed_requests::no_baseline(load(BASELINE), name, &label) {
        verdict.verdict = Outcome::Inconclusive;
        verdict.reason.push_str(&format!("; {reason}"));
    } else if let Some(reason) = load(version).and_then(|load| load_validity::own_delay(load, name, own)) {
        verdict.verdict = Outcome::Inconclusive;
        verdict.reason.push_str(&format!(", {reason}"));
    }
    let zero = [&candidate, &baseline].into_iter().find_map(|metric| metric.recorded().filter(Recorded::is_zero));
    if let Some(Recorded { missing, .. }) = zero {
        verdict.no_data = Some(NoDataPolicy::Zero);
        verdict.reason.push_str(&format!("; 0 replaces missing data: {}", missing.reason));
        verdict.missing = Some(missing.cause);
    }
    verdict
}

/// `http/latency-p95 is 1.25 times that of v1 (62.50 msec against 50 msec), above the limit of 1.1`.
fn explain(
    slo: &Slo,
    comparison: Comparison,
    [candidate, baseline]: [f64; 2],
    value: f64,
    label: &str,
    unit: Option<&str>,
) -> String {
    let metric = &slo.metric;
    let limit = slo.limit.0;
    let relation = if Bound::Upper.admits(value, limit) { "within" } else { "above" };
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let (candidate, baseline) = show_pair(candidate, baseline);
    let (value, limit) = show_pair(value, limit);
    let values = format!("({candidate}{unit} against {baseline}{unit})");
    match comparison {
        Comparison::Ratio => {
            format!("{metric} is {value} times that of {label} {values}, {relation} the limit of {limit} times")
        }
        Comparison::Difference => {
            let (value, limit) = (signed(value), signed(limit));
            format!("{metric} differs from that of {label} by {value} {values}, {relation} the limit of {limit}")
        }
    }
}

/// Describes a value that exceeds the limit without the load generator's own delays in version 0.
fn without_delays(comparison: Comparison, value: f64, limit: f64, label: &str) -> String {
    let (value, limit) = show_pair(value, limit);
    let (value, limit) = match comparison {
        Comparison::Ratio => (format!("{value} times"), format!("{limit} times")),
        Comparison::Difference => (signed(value), signed(limit)),
    };
    format!(
        ", but {value} without the delays of the load generator, above the limit of {limit}: it sent requests to {label} late although a \
         connection was free"
    )
}

/// Adds the sign of a positive difference.
fn signed(text: String) -> String {
    if text.starts_with('-') || text == "0" { text } else { format!("+{text}") }
}

#[cfg(test)]
#[path = "relative_tests.rs"]
mod tests;
