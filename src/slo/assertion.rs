//! Conditions of `assert`, judged from the document, and the progress of a run.
//!
//! A judgement is *decided* if waiting for the recorded run cannot change it. Documents written by Iter8 have no task records and no
//! verdicts; their counters and matrices suffice. No condition holds for a document that contradicts itself or its spec
//! ([`super::contradictions`]).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::document::{Experiment, ExperimentResult, TaskRecord, TaskSpec, TaskStatus};
use crate::model::insights::Insights;
use crate::model::objectives::RelativeLimits;
use crate::model::rollout::{RolloutPhase, RolloutRecord};
use crate::model::slo::{Outcome, SloLimits, Verdict};
use crate::model::split::Split;
use crate::redact::redact_text;
use crate::slo::{contradictions, relative, rollout, split};
use suggest::did_you_mean;

/// Names of the tasks on which verdicts depend.
const ASSESS: &str = "assess";
const SPLIT: &str = "split";

/// A condition of `assert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertCondition {
    /// Every task of the newest loop is done or skipped.
    Completed,
    /// No task of the newest loop failed.
    NoFailure,
    /// Every SLO is satisfied for every version, and there is at least one.
    Slos,
}

impl AssertCondition {
    /// All conditions, in the order of their help.
    pub const ALL: [Self; 3] = [Self::Completed, Self::NoFailure, Self::Slos];

    /// Returns the spelling on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::NoFailure => "nofailure",
            Self::Slos => "slos",
        }
    }
}

impl fmt::Display for AssertCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An unknown name of a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a condition; expected completed, nofailure or slos{}", self.suggestion())]
pub struct UnknownCondition {
    name: String,
}

impl UnknownCondition {
    fn suggestion(&self) -> String {
        let names = AssertCondition::ALL.map(AssertCondition::name);
        did_you_mean(&self.name, names).map(|suggestion| format!("; {suggestion}")).unwrap_or_default()
    }
}

impl FromStr for AssertCondition {
    type Err = UnknownCondition;

    fn from_str(text: &str) -> Result<Self, UnknownCondition> {
        let name = text.trim().to_lowercase();
        let condition = Self::ALL.into_iter().find(|condition| condition.name() == name);
        condition.ok_or_else(|| UnknownCondition { name: text.trim().to_owned() })
    }
}

/// Verdict on a condition, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// True if it holds for the document.
    pub holds: bool,
    /// True if the recorded run can no longer change it.
    pub decided: bool,
    /// True if it does not hold only because the measured values do not decide it.
    pub inconclusive: bool,
    /// Reason: a lowercase fragment without a final period.
    pub sentence: String,
}

/// State of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// There is no result yet.
    NotStarted,
    /// Some tasks have not finished. A run that was killed looks the same.
    Running,
    /// All tasks are done or skipped.
    Completed,
    /// A task failed, and the run ended there.
    Failed,
    /// A signal ended the run.
    Interrupted,
}

/// Progress of the newest loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    pub state: RunState,
    /// Tasks done or skipped.
    pub done: usize,
    /// Tasks done or skipped, as the document counts them. The first versions of Iter8 count those of all loops.
    pub counted: usize,
    /// Tasks in the spec.
    pub planned: usize,
    /// Task that runs, failed or was interrupted, if the document records it.
    pub current: Option<&'a TaskRecord>,
}

impl Progress<'_> {
    /// Returns true if the run has ended.
    pub fn is_over(&self) -> bool {
        !matches!(self.state, RunState::NotStarted | RunState::Running)
    }

    /// Summarizes the progress in a fragment: `2 of 4 tasks are done; http is running`.
    pub fn sentence(&self) -> String {
        let task = self.current.map_or("a task", |record| record.task.as_str());
        let (done, planned) = (self.done, self.planned);
        match self.state {
            RunState::NotStarted => "the experiment has not started".to_owned(),
            RunState::Running if self.current.is_some() => {
                format!("{done} of {planned} tasks are done; {task} is running")
            }
            RunState::Running if done > planned => {
                format!(
                    "`numCompletedTasks` is {}, but there are {planned} tasks; run the experiment again",
                    self.counted
                )
            }
            RunState::Running => format!("{done} of {planned} tasks are done"),
            RunState::Completed if planned == 0 => "the experiment has no tasks".to_owned(),
            RunState::Completed if planned == 1 => "the only task is done".to_owned(),
            RunState::Completed => format!("all {planned} tasks are done"),
            RunState::Failed => format!("{done} of {planned} tasks are done; {task} failed"),
            RunState::Interrupted => format!("the run was interrupted with {done} of {planned} tasks done"),
        }
    }
}

/// Determines the progress of an experiment's newest loop.
pub fn progress(experiment: &Experiment) -> Progress<'_> {
    let planned = experiment.spec.len();
    // A launch creates the result before the run starts.
    let begun = experiment.result.as_ref().filter(|result| result.num_loops > 0 || result.start_time.is_some());
    let Some(result) = begun else {
        return Progress { state: RunState::NotStarted, done: 0, counted: 0, planned, current: None };
    };
    let done = done_in_newest_loop(experiment, result);
    let (state, wanted) = if result.interrupted {
        (RunState::Interrupted, TaskStatus::Interrupted)
    } else if result.failure {
        (RunState::Failed, TaskStatus::Failed)
    } else if done == planned {
        (RunState::Completed, TaskStatus::Running)
    } else {
        (RunState::Running, TaskStatus::Running)
    };
    let current = result.tasks.iter().find(|record| record.status == wanted);
    Progress { state, done, counted: result.num_completed_tasks, planned, current }
}

/// Judges one condition.
pub fn judge(experiment: &Experiment, condition: AssertCondition) -> Judgement {
    let judgement = judge_recorded(experiment, condition);
    if !judgement.holds && !judgement.inconclusive {
        return judgement;
    }
    let contradiction = match condition {
        AssertCondition::Completed | AssertCondition::NoFailure => contradictions::of_tasks(experiment),
        AssertCondition::Slos => contradictions::first(experiment),
    };
    match contradiction {
        None => judgement,
        Some(contradiction) => {
            let sentence = format!("{}; run the experiment again", redact_text(&contradiction));
            Judgement { holds: false, inconclusive: false, sentence, ..judgement }
        }
    }
}

/// Judges one condition by the parts of the document that record it.
fn judge_recorded(experiment: &Experiment, condition: AssertCondition) -> Judgement {
    let progress = progress(experiment);
    let newest = match condition {
        AssertCondition::Completed => judge_completion(&progress),
        AssertCondition::NoFailure => judge_failure(&progress),
        AssertCondition::Slos => judge_slos(experiment, &progress),
    };
    match experiment.rollout() {
        Some(record) => judge_rollout(record, condition, newest),
        None => newest,
    }
}

/// Adds the state of a rollout to the judgement of the newest loop: an experiment with a rollout is completed when the rollout has ended, and
/// its SLOs are satisfied only if the candidate was promoted.
fn judge_rollout(record: &RolloutRecord, condition: AssertCondition, newest: Judgement) -> Judgement {
    let decided = record.phase.is_over();
    let is_stopped = record.phase == RolloutPhase::Stopped;
    let undone = |inconclusive| Judgement { holds: false, decided, inconclusive, sentence: rollout::sentence(record) };
    match condition {
        AssertCondition::Completed => Judgement { holds: decided, ..undone(false) },
        AssertCondition::NoFailure if is_stopped => undone(false),
        AssertCondition::NoFailure => Judgement { decided, ..newest },
        AssertCondition::Slos if record.phase == RolloutPhase::Promoted => newest,
        AssertCondition::Slos => undone(rollout::outcome(record) != Outcome::Violated),
    }
}

fn judge_completion(progress: &Progress<'_>) -> Judgement {
    let Progress { state, counted, planned, .. } = *progress;
    // Iter8 compares the count. A failed last task is completed, too; an interruption never is.
    let holds = counted == planned && planned > 0 && !matches!(state, RunState::NotStarted | RunState::Interrupted);
    let mut sentence = progress.sentence();
    if state == RunState::Completed && counted > planned {
        sentence
            .push_str(&format!(", but `numCompletedTasks` is {counted}, which counts all loops; rejected as in Iter8"));
    }
    Judgement { holds, decided: progress.is_over(), inconclusive: false, sentence }
}

fn judge_failure(progress: &Progress<'_>) -> Judgement {
    let holds = !matches!(progress.state, RunState::NotStarted | RunState::Failed);
    let sentence = match progress.state {
        RunState::NotStarted => progress.sentence(),
        RunState::Failed => {
            let task = progress.current.map_or("a task", |record| record.task.as_str());
            let error = progress.current.and_then(|record| record.error.as_ref());
            error.map_or(format!("{task} failed"), |error| format!("{task} failed: {}", redact_text(error)))
        }
        RunState::Running => "no task has failed so far".to_owned(),
        RunState::Completed | RunState::Interrupted => "no task failed".to_owned(),
    };
    Judgement { holds, decided: progress.is_over(), inconclusive: false, sentence }
}

fn judge_slos(experiment: &Experiment, progress: &Progress<'_>) -> Judgement {
    let result = experiment.result.as_ref();
    let insights = result.and_then(|result| result.insights.as_ref());
    let planned = is_assess_planned(experiment);
    if planned && !is_assessed(experiment) {
        // Verdicts in the document, if any, belong to an earlier loop, or do not count yet.
        let open = if is_done(experiment, ASSESS) { "the split is not checked" } else { "the SLOs are not assessed" };
        let sentence = format!("{open} in this loop: {}", progress.sentence());
        return Judgement { holds: false, decided: progress.is_over(), inconclusive: false, sentence };
    }
    let nothing = Insights::default();
    let insights = insights.unwrap_or(&nothing);
    let verdict = slos(insights);
    let recorded = result.is_some_and(|result| result.tasks.iter().any(|record| record.task == ASSESS));
    let decided = progress.is_over() || recorded || !planned;
    let (holds, sentence) = match verdict {
        Ok(sentence) => (true, sentence),
        Err(sentence) => (false, sentence),
    };
    Judgement { holds, decided, inconclusive: !holds && is_inconclusive(insights), sentence }
}

/// Returns true if all SLOs that are not satisfied are undecided by a value or by a policy. A missing value that no policy covers is a
/// failure to measure instead.
fn is_inconclusive(insights: &Insights) -> bool {
    let is_undecided = |verdict: &&Verdict| verdict.verdict == Outcome::Inconclusive && verdict.is_founded();
    let open = insights.verdicts.iter().filter(is_undecided).count();
    let rows = insights.slos_satisfied.iter().flat_map(|matrix| matrix.upper.iter().chain(&matrix.lower));
    let relative = insights.verdicts.iter().filter(|verdict| verdict.reference.is_some());
    let unsatisfied = rows.flatten().filter(|is_satisfied| !**is_satisfied).count()
        + relative.filter(|verdict| verdict.verdict != Outcome::Satisfied).count();
    let objectives = insights.slos.as_ref().map_or(0, |slos| slos.upper.len() + slos.lower.len());
    let own = objectives.saturating_mul(insights.num_versions.max(1));
    let is_whole = insights.verdicts.len() == own.saturating_add(relative::count(insights));
    is_whole && open > 0 && open == unsatisfied
}

/// Returns true if the spec has an `assess` task.
pub fn is_assess_planned(experiment: &Experiment) -> bool {
    has_assess(&experiment.spec)
}

/// Returns true if a spec has an `assess` task.
pub fn has_assess(spec: &[TaskSpec]) -> bool {
    spec.iter().any(|task| task.name() == ASSESS)
}

/// Returns true if every `assess` task of the newest loop has finished, and every `split` task, which may leave the verdicts undecided.
pub(super) fn is_assessed(experiment: &Experiment) -> bool {
    is_done(experiment, ASSESS) && is_split_checked(experiment)
}

/// Returns true if every `split` task of the newest loop has finished.
pub fn is_split_checked(experiment: &Experiment) -> bool {
    !experiment.spec.iter().any(|task| task.name() == SPLIT) || is_done(experiment, SPLIT)
}

/// Returns true if every task of this name has finished in the newest loop.
fn is_done(experiment: &Experiment, name: &str) -> bool {
    let Some(result) = &experiment.result else { return false };
    if result.has_records() {
        let mut records = result.tasks.iter().filter(|record| record.task == name);
        return records.all(|record| matches!(record.status, TaskStatus::Done | TaskStatus::Skipped));
    }
    let last = experiment.spec.iter().rposition(|task| task.name() == name);
    last.is_none_or(|last| done_in_newest_loop(experiment, result) > last)
}

/// Returns the number of finished tasks of the newest loop. The first versions of Iter8 count those of all loops.
fn done_in_newest_loop(experiment: &Experiment, result: &ExperimentResult) -> usize {
    let (done, planned) = (result.num_completed_tasks, experiment.spec.len());
    if done <= planned || result.has_records() {
        return done;
    }
    let earlier = usize::try_from(result.num_loops).unwrap_or(usize::MAX).saturating_sub(1).saturating_mul(planned);
    done.saturating_sub(earlier)
}

/// Returns the time at which the newest loop was assessed; `None` if it was not, or in documents written by Iter8.
pub fn assessed_at(experiment: &Experiment) -> Option<DateTime<Utc>> {
    let records = experiment.result.iter().flat_map(|result| &result.tasks);
    let assessed = records.filter(|record| record.task == ASSESS && record.status == TaskStatus::Done);
    let end = |record: &TaskRecord| record.start?.checked_add_signed(TimeDelta::from_std(record.duration?.0).ok()?);
    assessed.filter_map(end).max()
}

/// Checks that every SLO is satisfied for every version, by Iter8's matrix, and every limit relative to version 0 for every candidate, by
/// the verdicts. Returns the reason either way. An experiment without SLOs does not pass.
pub fn slos(insights: &Insights) -> Result<String, String> {
    let none = || "no SLOs are defined, so none can be satisfied".to_owned();
    let (no_limits, no_relative) = (SloLimits::default(), RelativeLimits::default());
    let limits = insights.slos.as_ref().unwrap_or(&no_limits);
    let relative = insights.relative.as_ref().unwrap_or(&no_relative);
    let total = limits.upper.len() + limits.lower.len() + relative.upper.len();
    if total == 0 {
        return Err(none());
    }
    let matrix = insights.slos_satisfied.as_ref().ok_or("the SLOs have no verdicts")?;
    let versions = insights.num_versions.max(1);
    // A missing or short row means an SLO without a verdict.
    let holds = |row: Option<&Vec<bool>>| row.is_some_and(|row| row.len() >= versions && row.iter().all(|cell| *cell));
    let sides = [(&limits.upper, &matrix.upper), (&limits.lower, &matrix.lower)];
    let failed: Vec<String> = sides
        .into_iter()
        .flat_map(|(slos, rows)| slos.iter().enumerate().filter(|(at, _)| !holds(rows.get(*at))).map(|(_, slo)| slo))
        .chain(relative.upper.iter().filter(|slo| !relative::is_satisfied(insights, slo)))
        .map(|slo| slo.metric.to_string())
        .collect();
    match (failed.len(), total) {
        (0, 1) => Ok(format!("the SLO is satisfied{}", after_semicolon(without_data(insights)))),
        (0, _) => Ok(format!("all {total} SLOs are satisfied{}", after_semicolon(without_data(insights)))),
        (count, _) => Err(format!("{count} of {total} SLOs not satisfied: {}", reasons(insights, &failed))),
    }
}

fn after_semicolon(text: Option<String>) -> String {
    text.map(|text| format!("; {text}")).unwrap_or_default()
}

/// Counts the verdicts that are satisfied only by a metric's policy for missing data, if there are any.
pub(super) fn without_data(insights: &Insights) -> Option<String> {
    let verdicts = insights.verdicts.iter();
    let is_by_policy = |verdict: &&Verdict| verdict.verdict == Outcome::Satisfied && verdict.no_data.is_some();
    match (verdicts.clone().filter(is_by_policy).count(), verdicts.count()) {
        (0, _) => None,
        (by_policy, all) => Some(format!("{by_policy} of {all} verdicts without data, by the `noData` policy")),
    }
}

/// Names the version of a verdict as a prefix; empty if there is only one version.
pub fn of_version(insights: &Insights, verdict: &Verdict) -> String {
    if insights.num_versions < 2 {
        return String::new();
    }
    format!("{}: ", insights.version_label(verdict.version))
}

/// Returns the reason of a verdict with its version and its metric, which it often starts with.
pub fn sentence(insights: &Insights, verdict: &Verdict) -> String {
    let (version, Verdict { metric, reason, .. }) = (of_version(insights, verdict), verdict);
    if reason.starts_with(&metric.to_string()) {
        format!("{version}{reason}")
    } else {
        format!("{version}{metric}: {reason}")
    }
}

/// Lists a few reasons of the verdicts, or the metrics' names if there are no verdicts.
fn reasons(insights: &Insights, failed: &[String]) -> String {
    const MAX_LISTED: usize = 3;
    let verdicts = insights.verdicts.iter().filter(|verdict| verdict.verdict != Outcome::Satisfied);
    let verdicts = without_repetitions(insights, verdicts);
    if verdicts.is_empty() {
        return list_few(failed, MAX_LISTED, String::clone);
    }
    // Only the listed sentences are built, because there may be many verdicts.
    let splits: Vec<&Split> = split::unsatisfied(insights).collect();
    let reasons: Vec<Reason<'_>> =
        splits.into_iter().map(Reason::Split).chain(verdicts.into_iter().map(Reason::Verdict)).collect();
    list_few(&reasons, MAX_LISTED, |reason| match reason {
        Reason::Split(split) => split::sentence(split),
        Reason::Verdict(verdict) => sentence(insights, verdict),
    })
}

/// Reason why SLOs are not satisfied.
enum Reason<'a> {
    Split(&'a Split),
    Verdict(&'a Verdict),
}

/// Drops verdicts that have the same version, metric and reason as the one before.
pub(super) fn without_repetitions<'a>(
    insights: &Insights,
    verdicts: impl Iterator<Item = &'a Verdict>,
) -> Vec<&'a Verdict> {
    let is_named = insights.num_versions > 1;
    let mut verdicts: Vec<&Verdict> = verdicts.collect();
    verdicts.dedup_by_key(|verdict| (is_named.then_some(verdict.version), &verdict.metric, &verdict.reason));
    verdicts
}

/// Lists the texts of the first items and counts the others, which may be many.
pub(super) fn list_few<T>(items: &[T], max: usize, text: impl Fn(&T) -> String) -> String {
    let listed: Vec<String> = items.iter().take(max).map(text).collect();
    let listed = listed.join("; ");
    match items.len().saturating_sub(max) {
        0 => listed,
        more => format!("{listed}; and {more} more"),
    }
}

#[cfg(test)]
#[path = "assertion_tests.rs"]
mod tests;
