//! Loads that ended with their verdict: the decision of that moment stands, and half of the error is spent on it.

use super::case::{self, Case, Values};
use super::columns::Columns;
use super::compared::Compared;
use super::finding::Finding;
use super::percentile::{clipped, sentence};
use super::rate::{self, Counts};
use super::words::{Scale, basis, decided_after};
use crate::confidence::blocks::Block;
use crate::confidence::design_effect::{DesignEffect, student_factor};
use crate::confidence::{difference, evidence, looks, percentile, ratio};
use crate::metrics::histogram;
use crate::model::load::{Decision, Stopped};
use crate::model::metric_name::Aggregation;
use crate::model::readable::confidence;
use crate::model::slo::{Bound, Dependence, DependenceSource, Method, Outcome, Verdict};
use crate::slo::comparison::{Comparison, is_error_rate};
use crate::slo::load_validity::named_statistic;
use crate::slo::relative::BASELINE;
use crate::slo::timeouts::Timeouts;

/// Largest part by which a design effect may be below that of independent requests, by rounding.
const MAX_ROUNDING: f64 = 0.01;
/// Noise in the last digits of a confidence.
const MAX_NOISE: f64 = 1e-9;

/// Returns the decision on which the load ended, if it is on this objective and its evidence is enough for the confidence.
pub(super) fn kept(case: &Case<'_>) -> Option<Finding> {
    let decision = decision(case).filter(|decision| is_possible(case, decision))?;
    let theta0 = theta0(case)?;
    let effect = DesignEffect { deff: decision.deff, df: decision.df };
    let (n, k) = (decision.n as f64, decision.k as f64);
    // `case.alpha` is half of α, the half that the looks had; `effective` takes the whole.
    let effective = looks::effective(n, effect, 2.0 * case.alpha)?;
    let k_effective = k / n * effective;
    let enough = -case.alpha.ln();
    let is_shown = match decision.verdict {
        Outcome::Satisfied => evidence::ln_satisfied(k_effective, effective, theta0) >= enough,
        Outcome::Violated => evidence::ln_violated(k_effective, effective, theta0) >= enough,
        Outcome::Inconclusive => false,
    };
    // The requests in flight at the end count for the value.
    let agrees = (decision.verdict == Outcome::Satisfied) == case.is_within;
    if !is_shown || !agrees {
        return None;
    }
    let ends = clipped(interval(case, k_effective, effective, theta0), case, decision.verdict);
    let basis = basis(case.alpha, decision.n, Some(effective), "requests");
    let scale = if is_error_rate(case.name) { Scale::Percent } else { case.scale() };
    let stopped = case.load?.stopped.as_ref()?;
    let reason = sentence(case, scale, decision.verdict, ends, &basis, "") + &decided_after(stopped.at.0);
    Some(Finding {
        outcome: decision.verdict,
        interval: Some(ends),
        effective: Some(effective),
        dependence: Some(Dependence { deff: decision.deff, df: decision.df, from: DependenceSource::Blocks }),
        ..Finding::open(Method::AlwaysValid, case.alpha, reason)
    })
}

/// Returns true if the running load can have made this decision. An edited document may hold an impossible one: a design effect below 1, or
/// requests that the load did not have. A satisfied decision also needs every request that timed out counted as bad, because one that timed
/// out within the limit may really have exceeded it.
fn is_possible(case: &Case<'_>, decision: &Decision) -> bool {
    let timeouts = case.distribution().map_or(0, |(key, _)| {
        let is_attributed = case.load.is_some_and(|load| load.version_from.is_some());
        let unknown = if is_attributed { Timeouts::of_unknown(case.insights, &key).count } else { 0 };
        Timeouts::of(case.insights, case.version, &key).count.saturating_add(unknown)
    });
    let is_sound = decision.deff >= 1.0 - MAX_ROUNDING && is_counted(case, decision).unwrap_or(false);
    is_sound && (decision.verdict != Outcome::Satisfied || timeouts <= decision.k)
}

/// Returns true if the counts of a decision are possible by those of the load's series: no more requests were good than at the end of the
/// load, and the first requests have no more bad ones than the decision, which also counts bad ones that had not ended. `None` if the
/// series does not count them.
fn is_counted(case: &Case<'_>, decision: &Decision) -> Option<bool> {
    let columns = Columns::of(case.load?).ok()??;
    let blocks = if is_error_rate(case.name) {
        columns.errors().ok()?
    } else {
        let (key, _) = case.distribution()?;
        columns.over(case.limit).ok()?.filter(|_| case.is_latency(&key))?
    };
    let (n, k) = (decision.n as f64, decision.k as f64);
    let (mut all, mut first) = (Block::default(), Block::default());
    for block in blocks {
        all = all + block;
        if all.n <= n {
            first = all;
        }
    }
    Some(n - k <= all.n - all.k && first.k <= k)
}

/// Explains that a load that ended with the verdict on an objective does not show it with a higher confidence: more samples of a load that
/// went on might have shown something else. `None` if no higher one is asked for.
pub(super) fn refusal(case: &Case<'_>) -> Option<Finding> {
    decision(case).filter(|decision| decision.verdict != Outcome::Inconclusive)?;
    refused(case.load?.stopped.as_ref()?, case.alpha, case.point_reason)
}

/// As [`refusal`], for a limit relative to version 0.
pub(super) fn refusal_of_comparison(case: &Compared<'_>) -> Option<Finding> {
    decision_on_comparison(case).filter(|decision| decision.verdict != Outcome::Inconclusive)?;
    refused(case.loads[0]?.stopped.as_ref()?, case.alpha, &case.verdict.reason)
}

fn refused(stopped: &Stopped, alpha: f64, value: &str) -> Option<Finding> {
    let asked = confidence(1.0 - alpha);
    let given = match stopped.confidence {
        level if level > 0.0 && level < 1.0 => format!("at {} confidence", confidence(level)),
        _ => "at an unknown confidence".to_owned(),
    };
    let reason = format!(
        "{value}; the load ended as soon as this was decided {given}, so its samples cannot decide at {asked}: run it again with the \
         higher confidence"
    );
    is_higher(stopped, alpha).then(|| Finding::open(Method::AlwaysValid, alpha, reason))
}

/// Returns true if an error of `alpha` is less than the one that ended the load.
fn is_higher(stopped: &Stopped, alpha: f64) -> bool {
    let is_admitted = 1.0 - alpha <= stopped.confidence + MAX_NOISE;
    !is_admitted
}

/// Explains that a load ended with the verdict on other SLOs; `None` if it did not, or if this one was among them.
pub(super) fn note(case: &Case<'_>) -> Option<String> {
    let is_stopped = case::loads(case.insights, case.version).any(|load| load.stopped.is_some());
    (is_stopped && decision(case).is_none()).then(|| of_others(case.alpha))
}

/// Returns the decision on which a load ended, if it is on this limit relative to version 0, and the samples still show it with the
/// dependence of that moment.
pub(super) fn kept_comparison(case: &Compared<'_>, comparison: Comparison) -> Option<Finding> {
    let limit = case.verdict.limit;
    let decision = decision_on_comparison(case)?;
    let is_attributed = case.loads[0]?.version_from.is_some();
    let has_unknown = |(key, _, _): &(String, Aggregation, [Values; 2])| {
        is_attributed && Timeouts::of_unknown(case.insights, key).count > 0
    };
    // Timeouts of unknown origin may be the candidate's, which no look saw.
    if comparison == Comparison::Ratio && case.distributions().as_ref().is_some_and(has_unknown) {
        return None;
    }
    // All planned looks had half of α together, which the document does not have. Those until the decision are some of them, so their share
    // of another α than the run's would be too large.
    let stopped = case.loads[0]?.stopped.as_ref().filter(|stopped| !is_higher(stopped, case.alpha))?;
    let effect = DesignEffect { deff: decision.deff, df: decision.df };
    let alpha = case.alpha / looks::schedule(stopped.at.0.as_secs_f64()).len().max(1) as f64;
    // Less than that of independent requests was edited.
    let is_sound = |least: f64| effect.deff >= least * (1.0 - MAX_ROUNDING) && effect.deff.is_finite();
    let (total, ends) = match comparison {
        Comparison::Difference => {
            let counts = |version: usize| rate::counts(case.insights, version, &case.name.provider)?.ok();
            let block = |counts: Counts| Block { n: counts.requests, k: counts.errors };
            let [own, reference] = [counts(case.verdict.version).map(block)?, counts(BASELINE).map(block)?];
            let ends = difference::interval(own, reference, effect, alpha).filter(|_| is_sound(1.0))?;
            (own.n + reference.n, ends.map(Some))
        }
        Comparison::Ratio => match case.distributions()? {
            (key, Aggregation::Percentile(p), [Values::Histogram(own), Values::Histogram(reference)]) => {
                let [lower, _] = ratio::interval(&own, &reference, p / 100.0, effect, alpha);
                let longest = Timeouts::of(case.insights, case.verdict.version, &key).without_end(&own);
                let ends = [lower, ratio::interval(&longest, &reference, p / 100.0, effect, alpha)[1]];
                is_sound(p / 100.0).then_some(((own.len() + reference.len()) as f64, ends))?
            }
            _ => return None,
        },
    };
    let is_within = Bound::Upper.admits(case.value, limit);
    let is_shown = match (decision.verdict, ends) {
        (Outcome::Satisfied, [_, Some(upper)]) => is_within && upper <= limit,
        (Outcome::Violated, [Some(lower), _]) => !is_within && lower > limit,
        _ => false,
    };
    let effective = total * student_factor(total, effect.df, alpha)? / effect.deff;
    let basis = basis(case.alpha, total as u64, Some(effective.min(total)), "requests");
    let scale = if comparison == Comparison::Difference { Scale::Points } else { Scale::Times };
    let reason = case.sentence(decision.verdict, ends, scale, &basis, "") + &decided_after(stopped.at.0);
    is_shown.then(|| Finding {
        outcome: decision.verdict,
        interval: Some(ends),
        effective: Some(effective),
        dependence: Some(Dependence { deff: effect.deff, df: effect.df, from: DependenceSource::Blocks }),
        ..Finding::open(Method::AlwaysValid, case.alpha, reason)
    })
}

/// Explains as [`note`] that a load of the candidate or of version 0 ended with the verdict on other SLOs.
pub(super) fn note_on_comparison(case: &Compared<'_>) -> Option<String> {
    let mut loads = [case.verdict.version, BASELINE].into_iter().flat_map(|at| case::loads(case.insights, at));
    let is_stopped = loads.any(|load| load.stopped.is_some());
    (is_stopped && decision_on_comparison(case).is_none()).then(|| of_others(case.alpha))
}

fn of_others(alpha: f64) -> String {
    format!("the load ended with the verdict on other SLOs, so this one is judged at {}", confidence(1.0 - alpha))
}

fn decision_on_comparison<'a>(case: &Compared<'a>) -> Option<&'a Decision> {
    let Verdict { metric, limit, .. } = case.verdict;
    let is_its = |decision: &&Decision| {
        let is_same = decision.limit == *limit && decision.metric.to_string() == metric.to_string();
        is_same && decision.bound == Bound::Upper && decision.reference == Some(BASELINE)
    };
    case.loads[0]?.stopped.as_ref()?.decisions.iter().find(is_its)
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
