//! The `assess` task: judges SLOs on the metrics that earlier tasks measured.
//!
//! `consecutive` and `failureLimit` also consider earlier loops. Unlike SLOs, both may change between loops, because they
//! judge the per-loop records of the document. So may `confidence`, which says how sure the verdicts on a loop are.

pub(crate) mod again;
mod confidence;
mod earlier;
mod limits;
mod loop_rule;
mod relative;
#[cfg(test)]
mod tests;
mod values;
mod with;

use std::collections::BTreeSet;

use self::earlier::same_limits;
use super::{AfterFailedLoad, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::model::contribution::{Assessment, Contribution};
use crate::model::document::{ExperimentResult, TaskSpec, TaskStatus};
use crate::model::insights::Insights;
use crate::model::limit::Limit;
use crate::model::loops::LoopRule;
use crate::model::objectives::Objectives;
use crate::model::readable::show;
use crate::model::reward::Rewards;
use crate::model::slo::{Outcome, Slo};
use crate::ports::{BoxFuture, Files};
use crate::slo::assertion::sentence;
use crate::slo::judge::judge_objectives;
use crate::slo::loops::{self, ThisLoop};
use crate::slo::{reward, sample_minimum};
use crate::values::input::InputError;

/// Registry entry.
pub const KIND: TaskKind = TaskKind {
    name: "assess",
    value_names: &["assess"],
    summary: "check service level objectives (SLOs): upper and lower limits on metrics",
    from_values: values::from_values,
    parse,
    with_schema: with::with_schema,
    values_schema: values::values_schema,
    permissions: None,
};

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    Ok(Box::new(with::read(spec)?))
}

struct Assess {
    objectives: Objectives,
    rewards: Rewards,
    rule: Option<LoopRule>,
}

impl Assess {
    fn has_no_slos(&self) -> bool {
        let Objectives { limits, relative, .. } = &self.objectives;
        limits.upper.is_empty() && limits.lower.is_empty() && relative.upper.is_empty()
    }

    /// Warns about upper limits on error rates that every error rate satisfies: 5 was probably meant as 5 %.
    fn vacuous_limits(&self) -> Vec<String> {
        let is_vacuous = |slo: &&Slo| slo.limit.0 >= 1.0 && slo.metric.name().is_ok_and(Limit::is_of_share);
        let vacuous = self.objectives.limits.upper.iter().filter(is_vacuous);
        vacuous
            .map(|slo| {
                format!(
                    "every value satisfies the limit of {} on {}; write a share such as 0.01",
                    show(slo.limit.0),
                    slo.metric
                )
            })
            .collect()
    }

    /// Judges the measurements, unless earlier verdicts have other SLOs.
    fn judge(&self, insights: Option<&Insights>, this: &ThisLoop) -> Result<Contribution, InputError> {
        let empty = Insights::default();
        let insights = insights.unwrap_or(&empty);
        same_limits(insights, &self.objectives)?;
        // Outcomes are stored by position, so reordered SLOs are judged in the order of the earlier loops.
        let Objectives { limits, relative, confidence, min_samples } = &self.objectives;
        let is_later = !insights.loops.is_empty();
        let objectives = Objectives {
            limits: insights.slos.as_ref().filter(|_| is_later).unwrap_or(limits).clone(),
            relative: insights.relative.as_ref().filter(|_| is_later).unwrap_or(relative).clone(),
            confidence: *confidence,
            min_samples: *min_samples,
        };
        let with_other_spec = confidence.and_then(|_| loops::with_other_spec(insights, this));
        let mut assessment = judge_objectives(with_other_spec.as_ref().unwrap_or(insights), &objectives);
        sample_minimum::apply(&mut assessment, insights, *min_samples);
        loops::judge(&mut assessment, insights, self.rule, this);
        if !self.rewards.is_empty() {
            let verdicts = reward::judge(insights, &assessment.verdicts, &self.rewards, confidence.as_ref());
            assessment.rewards = self.rewards.clone();
            assessment.rewards_winners = Some(reward::winners(&verdicts));
            assessment.reward_verdicts = verdicts;
        }
        let mut notes = self.vacuous_limits();
        notes.extend(unsatisfied(insights, &assessment));
        notes.extend(sample_minimum::sparse_percentiles(&assessment.verdicts));
        Ok(Contribution { assessment: Some(assessment), notes, ..Contribution::default() })
    }
}

impl Task for Assess {
    fn facts(&self) -> TaskFacts {
        TaskFacts { after_failed_load: AfterFailedLoad::Run, ..TaskFacts::default() }
    }

    fn judges(&self) -> Option<&Objectives> {
        Some(&self.objectives)
    }

    fn warnings(&self, _: &dyn Files) -> Vec<String> {
        self.vacuous_limits()
    }

    fn rewards(&self) -> Option<&Rewards> {
        Some(&self.rewards)
    }

    fn judges_several_loops(&self) -> bool {
        self.rule.is_some()
    }

    fn check_earlier(&self, insights: &Insights) -> Result<(), InputError> {
        if self.has_no_slos() {
            return Ok(());
        }
        same_limits(insights, &self.objectives)
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        let result = cx.experiment.result.as_ref();
        let this = result.map(|result| this_loop(result, cx.measured)).unwrap_or_default();
        let insights = result.and_then(|result| result.insights.as_ref());
        if self.has_no_slos() {
            let notes = vec!["no SLOs are defined".to_owned()];
            return Box::pin(async move { Ok(Contribution { notes, ..Contribution::default() }) });
        }
        let contribution = self.judge(insights, &this);
        Box::pin(async move { Ok(contribution?) })
    }
}

/// The running loop, up to this task.
fn this_loop(result: &ExperimentResult, measured: &BTreeSet<String>) -> ThisLoop {
    let start = result.tasks.iter().filter_map(|task| task.start).min();
    let failed = result.tasks.iter().find(|record| record.status == TaskStatus::Failed);
    ThisLoop {
        number: result.num_loops,
        start,
        measured: measured.clone(),
        failed: failed.map(|record| record.task.clone()),
        spec: result.spec_digest.clone(),
    }
}

/// One line per verdict that is not satisfied.
fn unsatisfied(insights: &Insights, assessment: &Assessment) -> Vec<String> {
    let unsatisfied = assessment.verdicts.iter().filter(|verdict| verdict.verdict != Outcome::Satisfied);
    unsatisfied.map(|verdict| sentence(insights, verdict)).collect()
}
