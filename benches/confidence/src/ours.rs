//! Our judge: the functions of `iter8::confidence`, put together as a verdict does it.

use iter8::confidence::blocks::{SumBlock, paired, paired_sums};
use iter8::confidence::design_effect::{DesignEffect, FEW_AT_END, FEW_BEFORE_END, tail_rule};
use iter8::confidence::evidence::{ln_satisfied, ln_violated};
use iter8::confidence::order::{Ranked, Samples};
use iter8::confidence::proportion::{Effective, design_effect, effective_with, p_satisfied, p_violated};
use iter8::confidence::{difference, looks, mean, mean_ratio, ratio};
use iter8::metrics::histogram::{self, Histogram};

pub(crate) use iter8::confidence::blocks::Block;

use crate::cells::blocks_over;
use crate::judges::Decision;
use crate::laws::Trace;

/// Seconds in which requests count as one request until enough are seen: the default of `assess.burst`.
const BURST: f64 = 0.1;

/// Runs that missed the truth at each end.
#[derive(Clone, Copy, Default)]
pub(crate) struct Misses {
    /// The upper end was below the truth.
    pub(crate) upper: usize,
    /// The lower end was above it.
    pub(crate) lower: usize,
}

impl Misses {
    pub(crate) fn add(&mut self, [upper, lower]: [bool; 2]) {
        self.upper += usize::from(upper);
        self.lower += usize::from(lower);
    }

    /// Formats both in percent.
    pub(crate) fn percent(self, runs: usize) -> String {
        format!("{} / {}", crate::markdown::share(self.upper, runs), crate::markdown::share(self.lower, runs))
    }
}

/// Makes blocks of equal size from the bad requests of each second.
pub(crate) fn blocks(bad: &[f64], rate: f64) -> Vec<Block> {
    bad.iter().map(|k| Block { n: rate, k: *k }).collect()
}

/// Share over a limit, in effective requests. `tail` are the blocks over the latency of [`Own::lower`](crate::cells::Own::lower).
pub(crate) fn share_over(blocks: &[Block], tail: Option<&[Block]>, alpha: f64) -> Option<Effective> {
    let n = blocks.iter().map(|block| block.n).sum();
    let k = blocks.iter().map(|block| block.k).sum();
    let own = design_effect(blocks)?;
    let (chosen, _) = tail_rule(own, k, tail.and_then(design_effect), FEW_AT_END);
    effective_with(k, n, chosen.deff, chosen.df, alpha)
}

/// Tells if the upper and the lower limit of `k` of `n` requests miss the true share.
pub(crate) fn misses(n: f64, k: f64, truth: f64, alpha: f64) -> [bool; 2] {
    let share = Effective { n, k, deff: 1.0, df: n, p: k / n, total: n };
    [p_satisfied(&share, truth) < alpha, p_violated(&share, truth) < alpha]
}

/// Decides by the share over a limit, at the end of a run.
pub(crate) fn verdict(blocks: &[Block], tail: Option<&[Block]>, limit: f64, alpha: f64) -> Decision {
    let Some(share) = share_over(blocks, tail, alpha) else { return Decision::Inconclusive };
    if p_satisfied(&share, limit) <= alpha {
        Decision::Promote
    } else if p_violated(&share, limit) <= alpha {
        Decision::RollBack
    } else {
        Decision::Inconclusive
    }
}

/// Decides by the share over a limit, before the end of a run with a single objective.
pub(crate) fn look(blocks: &[Block], tail: Option<&[Block]>, limit: f64, rate: f64, alpha: f64) -> Decision {
    early_verdict(blocks, tail, limit, rate, alpha).unwrap_or(Decision::Inconclusive)
}

fn early_verdict(blocks: &[Block], tail: Option<&[Block]>, limit: f64, rate: f64, alpha: f64) -> Option<Decision> {
    let n: f64 = blocks.iter().map(|block| block.n).sum();
    let k: f64 = blocks.iter().map(|block| block.k).sum();
    let own = design_effect(blocks)?;
    let evidence = |effect, ln: fn(f64, f64, f64) -> f64| {
        let size = looks::effective(n, effect, alpha)?;
        Some(ln(k / n * size, size, limit))
    };
    if k / n < limit {
        let (effect, _) = tail_rule(own, k, tail.and_then(design_effect), FEW_BEFORE_END);
        let ln = evidence(looks::with_burst(effect, k, rate, BURST), ln_satisfied)?;
        (ln >= looks::satisfied_threshold(alpha)).then_some(Decision::Promote)
    } else {
        (evidence(own, ln_violated)? >= looks::violated_threshold(alpha, 1)).then_some(Decision::RollBack)
    }
}

/// Looks at a comparison, in seconds.
pub(crate) fn looks(seconds: usize) -> Vec<usize> {
    looks::schedule(seconds as f64).into_iter().map(|look| look as usize).collect()
}

/// Interval of the mean latency in milliseconds.
pub(crate) fn mean(trace: &Trace, alpha: f64) -> Option<[f64; 2]> {
    let [variance, skewness] = mean::sample_moments(&trace.latencies);
    let estimate = mean::mean(&sums(trace), variance, skewness)?;
    let [low, high] = mean::interval(&estimate, alpha);
    Some([low?, high?])
}

fn sums(trace: &Trace) -> Vec<SumBlock> {
    trace.seconds().map(|second| SumBlock { n: second.len() as f64, sum: second.iter().sum() }).collect()
}

/// Interval of the difference of two error rates, measured in the same seconds.
pub(crate) fn difference(candidate: &[Block], baseline: &[Block], alpha: f64) -> Option<[f64; 2]> {
    let total = |blocks: &[Block]| {
        let add = |sum: Block, block: &Block| Block { n: sum.n + block.n, k: sum.k + block.k };
        blocks.iter().fold(Block::default(), add)
    };
    let effect = difference::design_effect(&paired(candidate, baseline))?;
    difference::interval(total(candidate), total(baseline), effect, alpha)
}

/// Latencies of two versions, measured in the same seconds.
pub(crate) struct Pair<'a> {
    traces: [&'a Trace; 2],
    /// Exact values: the effect of a histogram's cells is a table of its own.
    samples: [Option<Samples>; 2],
}

impl<'a> Pair<'a> {
    pub(crate) fn new(candidate: &'a Trace, baseline: &'a Trace) -> Self {
        let traces = [candidate, baseline];
        Self { traces, samples: traces.map(|trace| Samples::new(&sorted(&trace.latencies))) }
    }

    /// Interval of the ratio of the percentiles that this share of the requests is over.
    pub(crate) fn ratio(&self, share: f64, alpha: f64) -> Option<[Option<f64>; 2]> {
        let [Some(candidate), Some(baseline)] = &self.samples else { return None };
        let own = self.design_effect(1.0 - share)?;
        let exceedances = share * (candidate.count() + baseline.count()) as f64;
        let tail = if share < 0.1 { self.design_effect(0.9) } else { None };
        let (effect, _) = tail_rule(own, exceedances, tail, FEW_AT_END);
        Some(ratio::interval(candidate, baseline, 1.0 - share, effect, alpha))
    }

    fn design_effect(&self, q: f64) -> Option<DesignEffect> {
        let [Some(candidate), Some(baseline)] = &self.samples else { return None };
        let thresholds = ratio::thresholds(candidate, baseline, q)?;
        let blocks = [0, 1].map(|version| {
            let limit = thresholds[version];
            blocks_over(self.traces[version], limit)
        });
        ratio::design_effect(&paired(&blocks[0], &blocks[1]), q)
    }

    /// Interval of the ratio of the means.
    pub(crate) fn mean_ratio(&self, alpha: f64) -> Option<[f64; 2]> {
        let [candidate, baseline] = self.traces.map(sums);
        mean_ratio::interval(&paired_sums(&candidate, &baseline), alpha)
    }
}

/// Sorts values.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Records latencies in milliseconds as a load does: in whole microseconds.
pub(crate) fn recorded(latencies: &[f64]) -> Histogram {
    let mut values = histogram::new();
    latencies.iter().for_each(|latency| values.saturating_record(micros(*latency)));
    values
}

/// Whole microseconds of a latency in milliseconds.
pub(crate) fn micros(latency: f64) -> u64 {
    (latency * 1e3).round().max(1.0) as u64
}

/// Counts the latencies of a second that are over a limit in microseconds.
pub(crate) fn over(second: &[f64], limit: f64) -> Block {
    let over = second.iter().filter(|latency| micros(**latency) as f64 > limit).count();
    Block { n: second.len() as f64, k: over as f64 }
}
