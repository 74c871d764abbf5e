//! Loads that ended with their verdict: the decision of that moment stands, and half of the error is spent on it.

use super::case::Case;
use super::finding::Finding;
use super::percentile::clipped;
use super::words::{basis, percent};
use crate::confidence::design_effect::DesignEffect;
use crate::confidence::{evidence, looks, percentile};
use crate::metrics::histogram;
use crate::model::load::Decision;
use crate::model::metric_name::Aggregation;
use crate::model::slo::{Bound, Dependence, DependenceSource, Method, Outcome};
use crate::slo::comparison::is_error_rate;
use crate::slo::load_validity::named_statistic;

/// Returns the decision on which the load ended, if it is on this objective and its evidence is enough for the confidence.
pub(super) fn kept(case: &Case<'_>) -> Option<Finding> {
    let decision = decision(case)?;
    let theta0 = theta0(case)?;
    let effect = DesignEffect { deff: decision.deff, df: decision.df };
    let (n, k) = (decision.n as f64, decision.k as f64);
    // `case.alpha` is half of α, the half that the looks had; `effective` takes the whole.
    let effective = looks::effective(n, effect, 2.0 * case.alpha)?;
    let k_effective = k / n * effective;
    let enough = -case.alpha.ln();
    let is_shown = match decision.verdict {
        Outcome::Satisfied => k / n < theta0 && evidence::ln_satisfied(k_effective, effective, theta0) >= enough,
        Outcome::Violated => k / n > theta0 && evidence::ln_violated(k_effective, effective, theta0) >= enough,
        Outcome::Inconclusive => false,
    };
    // The requests in flight at the end count for the value.
    let agrees = (decision.verdict == Outcome::Satisfied) == case.is_within;
    if !is_shown || !agrees {
        return None;
    }
    let ends = clipped(interval(case, k_effective, effective, theta0), case, decision.verdict);
    let basis = basis(case.alpha, decision.n, Some(effective), "requests");
    let seconds = case.load.and_then(|load| load.stopped.as_ref()).map(|stopped| stopped.at.to_string());
    let when = seconds.map(|seconds| format!(", decided after {seconds}")).unwrap_or_default();
    let reason = format!("{}{when} ({basis})", case.point_reason);
    Some(Finding {
        outcome: decision.verdict,
        interval: Some(ends),
        effective: Some(effective),
        dependence: Some(Dependence { deff: decision.deff, df: decision.df, from: DependenceSource::Blocks }),
        ..Finding::open(Method::AlwaysValid, case.alpha, reason)
    })
}

/// Explains that a load ended with the verdict on other objectives; `None` if it did not, or if this one was among them.
pub(super) fn note(case: &Case<'_>) -> Option<String> {
    case.load?.stopped.as_ref()?;
    let is_own = decision(case).is_some();
    let half = percent(1.0 - case.alpha);
    (!is_own).then(|| format!("the load ended with the verdict on other objectives, so this one is judged at {half}"))
}

fn decision<'a>(case: &Case<'a>) -> Option<&'a Decision> {
    let decisions = &case.load?.stopped.as_ref()?.decisions;
    decisions.iter().filter(|decision| decision.reference.is_none()).find(|decision| {
        decision.bound == case.bound && decision.limit == case.limit && decision.metric.to_string() == case.metric
    })
}

/// Highest share of bad requests within an upper limit of an error rate or a percentile.
fn theta0(case: &Case<'_>) -> Option<f64> {
    if case.bound != Bound::Upper {
        return None;
    }
    if is_error_rate(case.name) {
        return Some(case.limit);
    }
    match case.name.distribution().or_else(|| named_statistic(case.name))? {
        (_, Aggregation::Percentile(p)) => Some((100.0 - p) / 100.0),
        _ => None,
    }
}

/// Interval that holds at every look.
fn interval(case: &Case<'_>, k: f64, n: f64, theta0: f64) -> [Option<f64>; 2] {
    if is_error_rate(case.name) {
        return evidence::limits(k, n, case.alpha).map(Some);
    }
    let encoded = case.name.distribution().and_then(|(key, _)| case.insights.histograms.get(case.version)?.get(&key));
    let Some(values) = encoded.and_then(|encoded| histogram::decode(encoded).ok()) else { return [None, None] };
    let ends = percentile::interval_of(&values, n, evidence::ranks(n, theta0, case.alpha));
    ends.map(|end| end.map(|micros| micros / 1_000.0))
}
