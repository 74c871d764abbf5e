//! Variance of the sum of a series whose entries depend on their neighbours.
//!
//! Two families of estimates are compared, and the largest variance wins, because too small a variance makes false claims:
//!
//! - *Batch means* (Schmeiser 1982): sums of 1, 2, 4, … neighbours are taken as independent. Long batches see long dependence, but there
//!   are few of them; fewer than five are not used.
//! - *An autoregressive process of order 1* on the entries, with Kendall's correction of its coefficient's bias, as in Skart (Tafazzoli
//!   and Wilson 2011). It sees dependence that outlasts the batches.

use super::beta::student;

/// Least number of batches of more than one entry.
const MIN_BATCHES: usize = 5;
/// Least number of entries for the autoregressive estimate.
const MIN_ENTRIES: usize = 8;
/// Largest coefficient: a series of 30 entries cannot tell a higher one from a trend.
const MAX_COEFFICIENT: f64 = 0.95;
/// Coefficient from which on a load was not steady.
pub const NOT_STEADY: f64 = 0.8;

/// Variance of a series' sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dependence {
    /// Variance of the sum.
    pub variance: f64,
    /// Degrees of freedom of the variance.
    pub df: f64,
}

/// Estimates the variance of the sum of `e`, deviations from a mean that sum to 0.
///
/// - For m = 1, 2, 4, …: `J = ⌊B/m⌋` batches, the rest joins the last; `V = J/(J−1) · Σ f²` of their sums `f`, and `df = J−1`.
/// - For `B ≥ 8` entries: `V = g·V₁` with `g = (1+φ)/(1−φ)` of the [`coefficient`], and `df = max((B−1)/g, 2)`.
///
/// Returns `None` for fewer than two entries, and if one is not finite.
pub fn depend(e: &[f64]) -> Option<Dependence> {
    let single = batches(e, 1)?;
    let mut candidates = vec![single];
    candidates.extend(coefficient(e).map(|phi| {
        let growth = (1.0 + phi) / (1.0 - phi);
        Dependence { variance: growth * single.variance, df: (single.df / growth).max(2.0) }
    }));
    let longer = (1..usize::BITS).map(|power| 1 << power);
    candidates.extend(longer.map_while(|m| (e.len() / m >= MIN_BATCHES).then(|| batches(e, m))).flatten());
    // The first of equals: `max_by` would return the last.
    let largest = candidates.into_iter().reduce(|best, next| if next.variance > best.variance { next } else { best });
    largest.filter(|answer| answer.variance.is_finite())
}

/// Distance from an estimate to each end of its interval, `t_{df,1−α}·√V`, from the deviations `e` that sum up to its error.
///
/// Returns `None` if [`depend`] does, and if the quantile cannot be computed.
pub(super) fn reach(e: &[f64], alpha: f64) -> Option<f64> {
    let Dependence { variance, df } = depend(e)?;
    Some(student(1.0 - alpha, df)? * variance.sqrt())
}

/// Coefficient of the autoregressive process: `φ = Σ e_t·e_{t−1} / Σ e_t²`, corrected to `(Bφ+1)/(B−3)`, between 0 and 0.95.
///
/// Returns `None` for fewer than eight entries, and if all are 0.
pub fn coefficient(e: &[f64]) -> Option<f64> {
    if e.len() < MIN_ENTRIES {
        return None;
    }
    let squares: f64 = e.iter().map(|entry| entry * entry).sum();
    let products: f64 = e.iter().zip(e.iter().skip(1)).map(|(before, after)| before * after).sum();
    let count = e.len() as f64;
    let phi = (count * products / squares + 1.0) / (count - 3.0);
    (squares > 0.0 && phi.is_finite()).then(|| phi.clamp(0.0, MAX_COEFFICIENT))
}

/// Estimate from batches of `m` entries.
fn batches(e: &[f64], m: usize) -> Option<Dependence> {
    let count = e.len() / m;
    if count < 2 || e.iter().any(|entry| !entry.is_finite()) {
        return None;
    }
    let (first, last) = e.split_at((count - 1) * m);
    let square = |batch: &[f64]| batch.iter().sum::<f64>().powi(2);
    let squares: f64 = first.chunks(m).map(square).sum::<f64>() + square(last);
    let df = count as f64 - 1.0;
    Some(Dependence { variance: (df + 1.0) / df * squares, df })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::confidence::testing::assert_close;

    fn sum(e: &[f64]) -> Dependence {
        depend(e).unwrap()
    }

    #[test]
    fn two_to_four_entries_are_wide_and_one_is_not_enough() {
        assert_eq!([depend(&[]), depend(&[0.0]), depend(&[1.0, f64::NAN])], [None; 3]);
        assert_eq!(sum(&[1.0, -1.0]), Dependence { variance: 4.0, df: 1.0 });
        assert_eq!(sum(&[1.0, -1.0, 0.0]), Dependence { variance: 3.0, df: 2.0 });
        assert_eq!(sum(&[1.0, -1.0, 1.0, -1.0]).df, 3.0);
    }

    #[test]
    fn single_blocks_agree_with_r_survey() {
        // Classes of `apiclus1` in 15 districts, 4 bad ones of 183, all in the eleventh: `svymean`'s design effect.
        let sizes = [13.0, 34.0, 4.0, 13.0, 16.0, 2.0, 1.0, 4.0, 12.0, 21.0, 9.0, 11.0, 37.0, 2.0, 4.0];
        let p = 4.0 / 183.0;
        let bad = |at: usize| if at == 10 { 4.0 } else { 0.0 };
        let e: Vec<f64> = sizes.iter().enumerate().map(|(at, n)| bad(at) - p * n).collect();
        assert_close(batches(&e, 1).unwrap().variance / (183.0 * p * (1.0 - p)), 4.469_012);
    }

    #[test]
    fn equal_entries_have_no_variance() {
        assert_eq!(sum(&[0.0; 20]), Dependence { variance: 0.0, df: 19.0 });
        assert_eq!(coefficient(&[0.0; 20]), None);
    }

    #[test]
    fn neighbours_that_move_together_count_as_one() {
        // Every value twice: as pairs, ten independent entries of twice the size.
        let values = [1.0, -2.0, 3.0, -1.0, -3.0, 2.0, 2.0, -1.0, 1.0, -2.0];
        let doubled: Vec<f64> = values.iter().flat_map(|value| [*value, *value]).collect();
        assert!(sum(&doubled).variance >= 4.0 * 10.0 / 9.0 * 38.0 - 1e-9);
        assert!(sum(&doubled).variance > 1.9 * batches(&doubled, 1).unwrap().variance);
    }

    #[test]
    fn the_rest_joins_the_last_batch() {
        // Five batches of 2, and the eleventh entry in the last of them.
        let e = [1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -2.0];
        assert_eq!(batches(&e, 2), Some(Dependence { variance: 5.0 / 4.0 * 16.0, df: 4.0 }));
    }

    #[test]
    fn a_trend_is_not_steady_and_alternation_is() {
        let trend: Vec<f64> = (0..20).map(|at| f64::from(at) - 9.5).collect();
        assert!(coefficient(&trend).unwrap() >= NOT_STEADY);
        let alternating: Vec<f64> = (0..20).map(|at| if at % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert_eq!(coefficient(&alternating), Some(0.0));
        assert_eq!(sum(&alternating).df, 19.0);
    }

    proptest! {
        #[test]
        fn no_series_gives_nan_or_less_than_independent_blocks(e in prop::collection::vec(any::<f64>(), 0..40)) {
            if let Some(answer) = depend(&e) {
                prop_assert!(answer.variance >= batches(&e, 1).unwrap().variance && answer.variance.is_finite());
                prop_assert!(answer.df >= 1.0 && answer.df < 40.0);
            }
        }
    }
}
