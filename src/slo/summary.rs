//! The verdict on all SLOs of a run in one line, which ends the output of `run`.
//!
//! It never says more than `assert -c slos`: SLOs that this loop did not assess have no verdict. A split of traffic that is not the expected
//! one leaves a run undecided, with SLOs and without.

use std::fmt;

use super::assertion::{
    RunState, is_assess_planned, is_assessed, list_few, of_version, progress, sentence, without_data,
    without_repetitions,
};
use super::{relative, rollout, split};
use crate::metrics::MetricsView;
use crate::model::document::{Experiment, TaskStatus};
use crate::model::insights::Insights;
use crate::model::metric::MSEC;
use crate::model::readable::show_pair;
use crate::model::slo::{Bound, Outcome, Verdict};
use crate::redact::redact_text;

/// Maximum number of reasons in the line.
const MAX_REASONS: usize = 2;

/// The verdict on all SLOs of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverallVerdict {
    /// The worst outcome; `None` if nothing was assessed and no split is inconclusive.
    pub outcome: Option<Outcome>,
    /// Number of SLOs per outcome: `1 of 3 violated`.
    counts: String,
    /// Reasons, if any.
    details: Option<String>,
    /// State of the rollout, if there is one.
    rollout: Option<String>,
}

impl OverallVerdict {
    /// Returns the number of SLOs per outcome, and reasons: `1 of 2 violated (http/error-rate 1 > 0)`.
    pub(crate) fn summary(&self) -> String {
        let details = self.details.as_ref().map(|details| format!(" ({details})")).unwrap_or_default();
        format!("{}{details}", self.counts)
    }

    /// The verdict of a run that was interrupted before it saved anything.
    pub fn interrupted() -> Self {
        not_assessed("interrupted".to_owned())
    }
}

impl fmt::Display for OverallVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rollout) = &self.rollout {
            f.write_str(rollout)?;
            // The SLOs are the reason for every other end.
            return if self.outcome == Some(Outcome::Satisfied) {
                write!(f, "; SLOs: {}", self.summary())
            } else {
                Ok(())
            };
        }
        write!(f, "SLOs: {}", self.summary())
    }
}

/// Summarizes the verdicts of the newest loop, and the state of a rollout: what is not promoted has not passed.
pub fn overall_verdict(experiment: &Experiment) -> OverallVerdict {
    let verdict = loop_verdict(experiment);
    match experiment.rollout() {
        None => verdict,
        Some(record) => {
            let outcome = match rollout::outcome(record) {
                Outcome::Satisfied => verdict.outcome,
                worse => Some(worse),
            };
            OverallVerdict { outcome, rollout: Some(rollout::sentence(record)), ..verdict }
        }
    }
}

/// Summarizes the verdicts of the newest loop.
pub(crate) fn loop_verdict(experiment: &Experiment) -> OverallVerdict {
    let nothing = Insights::default();
    let insights = experiment.result.as_ref().and_then(|result| result.insights.as_ref()).unwrap_or(&nothing);
    let versions = insights.num_versions.max(1);
    let own = insights.slos.as_ref().map_or(0, |slos| slos.upper.len() + slos.lower.len());
    let total = own + insights.relative.as_ref().map_or(0, |relative| relative.upper.len());
    let own_verdicts = own.saturating_mul(versions);
    let all = own_verdicts.saturating_add(relative::count(insights));
    let is_whole = total > 0 && insights.verdicts.len() == all;
    if !is_whole || !is_assessed(experiment) {
        let overall = unassessed(experiment);
        return match split_reasons(insights) {
            Some(reasons) => {
                let details = overall.details.into_iter().chain([reasons]).collect::<Vec<_>>();
                OverallVerdict { outcome: Some(Outcome::Inconclusive), details: Some(details.join("; ")), ..overall }
            }
            None => overall,
        };
    }
    // The verdicts on one SLO are adjacent; the worst version decides.
    let (own, compared) = insights.verdicts.split_at(own_verdicts.min(insights.verdicts.len()));
    let of_candidates = compared.chunks(relative::candidates(insights).len().max(1));
    let per_slo: Vec<Outcome> = own.chunks(versions).chain(of_candidates).map(worst).collect();
    let count = |outcome| per_slo.iter().filter(|slo| **slo == outcome).count();
    let (violated, inconclusive) = (count(Outcome::Violated), count(Outcome::Inconclusive));
    let counts = match (violated, inconclusive) {
        (0, 0) => format!("{total} of {total} satisfied"),
        (0, inconclusive) => format!("{inconclusive} of {total} inconclusive"),
        (violated, 0) => format!("{violated} of {total} violated"),
        (violated, inconclusive) => format!("{violated} of {total} violated, {inconclusive} inconclusive"),
    };
    let outcome = worst(&insights.verdicts);
    let details = match outcome {
        Outcome::Satisfied => without_data(insights),
        // The split is the reason for all of them.
        Outcome::Inconclusive => split_reasons(insights).or_else(|| Some(reasons(insights))),
        Outcome::Violated => {
            let all = [reasons(insights)].into_iter().chain(split_reasons(insights));
            Some(all.collect::<Vec<_>>().join("; "))
        }
    };
    OverallVerdict { outcome: Some(outcome), counts, details, rollout: None }
}

/// Lists the reasons of the splits that are not as expected; `None` if all are.
fn split_reasons(insights: &Insights) -> Option<String> {
    let splits: Vec<String> = split::unsatisfied(insights).map(split::sentence).collect();
    (!splits.is_empty()).then(|| redact_text(&list_few(&splits, MAX_REASONS, String::clone)))
}

/// The verdict of a run that assessed nothing, with the reason.
fn unassessed(experiment: &Experiment) -> OverallVerdict {
    let none = OverallVerdict { outcome: None, counts: "none defined".to_owned(), details: None, rollout: None };
    if !is_assess_planned(experiment) {
        return none;
    }
    let progress = progress(experiment);
    let reason = match progress.state {
        RunState::Failed => format!("{} failed", progress.current.map_or("a task", |record| record.task.as_str())),
        RunState::Interrupted => "interrupted".to_owned(),
        RunState::Completed if is_skipped(experiment) => "assess was skipped".to_owned(),
        RunState::Completed if has_no_slos(experiment) => return none,
        RunState::Completed => "some verdicts are missing".to_owned(),
        RunState::NotStarted | RunState::Running => progress.sentence(),
    };
    not_assessed(reason)
}

/// Returns true if the condition of an `assess` task was false.
fn is_skipped(experiment: &Experiment) -> bool {
    let mut records = experiment.result.iter().flat_map(|result| &result.tasks);
    records.any(|record| record.task == "assess" && record.status == TaskStatus::Skipped)
}

/// Returns true if nothing was to be assessed.
fn has_no_slos(experiment: &Experiment) -> bool {
    let insights = experiment.result.as_ref().and_then(|result| result.insights.as_ref());
    insights.is_none_or(|insights| insights.slos.is_none() && insights.verdicts.is_empty())
}

fn not_assessed(reason: String) -> OverallVerdict {
    OverallVerdict { outcome: None, counts: "not assessed".to_owned(), details: Some(reason), rollout: None }
}

fn worst(verdicts: &[Verdict]) -> Outcome {
    let has = |outcome| verdicts.iter().any(|verdict| verdict.verdict == outcome);
    if has(Outcome::Violated) {
        Outcome::Violated
    } else if has(Outcome::Inconclusive) {
        Outcome::Inconclusive
    } else {
        Outcome::Satisfied
    }
}

/// Lists a few reasons, violations first.
fn reasons(insights: &Insights) -> String {
    let of = |outcome| insights.verdicts.iter().filter(move |verdict| verdict.verdict == outcome);
    let verdicts = of(Outcome::Violated).chain(of(Outcome::Inconclusive));
    let verdicts = without_repetitions(insights, verdicts);
    redact_text(&list_few(&verdicts, MAX_REASONS, |verdict| reason(insights, verdict)))
}

/// `v2: http/latency-p99 20.20 ms > 2 ms`.
fn reason(insights: &Insights, verdict: &Verdict) -> String {
    let version = of_version(insights, verdict);
    let metric = &verdict.metric;
    match verdict.value.filter(|value| !verdict.bound.admits(*value, verdict.limit)) {
        Some(value) if verdict.verdict == Outcome::Violated && verdict.reference.is_none() => {
            let unit = MetricsView::new(insights, verdict.version).resolve(metric).unit;
            format!("{version}{metric} {}", beside_limit(value, verdict.bound, verdict.limit, unit))
        }
        _ => sentence(insights, verdict),
    }
}

/// Compares a value with its limit: `20.20 ms > 2 ms`.
pub(crate) fn beside_limit(value: f64, bound: Bound, limit: f64, unit: Option<&str>) -> String {
    let unit = unit.map(|unit| format!(" {}", if unit == MSEC { "ms" } else { unit })).unwrap_or_default();
    let sign = match (bound, bound.admits(value, limit)) {
        (Bound::Upper, true) => "<=",
        (Bound::Upper, false) => ">",
        (Bound::Lower, true) => ">=",
        (Bound::Lower, false) => "<",
    };
    let (value, limit) = show_pair(value, limit);
    format!("{value}{unit} {sign} {limit}{unit}")
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
