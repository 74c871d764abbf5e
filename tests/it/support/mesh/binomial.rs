//! Bounds for counts of random choices.

use std::ops::RangeInclusive;

/// Probability that a correct program fails a test of such a count.
const FALSE_ALARM: f64 = 1e-6;

/// The smallest interval around the mean that holds the number of successes in `n` trials of probability `p`, except with probability
/// [`FALSE_ALARM`], half of it on either side.
pub fn interval(n: usize, p: f64) -> RangeInclusive<usize> {
    let mut sum = 0.0;
    let mut first = None;
    for (k, probability) in probabilities(n, p).enumerate() {
        sum += probability;
        if sum > FALSE_ALARM / 2.0 {
            first.get_or_insert(k);
        }
        if sum >= 1.0 - FALSE_ALARM / 2.0 {
            return first.unwrap_or(0)..=k;
        }
    }
    first.unwrap_or(0)..=n
}

/// Probability of 0, 1, … `n` successes, as logarithms until the end: the first are too small for a float.
#[expect(clippy::cast_precision_loss, reason = "tests have fewer than 2^52 trials")]
fn probabilities(n: usize, p: f64) -> impl Iterator<Item = f64> {
    let mut logarithm = (1.0 - p).ln() * n as f64;
    (0..=n).map(move |k| {
        let this = logarithm.exp();
        logarithm += ((n - k) as f64 / (k + 1) as f64).ln() + (p / (1.0 - p)).ln();
        this
    })
}
