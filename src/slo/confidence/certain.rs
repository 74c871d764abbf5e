//! Metrics without an interval from their samples: counts are exact, extremes are certain on one side, and a single
//! number does not show how much it varies, unless there are enough loops.

use super::case::Case;
use super::finding::Finding;
use crate::confidence::blocks::SumBlock;
use crate::confidence::{family, mean};
use crate::metrics::MetricsView;
use crate::metrics::loop_records::comparable;
use crate::model::loops::LoopRecord;
use crate::model::metric::MetricType;
use crate::model::slo::{Bound, Method, Outcome};

/// Least number of loops whose values show how a single number varies.
const MIN_LOOPS: usize = 10;

/// A count is exact: the value decides.
pub(super) fn count(case: &Case<'_>) -> Finding {
    let outcome = if case.is_within { Outcome::Satisfied } else { Outcome::Violated };
    Finding { outcome, ..Finding::open(Method::Point, case.alpha, case.point_reason.to_owned()) }
}

/// A value whose uncertainty is unknown; `why` is the reason. It decides, unless the objectives are strict.
pub(super) fn unknown(case: &Case<'_>, why: &str) -> Finding {
    let outcome = match case.is_within {
        _ if case.is_strict => Outcome::Inconclusive,
        true => Outcome::Satisfied,
        false => Outcome::Violated,
    };
    let strict = if case.is_strict { ", and `strict` needs an interval" } else { "" };
    Finding { outcome, ..Finding::open(Method::Point, case.alpha, format!("{}; {why}{strict}", case.point_reason)) }
}

/// An extreme, the highest value or the lowest: what was seen is certain on one side, and nothing is known on the other.
pub(super) fn extreme(case: &Case<'_>, is_highest: bool) -> Finding {
    let interval = if is_highest { [Some(case.value), None] } else { [None, Some(case.value)] };
    let open = Finding { interval: Some(interval), ..Finding::open(Method::Point, case.alpha, String::new()) };
    let is_certain = match (is_highest, case.bound) {
        // The true maximum is at least the largest value that was seen.
        (true, Bound::Upper) => !case.is_within,
        (true, Bound::Lower) => case.is_within,
        (false, Bound::Upper) => case.is_within,
        (false, Bound::Lower) => !case.is_within,
    };
    if is_certain {
        let outcome = if case.is_within { Outcome::Satisfied } else { Outcome::Violated };
        return Finding { outcome, reason: case.point_reason.to_owned(), ..open };
    }
    let what = if is_highest { "larger" } else { "smaller" };
    let hint = "judge a percentile instead";
    Finding { reason: format!("{}, but no number of samples excludes a {what} one: {hint}", case.point_reason), ..open }
}

/// A single number: its values in earlier loops show how it varies if there are enough of them.
pub(super) fn single(case: &Case<'_>) -> Finding {
    let why = "a single number does not show how sure it is";
    let view = MetricsView::new(case.insights, case.version);
    let is_gauge = view.get(case.name).kind() == Some(MetricType::Gauge);
    let mut history: Vec<f64> = view.history(case.name).into_iter().flatten().collect();
    history.drain(..history.len().saturating_sub(loops_of_spec(&case.insights.loops)));
    if case.load.is_some() || !is_gauge || history.len() < MIN_LOOPS {
        return unknown(case, why);
    }
    loops(case, &history).unwrap_or_else(|| unknown(case, why))
}

/// Number of newest loops that measured the same spec. Documents without records do not tell loops apart.
fn loops_of_spec(loops: &[LoopRecord]) -> usize {
    let Some(newest) = loops.last() else { return usize::MAX };
    1 + comparable(loops, newest).into_iter().filter(|record| record.failed.is_none()).count()
}

/// Judges the mean of the loops' values; `None` if they do not vary.
fn loops(case: &Case<'_>, history: &[f64]) -> Option<Finding> {
    let blocks: Vec<SumBlock> = history.iter().map(|value| SumBlock { n: 1.0, sum: *value }).collect();
    let [variance, skewness] = mean::sample_moments(history);
    let estimate = mean::mean(&blocks, variance, skewness).filter(|mean| mean.error > 1e-9 * mean.mean.abs())?;
    let [lower, upper] = mean::interval(&estimate, case.alpha);
    let (is_satisfied, is_violated, p) = match case.bound {
        Bound::Upper => (
            upper.is_some_and(|end| end <= case.limit),
            lower.is_some_and(|end| end > case.limit),
            family::p_of_lower_end(case.limit, |alpha| mean::interval(&estimate, alpha)[0]),
        ),
        Bound::Lower => (
            lower.is_some_and(|end| end >= case.limit),
            upper.is_some_and(|end| end < case.limit),
            family::p_of_upper_end(case.limit, |alpha| mean::interval(&estimate, alpha)[1]),
        ),
    };
    // The newest value has to agree with the mean.
    let outcome = match case.is_within {
        true if is_satisfied => Outcome::Satisfied,
        false if is_violated => Outcome::Violated,
        _ => Outcome::Inconclusive,
    };
    let ends = match (lower, upper) {
        (Some(lower), Some(upper)) => case.scale().between(lower, upper, case.limit),
        _ => return None,
    };
    let reason = format!("{}; the mean of {} loops is {ends}", case.point_reason, history.len());
    Some(Finding {
        outcome,
        interval: Some([lower, upper]),
        effective: Some(estimate.total / estimate.deff),
        p_violated: Some(p),
        ..Finding::open(Method::Mean, case.alpha, reason)
    })
}
