//! Exact statistics of counted shares: how many of `n` responses came from each version, and if that agrees with the expected split.
//!
//! Nothing here is a normal approximation, because a canary's counts are small when they matter. Tails of the binomial distribution are
//! summed term by term from their largest term, which takes O(√n) steps and keeps every digit of small probabilities. The regularized
//! beta function of `statrs` would be one call, but its continued fraction stops after 140 terms and is wrong for large counts.
//!
//! Responses are taken as independent of each other. Routers that choose a version per connection or per client violate that.

use std::fmt;

use statrs::function::factorial::{ln_binomial, ln_factorial};

/// Above this many responses, counts are scaled down to it: the shares stay the same and the evidence gets weaker, never stronger.
const MAX_RESPONSES: u64 = 1_000_000_000;

/// Largest number of outcomes that the multinomial test enumerates.
const MAX_OUTCOMES: u64 = 200_000;

/// Likelihoods this close are equal, as in R's `binom.test`.
const RELATIVE_TIE: f64 = 1e-7;

/// Method of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Shares of 0 and 1 leave nothing to chance: the probability is 0 or 1.
    Certain,
    /// Exact binomial test of two versions.
    Binomial,
    /// Exact multinomial test, by enumeration of all outcomes.
    Multinomial,
    /// One exact binomial test per version, corrected by Bonferroni, which for the smallest of them is the same as by Holm. Never rejects
    /// more often than the significance allows.
    BinomialPerVersion,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certain => "no chance",
            Self::Binomial => "binomial test",
            Self::Multinomial => "multinomial test",
            Self::BinomialPerVersion => "binomial test per version",
        })
    }
}

/// Agreement of observed counts with expected shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    /// Probability, with the expected shares, of an outcome that is at most as likely as the observed one.
    pub p_value: f64,
    /// Method that computed it.
    pub method: Method,
}

/// Normalizes weights or percentages to shares that sum to 1. Returns `None` if there are none, one is negative or not finite, or all
/// are 0.
pub(crate) fn shares(weights: &[f64]) -> Option<Vec<f64>> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let is_valid = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
    if !is_valid || largest <= 0.0 {
        return None;
    }
    // Divided before they are summed, so that large weights do not overflow.
    let total: f64 = weights.iter().map(|weight| weight / largest).sum();
    Some(weights.iter().map(|weight| weight / largest / total).collect())
}

/// Clopper–Pearson interval of a proportion, `count` of `total`. Each of its ends is missed with a probability of at most
/// (1 - confidence) / 2.
pub(crate) fn interval(count: u64, total: u64, confidence: f64) -> [f64; 2] {
    let (count, total) = (scaled(count.min(total), total), total.min(MAX_RESPONSES));
    let tail = (1.0 - confidence).max(0.0) / 2.0;
    if total == 0 {
        return [0.0, 1.0];
    }
    [lower_bound(count, total, tail), 1.0 - lower_bound(total - count, total, tail)]
}

/// Share at which `count` responses or more have a probability of `tail`.
///
/// Newton's method on the logarithms of share and probability, which are nearly proportional: a handful of steps instead of the 60 of a
/// bisection, each of which sums a tail. Steps that leave the bracket halve it.
fn lower_bound(count: u64, total: u64, tail: f64) -> f64 {
    if count == 0 || tail <= 0.0 {
        return 0.0;
    }
    if count == total {
        return tail.powf(1.0 / total as f64);
    }
    let mut at = (count as f64 / total as f64).ln();
    let (mut low, mut high) = (f64::NEG_INFINITY, at);
    for _ in 0..100 {
        let probability = upper_tail(count, total, at.exp());
        if probability > tail {
            high = at;
        } else {
            low = at;
        }
        let slope = count as f64 * ln_probability(count, total, at.exp()).exp() / probability;
        let step = at - (probability / tail).ln() / slope;
        let next = if low < step && step < high { step } else { f64::midpoint(low, high) };
        if !next.is_finite() || (next - at).abs() <= 4.0 * f64::EPSILON * at.abs() {
            break;
        }
        at = next;
    }
    at.exp()
}

/// Exact two-sided binomial test of `count` of `total` against a share, by the method of minimum likelihood, as in R's `binom.test`.
/// Returns the p-value.
pub(crate) fn binomial_test(count: u64, total: u64, share: f64) -> f64 {
    let (count, total) = (scaled(count.min(total), total), total.min(MAX_RESPONSES));
    if share <= 0.0 {
        return if count == 0 { 1.0 } else { 0.0 };
    }
    if share >= 1.0 {
        return if count == total { 1.0 } else { 0.0 };
    }
    let mean = total as f64 * share;
    let limit = ln_probability(count, total, share) + tie(total);
    let is_as_unlikely = |at: u64| ln_probability(at, total, share) <= limit;
    let p_value = if count as f64 == mean {
        1.0
    } else if (count as f64) < mean {
        // Probabilities fall from the mean to `total`: the first one that is as unlikely starts the other tail.
        let other = first(mean.ceil() as u64, total + 1, is_as_unlikely);
        lower_tail(count, total, share) + upper_tail(other, total, share)
    } else {
        let end = first(0, mean.floor() as u64 + 1, |at| !is_as_unlikely(at));
        let other = end.checked_sub(1).map_or(0.0, |last| lower_tail(last, total, share));
        other + upper_tail(count, total, share)
    };
    p_value.min(1.0)
}

/// Tests counts of versions against their shares, which sum to 1. A version with a share of 0 and a response makes the p-value 0.
///
/// Two versions are tested by [`binomial_test`]. Three and more are tested by the exact multinomial test, which sums the probabilities of
/// all outcomes that are at most as likely as the observed one, if there are at most 200,000 outcomes (630 responses of three versions).
/// Beyond that, each version is tested by itself, and the smallest p-value is multiplied by the number of versions.
pub(crate) fn goodness_of_fit(counts: &[u64], shares: &[f64]) -> Fit {
    let certain = |p_value| Fit { p_value, method: Method::Certain };
    let pairs = || counts.iter().copied().zip(shares.iter().copied());
    if pairs().any(|(count, share)| share <= 0.0 && count > 0) {
        return certain(0.0);
    }
    let open: Vec<(u64, f64)> = pairs().filter(|(_, share)| *share > 0.0).collect();
    let total = open.iter().fold(0_u64, |sum, (count, _)| sum.saturating_add(*count));
    match open.as_slice() {
        [] | [_] => certain(1.0),
        [(count, share), _] => Fit { p_value: binomial_test(*count, total, *share), method: Method::Binomial },
        versions if outcomes(total, versions.len()).is_some_and(|outcomes| outcomes <= MAX_OUTCOMES) => {
            Fit { p_value: multinomial_test(versions, total), method: Method::Multinomial }
        }
        versions => {
            let smallest =
                versions.iter().map(|(count, share)| binomial_test(*count, total, *share)).fold(1.0, f64::min);
            let p_value = (smallest * versions.len() as f64).min(1.0);
            Fit { p_value, method: Method::BinomialPerVersion }
        }
    }
}

/// Number of requests after which the probability that a version with this share has sent no response is at most `significance`.
/// Returns `None` for a share of 0, which is never seen.
pub(crate) fn needed(share: f64, significance: f64) -> Option<u64> {
    if !(share > 0.0 && significance > 0.0) {
        return None;
    }
    let requests = significance.ln() / (-share).ln_1p();
    Some((requests.ceil() as u64).max(1))
}

fn scaled(count: u64, total: u64) -> u64 {
    if total <= MAX_RESPONSES {
        return count;
    }
    let scaled = u128::from(count) * u128::from(MAX_RESPONSES) / u128::from(total);
    // Rounding must not turn a part into none or all of the responses.
    let is_part = count > 0 && count < total;
    let scaled = u64::try_from(scaled).unwrap_or(MAX_RESPONSES);
    if is_part { scaled.clamp(1, MAX_RESPONSES - 1) } else { scaled }
}

/// Logarithm of the probability of `count` in `total`, for a share between 0 and 1.
fn ln_probability(count: u64, total: u64, share: f64) -> f64 {
    ln_binomial(total, count) + count as f64 * share.ln() + (total - count) as f64 * (-share).ln_1p()
}

/// Difference below which two logarithms of probabilities are equal. Those of large counts are differences of large numbers.
fn tie(total: u64) -> f64 {
    let magnitude = total as f64 * (total as f64).max(2.0).ln();
    (8.0 * f64::EPSILON * magnitude).max(RELATIVE_TIE)
}

/// P(X ≤ count). Accurate if `count` is at most the mean.
fn lower_tail(count: u64, total: u64, share: f64) -> f64 {
    let odds = (1.0 - share) / share;
    let fall = |at: u64| at as f64 / (total - at + 1) as f64 * odds;
    sum_of_tail(ln_probability(count, total, share).exp(), (1..=count).rev().map(fall))
}

/// P(X ≥ count). Accurate if `count` is at least the mean.
fn upper_tail(count: u64, total: u64, share: f64) -> f64 {
    if count > total {
        return 0.0;
    }
    let odds = share / (1.0 - share);
    let fall = |at: u64| (total - at) as f64 / (at + 1) as f64 * odds;
    sum_of_tail(ln_probability(count, total, share).exp(), (count..total).map(fall))
}

/// Sums a falling tail, given its first term and the factor from each term to the next. Ends once the terms no longer matter.
fn sum_of_tail(first: f64, factors: impl Iterator<Item = f64>) -> f64 {
    let (mut term, mut sum) = (first, first);
    for factor in factors {
        term *= factor;
        if term < sum * 1e-17 {
            break;
        }
        sum += term;
    }
    sum
}

/// Returns the first of `from..end` that fulfills a condition which, once fulfilled, stays so; `end` if there is none.
fn first(from: u64, end: u64, is_fulfilled: impl Fn(u64) -> bool) -> u64 {
    let (mut from, mut end) = (from, end.max(from));
    while from < end {
        let middle = from + (end - from) / 2;
        if is_fulfilled(middle) {
            end = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

/// Number of ways to share `total` responses among versions; `None` if it is too large for a `u64`.
fn outcomes(total: u64, versions: usize) -> Option<u64> {
    let mut outcomes = 1_u64;
    for at in 1..versions as u64 {
        outcomes = outcomes.checked_mul(total.checked_add(at)?)? / at;
    }
    Some(outcomes)
}

fn multinomial_test(versions: &[(u64, f64)], total: u64) -> f64 {
    // Logarithm of share^count / count!, up to the constant total!.
    let term = |count: u64, share: f64| count as f64 * share.ln() - ln_factorial(count);
    let observed: f64 = versions.iter().map(|(count, share)| term(*count, *share)).sum();
    let tables: Vec<Vec<f64>> =
        versions.iter().map(|(_, share)| (0..=total).map(|count| term(count, *share)).collect()).collect();
    let Some((last, others)) = tables.split_last() else { return 1.0 };
    let offset = ln_factorial(total);
    let limit = observed + tie(total);
    let mut sum = 0.0;
    enumerate(others, last, total as usize, 0.0, &mut |ln_probability| {
        if ln_probability <= limit {
            sum += (ln_probability + offset).exp();
        }
    });
    sum.min(1.0)
}

/// Visits every outcome with its logarithmic probability. The last version gets what the others leave.
fn enumerate(others: &[Vec<f64>], last: &[f64], left: usize, sum: f64, visit: &mut impl FnMut(f64)) {
    match others.split_first() {
        None => visit(sum + last.get(left).copied().unwrap_or(f64::NEG_INFINITY)),
        Some((table, others)) => {
            for (count, term) in table.iter().enumerate().take(left + 1) {
                enumerate(others, last, left - count, sum + term, visit);
            }
        }
    }
}

#[cfg(test)]
#[path = "proportion_tests.rs"]
mod tests;
