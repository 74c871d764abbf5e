//! Several objectives of one version.
//!
//! "All are satisfied" needs no correction: if one objective is violated in truth, the claim is wrong only if the test
//! of that one is (intersection–union test, Berger 1982). "One is violated" does: of 20 good objectives, one may fail
//! by chance. Holm's procedure (1979) keeps the probability that any objective is wrongly called violated at most α.

use super::beta::bisect;

/// Decides by Holm's procedure which of the p-values are significant: sorted, `p_(i) ≤ α/(m−i+1)`, up to the first that is not.
pub fn holm(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut significant = vec![false; p_values.len()];
    for (step, (index, p)) in order.into_iter().enumerate() {
        let allowed = alpha / (p_values.len() - step) as f64;
        // Not a number is larger than everything in this order, and never significant.
        if !(p >= 0.0 && p <= allowed) {
            break;
        }
        significant.iter_mut().skip(index).take(1).for_each(|flag| *flag = true);
    }
    significant
}

/// P-value of "violated" for an interval without a formula for it: the α at which its lower end, which rises with α,
/// exceeds the limit. 1 if it never does.
pub fn p_of_lower_end(limit: f64, lower_end: impl Fn(f64) -> Option<f64>) -> f64 {
    let is_above = |alpha: f64| lower_end(alpha).is_some_and(|end| end > limit);
    const MOST: f64 = 0.499_999;
    let touching = || bisect(1e-12, MOST, |alpha| Some(is_above(alpha)));
    if is_above(MOST) { touching().unwrap_or(1.0) } else { 1.0 }
}

/// The α at which an interval's upper end, which falls with α, gets below a lower limit.
pub fn p_of_upper_end(limit: f64, upper_end: impl Fn(f64) -> Option<f64>) -> f64 {
    p_of_lower_end(-limit, |alpha| upper_end(alpha).map(|end| -end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confidence::testing::assert_close;

    #[test]
    fn the_smallest_p_value_is_held_to_the_strictest_limit() {
        assert_eq!(holm(&[0.012, 0.02, 0.04, 0.3], 0.05), [true, false, false, false]);
        assert_eq!(holm(&[0.3, 0.02, 0.012, 0.01], 0.05), [false, true, true, true]);
        assert_eq!(holm(&[0.04], 0.05), [true]);
        assert_eq!(holm(&[0.03, 0.03], 0.05), [false, false]);
    }

    #[test]
    fn a_p_value_that_is_no_number_is_not_significant() {
        assert_eq!(holm(&[f64::NAN, 0.001, -1.0], 0.05), [false, false, false]);
        assert_eq!(holm(&[], 0.05), Vec::<bool>::new());
    }

    #[test]
    fn the_p_value_of_an_interval_is_the_alpha_at_which_it_touches_the_limit() {
        assert_close(p_of_lower_end(0.3, |alpha| Some(alpha * 10.0)), 0.03);
        assert_close(p_of_upper_end(0.3, |alpha| Some(1.0 - alpha * 10.0)), 0.07);
        assert_eq!([p_of_lower_end(9.0, Some), p_of_lower_end(0.0, |_| None)], [1.0, 1.0]);
    }
}
