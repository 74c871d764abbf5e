//! Candidates against version 0.
//!
//! Versions that were measured in the same seconds share their disturbances, which cancel in a comparison interval by interval. Otherwise the
//! variances add up, and what changed in between counts as difference.

use super::case::{self, Values};
use super::compared::Compared;
use super::finding::{Finding, rounded};
use super::{mean_ratio, percentile_ratio, rate_difference, stopped};
use crate::metrics::MetricsView;
use crate::model::insights::Insights;
use crate::model::load::LoadRecord;
use crate::model::metric::Reading;
use crate::model::metric_name::Aggregation;
use crate::model::objectives::Confidence;
use crate::model::slo::{Method, Verdict};
use crate::slo::comparison::{Comparison, comparison};
use crate::slo::relative::BASELINE;

/// Judges a verdict relative to version 0, whose value has decided it; `None` if its metric cannot be compared.
pub(super) fn judge(insights: &Insights, verdict: &Verdict, confidence: &Confidence) -> Option<Finding> {
    let name = verdict.metric.name().ok()?;
    let comparison = comparison(&verdict.metric)?;
    let loads = [verdict.version, BASELINE].map(|version| insights.load.get(version)?.get(&name.provider));
    let value = |version: usize| match MetricsView::new(insights, version).get(name).reading {
        Reading::Value(value) => Some(value),
        Reading::Missing(_) => None,
    };
    let case = Compared {
        insights,
        verdict,
        name,
        loads,
        values: [value(verdict.version)?, value(BASELINE)?],
        value: verdict.value?,
        alpha: alpha(insights, verdict.version, confidence),
        is_strict: confidence.is_strict,
        is_simultaneous: are_simultaneous(loads),
    };
    let kept = stopped::kept_comparison(&case, comparison);
    if let Some(finding) = kept.or_else(|| stopped::refusal_of_comparison(&case)) {
        return Some(finding);
    }
    let judged = match comparison {
        Comparison::Difference => rate_difference::judge(&case),
        Comparison::Ratio => of_distributions(&case),
    };
    let method = if comparison == Comparison::Difference { Method::Difference } else { Method::Ratio };
    let open = |reason| Finding::open(method, case.alpha, format!("{}; {reason}", verdict.reason));
    let mut finding = judged.unwrap_or_else(open);
    if let Some(note) = stopped::note_on_comparison(&case) {
        finding.reason.push_str(&format!("; {note}"));
    }
    Some(finding)
}

/// Error of each claim on a version relative to version 0: the smaller one of both.
fn alpha(insights: &Insights, version: usize, confidence: &Confidence) -> f64 {
    let [own, reference] = [version, BASELINE].map(|version| case::alpha(insights, version, confidence));
    own.min(reference)
}

/// Returns the confidence with which a version is compared with version 0: higher than the requested one if part of the error was spent
/// while a load ran.
pub(in crate::slo) fn level(insights: &Insights, version: usize, confidence: &Confidence) -> f64 {
    rounded(1.0 - alpha(insights, version, confidence))
}

/// Returns true if both loads started within half an interval of each other.
fn are_simultaneous(loads: [Option<&LoadRecord>; 2]) -> bool {
    let [Some(candidate), Some(baseline)] = loads else { return false };
    let (Some(a), Some(b)) = (candidate.start, baseline.start) else { return false };
    let (Some(series), Some(other)) = (&candidate.series, &baseline.series) else { return false };
    let interval = series.interval.0.min(other.interval.0);
    (a - b).abs().to_std().is_ok_and(|apart| apart.saturating_mul(2) <= interval)
}

/// Ratio of two percentiles or means.
fn of_distributions(case: &Compared<'_>) -> Result<Finding, String> {
    let Some((key, aggregation, values)) = case.distributions() else {
        return case.unknown("two single numbers do not show how sure their ratio is");
    };
    match (aggregation, &values) {
        (Aggregation::Percentile(p), [Values::Histogram(candidate), Values::Histogram(baseline)]) => {
            percentile_ratio::of_histograms(case, &key, p, [candidate, baseline])
        }
        (Aggregation::Percentile(p), [Values::Samples(candidate), Values::Samples(baseline)]) => {
            percentile_ratio::of_samples(case, p, [candidate, baseline])
        }
        (Aggregation::Mean, [Values::Histogram(candidate), Values::Histogram(baseline)]) => {
            mean_ratio::of_histograms(case, &key, [candidate, baseline])
        }
        (Aggregation::Mean, [Values::Samples(candidate), Values::Samples(baseline)]) => {
            mean_ratio::of_samples(case, [candidate, baseline])
        }
        _ => case.unknown("values of this form have no interval of their ratio"),
    }
}
