//! Verdicts on splits of traffic, and their effect on the SLOs of the same loop.
//!
//! A version that gets no traffic, or another share than the expected one, was not tested as intended: SLOs that it satisfied are undecided.
//! SLOs that are violated stay violated, and a split alone never violates anything. Tasks may check the split before or after the SLOs:
//! [`leave_undecided`] applies it in the assessment, and [`apply`] to an assessment that has been made.

use crate::metrics::proportion::{self, Fit, binomial_test, goodness_of_fit, interval, needed};
use crate::model::insights::Insights;
use crate::model::loops::LoopOutcome;
use crate::model::metric_name::MetricRef;
use crate::model::readable::show;
use crate::model::slo::{Outcome, Verdict};
use crate::model::split::{Split, SplitVersion, UNKNOWN};
use crate::slo::assess::matrix;

/// Counted responses of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub name: String,
    /// Number of responses, or the reason why it is not known.
    pub count: Result<u64, String>,
}

/// A comparison to make.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub metric: MetricRef,
    pub expected_from: Option<String>,
    pub significance: f64,
    /// Versions, in order.
    pub observed: Vec<Observed>,
    /// Expected weight of each version, or the reason why it is not known.
    pub weights: Result<Vec<f64>, String>,
}

/// Compares observed counts with expected weights, of which there are as many.
pub(crate) fn compare(comparison: Comparison) -> Split {
    let Comparison { metric, expected_from, significance, observed, weights } = comparison;
    let shares = weights.and_then(|weights| proportion::shares(&weights).ok_or_else(|| "all weights are 0".to_owned()));
    let counts: Option<Vec<u64>> = observed.iter().map(|version| version.count.as_ref().ok().copied()).collect();
    let responses = counts.as_ref().map(|counts| counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count)));
    let version = |(index, version): (usize, &Observed)| {
        let share = shares.as_ref().ok().and_then(|shares| shares.get(index)).copied();
        let count = version.count.as_ref().ok().copied();
        let both = count.zip(responses).filter(|(_, responses)| *responses > 0);
        SplitVersion {
            name: version.name.clone(),
            expected: share.map(percent),
            observed: count,
            percent: both.map(|(count, responses)| percent(count as f64 / responses as f64)),
            interval: both.map(|(count, responses)| interval(count, responses, 1.0 - significance).map(percent)),
            needed: share.and_then(|share| needed(share, significance)),
        }
    };
    let versions = observed.iter().enumerate().map(version).collect();
    let missing = observed.iter().find_map(|version| version.count.as_ref().err());
    let (p_value, agreement) = match (missing, &shares, counts) {
        (Some(reason), ..) => (None, Err(reason.clone())),
        (None, Err(reason), _) => (None, Err(format!("the expected split is not known: {reason}"))),
        (None, Ok(shares), counts) => {
            let counts = counts.unwrap_or_default();
            let Fit { p_value, method } = goodness_of_fit(&counts, shares);
            let names: Vec<&str> = observed.iter().map(|version| version.name.as_str()).collect();
            let counted = Counted { names: &names, counts: &counts, shares, total: responses.unwrap_or_default() };
            let agreement = format!("the split is as expected ({method}: p = {})", probability(p_value));
            (Some(p_value), counted.problem(p_value, significance).map_or(Ok(agreement), Err))
        }
    };
    let (verdict, reason) = match agreement {
        Ok(reason) => (Outcome::Satisfied, reason),
        Err(reason) => (Outcome::Inconclusive, reason),
    };
    Split { metric, expected_from, versions, responses, p_value, significance, verdict, reason }
}

/// Counts and expected shares of versions.
struct Counted<'a> {
    names: &'a [&'a str],
    counts: &'a [u64],
    shares: &'a [f64],
    total: u64,
}

impl Counted<'_> {
    /// Explains why the counts do not show the expected split; `None` if they do.
    fn problem(&self, p_value: f64, significance: f64) -> Option<String> {
        let total = self.total;
        let smallest = self.shares.iter().copied().filter(|share| *share > 0.0).fold(1.0, f64::min);
        if total == 0 {
            let least = needed(smallest, significance).unwrap_or_default();
            return Some(format!("no responses were counted; at least {least} are needed"));
        }
        let versions =
            || (0..self.counts.len()).filter_map(|at| Some((*self.names.get(at)?, self.count(at), self.share(at))));
        if let Some((name, count, _)) = versions().find(|(_, count, share)| *share <= 0.0 && *count > 0) {
            return Some(match name {
                UNKNOWN => format!("{count} of {total} responses are of unknown origin"),
                _ => format!("{name} sent {count} of {total} responses, although its expected share is 0 %"),
            });
        }
        if let Some((name, _, share)) = versions().find(|(_, count, share)| *share > 0.0 && *count == 0) {
            let unseen = format!(
                "{name} sent none of {total} responses, although its expected share is {} %",
                show(percent(share))
            );
            let least = needed(share, significance).filter(|least| *least > total);
            return Some(match least {
                Some(least) => format!("{unseen}; at least {least} responses are needed to see it"),
                None => unseen,
            });
        }
        if p_value > significance {
            return None;
        }
        let unlikely = |(_, count, share): &(&str, u64, f64)| binomial_test(*count, total, *share);
        let (name, count, share) = versions().min_by(|a, b| unlikely(a).total_cmp(&unlikely(b)))?;
        Some(format!(
            "{name} sent {count} of {total} responses ({} %), expected {} %: the probability of such a split is {}",
            show(percent(count as f64 / total as f64)),
            show(percent(share)),
            probability(p_value)
        ))
    }

    fn count(&self, at: usize) -> u64 {
        self.counts.get(at).copied().unwrap_or_default()
    }

    fn share(&self, at: usize) -> f64 {
        self.shares.get(at).copied().unwrap_or_default()
    }
}

/// Converts a share to percent, without the last digits of floating-point noise.
fn percent(share: f64) -> f64 {
    let percent = 100.0 * share;
    format!("{percent:.6e}").parse().unwrap_or(percent)
}

/// Formats a probability.
fn probability(p_value: f64) -> String {
    match p_value {
        p if p <= 0.0 => "0".to_owned(),
        p if p < 1e-6 => "less than 0.000001".to_owned(),
        p => show(p),
    }
}

/// Returns the splits of the newest loop that are not as expected.
pub(crate) fn unsatisfied(insights: &Insights) -> impl Iterator<Item = &Split> {
    insights.splits.iter().filter(|split| !split.is_satisfied())
}

/// Returns the reason of a split with its subject.
pub(crate) fn sentence(split: &Split) -> String {
    format!("split of {}: {}", split.metric, split.reason)
}

/// Makes a satisfied SLO inconclusive, because the split of its loop is not as expected.
pub(super) fn leave_undecided(verdict: &mut Verdict) {
    if verdict.verdict == Outcome::Satisfied {
        verdict.verdict = Outcome::Inconclusive;
        verdict.reason.push_str(", but the split of the traffic is inconclusive");
    }
}

/// Applies the splits of loop `number` to its assessment, if that has been made.
pub(crate) fn apply(insights: &mut Insights, number: u64) {
    if unsatisfied(insights).next().is_none() {
        return;
    }
    insights.verdicts.iter_mut().for_each(leave_undecided);
    if insights.slos_satisfied.is_some() {
        insights.slos_satisfied = Some(matrix(&insights.verdicts));
    }
    for record in insights.loops.iter_mut().filter(|record| record.number == number) {
        let satisfied = record.outcomes.iter_mut().filter(|outcome| outcome.outcome() == Outcome::Satisfied);
        satisfied.for_each(|outcome| *outcome = LoopOutcome::Inconclusive);
    }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
