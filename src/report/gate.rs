//! Decides for CI pipelines whether an experiment passed, as the exit code of `assert` does, and says why in one sentence.
//!
//! The invariant of every format that uses it: it never looks like a pass unless `assert` passes.

use super::view::{Overall, ReportView};
use crate::model::document::Experiment;
use crate::model::text::one_line;
use crate::redact::redact_text;
use crate::slo::assertion::{AssertCondition, Judgement, is_assess_planned, judge};
use crate::slo::summary::overall_verdict;

/// Decision on an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Passed,
    Inconclusive,
    Failed,
}

/// Decision on an experiment, with its reason in one line.
pub(super) struct Gate {
    pub decision: Decision,
    pub sentence: String,
    /// Conditions of `assert` that do not hold, with their judgements.
    pub unmet: Vec<(AssertCondition, Judgement)>,
}

impl Gate {
    /// Judges what `assert -c completed,nofailure,slos` judges; the first two if the experiment has no task that assesses.
    pub fn of(experiment: &Experiment, view: &ReportView) -> Self {
        // A task that was skipped, or whose verdicts are missing, is no reason to pass.
        let has_slos = is_assess_planned(experiment) || !view.verdicts.is_empty();
        let conditions = AssertCondition::ALL.into_iter().filter(|c| has_slos || *c != AssertCondition::Slos);
        let judgements = conditions.map(|condition| (condition, judge(experiment, condition)));
        let unmet: Vec<_> = judgements.filter(|(_, judgement)| !judgement.holds).collect();
        let decision = match unmet.as_slice() {
            [] => Decision::Passed,
            unmet if unmet.iter().all(|(_, judgement)| judgement.inconclusive) => Decision::Inconclusive,
            _ => Decision::Failed,
        };
        let sentence = one_line(&redact_text(&sentence(experiment, view, &unmet)));
        Self { decision, sentence, unmet }
    }

    /// Returns true if the sentence has this error as its reason.
    pub fn has_reason(&self, error: &str) -> bool {
        self.sentence.contains(&one_line(error))
    }
}

fn sentence(experiment: &Experiment, view: &ReportView, unmet: &[(AssertCondition, Judgement)]) -> String {
    let is_failed = view.summary.outcome == Overall::Failed;
    // The error of a task is a better reason than the number of finished tasks.
    let of_run = unmet.iter().filter(|(condition, _)| *condition != AssertCondition::Slos);
    let of_run = of_run.max_by_key(|(condition, _)| is_failed == (*condition == AssertCondition::NoFailure));
    match (&view.summary.contradiction, of_run) {
        (Some(contradiction), _) => contradiction.clone(),
        (None, Some((_, judgement))) => judgement.sentence.clone(),
        (None, None) => overall_verdict(experiment).to_string(),
    }
}

/// Names an outcome.
pub(super) fn outcome_name(outcome: Overall) -> &'static str {
    match outcome {
        Overall::Satisfied => "satisfied",
        Overall::Violated => "violated",
        Overall::Inconclusive => "inconclusive",
        Overall::Unassessed => "unassessed",
        Overall::Failed => "failed",
        Overall::Interrupted => "interrupted",
        Overall::Incomplete => "incomplete",
        Overall::Invalid => "invalid",
    }
}
