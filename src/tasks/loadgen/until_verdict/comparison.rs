//! One look at two versions that run at the same time.
//!
//! The error of a look is a part of that of all planned ones, so looks get rarer: see [`crate::confidence::looks::schedule`].

use std::time::Duration;

use super::claim::{Claim, Statistic};
use super::share::{Looked, columns};
use crate::confidence::blocks::{Block, Pair, paired};
use crate::confidence::design_effect::{DesignEffect, FEW_BEFORE_END, tail_rule};
use crate::confidence::looks::with_burst;
use crate::confidence::{difference, ratio};
use crate::load::timeline::{MAX_INTERVALS, Timeline};
use crate::metrics::histogram::{HIGHEST, Histogram};
use crate::model::slo::Outcome;

/// Percentile whose exceedances show the clustering of those of higher ones.
const TAIL: f64 = 0.9;

/// Rules of a look at comparisons.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    /// Admitted error of each claim at this look.
    pub(super) alpha: f64,
    /// Number of objectives on the version.
    pub(super) objectives: usize,
    /// Longest burst of bad requests that may be unseen, in seconds.
    pub(super) burst: f64,
}

/// Requests of both versions until a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured<'a> {
    pub(super) candidate: &'a Timeline,
    pub(super) baseline: &'a Timeline,
    /// Requests that may be either version's.
    pub(super) unknown: Option<&'a Timeline>,
    /// The candidate's requests in flight, which may become errors or its slowest responses.
    pub(super) stalled: u64,
    /// Requests of the candidate that the load generator itself delayed.
    pub(super) own_late: u64,
    /// Time since the start in seconds.
    pub(super) elapsed: f64,
}

/// Judges an objective on a version relative to version 0. `None` if the samples do not allow it.
pub(super) fn look(claim: &Claim, measured: &Measured<'_>, rules: &Comparison) -> Option<Looked> {
    match claim.statistic {
        Statistic::Errors => errors(claim.slo.limit.0, measured, rules),
        Statistic::Percentile(q) => percentiles(claim.slo.limit.0, q, measured, rules),
        Statistic::None => None,
    }
}

fn errors(limit: f64, measured: &Measured<'_>, rules: &Comparison) -> Option<Looked> {
    let interval = longest_interval(measured)?;
    let blocks = |timeline: &Timeline| {
        let series = timeline.with_intervals_of(interval).counts(MAX_INTERVALS)?;
        Some(columns(&series.requests, &series.errors))
    };
    let pairs = paired(&blocks(measured.candidate)?, &blocks(measured.baseline)?);
    let own = difference::design_effect(&pairs)?;
    // At worst, all errors of unknown origin are the candidate's, and all other such requests version 0's.
    let unknown = measured.unknown.and_then(blocks).unwrap_or_default();
    let unknown: Vec<Pair> = unknown.into_iter().map(|block| split(block.k, block.n - block.k)).collect();
    let worst = with_stalled(with_unknown(&pairs, &unknown), measured.stalled);
    let effect = own.larger(difference::design_effect(&worst)?);
    let [sum, worst] = [Sums::of(&pairs), Sums::of(&worst)];
    let effect = with_burst(effect, worst.both().k, worst.both().n / measured.elapsed, rules.burst);
    let upper = |sums: Sums| Some(difference::interval(sums.candidate, sums.baseline, effect, rules.alpha)?[1]);
    let lower = difference::interval(sum.candidate, sum.baseline, own, rules.violated())?[0];
    let value = sum.candidate.k / sum.candidate.n - sum.baseline.k / sum.baseline.n;
    let upper = highest([upper(sum), upper(worst)]);
    let progress = progress(limit, value, [Some(lower), upper]);
    Some(looked(limit, (Some(lower), own), (upper, effect), sum, progress))
}

/// Longest intervals of the loads. A timeline doubles its intervals when a request ends after the last second that fits, so these may differ.
fn longest_interval(measured: &Measured<'_>) -> Option<Duration> {
    let all = [Some(measured.candidate), Some(measured.baseline), measured.unknown].into_iter().flatten();
    all.map(Timeline::interval).max()
}

fn percentiles(limit: f64, q: f64, measured: &Measured<'_>, rules: &Comparison) -> Option<Looked> {
    let Measured { unknown, stalled, .. } = *measured;
    let interval = longest_interval(measured)?;
    let aligned = |timeline: &Timeline| timeline.with_intervals_of(interval);
    let (candidate, baseline) = (&aligned(measured.candidate), &aligned(measured.baseline));
    let unknown = unknown.map(aligned);
    let unknown = unknown.as_ref();
    let (values, values_0) = (candidate.histogram(), baseline.histogram());
    let pairs = |q: f64| -> Option<([f64; 2], Vec<Pair>)> {
        let [over, over_0] = ratio::thresholds(&values, &values_0, q)?;
        Some(([over, over_0], paired(&blocks_over(candidate, over), &blocks_over(baseline, over_0))))
    };
    // At worst, slow requests of unknown origin are the candidate's, and fast ones version 0's.
    let with_worst = |[over, over_0]: [f64; 2], pairs: &[Pair]| {
        let Some(unknown) = unknown else { return with_stalled(pairs.to_vec(), stalled) };
        let (slow, fast) = (blocks_over(unknown, over), blocks_over(unknown, over_0));
        let block = |(slow, fast): (&Block, &Block)| split(slow.k, fast.n - fast.k);
        let all = with_unknown(pairs, &slow.iter().zip(&fast).map(block).collect::<Vec<Pair>>());
        with_stalled(all, stalled)
    };
    let effect = |q: f64| -> Option<DesignEffect> {
        let (over, pairs) = pairs(q)?;
        Some(ratio::design_effect(&pairs, q)?.larger(ratio::design_effect(&with_worst(over, &pairs), q)?))
    };
    let (over, own_pairs) = pairs(q)?;
    let own = ratio::design_effect(&own_pairs, q)?;
    let sum = Sums::of(&own_pairs);
    let total = sum.both().n;
    let tail = (1.0 - q) * total;
    // Without an estimate there is no early verdict.
    let over_tail = if q > TAIL { Some(effect(TAIL)?) } else { None };
    let (satisfied, _) = tail_rule(effect(q)?, tail, over_tail, FEW_BEFORE_END);
    let satisfied = with_burst(satisfied, tail, total / measured.elapsed, rules.burst);
    let upper = |own: &Histogram, reference: &Histogram| ratio::interval(own, reference, q, satisfied, rules.alpha)[1];
    let mut upper_end = upper(&values, &values_0);
    if unknown.is_some() || stalled > 0 {
        let (mut worst, mut worst_0) = (values.clone(), values_0.clone());
        worst.saturating_record_n(HIGHEST, stalled);
        let unknown = unknown.map(Timeline::histogram);
        for cell in unknown.iter().flat_map(|unknown| unknown.iter_recorded()) {
            let (micros, count) = (cell.value_iterated_to(), cell.count_at_value());
            if micros as f64 > over[0] {
                worst.saturating_record_n(micros, count);
            }
            if micros as f64 <= over[1] {
                worst_0.saturating_record_n(micros, count);
            }
        }
        upper_end = highest([upper_end, upper(&worst, &worst_0)]);
    }
    let lower = ratio::interval(&values, &values_0, q, own, rules.violated())[0];
    // Without the delays of the load generator, the percentile is at least so high.
    let rest = q - measured.own_late as f64 / values.len() as f64;
    let undelayed = if rest > 0.0 { values.value_at_quantile(rest) } else { 0 };
    let lower = lower.filter(|_| measured.own_late == 0 || undelayed as f64 > over[1] * limit);
    let progress = progress(limit.ln(), (over[0] / over[1]).ln(), [lower, upper_end].map(|end| end.map(f64::ln)));
    Some(looked(limit, (lower, own), (upper_end, satisfied), sum, progress))
}

impl Comparison {
    /// Admitted error of a violation: one of several objectives is by chance more often.
    pub(super) fn violated(&self) -> f64 {
        self.alpha / self.objectives.max(1) as f64
    }
}

/// Requests of both versions, and the bad ones among them.
#[derive(Clone, Copy, Debug)]
struct Sums {
    candidate: Block,
    baseline: Block,
}

impl Sums {
    fn of(pairs: &[Pair]) -> Self {
        let total = |of: fn(&Pair) -> Block| pairs.iter().map(of).sum();
        Self { candidate: total(|pair| pair.candidate), baseline: total(|pair| pair.baseline) }
    }

    fn both(self) -> Block {
        self.candidate + self.baseline
    }
}

/// Chooses the verdict, with the dependence that it rests on, from the lower and the upper end of the interval.
fn looked(
    limit: f64,
    (lower, own): (Option<f64>, DesignEffect),
    (upper, satisfied): (Option<f64>, DesignEffect),
    sums: Sums,
    progress: f64,
) -> Looked {
    let (verdict, effect) = match (lower, upper) {
        (_, Some(upper)) if upper <= limit => (Outcome::Satisfied, satisfied),
        (Some(lower), _) if lower > limit => (Outcome::Violated, own),
        _ => (Outcome::Inconclusive, satisfied),
    };
    let Block { n, k } = sums.both();
    let progress = if verdict == Outcome::Inconclusive { progress } else { 1.0 };
    let samples = sums.candidate.n.min(sums.baseline.n);
    Looked { verdict, n, k, samples, deff: effect.deff, df: effect.df, progress }
}

/// Estimates the share of the deciding number of requests that has ended, from 0 to 0.99: the interval narrows with the square root of
/// their number until it excludes the limit.
fn progress(limit: f64, value: f64, [lower, upper]: [Option<f64>; 2]) -> f64 {
    let end = if value <= limit { upper } else { lower };
    let part = end.map_or(0.0, |end| ((limit - value) / (end - value)).powi(2));
    // An unknown end counts as no progress.
    if part.is_finite() { part.min(0.99) } else { 0.0 }
}

/// Latencies of each interval, and those over a limit in µs.
fn blocks_over(timeline: &Timeline, over: f64) -> Vec<Block> {
    let counts = timeline.counts_over(over as u64);
    counts.into_iter().map(|(n, k)| Block { n: n as f64, k: k as f64 }).collect()
}

/// Requests of unknown origin in an interval: bad ones that may be the candidate's, and others that may be version 0's.
fn split(bad: f64, good: f64) -> Pair {
    Pair { candidate: Block { n: bad, k: bad }, baseline: Block { n: good, k: 0.0 } }
}

fn with_unknown(pairs: &[Pair], unknown: &[Pair]) -> Vec<Pair> {
    let at = |pairs: &[Pair], index: usize| pairs.get(index).copied().unwrap_or_default();
    let sum = |index: usize| {
        let (own, other) = (at(pairs, index), at(unknown, index));
        Pair { candidate: own.candidate + other.candidate, baseline: own.baseline + other.baseline }
    };
    (0..pairs.len().max(unknown.len())).map(sum).collect()
}

/// Adds requests of the candidate that have not ended to the last interval: without them, a stall would look like silence.
fn with_stalled(mut pairs: Vec<Pair>, stalled: u64) -> Vec<Pair> {
    if let Some(last) = pairs.last_mut() {
        let stalled = stalled as f64;
        last.candidate = last.candidate + Block { n: stalled, k: stalled };
    }
    pairs
}

/// The higher of two upper ends; `None` if one of them is unknown.
fn highest([a, b]: [Option<f64>; 2]) -> Option<f64> {
    Some(a?.max(b?))
}
