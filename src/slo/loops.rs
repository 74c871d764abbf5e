//! Verdicts over several loops: rows of good loops and limits on failed ones, and the record of each loop.
//!
//! A loop is *good* for an objective that it satisfied, and *failed* for one that it violated, by a value or by what the metric says
//! of absent data. A loop that leaves the objective open is neither: it ends a row of good loops and does not count as failed. So is
//! a loop that was not assessed, or in which the metric was not measured: an old value is no news.
//!
//! A rule may change from loop to loop; what it looks at is each loop by itself, which no rule changes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::metrics::insights::NOT_MEASURED;
use crate::metrics::loop_records::fits;
use crate::metrics::reading::{MetricName, is_observed};
use crate::model::contribution::Assessment;
use crate::model::insights::Insights;
use crate::model::loops::{LoopOutcome, LoopRecord, LoopRule};
use crate::model::slo::{Bound, Outcome, SloMatrix, Verdict};

/// Most loops that a rule may ask for: fewer than are kept of all but the largest documents.
pub const MAX_RULE: u64 = 100;

/// The loop that is judged.
#[derive(Clone, Debug, Default)]
pub struct ThisLoop {
    /// Its number, from 1.
    pub number: u64,
    /// When its first task started.
    pub start: Option<DateTime<Utc>>,
    /// Providers that it measured.
    pub measured: BTreeSet<String>,
}

/// Adds the record of this loop to an assessment that looks at it alone, and judges by the rule, if there is one.
///
/// What the document knows an earlier loop to have measured, and this one did not, is no data. Iter8's documents don't tell: without
/// a rule their values count as in Iter8, and the record of this loop has none.
pub fn judge(assessment: &mut Assessment, insights: &Insights, rule: Option<LoopRule>, this: &ThisLoop) {
    let mut record = LoopRecord { number: this.number, start: this.start, ..LoopRecord::default() };
    for verdict in &mut assessment.verdicts {
        let is_fresh = is_measured(verdict, this);
        let is_known = is_observed(insights, verdict.version, &verdict.metric);
        if !is_fresh && (is_known || rule.is_some() && verdict.value.is_some()) {
            leave_open(verdict);
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
                LoopRule::Consecutive(wanted) => in_a_row(verdict, place, &earlier, wanted),
                LoopRule::FailureLimit(most) => within_limit(verdict, place, &earlier, most),
            }
        }
    }
    assessment.satisfied = matrix(&assessment.verdicts);
    assessment.record = Some(record);
}

/// The verdict on what was not measured. No policy decides it: the provider was not asked.
fn leave_open(verdict: &mut Verdict) {
    verdict.verdict = Outcome::Inconclusive;
    (verdict.value, verdict.samples, verdict.no_data) = (None, None, None);
    verdict.reason = format!("no data: {NOT_MEASURED}");
}

/// A value to six significant digits, unless these would be the limit's.
fn rounded(value: f64, limit: f64) -> f64 {
    let short = format!("{value:.5e}").parse().unwrap_or(value);
    if short == limit { value } else { short }
}

fn is_measured(verdict: &Verdict, this: &ThisLoop) -> bool {
    verdict.metric.parse::<MetricName>().is_ok_and(|name| this.measured.contains(&name.provider))
}

/// The loops before this one, by number, as far as they have as many outcomes as this one.
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

    fn comes_to(&self, number: u64, place: usize) -> Option<Outcome> {
        self.outcome(number, place).map(LoopOutcome::outcome)
    }

    fn failed(&self, place: usize) -> u64 {
        let is_failed = |number: &&u64| self.comes_to(**number, place) == Some(Outcome::Violated);
        self.loops.keys().filter(is_failed).count() as u64
    }
}

fn in_a_row(verdict: &mut Verdict, place: usize, earlier: &Earlier<'_>, wanted: u64) {
    let reason = &verdict.reason;
    match verdict.verdict {
        Outcome::Violated => verdict.reason = format!("{reason}; 0 of {wanted} good loops in a row"),
        Outcome::Satisfied => {
            let is_good = |number: &u64| earlier.comes_to(*number, place) == Some(Outcome::Satisfied);
            let before = (1..earlier.this).rev().take_while(is_good).take(wanted.saturating_sub(1) as usize).count();
            let row = before as u64 + 1;
            if row >= wanted {
                verdict.reason = format!("{reason}; {wanted} of {wanted} good loops in a row");
                return;
            }
            verdict.verdict = Outcome::Inconclusive;
            let ended = ended_by(place, earlier, earlier.this - row).map(|why| format!("; {why}")).unwrap_or_default();
            verdict.reason = format!("{row} of {wanted} good loops in a row so far: {reason}{ended}");
        }
        Outcome::Inconclusive => {}
    }
}

/// Why loop `number` is not one of a row of good loops; nothing where there is no such loop.
fn ended_by(place: usize, earlier: &Earlier<'_>, number: u64) -> Option<String> {
    let why = match earlier.outcome(number, place) {
        _ if number == 0 => return None,
        Some(LoopOutcome::Violated) => "violated it",
        Some(LoopOutcome::Failed) => "had no data, which counts as violated",
        Some(LoopOutcome::Satisfied | LoopOutcome::Passed | LoopOutcome::Inconclusive) => "did not decide it",
        None => "was not assessed",
    };
    Some(format!("loop {number} {why}"))
}

fn within_limit(verdict: &mut Verdict, place: usize, earlier: &Earlier<'_>, most: u64) {
    let failed = earlier.failed(place) + u64::from(verdict.verdict == Outcome::Violated);
    let loops = if failed == 1 { "loop" } else { "loops" };
    let reason = &verdict.reason;
    if failed > most {
        // More failed than may: what the newest loop lacks can't change that.
        verdict.verdict = Outcome::Violated;
        verdict.reason = format!("{reason}; {failed} failed {loops}, and at most {most} may fail");
    } else if verdict.verdict != Outcome::Inconclusive {
        verdict.verdict = Outcome::Satisfied;
        verdict.reason = format!("{reason}; {failed} of at most {most} failed loops");
    }
}

/// Iter8's matrix of these verdicts: a row per objective, of its versions in order.
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
