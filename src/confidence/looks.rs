//! Looks at a load that ends with its verdict.
//!
//! Half of α is for the looks, the other half for the end of the load.

use super::beta::{MAX_COUNT, normal, student};
use super::design_effect::DesignEffect;

/// First look, in seconds from the start.
pub const FIRST: f64 = 10.0;
/// Factor between the times of successive looks at a comparison.
const GROWTH: f64 = 1.5;
/// Maximum number of planned looks, enough for more than a year.
const MAX_LOOKS: usize = 60;

/// Effective number of requests at a look: `N/deff·(z_{1−α/8}/t_{df,1−α/8})²`, at most ten million; `None` if it cannot be computed.
///
/// The correction for few blocks is stricter than at the end, because it has to hold at all looks.
pub fn effective(total: f64, effect: DesignEffect, alpha: f64) -> Option<f64> {
    effective_with(total, effect.deff, few_blocks(effect.df, alpha)?)
}

/// Effective number of requests as [`effective`], with a known correction for few blocks.
pub fn effective_with(total: f64, deff: f64, correction: f64) -> Option<f64> {
    let size = total / deff * correction;
    (size > 0.0 && deff > 0.0).then(|| size.min(MAX_COUNT))
}

/// Correction for few blocks: `(z_{1−α/8}/t_{df,1−α/8})²`, at most 1.
pub fn few_blocks(df: f64, alpha: f64) -> Option<f64> {
    let p = 1.0 - alpha / 8.0;
    let factor = (normal(p)? / student(p, df)?).powi(2);
    Some(if factor.is_nan() { 0.0 } else { factor.min(1.0) })
}

/// Design effect for the claim "satisfied" at a look: while fewer than 40 exceedances, in independent ones, have been seen, requests of one
/// burst are taken as one, at least `rate·burst` (requests per second, seconds).
pub fn with_burst(effect: DesignEffect, exceedances: f64, rate: f64, burst: f64) -> DesignEffect {
    let has_enough = exceedances / effect.deff >= super::design_effect::FEW_BEFORE_END;
    let in_burst = rate * burst;
    if has_enough || in_burst.is_nan() { effect } else { DesignEffect { deff: effect.deff.max(in_burst), ..effect } }
}

/// Evidence, as a logarithm, at which a look says "satisfied": `ln(2/α)`.
pub fn satisfied_threshold(alpha: f64) -> f64 {
    (2.0 / alpha).ln()
}

/// Evidence at which a look says "violated" with `objectives` of a version: `ln(2m/α)`, by Bonferroni.
pub fn violated_threshold(alpha: f64, objectives: usize) -> f64 {
    (2.0 * objectives.max(1) as f64 / alpha).ln()
}

/// Looks at a comparison of two versions, in seconds: 10, 15, 23, 35, 53, 80, … before the end of the load.
pub fn schedule(duration: f64) -> Vec<f64> {
    let later = std::iter::successors(Some(FIRST), |look| Some((look * GROWTH).ceil()));
    later.take(MAX_LOOKS).take_while(|look| *look < duration).collect()
}

/// Error of each look at a comparison: half of α, divided equally among all looks before the end.
pub fn alpha_per_look(alpha: f64, looks: usize) -> f64 {
    alpha / 2.0 / looks.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confidence::testing::assert_close;

    #[test]
    fn looks_get_rarer() {
        assert_eq!(schedule(120.0), [10.0, 15.0, 23.0, 35.0, 53.0, 80.0]);
        assert_eq!([schedule(10.0), schedule(f64::NAN)], [Vec::<f64>::new(), Vec::new()]);
        assert!(schedule(f64::INFINITY).len() == MAX_LOOKS);
        assert_close(alpha_per_look(0.05, 5), 0.005);
        assert_close(alpha_per_look(0.05, 0), 0.025);
    }

    #[test]
    fn few_blocks_count_less_at_a_look() {
        let effect = DesignEffect { deff: 2.0, df: 2.0 };
        // t with 2 degrees of freedom in closed form: (2p−1)·√(2/(4p(1−p))).
        let p: f64 = 1.0 - 0.05 / 8.0;
        let t = (2.0 * p - 1.0) * (2.0 / (4.0 * p * (1.0 - p))).sqrt();
        assert_close(effective(1_000.0, effect, 0.05).unwrap(), 500.0 * (normal(p).unwrap() / t).powi(2));
        assert_eq!(effective(1_000.0, DesignEffect { deff: 1.0, df: f64::NAN }, 0.05), None);
        assert_eq!(effective(1e12, DesignEffect { deff: 1.0, df: 1e9 }, 0.05), Some(MAX_COUNT));
    }

    #[test]
    fn requests_of_a_burst_are_one_until_enough_are_seen() {
        let effect = DesignEffect { deff: 1.5, df: 9.0 };
        assert_eq!(with_burst(effect, 59.0, 50.0, 0.1).deff, 5.0);
        assert_eq!(with_burst(effect, 60.0, 50.0, 0.1).deff, 1.5);
        assert_eq!(with_burst(effect, 0.0, 50.0, 0.0).deff, 1.5);
        assert_eq!(with_burst(effect, 0.0, f64::NAN, 0.1).deff, 1.5);
    }

    #[test]
    fn more_objectives_need_more_evidence() {
        assert_close(satisfied_threshold(0.05), 40.0_f64.ln());
        assert_close(violated_threshold(0.05, 3), 120.0_f64.ln());
    }
}
