//! Verdicts over several loops: consecutive good loops, limits on failed ones, and the record of each loop.
//!
//! A loop is *good* for an SLO that it satisfied, and *failed* for one that it violated, by a value or by the metric's policy for missing
//! data. It is also failed if there is no value and no policy for that, or if a task failed before the assessment: a service that is down
//! violates nothing that could be measured. An inconclusive loop is neither: it ends a row of good loops and does not count as failed. The
//! same holds for a loop that was skipped, interrupted or killed before its assessment, and for one that satisfied the SLO with a split of
//! traffic that is not the expected one ([`super::split`]).
//!
//! Loops that measured another spec do not count.
//!
//! A rule may change from loop to loop; it considers the verdict on each loop by itself, which no rule changes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::metrics::MetricsView;
use crate::metrics::loop_records::comparable;
use crate::metrics::missing::{NOT_MEASURED, Recorded};
use crate::model::contribution::Assessment;
use crate::model::insights::Insights;
use crate::model::loops::{LoopOutcome, LoopRecord, LoopRule};
use crate::model::missing::{Missing, MissingCause};
use crate::model::slo::{Outcome, Verdict};
use crate::slo::assess::{decide, matrix};
use crate::slo::split;

/// Maximum loops of a rule: fewer than all but the largest documents keep.
pub const MAX_RULE: u64 = 100;

/// The loop being judged.
#[derive(Clone, Debug, Default)]
pub struct ThisLoop {
    /// Number, from 1.
    pub number: u64,
    /// Start of its first task.
    pub start: Option<DateTime<Utc>>,
    /// Measured providers.
    pub measured: BTreeSet<String>,
    /// Task that failed before the assessment, if any.
    pub failed: Option<String>,
    /// Digest of the tasks that measured.
    pub spec: Option<String>,
}

/// Adds the record of this loop to an assessment of it alone, and applies the rule, if any.
///
/// A metric that an earlier loop measured and this one did not has no data. Iter8's documents do not record which loop measured a value:
/// without a rule it counts as in Iter8, and the record of this loop has none.
pub fn judge(assessment: &mut Assessment, insights: &Insights, rule: Option<LoopRule>, this: &ThisLoop) {
    let spec = this.spec.clone();
    let mut record = LoopRecord { number: this.number, start: this.start, spec, ..LoopRecord::default() };
    let is_split = split::unsatisfied(insights).next().is_none();
    for verdict in &mut assessment.verdicts {
        let is_fresh = is_measured(verdict, this);
        let is_known = MetricsView::new(insights, verdict.version).resolve(&verdict.metric).is_observed();
        if !is_fresh && (is_known || rule.is_some() && verdict.value.is_some()) {
            mark_unmeasured(verdict);
        }
        if let Some(failed) = this.failed.as_ref().filter(|_| verdict.verdict == Outcome::Satisfied) {
            // What was measured is only a part.
            verdict.verdict = Outcome::Inconclusive;
            verdict.reason = format!("{}, but {failed} failed", verdict.reason);
        }
        if !is_split {
            split::leave_undecided(verdict);
        }
        let value = verdict.value.filter(|_| is_fresh);
        record.outcomes.push(outcome(verdict, is_fresh, this));
        record.values.push(value.map(|value| rounded(value, verdict.limit)));
    }
    if let Some(rule) = rule {
        let earlier = Earlier::of(&insights.loops, &record);
        for (place, (verdict, outcome)) in assessment.verdicts.iter_mut().zip(&record.outcomes).enumerate() {
            match rule {
                LoopRule::Consecutive(required) => apply_consecutive(verdict, place, &earlier, required),
                LoopRule::FailureLimit(most) => apply_failure_limit(verdict, *outcome, place, &earlier, most),
            }
        }
    }
    if !is_split {
        // A rule may satisfy an SLO that this loop violated.
        assessment.verdicts.iter_mut().for_each(split::leave_undecided);
    }
    assessment.satisfied = matrix(&assessment.verdicts);
    assessment.record = Some(record);
}

/// Returns the document with an empty record of this loop, which separates its values from those of earlier specs; `None` if the newest
/// recorded loop measured the same spec.
pub fn with_other_spec(insights: &Insights, this: &ThisLoop) -> Option<Insights> {
    let newest = insights.loops.last()?;
    let is_other = newest.spec.is_some() && this.spec.is_some() && newest.spec != this.spec;
    is_other.then(|| {
        let mut insights = insights.clone();
        insights.loops.retain(|record| record.number < this.number);
        insights.loops.push(LoopRecord { number: this.number, spec: this.spec.clone(), ..LoopRecord::default() });
        insights
    })
}

/// Returns the outcome of this loop alone. An old value says nothing about it, nor does a part of the measurements that satisfies the SLO.
fn outcome(verdict: &Verdict, is_fresh: bool, this: &ThisLoop) -> LoopOutcome {
    let is_known = is_fresh && (this.failed.is_none() || verdict.verdict == Outcome::Violated);
    if is_known { LoopOutcome::of(verdict) } else { LoopOutcome::Unmeasured }
}

/// Makes the verdict on an unmeasured metric inconclusive. No policy applies: the provider was not queried.
fn mark_unmeasured(verdict: &mut Verdict) {
    let missing = Missing { cause: MissingCause::NotMeasured, reason: NOT_MEASURED.to_owned() };
    decide(verdict, &Recorded::without_policy(missing));
}

/// Rounds a value to six significant digits, unless that gives the limit.
fn rounded(value: f64, limit: f64) -> f64 {
    let short = format!("{value:.5e}").parse().unwrap_or(value);
    if short == limit { value } else { short }
}

fn is_measured(verdict: &Verdict, this: &ThisLoop) -> bool {
    verdict.metric.name().is_ok_and(|name| this.measured.contains(&name.provider))
}

/// Earlier loops that count, by number.
struct Earlier<'a> {
    loops: BTreeMap<u64, &'a LoopRecord>,
    /// Number of the newest loop that measured another spec.
    other_spec: Option<u64>,
    this: u64,
}

impl<'a> Earlier<'a> {
    fn of(loops: &'a [LoopRecord], this: &LoopRecord) -> Self {
        let counted: BTreeMap<_, _> =
            comparable(loops, this).into_iter().map(|record| (record.number, record)).collect();
        let is_other = |record: &&LoopRecord| record.spec.is_some() && this.spec.is_some() && record.spec != this.spec;
        let others = loops.iter().filter(|record| record.number < this.number).filter(is_other);
        Self { other_spec: others.map(|record| record.number).max(), loops: counted, this: this.number }
    }

    fn outcome(&self, number: u64, place: usize) -> Option<LoopOutcome> {
        self.loops.get(&number)?.outcome(place)
    }

    fn is_good(&self, number: u64, place: usize) -> bool {
        self.outcome(number, place).map(LoopOutcome::outcome) == Some(Outcome::Satisfied)
    }

    fn failed(&self, place: usize) -> u64 {
        let outcomes = self.loops.values().filter_map(|record| record.outcome(place));
        outcomes.filter(|outcome| outcome.is_failed()).count() as u64
    }
}

fn apply_consecutive(verdict: &mut Verdict, place: usize, earlier: &Earlier<'_>, required: u64) {
    let reason = &verdict.reason;
    match verdict.verdict {
        Outcome::Violated => verdict.reason = format!("{reason}; 0 of {required} good loops in a row"),
        Outcome::Satisfied => {
            let is_good = |number: &u64| earlier.is_good(*number, place);
            let before = (1..earlier.this).rev().take_while(is_good).take(required.saturating_sub(1) as usize).count();
            let row = before as u64 + 1;
            if row >= required {
                verdict.reason = format!("{reason}; {required} of {required} good loops in a row");
                return;
            }
            verdict.verdict = Outcome::Inconclusive;
            let ended = ended_by(place, earlier, earlier.this - row).map(|why| format!("; {why}")).unwrap_or_default();
            verdict.reason = format!("{row} of {required} good loops in a row so far: {reason}{ended}");
        }
        Outcome::Inconclusive => {}
    }
}

/// Explains why a loop ended a row of good loops; `None` if there is no such loop.
fn ended_by(place: usize, earlier: &Earlier<'_>, number: u64) -> Option<String> {
    let failed = earlier.loops.get(&number).and_then(|record| record.failed.as_ref());
    let reason = match earlier.outcome(number, place) {
        _ if number == 0 => return None,
        None if earlier.other_spec == Some(number) => "measured another spec".to_owned(),
        None => "was not assessed".to_owned(),
        Some(LoopOutcome::Violated) => "violated it".to_owned(),
        Some(LoopOutcome::Failed) => "had no data, which counts as violated".to_owned(),
        Some(LoopOutcome::Unmeasured) => match failed {
            Some(task) => format!("was not assessed because {task} failed"),
            None => "did not measure it".to_owned(),
        },
        Some(LoopOutcome::Satisfied | LoopOutcome::Passed | LoopOutcome::Inconclusive) => {
            "did not decide it".to_owned()
        }
    };
    Some(format!("loop {number} {reason}"))
}

fn apply_failure_limit(verdict: &mut Verdict, outcome: LoopOutcome, place: usize, earlier: &Earlier<'_>, most: u64) {
    let failed = earlier.failed(place) + u64::from(outcome.is_failed());
    let loops = if failed == 1 { "loop" } else { "loops" };
    let reason = &verdict.reason;
    let since = earlier.other_spec.map(|number| format!(" since loop {}", number + 1)).unwrap_or_default();
    if failed > most {
        // Too many failed already, even if the newest loop has no data.
        verdict.verdict = Outcome::Violated;
        verdict.reason = format!("{reason}; {failed} failed {loops}{since}, and at most {most} may fail");
    } else if verdict.verdict != Outcome::Inconclusive {
        verdict.verdict = Outcome::Satisfied;
        verdict.reason = format!("{reason}; {failed} of at most {most} failed loops{since}");
    }
}

#[cfg(test)]
#[path = "loops_tests.rs"]
mod tests;
