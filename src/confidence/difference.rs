//! Difference of two shares, candidate minus version 0, against a limit.
//!
//! Newcombe's hybrid of two Wilson intervals (Statistics in Medicine 1998, method 10) at effective numbers of requests. Requests of the
//! same second share its disturbances, which cancel in the difference: versions that ran at the same time are paired by block.

use super::beta::normal;
use super::blocks::{Block, Pair, is_possible, total};
use super::dependence::{Dependence, depend};
use super::design_effect::{DesignEffect, student_factor};

/// Design effect of the difference from blocks of the same intervals.
///
/// `e = (k_c − p_c·n_c)/N_c − (k_0 − p_0·n_0)/N_0` per block, whose variance is divided by `p_c(1−p_c)/N_c + p_0(1−p_0)/N_0`, at least 1.
pub fn design_effect(blocks: &[Pair]) -> Option<DesignEffect> {
    let candidate = total(blocks.iter().map(|pair| pair.candidate))?;
    let baseline = total(blocks.iter().map(|pair| pair.baseline))?;
    let deviation = |pair: &Pair| deviation(pair.candidate, candidate) - deviation(pair.baseline, baseline);
    let dependence = depend(&blocks.iter().map(deviation).collect::<Vec<f64>>())?;
    of_variance(dependence, candidate, baseline)
}

/// Design effect of the difference from blocks of different intervals: the variances add up. What changed in between counts as difference.
pub fn design_effect_unpaired(candidate: &[Block], baseline: &[Block]) -> Option<DesignEffect> {
    let totals = [total(candidate.iter().copied())?, total(baseline.iter().copied())?];
    let deviations = |blocks: &[Block], total: Block| blocks.iter().map(|b| deviation(*b, total)).collect::<Vec<f64>>();
    let variances = [depend(&deviations(candidate, totals[0]))?, depend(&deviations(baseline, totals[1]))?];
    of_variance(add(variances), totals[0], totals[1])
}

/// Interval of the difference of two shares with a known design effect; `None` without requests, and for impossible counts.
///
/// Both counts are multiplied by `f = (t_{N−1,1−α}/t_{df,1−α})²/deff`, at most 1, with `N = N_c + N_0`.
pub fn interval(candidate: Block, baseline: Block, effect: DesignEffect, alpha: f64) -> Option<[f64; 2]> {
    let (candidate, baseline) = (total([candidate])?, total([baseline])?);
    let factor = student_factor(candidate.n + baseline.n, effect.df, alpha)? / effect.deff;
    let is_valid = factor > 0.0 && factor.is_finite();
    let scaled = |block: Block| Block { n: block.n * factor.min(1.0), k: block.k * factor.min(1.0) };
    if is_valid { newcombe(scaled(candidate), scaled(baseline), alpha) } else { None }
}

/// Newcombe's interval of `p_c − p_0`: `d − √((p_c−l_c)² + (u_0−p_0)²)` and `d + √((u_c−p_c)² + (p_0−l_0)²)`.
pub fn newcombe(candidate: Block, baseline: Block, alpha: f64) -> Option<[f64; 2]> {
    let [lower_c, upper_c] = wilson(candidate, alpha)?;
    let [lower_0, upper_0] = wilson(baseline, alpha)?;
    let (p_c, p_0) = (candidate.k / candidate.n, baseline.k / baseline.n);
    let difference = p_c - p_0;
    let ends = [difference - (p_c - lower_c).hypot(upper_0 - p_0), difference + (upper_c - p_c).hypot(p_0 - lower_0)];
    ends.iter().all(|end| end.is_finite()).then_some(ends)
}

/// Wilson's limits of a share: `(2np + z² ± z·√(z² + 4np(1−p))) / (2(n+z²))` with `z = z_{1−α}`.
pub fn wilson(share: Block, alpha: f64) -> Option<[f64; 2]> {
    let z = normal(1.0 - alpha)?;
    if !is_possible(share) || share.n <= 0.0 {
        return None;
    }
    let (n, p) = (share.n, share.k / share.n);
    let spread = z * (z * z + 4.0 * n * p * (1.0 - p)).sqrt();
    let end = |sign: f64| ((2.0 * n * p + z * z + sign * spread) / (2.0 * (n + z * z))).clamp(0.0, 1.0);
    Some([end(-1.0), end(1.0)])
}

/// Adds independent variances, with the degrees of freedom of Welch (1947) and Satterthwaite.
pub(super) fn add([a, b]: [Dependence; 2]) -> Dependence {
    let variance = a.variance + b.variance;
    let df = variance.powi(2) / (a.variance.powi(2) / a.df + b.variance.powi(2) / b.df);
    // Without any variance, and if its square is not a number.
    Dependence { variance, df: if df.is_finite() { df } else { a.df.min(b.df) } }
}

fn deviation(block: Block, total: Block) -> f64 {
    (block.k - total.k / total.n * block.n) / total.n
}

fn of_variance(dependence: Dependence, candidate: Block, baseline: Block) -> Option<DesignEffect> {
    let independent = |total: Block| {
        let p = total.k / total.n;
        p * (1.0 - p) / total.n
    };
    DesignEffect::new(dependence.variance, independent(candidate) + independent(baseline), 1.0, dependence.df)
}

#[cfg(test)]
#[path = "difference_tests.rs"]
mod tests;
