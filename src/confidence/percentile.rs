//! Percentile against a limit, and its interval.
//!
//! "The q-quantile is at most L" is "the share over L is at most `θ₀ = 1−q`", so the verdict is that of [`proportion`](super::proportion).
//! The interval inverts the same limits (Woodruff 1952; `svyquantile(interval.type = "beta")` in R's package survey): a limit lies outside
//! of it exactly if the test of that limit decides. With independent requests it is the interval of order statistics (Hahn and Meeker).
//! Values are known up to the cell of the histogram, and cells go outward: to the upper edge at the upper end.

use super::beta::{bisect, regularized};
use super::order::{Ranked, cell_edges};
use crate::metrics::histogram::Histogram;
use crate::metrics::series;

/// Limit in microseconds, as a load counts: a request is over it if its latency in whole microseconds is larger.
///
/// Rounded down as for the columns of a series, so that 1.001 msec are 1001 µs. `None` if the limit is not a number.
pub fn limit_micros(limit_ms: f64) -> Option<u64> {
    (!limit_ms.is_nan()).then(|| series::limit_micros(limit_ms))
}

/// Lower limit in microseconds: a request is below it if its latency in whole microseconds is smaller.
///
/// Rounded up: 50 000 µs are below a limit of 50.0005 msec. `None` if the limit is not a number.
pub fn lower_limit_micros(limit_ms: f64) -> Option<u64> {
    let within = limit_micros(limit_ms)?;
    // Up to the noise of its last digits, a whole number is its own limit.
    let rest = limit_ms * 1000.0 - within as f64;
    Some(if rest > 1e-9 + limit_ms.abs() * 1e-12 { within.saturating_add(1) } else { within })
}

/// Counts over a limit at which the verdict changes, `(k*, k°)`, of `n` effective requests and a share `theta0`.
///
/// - `k*` is the largest `k` whose upper limit is at most θ₀: `I_{θ₀}(k+1, n−k) ≥ 1−α`. `None` if even no request over the limit is not
///   enough.
/// - `k°` is the smallest `k` whose lower limit is at least θ₀: `I_{θ₀}(k, n−k+1) ≤ α`. `None` if even all requests are not enough.
pub fn ranks(n: f64, theta0: f64, alpha: f64) -> (Option<f64>, Option<f64>) {
    let is_valid = n > 0.0 && n.is_finite() && (0.0..=1.0).contains(&theta0) && alpha > 0.0 && alpha < 0.5;
    if !is_valid {
        return (None, None);
    }
    let passes = |k: f64| Some(regularized(k + 1.0, n - k, theta0)? >= 1.0 - alpha);
    let fails = |k: f64| Some(regularized(k, n - k + 1.0, theta0)? <= alpha);
    let most = || if passes(n)? { Some(n) } else { bisect(0.0, n, |k| passes(k).map(|passes| !passes)) };
    let least = || bisect(0.0, n, fails);
    let is_true = |decision: Option<bool>| decision == Some(true);
    (if is_true(passes(0.0)) { most() } else { None }, if is_true(fails(n)) { least() } else { None })
}

/// Interval of the percentile `1 − theta0` in microseconds, rounded outward to the edges of cells.
///
/// Its upper end is `None` if there are too few requests, or if it lies among values of an hour, which may have been longer. Its lower end
/// is `None` if there are too few requests.
pub fn interval(values: &Histogram, n_eff: f64, theta0: f64, alpha: f64) -> [Option<u64>; 2] {
    interval_of(values, n_eff, ranks(n_eff, theta0, alpha)).map(|end| end.map(|micros| micros as u64))
}

/// Interval of ranked values for the counts `(k*, k°)` of [`ranks`], or of [`evidence::ranks`](super::evidence::ranks) after an early stop.
///
/// The upper end is the smallest value with at most `⌊k*/n_eff·N⌋` values above it, and the lower end the largest one with at least
/// `⌈k°/n_eff·N⌉` values at or above it.
pub fn interval_of(values: &impl Ranked, n_eff: f64, (most, least): (Option<f64>, Option<f64>)) -> [Option<f64>; 2] {
    let count = |k: f64| k / n_eff * values.count() as f64;
    let upper = most.and_then(|k| values.at_most_above(count(k))).map(|edges| edges[1]);
    let lower = least.and_then(|k| values.at_least_at_or_above(count(k))).map(|edges| edges[0]);
    [lower, upper].map(|end| end.filter(|value| value.is_finite()))
}

/// Least and largest possible number of values over a limit in microseconds: those in cells that are entirely above it, and those in cells
/// that are not entirely at or below it.
///
/// "Satisfied" needs the larger number, and "violated" the smaller one.
pub fn over(values: &Histogram, limit: u64) -> [u64; 2] {
    counted(values, |first, last| [first > limit, last.is_none_or(|last| last > limit)])
}

/// Least and largest possible number of values below a limit in microseconds, for lower limits.
pub fn below(values: &Histogram, limit: u64) -> [u64; 2] {
    counted(values, |first, last| [last.is_some_and(|last| last < limit), first < limit])
}

fn counted(values: &Histogram, counts: impl Fn(u64, Option<u64>) -> [bool; 2]) -> [u64; 2] {
    let mut totals = [0_u64; 2];
    for cell in values.iter_recorded() {
        let (first, last) = cell_edges(values, cell.value_iterated_to());
        for (total, is_counted) in totals.iter_mut().zip(counts(first, last)) {
            *total = total.saturating_add(if is_counted { cell.count_at_value() } else { 0 });
        }
    }
    totals
}

#[cfg(test)]
#[path = "percentile_tests.rs"]
mod tests;
