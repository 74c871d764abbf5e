//! Design effect: requests that are worth one independent request.
//!
//! Kish 1965. 1,000 requests with a design effect of 4 say as much as 250 independent ones.

use super::beta::{MAX_COUNT, student};

/// Exceedances, in independent ones, below which the tail rule holds for a verdict at the end of a load.
pub const FEW_AT_END: f64 = 20.0;
/// Exceedances, in independent ones, below which it holds for a verdict before the end.
pub const FEW_BEFORE_END: f64 = 40.0;

/// Dependence of requests on each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DesignEffect {
    /// Variance, divided by that of as many independent requests.
    pub deff: f64,
    /// Degrees of freedom of the variance.
    pub df: f64,
}

impl DesignEffect {
    /// Divides a variance by that of independent requests; 1 if those have none. Returns `None` if the result is not finite.
    pub(super) fn new(variance: f64, independent: f64, least: f64, df: f64) -> Option<Self> {
        let deff = if independent > 0.0 { (variance / independent).max(least) } else { least.max(1.0) };
        (variance.is_finite() && deff.is_finite()).then_some(Self { deff, df })
    }

    /// Returns the larger one of two, this one of equals.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        if other.deff > self.deff { other } else { self }
    }

    /// Independent requests that `total` requests are worth, at most ten million: `total/deff` times [`student_factor`].
    pub fn effective(self, total: f64, alpha: f64) -> Option<f64> {
        let size = total / self.deff * student_factor(total, self.df, alpha)?;
        (size > 0.0 && self.deff > 0.0).then(|| size.min(MAX_COUNT))
    }
}

/// Price of estimating the variance from few blocks: `(t_{N−1,1−α} / t_{df,1−α})²` (Korn and Graubard 1998), at most 1.
pub fn student_factor(total: f64, df: f64, alpha: f64) -> Option<f64> {
    let all = student(1.0 - alpha, (total - 1.0).max(1.0))?;
    let blocks = student(1.0 - alpha, df)?;
    let factor = (all / blocks).powi(2);
    factor.is_finite().then(|| factor.min(1.0))
}

/// Latency in the middle between the median and a limit, on a log scale.
///
/// If a limit is far above all latencies, the clustering of requests near the median does not matter to it: a service of 0.3 ms may drift by
/// a tenth without coming near 100 ms. What matters is how those requests cluster that are on their way to the limit: over the middle, here
/// 5 ms. For a limit close to the latencies, the middle is below p90, and [`tail_rule`] uses p90. The rule depends neither on the unit nor on
/// how wide the latencies spread: it is the same if all are raised to a power.
pub fn midway(median: f64, limit: f64) -> f64 {
    (median.max(0.0) * limit.max(0.0)).sqrt()
}

/// Chooses the design effect of a percentile's exceedances: too few of them show too little of their clustering.
///
/// With fewer than `few` effective exceedances, uses the design effect of the requests over a lower latency if that is larger: over p90, or
/// over [`midway`] if that is higher. `lower` is `None` if the limit is not above p90, or the share over p90 is unknown. Returns true if it
/// was used.
pub fn tail_rule(own: DesignEffect, exceedances: f64, lower: Option<DesignEffect>, few: f64) -> (DesignEffect, bool) {
    let has_enough = exceedances / own.deff >= few;
    match lower {
        Some(tail) if !has_enough && tail.deff > own.deff => (tail, true),
        _ => (own, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confidence::testing::assert_close;

    #[test]
    fn few_blocks_cost_requests() {
        assert_close(student_factor(1_500.0, 29.0, 0.05).unwrap(), 0.938_296);
        assert_close(student_factor(100.0, 4.0, 0.05).unwrap(), 0.606_609);
        // More blocks than requests, because most are empty: no gain.
        assert_eq!(student_factor(3.0, 29.0, 0.05), Some(1.0));
    }

    #[test]
    fn few_exceedances_borrow_the_clustering_of_p90() {
        let (own, over_p90) = (DesignEffect { deff: 2.0, df: 29.0 }, DesignEffect { deff: 6.0, df: 9.0 });
        assert_eq!(tail_rule(own, 39.0, Some(over_p90), FEW_AT_END), (over_p90, true));
        assert_eq!(tail_rule(own, 40.0, Some(over_p90), FEW_AT_END), (own, false));
        assert_eq!(tail_rule(own, 40.0, Some(over_p90), FEW_BEFORE_END), (over_p90, true));
        assert_eq!(tail_rule(over_p90, 0.0, Some(own), FEW_AT_END), (over_p90, false));
        assert_eq!(tail_rule(own, 0.0, None, FEW_AT_END), (own, false));
    }

    #[test]
    fn the_middle_between_the_median_and_a_limit_is_that_of_a_log_scale() {
        assert_close(midway(0.25, 100.0), 5.0);
        assert_eq!([midway(0.0, 100.0), midway(-1.0, 100.0), midway(2.0, -5.0)], [0.0; 3]);
    }

    #[test]
    fn a_billion_requests_are_ten_million() {
        assert_eq!(DesignEffect { deff: 1.0, df: 200.0 }.effective(1e9, 0.05), Some(MAX_COUNT));
        assert_eq!(DesignEffect { deff: f64::NAN, df: 200.0 }.effective(1e9, 0.05), None);
        assert_eq!(DesignEffect { deff: 1.0, df: f64::NAN }.effective(1e9, 0.05), None);
    }
}
