//! Share of bad requests against a limit.
//!
//! Limits of Clopper and Pearson (1934) at the effective number of requests (Korn and Graubard 1998).

use super::beta::{quantile, regularized};
use super::blocks::{Block, total};
use super::dependence::{coefficient, depend};
use super::design_effect::DesignEffect;

/// Share of bad requests, and the independent requests that it is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effective {
    /// Effective number of requests.
    pub n: f64,
    /// Effective number of bad ones: `p·n`.
    pub k: f64,
    /// Design effect.
    pub deff: f64,
    /// Its degrees of freedom.
    pub df: f64,
    /// Share of bad requests.
    pub p: f64,
    /// Requests, counted.
    pub total: f64,
}

/// Computes the effective share of blocks. Returns `None` for fewer than two blocks, without requests, and for impossible counts.
pub fn effective(blocks: &[Block], alpha: f64) -> Option<Effective> {
    let sum = total(blocks.iter().copied())?;
    let DesignEffect { deff, df } = design_effect(blocks)?;
    effective_with(sum.k, sum.n, deff, df, alpha)
}

/// Computes the effective share of `k` of `n` requests with a known design effect.
///
/// `n_eff = min(n/deff · (t_{n−1,1−α}/t_{df,1−α})², 10⁷)` and `k_eff = k/n · n_eff`.
pub fn effective_with(k: f64, n: f64, deff: f64, df: f64, alpha: f64) -> Option<Effective> {
    let Block { n: total, k } = total([Block { n, k }])?;
    let size = DesignEffect { deff, df }.effective(total, alpha)?;
    let p = k / total;
    Some(Effective { n: size, k: p * size, deff, df, p, total })
}

/// Estimates the design effect of blocks: the variance of `Σ e` for `e = k_b − p·n_b`, divided by `N·p·(1−p)`, at least 1.
///
/// Without bad requests, and without good ones, it is 1 with as many degrees of freedom as there are blocks, less one.
pub fn design_effect(blocks: &[Block]) -> Option<DesignEffect> {
    let sum = total(blocks.iter().copied())?;
    let variance = depend(&deviations(blocks)?)?;
    let p = sum.k / sum.n;
    DesignEffect::new(variance.variance, sum.n * p * (1.0 - p), 1.0, variance.df)
}

/// Coefficient of the blocks' autoregressive process, by which a load is found not to be steady; see
/// [`NOT_STEADY`](super::dependence::NOT_STEADY).
pub fn steadiness(blocks: &[Block]) -> Option<f64> {
    coefficient(&deviations(blocks)?)
}

/// Deviations `k_b − p·n_b`, which sum to 0.
fn deviations(blocks: &[Block]) -> Option<Vec<f64>> {
    let sum = total(blocks.iter().copied())?;
    let p = sum.k / sum.n;
    Some(blocks.iter().map(|block| block.k - p * block.n).collect())
}

/// Lower and upper limit of the share, each of which is missed with a probability of at most `alpha`.
///
/// `lo = I⁻¹(α; k, n−k+1)` and `hi = I⁻¹(1−α; k+1, n−k)`; 0 and 1 for arguments that are out of range.
pub fn limits(share: &Effective, alpha: f64) -> [f64; 2] {
    clopper_pearson(share.k, share.n, alpha)
}

/// Limits of `k` of `n` independent requests, as [`limits`]. The numbers need not be whole.
pub fn clopper_pearson(k: f64, n: f64, alpha: f64) -> [f64; 2] {
    if !is_share(k, n) {
        return [0.0, 1.0];
    }
    let lower = quantile(alpha, k, n - k + 1.0).unwrap_or(0.0);
    let upper = quantile(1.0 - alpha, k + 1.0, n - k).unwrap_or(1.0);
    [lower, upper]
}

/// Probability of as many bad requests or more if their share is `theta0`: `I_{θ₀}(k, n−k+1)`.
///
/// At most α exactly if the lower limit is above `theta0`. 1 if it cannot be computed.
pub fn p_violated(share: &Effective, theta0: f64) -> f64 {
    if !is_share(share.k, share.n) {
        return 1.0;
    }
    regularized(share.k, share.n - share.k + 1.0, theta0.min(1.0)).unwrap_or(1.0)
}

/// Probability of as few bad requests or fewer if their share is `theta0`: `1 − I_{θ₀}(k+1, n−k)`.
///
/// At most α exactly if the upper limit is at most `theta0`. 1 if it cannot be computed.
pub fn p_satisfied(share: &Effective, theta0: f64) -> f64 {
    if !is_share(share.k, share.n) {
        return 1.0;
    }
    if theta0 >= 1.0 {
        return 0.0;
    }
    regularized(share.n - share.k, share.k + 1.0, 1.0 - theta0).unwrap_or(1.0)
}

fn is_share(k: f64, n: f64) -> bool {
    super::blocks::is_possible(Block { n, k }) && n > 0.0
}

#[cfg(test)]
#[path = "proportion_tests.rs"]
mod tests;
