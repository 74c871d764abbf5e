//! One look at two versions that run at the same time.
//!
//! The error of a look is a part of that of all planned ones, so looks get rarer: see [`crate::confidence::looks::schedule`].

use super::claim::{Claim, Statistic};
use super::share::{Looked, columns};
use crate::confidence::blocks::{Block, Pair, paired};
use crate::confidence::design_effect::DesignEffect;
use crate::confidence::{difference, ratio};
use crate::load::timeline::{MAX_INTERVALS, Timeline};
use crate::model::slo::Outcome;

/// Rules of a look at comparisons.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    /// Admitted error of each claim at this look.
    pub(super) alpha: f64,
    /// Number of objectives on the version.
    pub(super) objectives: usize,
}

/// Judges an objective on a version relative to version 0. `None` if the samples do not allow it.
pub(super) fn look(claim: &Claim, candidate: &Timeline, baseline: &Timeline, rules: &Comparison) -> Option<Looked> {
    match claim.statistic {
        Statistic::Errors => errors(claim.slo.limit.0, candidate, baseline, rules),
        Statistic::Percentile(q) => percentiles(claim.slo.limit.0, q, candidate, baseline, rules),
        Statistic::None => None,
    }
}

fn errors(limit: f64, candidate: &Timeline, baseline: &Timeline, rules: &Comparison) -> Option<Looked> {
    let blocks =
        |timeline: &Timeline| timeline.series(MAX_INTERVALS).map(|series| columns(&series.requests, &series.errors));
    let (candidate, baseline) = (blocks(candidate)?, blocks(baseline)?);
    let pairs = paired(&candidate, &baseline);
    let effect = difference::design_effect(&pairs)?;
    let (all_candidate, all_baseline) =
        (total(pairs.iter().map(|pair| pair.candidate)), total(pairs.iter().map(|pair| pair.baseline)));
    let at = |alpha| difference::interval(all_candidate, all_baseline, effect, alpha);
    let upper = at(rules.alpha)?[1];
    let lower = at(rules.alpha / rules.objectives.max(1) as f64)?[0];
    Some(looked(limit, [Some(lower), Some(upper)], &pairs, effect))
}

fn percentiles(limit: f64, q: f64, candidate: &Timeline, baseline: &Timeline, rules: &Comparison) -> Option<Looked> {
    let (values, values_0) = (candidate.histogram(), baseline.histogram());
    let [over, over_0] = ratio::thresholds(&values, &values_0, q)?;
    let blocks = |timeline: &Timeline, over: f64| {
        let counts = timeline.counts_over(over as u64);
        counts.into_iter().map(|(n, k)| Block { n: n as f64, k: k as f64 }).collect::<Vec<_>>()
    };
    let pairs = paired(&blocks(candidate, over), &blocks(baseline, over_0));
    let effect = ratio::design_effect(&pairs, q)?;
    let upper = ratio::interval(&values, &values_0, q, effect, rules.alpha)[1];
    let lower = ratio::interval(&values, &values_0, q, effect, rules.alpha / rules.objectives.max(1) as f64)[0];
    Some(looked(limit, [lower, upper], &pairs, effect))
}

fn looked(limit: f64, [lower, upper]: [Option<f64>; 2], pairs: &[Pair], effect: DesignEffect) -> Looked {
    let verdict = match (lower, upper) {
        (_, Some(upper)) if upper <= limit => Outcome::Satisfied,
        (Some(lower), _) if lower > limit => Outcome::Violated,
        _ => Outcome::Inconclusive,
    };
    let all = total(pairs.iter().flat_map(|pair| [pair.candidate, pair.baseline]));
    let progress = if verdict == Outcome::Inconclusive { 0.0 } else { 1.0 };
    Looked { verdict, n: all.n, k: all.k, deff: effect.deff, df: effect.df, progress }
}

fn total(blocks: impl Iterator<Item = Block>) -> Block {
    blocks.fold(Block::default(), |sum, block| Block { n: sum.n + block.n, k: sum.k + block.k })
}
