//! Evidence that may be looked at after every second, and acted on.
//!
//! Testing again and again finds something in the end, unless the test allows for it. The evidence `E` here is a likelihood ratio: that of
//! the limit against a mixture of all shares on one side of it, weighted by a beta distribution (Robbins 1970; Howard, Ramdas, McAuliffe
//! and Sekhon, Annals of Statistics 2021; `confseq`). If the share is at the limit, `E` ever reaches `1/α` with a probability of at most α,
//! so a load may end at any time at which it does. That is a theorem for independent requests; for effective ones it holds by simulation.

use super::beta::{bisect, ln_beta, ln_regularized};

/// Weight of shares in the mixture: Beta(a, b) around the limit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mixture {
    a: f64,
    b: f64,
}

impl Mixture {
    /// Mixture of a limit, which is its mean. `a = 1` makes it sharpest at about eight effective exceedances.
    fn at(theta0: f64) -> Self {
        Self { a: 1.0, b: (1.0 - theta0) / theta0 }
    }

    /// `ln` of the likelihood ratio of the shares on both sides:
    /// `ln B(a+k, b+n−k) − ln B(a, b) − k·ln θ₀ − (n−k)·ln(1−θ₀)`.
    fn ln_both(self, k: f64, n: f64, theta0: f64) -> Option<f64> {
        let gain = ln_beta(self.a + k, self.b + n - k)? - ln_beta(self.a, self.b)?;
        Some(gain - k * theta0.ln() - (n - k) * (-theta0).ln_1p())
    }

    /// As [`ln_both`](Self::ln_both), of the shares below the limit alone.
    fn ln_below(self, k: f64, n: f64, theta0: f64) -> Option<f64> {
        let weight = ln_regularized(self.a + k, self.b + n - k, theta0)? - ln_regularized(self.a, self.b, theta0)?;
        Some(self.ln_both(k, n, theta0)? + weight)
    }

    /// As [`ln_both`](Self::ln_both), of the shares above the limit alone.
    fn ln_above(self, k: f64, n: f64, theta0: f64) -> Option<f64> {
        let weight =
            ln_regularized(self.b + n - k, self.a + k, 1.0 - theta0)? - ln_regularized(self.b, self.a, 1.0 - theta0)?;
        Some(self.ln_both(k, n, theta0)? + weight)
    }
}

/// `ln E<`: evidence that the share is below `theta0`, with `k` of `n` effective requests over the limit. "Satisfied" at `ln(1/α)`.
///
/// Negative infinity, which is none at all, if it cannot be computed.
pub fn ln_satisfied(k: f64, n: f64, theta0: f64) -> f64 {
    if is_valid(k, n) && theta0 >= 1.0 {
        return f64::INFINITY;
    }
    of_domain(k, n, theta0, Mixture::ln_below)
}

/// `ln E>`: evidence that the share is above `theta0`. "Violated" at `ln(1/α)`.
///
/// Negative infinity, which is none at all, if it cannot be computed.
pub fn ln_violated(k: f64, n: f64, theta0: f64) -> f64 {
    if is_valid(k, n) && theta0 == 0.0 && k > 0.0 {
        return f64::INFINITY;
    }
    of_domain(k, n, theta0, Mixture::ln_above)
}

/// Limits of the share that hold at every look: the evidence against shares outside of them has reached `1/alpha`.
pub fn limits(k: f64, n: f64, alpha: f64) -> [f64; 2] {
    if !is_valid(k, n) || !is_level(alpha) {
        return [0.0, 1.0];
    }
    let (p, threshold) = (k / n, -alpha.ln());
    // The evidence for "violated" falls as the limit rises, and that for "satisfied" rises.
    let lower = bisect(0.0, p, |theta0| Some(ln_violated(k, n, theta0) < threshold));
    let upper = bisect(p, 1.0, |theta0| Some(ln_satisfied(k, n, theta0) >= threshold));
    [lower.unwrap_or(0.0), upper.unwrap_or(1.0)]
}

/// Counts over a limit at which the evidence of `n` effective requests decides, as [`percentile::ranks`](super::percentile::ranks): the
/// largest for "satisfied", and the smallest for "violated".
pub fn ranks(n: f64, theta0: f64, alpha: f64) -> (Option<f64>, Option<f64>) {
    if !is_valid(0.0, n) || !is_level(alpha) {
        return (None, None);
    }
    let threshold = -alpha.ln();
    let passes = |k: f64| ln_satisfied(k, n, theta0) >= threshold;
    let fails = |k: f64| ln_violated(k, n, theta0) >= threshold;
    let expected = theta0.clamp(0.0, 1.0) * n;
    let most = || if passes(expected) { Some(expected) } else { bisect(0.0, expected, |k| Some(!passes(k))) };
    let least = || bisect(expected, n, |k| Some(fails(k)));
    (if passes(0.0) { most() } else { None }, if fails(n) { least() } else { None })
}

fn of_domain(k: f64, n: f64, theta0: f64, ln: impl Fn(Mixture, f64, f64, f64) -> Option<f64>) -> f64 {
    let is_inside = is_valid(k, n) && theta0 > 0.0 && theta0 < 1.0;
    let value = if is_inside { ln(Mixture::at(theta0), k, n, theta0) } else { None };
    value.filter(|ln| !ln.is_nan()).unwrap_or(f64::NEG_INFINITY)
}

fn is_valid(k: f64, n: f64) -> bool {
    k >= 0.0 && k <= n && n > 0.0 && n.is_finite()
}

fn is_level(alpha: f64) -> bool {
    alpha > 0.0 && alpha < 1.0
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
