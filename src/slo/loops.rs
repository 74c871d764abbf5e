//! Verdicts over several loops: consecutive good loops, limits on failed ones, and the record of each loop.
//!
//! A loop is *good* for an SLO that it satisfied, and *failed* for one that it violated, by a value or by the metric's policy for missing
//! data. An inconclusive loop is neither: it ends a row of good loops and does not count as failed. The same holds for a loop that was not
//! assessed, or that did not measure the metric, because an old value says nothing about it.
//!
//! A rule may change from loop to loop; it considers the verdict on each loop by itself, which no rule changes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::metrics::MetricsView;
use crate::metrics::loop_records::fits;
use crate::metrics::missing::{NOT_MEASURED, Recorded};
use crate::model::contribution::Assessment;
use crate::model::insights::Insights;
use crate::model::loops::{LoopOutcome, LoopRecord, LoopRule};
use crate::model::missing::{Missing, MissingCause};
use crate::model::slo::{Bound, Outcome, SloMatrix, Verdict};
use crate::slo::assess::decide;

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
}

/// Adds the record of this loop to an assessment of it alone, and applies the rule, if any.
///
/// A metric that an earlier loop measured and this one did not has no data. Iter8's documents do not record which loop measured a value:
/// without a rule it counts as in Iter8, and the record of this loop has none.
pub fn judge(assessment: &mut Assessment, insights: &Insights, rule: Option<LoopRule>, this: &ThisLoop) {
    let mut record = LoopRecord { number: this.number, start: this.start, ..LoopRecord::default() };
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
        let (outcome, value) = match is_fresh {
            true => (LoopOutcome::of(verdict), verdict.value.map(|value| rounded(value, verdict.limit))),
            false => (LoopOutcome::Inconclusive, None),
        };
        record.outcomes.push(outcome);
        record.values.push(value);
    }
    if let Some(rule) = rule {
        let earlier = Earlier::of(&insights.loops, &record);
        for (place, verdict) in assessment.verdicts.iter_mut().enumerate() {
            match rule {
                LoopRule::Consecutive(required) => apply_consecutive(verdict, place, &earlier, required),
                LoopRule::FailureLimit(most) => apply_failure_limit(verdict, place, &earlier, most),
            }
        }
    }
    assessment.satisfied = matrix(&assessment.verdicts);
    assessment.record = Some(record);
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

/// Earlier loops by number, if they have as many outcomes as this one.
struct Earlier<'a> {
    loops: BTreeMap<u64, &'a LoopRecord>,
    this: u64,
}

impl<'a> Earlier<'a> {
    fn of(loops: &'a [LoopRecord], this: &LoopRecord) -> Self {
        let fits = |record: &&LoopRecord| fits(record, this);
        Self { loops: loops.iter().filter(fits).map(|record| (record.number, record)).collect(), this: this.number }
    }

    fn outcome(&self, number: u64, place: usize) -> Option<LoopOutcome> {
        self.loops.get(&number)?.outcomes.get(place).copied()
    }

    fn verdict(&self, number: u64, place: usize) -> Option<Outcome> {
        self.outcome(number, place).map(LoopOutcome::outcome)
    }

    fn failed(&self, place: usize) -> u64 {
        let is_failed = |number: &&u64| self.verdict(**number, place) == Some(Outcome::Violated);
        self.loops.keys().filter(is_failed).count() as u64
    }
}

fn apply_consecutive(verdict: &mut Verdict, place: usize, earlier: &Earlier<'_>, required: u64) {
    let reason = &verdict.reason;
    match verdict.verdict {
        Outcome::Violated => verdict.reason = format!("{reason}; 0 of {required} good loops in a row"),
        Outcome::Satisfied => {
            let is_good = |number: &u64| earlier.verdict(*number, place) == Some(Outcome::Satisfied);
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
    let reason = match earlier.outcome(number, place) {
        _ if number == 0 => return None,
        Some(LoopOutcome::Violated) => "violated it",
        Some(LoopOutcome::Failed) => "had no data, which counts as violated",
        Some(LoopOutcome::Satisfied | LoopOutcome::Passed | LoopOutcome::Inconclusive) => "did not decide it",
        None => "was not assessed",
    };
    Some(format!("loop {number} {reason}"))
}

fn apply_failure_limit(verdict: &mut Verdict, place: usize, earlier: &Earlier<'_>, most: u64) {
    let failed = earlier.failed(place) + u64::from(verdict.verdict == Outcome::Violated);
    let loops = if failed == 1 { "loop" } else { "loops" };
    let reason = &verdict.reason;
    if failed > most {
        // Too many failed already, even if the newest loop has no data.
        verdict.verdict = Outcome::Violated;
        verdict.reason = format!("{reason}; {failed} failed {loops}, and at most {most} may fail");
    } else if verdict.verdict != Outcome::Inconclusive {
        verdict.verdict = Outcome::Satisfied;
        verdict.reason = format!("{reason}; {failed} of at most {most} failed loops");
    }
}

/// Builds Iter8's matrix of the verdicts: a row per SLO, its versions in order.
fn matrix(verdicts: &[Verdict]) -> SloMatrix {
    let rows = |bound: Bound| {
        let mut rows: Vec<Vec<bool>> = Vec::new();
        for verdict in verdicts.iter().filter(|verdict| verdict.bound == bound) {
            let satisfied = verdict.verdict == Outcome::Satisfied;
            match rows.last_mut().filter(|_| verdict.version > 0) {
                Some(row) => row.push(satisfied),
                None => rows.push(vec![satisfied]),
            }
        }
        rows
    };
    SloMatrix { upper: rows(Bound::Upper), lower: rows(Bound::Lower) }
}

#[cfg(test)]
#[path = "loops_tests.rs"]
mod tests;
