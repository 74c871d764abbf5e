//! SLOs of the spec, for comparison with those that the result was judged on.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::model::codec::drop_nulls;
use crate::model::document::{Experiment, ExperimentResult, TaskSpec, TaskStatus};
use crate::model::loops::LoopRule;
use crate::model::number::{Count, Number};
use crate::model::objectives::RelativeLimits;
use crate::model::slo::{Bound, Slo, SloLimits};
use crate::redact::find_redacted;

/// Settings of an `assess` task on which its verdicts depend.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssessWith {
    #[serde(rename = "SLOs", alias = "slos", default)]
    slos: SloLimits,
    #[serde(default)]
    relative: RelativeLimits,
    confidence: Option<Number>,
    consecutive: Option<Count>,
    failure_limit: Option<Count>,
    /// The SLOs contain a secret, which a document does not keep.
    #[serde(skip)]
    is_redacted: bool,
}

impl AssessWith {
    fn read(task: &TaskSpec) -> Result<Self, serde_json::Error> {
        let mut with = task.with.clone().filter(|with| !with.is_null()).unwrap_or_else(|| json!({}));
        drop_nulls(&mut with);
        let is_redacted = find_redacted(&with).is_some();
        if let Some(map) = with.as_object_mut().filter(|_| is_redacted) {
            map.retain(|key, _| !key.eq_ignore_ascii_case("SLOs") && key != "relative");
        }
        Ok(Self { is_redacted, ..serde_json::from_value(with)? })
    }

    fn has_slos(&self) -> bool {
        let is_given = !self.slos.upper.is_empty() || !self.slos.lower.is_empty() || !self.relative.upper.is_empty();
        self.is_redacted || is_given
    }
}

/// SLOs that the spec defines for the newest loop.
pub(super) struct PlannedSlos {
    /// `assess` tasks with SLOs, the last one last.
    tasks: Vec<AssessWith>,
    /// True if all of them were assessed; false if one of them was, and Iter8 did not record which one.
    is_all: bool,
}

/// Difference between the SLOs of a spec and those that were judged.
pub(super) enum Difference {
    NotJudged(String),
    NotPlanned(String),
}

/// Reads the SLOs of the spec that the newest loop assessed. The error is a contradiction.
pub(super) fn of(experiment: &Experiment, result: &ExperimentResult) -> Result<PlannedSlos, String> {
    let mut tasks = Vec::new();
    for (index, task) in experiment.spec.iter().enumerate().filter(|(_, task)| task.name() == "assess") {
        match AssessWith::read(task) {
            Ok(with) if with.has_slos() => tasks.push((index, with)),
            Ok(_) => {}
            Err(error) => return Err(format!("the SLOs in spec[{index}] of the document cannot be read: {error}")),
        }
    }
    if tasks.is_empty() {
        return Err("there are verdicts, but the spec has no SLOs".to_owned());
    }
    let is_known = |(index, _): &(usize, AssessWith)| match result.has_records() {
        true => result.tasks.get(*index).is_some_and(|record| record.status == TaskStatus::Done),
        false => experiment.spec[*index].condition.is_none(),
    };
    let is_all = tasks.iter().any(is_known);
    if !is_all && result.has_records() {
        return Err("there are verdicts, but no SLOs were assessed in this loop".to_owned());
    }
    if is_all {
        tasks.retain(is_known);
    }
    Ok(PlannedSlos { tasks: tasks.into_iter().map(|(_, with)| with).collect(), is_all })
}

impl PlannedSlos {
    /// Returns the rule over several loops, which is that of the last assessment.
    pub(super) fn rule(&self) -> Option<LoopRule> {
        let last = self.tasks.last()?;
        match (last.consecutive, last.failure_limit) {
            (Some(Count(count)), _) => Some(LoopRule::Consecutive(count)),
            (None, limit) => limit.map(|Count(most)| LoopRule::FailureLimit(most)),
        }
    }

    /// Returns the confidence that the last assessment asked for.
    pub(super) fn confidence(&self) -> Option<f64> {
        self.tasks.last()?.confidence.map(|Number(level)| level)
    }

    /// Returns a difference to the SLOs that were judged; the order of SLOs and the spelling of metrics may differ.
    pub(super) fn difference(&self, judged: &SloLimits, relative: &RelativeLimits) -> Option<Difference> {
        if self.tasks.iter().any(|task| task.is_redacted) {
            return None;
        }
        let judged = labels(judged, relative);
        let mut differences = self.tasks.iter().map(|task| difference(&labels(&task.slos, &task.relative), &judged));
        match self.is_all {
            true => differences.find_map(|difference| difference),
            false => differences.reduce(|first, second| first.and(second)).flatten(),
        }
    }
}

/// Number of SLOs by label.
type Labels = BTreeMap<String, usize>;

fn labels(limits: &SloLimits, relative: &RelativeLimits) -> Labels {
    let mut labels = Labels::new();
    for (bound, slos) in [(Bound::Upper, &limits.upper), (Bound::Lower, &limits.lower)] {
        slos.iter().for_each(|slo| *labels.entry(label(bound, slo)).or_default() += 1);
    }
    relative.upper.iter().for_each(|slo| *labels.entry(relative_label(slo)).or_default() += 1);
    labels
}

fn difference(planned: &Labels, judged: &Labels) -> Option<Difference> {
    let lacks = |labels: &Labels, label: &str, count: usize| labels.get(label).is_none_or(|other| *other < count);
    let not_judged = planned.iter().find(|(label, count)| lacks(judged, label, **count));
    let not_planned = || judged.iter().find(|(label, count)| lacks(planned, label, **count));
    match not_judged {
        Some((label, _)) => Some(Difference::NotJudged(label.clone())),
        None => not_planned().map(|(label, _)| Difference::NotPlanned(label.clone())),
    }
}

/// Describes an SLO relative to version 0: `http/latency-p95 <= 1.1 relative to version 0`.
pub(super) fn relative_label(slo: &Slo) -> String {
    format!("{} relative to version 0", label(Bound::Upper, slo))
}

/// Describes an SLO: `http/latency-mean <= 50`.
pub(super) fn label(bound: Bound, slo: &Slo) -> String {
    let sign = match bound {
        Bound::Upper => "<=",
        Bound::Lower => ">=",
    };
    // Negative zero is zero.
    format!("{} {sign} {}", slo.metric, slo.limit.0 + 0.0)
}
