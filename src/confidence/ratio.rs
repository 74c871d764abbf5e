//! Ratio of two percentiles, candidate divided by version 0, against a limit.
//!
//! If the candidate is `R` times as slow, divide its latencies by `R` and pool them with version 0's: then the
//! candidate's share of every tail of the pool is `π₀ = N_c/(N_c+N_0)`. A disturbance that hits both versions moves the
//! pool, but not the share. So the share of the pooled tail of `K` requests is tested, a binomial share as in Lindon
//! and Malek (NeurIPS 2022). The test is inverted into an interval of the ratio with the order statistics of both
//! versions, as precedence tests are (Mathisen 1943).

use super::beta::MAX_COUNT;
use super::blocks::{Block, Pair, total};
use super::dependence::{Dependence, depend};
use super::design_effect::{DesignEffect, student_factor};
use super::difference::add;
use super::order::Ranked;
use super::percentile::ranks;

/// Share of the pool that is the candidate's, and size of the pooled tail.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pool {
    /// `M = N_c + N_0`.
    total: f64,
    /// `π₀ = N_c/M`.
    share: f64,
    /// `K = (1−q)·M`.
    tail: f64,
}

impl Pool {
    fn new(candidate: f64, baseline: f64, q: f64) -> Option<Self> {
        let total = candidate + baseline;
        let is_valid = candidate > 0.0 && baseline > 0.0 && total.is_finite() && q > 0.0 && q < 1.0;
        is_valid.then_some(Self { total, share: candidate / total, tail: (1.0 - q) * total })
    }

    /// Design effect of the share. Without dependence it is `(M−K)/(M−1)`, below 1: the tail is drawn without replacement.
    fn design_effect(self, dependence: Dependence) -> Option<DesignEffect> {
        let independent = self.tail * self.share * (1.0 - self.share);
        let least = ((self.total - self.tail) / (self.total - 1.0).max(1.0)).min(1.0);
        DesignEffect::new(dependence.variance, independent, least, dependence.df)
    }
}

/// Latencies of candidate and version 0 above which requests belong to the pooled tail: their `q`-quantiles.
///
/// After dividing the candidate's latencies by the ratio of these quantiles, both versions and the pool have the same
/// `q`-quantile.
pub fn thresholds(candidate: &impl Ranked, baseline: &impl Ranked, q: f64) -> Option<[f64; 2]> {
    let quantile = |values: &dyn Ranked| {
        let rank = (q * values.count() as f64).ceil().max(1.0);
        values.edges(rank as u64).map(|edges| edges[1]).filter(|value| value.is_finite())
    };
    let is_valid = q > 0.0 && q < 1.0;
    if is_valid { Some([quantile(candidate)?, quantile(baseline)?]) } else { None }
}

/// Design effect of the share of the pooled tail from blocks of the same intervals, whose `k` are counts over the [`thresholds`].
///
/// `e = (k_c − p·n_c)(1−π₀) − (k_0 − p·n_0)·π₀` per block with `p = K/M`, centred by `−(Σe)·(n_c+n_0)/M`.
pub fn design_effect(blocks: &[Pair], q: f64) -> Option<DesignEffect> {
    let candidate = total(blocks.iter().map(|pair| pair.candidate))?;
    let baseline = total(blocks.iter().map(|pair| pair.baseline))?;
    let pool = Pool::new(candidate.n, baseline.n, q)?;
    let of_candidate = |pair: &Pair| (pair.candidate.k - (1.0 - q) * pair.candidate.n) * (1.0 - pool.share);
    let of_baseline = |pair: &Pair| (pair.baseline.k - (1.0 - q) * pair.baseline.n) * pool.share;
    let weighted = |pair: &Pair| (of_candidate(pair) - of_baseline(pair), pair.candidate.n + pair.baseline.n);
    pool.design_effect(centred(&blocks.iter().map(weighted).collect::<Vec<_>>())?)
}

/// Design effect from blocks of different intervals: the variances add up. What changed in between counts as difference.
pub fn design_effect_unpaired(candidate: &[Block], baseline: &[Block], q: f64) -> Option<DesignEffect> {
    let totals = [total(candidate.iter().copied())?, total(baseline.iter().copied())?];
    let pool = Pool::new(totals[0].n, totals[1].n, q)?;
    let weighted = |blocks: &[Block], weight: f64| {
        centred(&blocks.iter().map(|b| ((b.k - (1.0 - q) * b.n) * weight, b.n)).collect::<Vec<_>>())
    };
    let variances = [weighted(candidate, 1.0 - pool.share)?, weighted(baseline, pool.share)?];
    pool.design_effect(add(variances))
}

/// Variance of the sum of `(e, n)` per block, centred in proportion to `n`.
fn centred(blocks: &[(f64, f64)]) -> Option<Dependence> {
    let sum: f64 = blocks.iter().map(|(e, _)| e).sum();
    let total: f64 = blocks.iter().map(|(_, n)| n).sum();
    depend(&blocks.iter().map(|(e, n)| e - sum * n / total).collect::<Vec<f64>>())
}

/// Interval of the ratio of the `q`-quantiles with a known design effect. An end is `None` if nothing is known on that side.
///
/// The tail is worth `K_e = K/deff·(t_{M−1,1−α}/t_{df,1−α})²` independent requests. `π*` and `π°` are the shares at which the test of `π₀`
/// changes, and:
///
/// ```text
/// hi = Q_c[⌊π*K⌋ above] / Q_0[⌈(1−π*)K⌉ at or above]      lo = Q_c[⌈π°K⌉ at or above] / Q_0[⌊(1−π°)K⌋ above]
/// ```
pub fn interval(
    candidate: &impl Ranked,
    baseline: &impl Ranked,
    q: f64,
    effect: DesignEffect,
    alpha: f64,
) -> [Option<f64>; 2] {
    let Some(pool) = Pool::new(candidate.count() as f64, baseline.count() as f64, q) else { return [None, None] };
    let size = student_factor(pool.total, effect.df, alpha).map(|factor| pool.tail / effect.deff * factor);
    size.map_or([None, None], |size| interval_with(candidate, baseline, q, size, alpha))
}

/// Interval as [`interval`] for a tail that is worth `size` independent requests, `K_e`.
pub fn interval_with(
    candidate: &impl Ranked,
    baseline: &impl Ranked,
    q: f64,
    size: f64,
    alpha: f64,
) -> [Option<f64>; 2] {
    let Some(pool) = Pool::new(candidate.count() as f64, baseline.count() as f64, q) else { return [None, None] };
    // `min` would turn NaN into `MAX_COUNT`.
    let size = if size.is_nan() { 0.0 } else { size.min(MAX_COUNT) };
    let (most, least) = ranks(size, pool.share, alpha);
    // Divisions go outward, too: numerator and denominator take opposite edges of their cells.
    let upper = most.and_then(|k| {
        let [of_candidate, of_baseline] = [k / size * pool.tail, (1.0 - k / size) * pool.tail];
        divided(candidate.at_most_above(of_candidate)?[1], baseline.at_least_at_or_above(of_baseline)?[0])
    });
    let lower = least.and_then(|k| {
        let [of_candidate, of_baseline] = [k / size * pool.tail, (1.0 - k / size) * pool.tail];
        divided(candidate.at_least_at_or_above(of_candidate)?[0], baseline.at_most_above(of_baseline)?[1])
    });
    [lower, upper]
}

/// Ratio of two latencies; `None` if it is unknown because one is 0, negative or too long to be recorded.
fn divided(numerator: f64, denominator: f64) -> Option<f64> {
    let is_known = numerator >= 0.0 && numerator.is_finite() && denominator > 0.0 && denominator.is_finite();
    is_known.then(|| numerator / denominator).filter(|ratio| ratio.is_finite())
}

#[cfg(test)]
#[path = "ratio_tests.rs"]
mod tests;
