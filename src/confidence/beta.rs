//! Distribution functions and quantiles of the beta, Student and normal distributions.
//!
//! `statrs` has them, too, but its regularized beta function stops after 140 terms, and its inverse does not return for some arguments
//! (`inv_beta_reg(1, 1e8, 0.95)`), which its Student quantile is built on. Here, the continued fraction of Numerical Recipes (§6.4, Lentz's
//! method) runs until it converges, its factor is computed by Loader's expansion (Fast and Accurate Computation of Binomial Probabilities,
//! 2000), which keeps its digits for large counts, and quantiles are bisected.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::gamma::ln_gamma;

/// Largest number of effective requests. The limits are within 0.05 % of the share then, and more would only cost time.
pub const MAX_COUNT: f64 = 1e7;

/// Terms of the continued fraction: some multiples of the square root of [`MAX_COUNT`], which is what it takes near the mean.
const MAX_TERMS: u32 = 20_000;

/// Steps of a bisection: more than there are powers of two in a float.
const MAX_STEPS: u32 = 1_200;

/// Degrees of freedom above which Student's distribution is taken as normal.
const MAX_DF: f64 = 1e7;

/// Regularized incomplete beta function `I_x(a, b)`: probability that a Beta(a, b) variable is at most `x`.
///
/// `a = 0` is a variable that is always 0, and `b = 0` one that is always 1. Returns `None` if both are 0, or for arguments outside of
/// the function's domain.
pub fn regularized(a: f64, b: f64, x: f64) -> Option<f64> {
    ln_regularized(a, b, x).map(f64::exp)
}

/// `ln I_x(a, b)`, which keeps the digits of small probabilities; negative infinity if the probability is 0.
pub fn ln_regularized(a: f64, b: f64, x: f64) -> Option<f64> {
    let is_valid = a >= 0.0 && b >= 0.0 && a + b > 0.0 && (a + b).is_finite() && (0.0..=1.0).contains(&x);
    if !is_valid {
        return None;
    }
    if x == 1.0 || a == 0.0 {
        return Some(0.0);
    }
    if x == 0.0 || b == 0.0 {
        return Some(f64::NEG_INFINITY);
    }
    // The fraction converges quickly below the mean only; above, it is that of the other tail.
    let tail = |a: f64, b: f64, x: f64| match ln_factor(a, b, x) + (fraction(a, b, x) / a).ln() {
        // Rounding may exceed a probability of 1. `min(0.0)` would turn NaN into a probability of 1.
        ln if ln > 0.0 => 0.0,
        ln => ln,
    };
    let is_below_mean = x < (a + 1.0) / (a + b + 2.0);
    let ln = if is_below_mean { tail(a, b, x) } else { (-tail(b, a, 1.0 - x).exp()).ln_1p() };
    (!ln.is_nan()).then_some(ln)
}

/// Smallest `x` with `I_x(a, b) ≥ p`, by bisection.
pub fn quantile(p: f64, a: f64, b: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    bisect(0.0, 1.0, |x| Some(regularized(a, b, x)? >= p))
}

/// `ln B(a, b)`, the logarithm of the beta function, for positive `a` and `b`.
pub fn ln_beta(a: f64, b: f64) -> Option<f64> {
    let is_valid = a > 0.0 && b > 0.0 && (a + b).is_finite();
    is_valid.then(|| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)).filter(|ln| ln.is_finite())
}

/// Quantile of Student's distribution for a probability from 0.5 to 1, both excluded.
///
/// By `P(|T| ≤ t) = I_{t²/(df+t²)}(½, df/2)`.
pub fn student(p: f64, df: f64) -> Option<f64> {
    if !((0.5..1.0).contains(&p) && df > 0.0) {
        return None;
    }
    if df > MAX_DF {
        return normal(p);
    }
    let y = quantile(2.0 * p - 1.0, 0.5, df / 2.0)?;
    Some((df * y / (1.0 - y)).sqrt()).filter(|t| t.is_finite())
}

/// Quantile of the standard normal distribution for a probability between 0 and 1, both excluded.
pub fn normal(p: f64) -> Option<f64> {
    let is_valid = p > 0.0 && p < 1.0;
    is_valid.then(|| Normal::standard().inverse_cdf(p)).filter(|z| z.is_finite())
}

/// Smallest `x` between `low` and `high` from which on a condition holds; `high` if it holds nowhere below.
///
/// The condition must hold for every larger `x`, too.
///
/// Halves until the midpoint is one of the ends, which is as precise as floats are. `None` if the condition cannot be computed somewhere.
pub fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> Option<bool>) -> Option<f64> {
    if holds(low)? {
        return Some(low);
    }
    for _ in 0..MAX_STEPS {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// `ln(xᵃ (1−x)ᵇ / B(a, b))` without the difference of large logarithms: with `s = a+b` and `m = a/s`, it is
/// `a ln(x/m) + b ln((1−x)/(1−m)) + ½ ln(ab/(2πs)) + δ(s) − δ(a) − δ(b)`.
fn ln_factor(a: f64, b: f64, x: f64) -> f64 {
    let s = a + b;
    let (below, above) = (a / s, b / s);
    let distance = x - below;
    let powers = a * ln_ratio(x, below, distance) + b * ln_ratio(1.0 - x, above, -distance);
    let spread = 0.5 * (a.ln() + above.ln() - std::f64::consts::TAU.ln());
    powers + spread + stirling_error(s) - stirling_error(a) - stirling_error(b)
}

/// `ln(x/m)` for `x = m + distance`, which keeps its digits if they are close.
fn ln_ratio(x: f64, m: f64, distance: f64) -> f64 {
    if distance.abs() < 0.1 * m { (distance / m).ln_1p() } else { x.ln() - m.ln() }
}

/// `δ(a) = ln Γ(a) − (a−½) ln a + a − ½ ln 2π`, the error of Stirling's approximation.
fn stirling_error(a: f64) -> f64 {
    if a < 15.0 {
        return ln_gamma(a) - ((a - 0.5) * a.ln() - a + 0.5 * std::f64::consts::TAU.ln());
    }
    let square = a * a;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / (1188.0 * square)) / square) / square) / square)
        / a
}

/// Continued fraction of `I_x(a, b)`, by Lentz's method as in Numerical Recipes.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut product = d;
    for term in 1..=MAX_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for coefficient in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + coefficient * d);
            c = away_from_zero(1.0 + coefficient / c);
            step = d * c;
            product *= step;
        }
        if (step - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::confidence::testing::assert_close;

    #[test]
    fn distribution_functions_agree_with_their_closed_forms() {
        assert_close(regularized(1.0, 9.0, 0.2).unwrap(), 1.0 - 0.8_f64.powi(9));
        assert_close(regularized(7.0, 1.0, 0.9).unwrap(), 0.9_f64.powi(7));
        assert_close(regularized(4.0, 4.0, 0.5).unwrap(), 0.5);
        assert_close(ln_regularized(1.0, 2_000.0, 1.0 - 0.5_f64.powi(30)).unwrap(), 0.0);
        assert_close(ln_regularized(3_000.0, 1.0, 0.01).unwrap(), 3_000.0 * 0.01_f64.ln());
        assert_close(ln_beta(3.0, 4.0).unwrap(), -60.0_f64.ln());
    }

    #[test]
    fn quantiles_of_large_counts_have_their_digits() {
        // 1 - 0.05^(1/n), at arguments at which statrs does not return, and the median of a symmetrical distribution.
        assert_close(quantile(0.95, 1.0, 1e8).unwrap() * 1e8, -(0.05_f64.ln() / 1e8).exp_m1() * 1e8);
        assert_close(quantile(0.5, 5e6, 5e6).unwrap(), 0.5);
        // Normal approximation: its error is of the order of 1/n.
        let upper = quantile(0.95, 5e6 + 1.0, 5e6).unwrap();
        assert!((upper - (0.5 + 1.644_853_627 * 0.5 / 1e7_f64.sqrt())).abs() < 1e-7, "{upper}");
    }

    #[test]
    fn student_and_normal_quantiles_are_those_of_the_tables() {
        let table = [(0.95, 1.0, 6.313_751_515), (0.95, 2.0, 2.919_985_58), (0.975, 9.0, 2.262_157_163)];
        for (p, df, expected) in table {
            assert_close(student(p, df).unwrap(), expected);
        }
        assert_close(student(0.95, 1_499.0).unwrap(), 1.645_869_5);
        assert_close(student(0.95, 1e9).unwrap(), 1.644_853_627);
        assert_close(student(0.95, 9e6).unwrap(), 1.644_853_8);
        assert_close(normal(0.975).unwrap(), 1.959_963_985);
    }

    #[test]
    fn a_variable_without_spread_is_certain() {
        assert_eq!([regularized(0.0, 3.0, 0.0), regularized(3.0, 0.0, 0.9)], [Some(1.0), Some(0.0)]);
        assert_eq!([quantile(0.95, 0.0, 3.0), quantile(0.05, 3.0, 0.0)], [Some(0.0), Some(1.0)]);
        assert_eq!([regularized(0.0, 0.0, 0.5), quantile(0.5, f64::NAN, 1.0), student(0.95, 0.0)], [None; 3]);
    }

    proptest! {
        #[test]
        fn a_quantile_is_the_inverse(p in 0.001_f64..0.999, a in 0.1_f64..500.0, b in 0.1_f64..500.0) {
            let x = quantile(p, a, b).unwrap();
            prop_assert!((regularized(a, b, x).unwrap() - p).abs() < 1e-9);
            prop_assert!((regularized(b, a, 1.0 - x).unwrap() + p - 1.0).abs() < 1e-6);
        }

        #[test]
        fn no_argument_gives_nan(a in any::<f64>(), b in any::<f64>(), x in any::<f64>()) {
            for value in [regularized(a, b, x), ln_regularized(a, b, x), ln_beta(a, b), normal(x), student(x, a)] {
                prop_assert!(!value.is_some_and(f64::is_nan));
            }
        }
    }
}
