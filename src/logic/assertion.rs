//! Whether an experiment meets a condition that `assert` asks for.
//!
//! A stand-in with the agreed interface, until the real module is merged.

use crate::model::document::Experiment;
use crate::model::slo::Outcome;

/// What can be asserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertCondition {
    /// All tasks are done or skipped.
    Completed,
    /// No task failed.
    NoFailure,
    /// All objectives are satisfied, and there is one at least.
    Slos,
}

/// Whether a condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it holds now.
    pub holds: bool,
    /// Whether that can't change any more in this run.
    pub decided: bool,
    /// Why, for people.
    pub sentence: String,
}

/// Judges one condition on a document.
pub fn judge(experiment: &Experiment, condition: AssertCondition) -> Judgement {
    let Some(result) = &experiment.result else {
        return Judgement { holds: false, decided: false, sentence: "the experiment has not run yet".to_owned() };
    };
    let (done, planned) = (result.num_completed_tasks, experiment.spec.len());
    let completed = done >= planned && !result.failure && !result.interrupted;
    let (holds, sentence) = match condition {
        AssertCondition::Completed => (completed, format!("{done} of {planned} tasks are done")),
        AssertCondition::NoFailure if result.failure => (false, "a task failed".to_owned()),
        AssertCondition::NoFailure => (true, "no task failed".to_owned()),
        AssertCondition::Slos => slos(experiment),
    };
    Judgement { holds, decided: completed || result.failure || result.interrupted, sentence }
}

fn slos(experiment: &Experiment) -> (bool, String) {
    let insights = experiment.result.as_ref().and_then(|r| r.insights.as_ref());
    let cells: Vec<bool> = match insights {
        Some(i) if !i.verdicts.is_empty() => i.verdicts.iter().map(|v| v.verdict == Outcome::Satisfied).collect(),
        Some(i) => i.slos_satisfied.iter().flat_map(|m| m.upper.iter().chain(&m.lower)).flatten().copied().collect(),
        None => Vec::new(),
    };
    if cells.is_empty() {
        return (false, "no objective was assessed".to_owned());
    }
    let held = cells.iter().filter(|c| **c).count();
    (held == cells.len(), format!("{held} of {} verdicts are satisfied", cells.len()))
}
