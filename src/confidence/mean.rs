//! Mean against a limit.
//!
//! Student's interval at the effective number of requests. Latencies are skewed, so an upper end by Student is too low; it gets Johnson's
//! term for skewness (Johnson 1978) and is taken on the logarithmic scale. On the lower end both would over-correct.

use super::beta::student;
use super::blocks::{SumBlock, total_sum};
use super::dependence::depend;
use super::design_effect::DesignEffect;
use crate::metrics::histogram::Histogram;

/// Mean, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Mean of the values.
    pub mean: f64,
    /// Its standard error: `√(deff·s²/N)`.
    pub error: f64,
    /// Design effect.
    pub deff: f64,
    /// Its degrees of freedom.
    pub df: f64,
    /// Skewness of the values.
    pub skewness: f64,
    /// Values, counted.
    pub total: f64,
}

/// Estimates the mean from sums per block, and variance and skewness of the single values.
///
/// `e = S_b − μ·n_b`, and `deff` is their variance divided by `N·s²`, at least 1. Returns `None` for fewer than two blocks, for impossible
/// sums, and for values without any spread: equal values do not show how far others may be.
pub fn mean(blocks: &[SumBlock], variance: f64, skewness: f64) -> Option<Mean> {
    let total = total_sum(blocks.iter().copied())?;
    let mean = total.sum / total.n;
    let deviations: Vec<f64> = blocks.iter().map(|block| block.sum - mean * block.n).collect();
    let dependence = depend(&deviations)?;
    let DesignEffect { deff, df } = DesignEffect::new(dependence.variance, total.n * variance, 1.0, dependence.df)?;
    // The variance of the sums stands in if the cells of the histogram show none.
    let error = (deff * variance * total.n).max(dependence.variance).sqrt() / total.n;
    let is_known = variance >= 0.0 && error > 0.0 && error.is_finite() && skewness.is_finite();
    is_known.then_some(Mean { mean, error, deff, df, skewness, total: total.n })
}

/// Interval of the mean.
///
/// `lo = max(0, μ − t·se)` and `hi = μ·exp((t + max(0, γ/(6·√(N/deff))·(1+2t²)))·se/μ)` with `t = t_{df,1−α}`. Of a mean that is not
/// positive, which a latency's always is, it is `μ ± t·se`. An end is `None` if it cannot be computed.
pub fn interval(mean: &Mean, alpha: f64) -> [Option<f64>; 2] {
    let Some(t) = student(1.0 - alpha, mean.df) else { return [None, None] };
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    if mean.mean <= 0.0 {
        return [finite(mean.mean - t * mean.error), finite(mean.mean + t * mean.error)];
    }
    let skew = mean.skewness / (6.0 * (mean.total / mean.deff).sqrt()) * (1.0 + 2.0 * t * t);
    let upper = mean.mean * ((t + skew.max(0.0)) * mean.error / mean.mean).exp();
    [finite((mean.mean - t * mean.error).max(0.0)), finite(upper)]
}

/// Variance and skewness of a histogram's values in microseconds, from the midpoints of its cells. 0 without values or spread.
pub fn moments(values: &Histogram) -> [f64; 2] {
    let count = values.len() as f64;
    let mean = moment(values, |value| value) / count.max(1.0);
    let variance = moment(values, |value| (value - mean).powi(2)) / count.max(1.0);
    let third = moment(values, |value| (value - mean).powi(3)) / count.max(1.0);
    let skewness = third / variance.powf(1.5);
    [variance, if skewness.is_finite() { skewness } else { 0.0 }]
}

fn moment(values: &Histogram, of: impl Fn(f64) -> f64) -> f64 {
    let midpoint = |value| (values.lowest_equivalent(value) as f64 + values.highest_equivalent(value) as f64) / 2.0;
    values.iter_recorded().map(|cell| cell.count_at_value() as f64 * of(midpoint(cell.value_iterated_to()))).sum()
}

/// Variance (of a sample) and skewness of single values; 0 for fewer than two, and without spread.
pub fn sample_moments(values: &[f64]) -> [f64; 2] {
    let count = values.len() as f64;
    if values.len() < 2 {
        return [0.0, 0.0];
    }
    let mean = values.iter().map(|value| value / count).sum::<f64>();
    let central = |power| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / count;
    let skewness = central(3) / central(2).powf(1.5);
    [central(2) * count / (count - 1.0), if skewness.is_finite() { skewness } else { 0.0 }]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::confidence::testing::assert_close;
    use crate::metrics::histogram;

    fn sums(n: f64, sums: &[f64]) -> Vec<SumBlock> {
        sums.iter().map(|sum| SumBlock { n, sum: *sum }).collect()
    }

    #[test]
    fn a_skewed_mean_has_a_longer_upper_end() {
        let sums = sums(20.0, &[1000.0, 1200.0, 900.0, 1100.0, 1500.0, 1000.0, 950.0, 1050.0, 1300.0, 1000.0]);
        let mean = mean(&sums, 900.0, 2.0).unwrap();
        assert_close(mean.mean, 55.0);
        assert_close(mean.deff, 1.882_716);
        assert_close(mean.df, 9.0);
        let [lower, upper] = interval(&mean, 0.05).map(Option::unwrap);
        assert_close(lower, 49.664_343);
        assert_close(upper, 61.409_185);
    }

    #[test]
    fn a_mean_of_one_block_or_of_equal_values_is_not_known() {
        assert_eq!(mean(&sums(20.0, &[1000.0]), 900.0, 0.0), None);
        assert_eq!(mean(&sums(1.0, &[5.0, 5.0]), 0.0, 0.0), None);
        assert_eq!(mean(&sums(0.0, &[0.0, 0.0]), 900.0, 0.0), None);
        assert_eq!(mean(&sums(1.0, &[5.0, f64::INFINITY]), 1.0, 0.0), None);
    }

    #[test]
    fn a_mean_below_zero_has_an_interval_around_it() {
        let mean = mean(&sums(1.0, &[-3.0, -1.0, -2.0]), 1.0, 0.0).unwrap();
        let [lower, upper] = interval(&mean, 0.05).map(Option::unwrap);
        assert_close(lower, -2.0 - 2.919_985_58 / 3.0_f64.sqrt());
        assert_close(upper, -2.0 + 2.919_985_58 / 3.0_f64.sqrt());
    }

    #[test]
    fn moments_are_those_of_the_values() {
        let mut values = histogram::new();
        [1, 2, 2, 3, 12].iter().for_each(|value| values.saturating_record(*value));
        let [variance, skewness] = moments(&values);
        assert_close(variance, 16.4);
        assert_close(skewness, 93.6 / 16.4_f64.powf(1.5));
        let [of_sample, same] = sample_moments(&[1.0, 2.0, 2.0, 3.0, 12.0]);
        assert_close(of_sample, 20.5);
        assert_close(same, skewness);
        assert_eq!([moments(&histogram::new()), sample_moments(&[7.0])], [[0.0; 2]; 2]);
    }

    proptest! {
        #[test]
        fn an_interval_holds_the_mean_and_is_never_nan(
            values in prop::collection::vec((0.0_f64..1e12, any::<f64>()), 0..30),
            (variance, skewness, alpha) in (any::<f64>(), any::<f64>(), 0.0_f64..0.5),
        ) {
            let hostile: Vec<_> = values.iter().map(|(n, sum)| SumBlock { n: *n, sum: *sum }).collect();
            let tame: Vec<_> = values.iter().map(|(n, _)| SumBlock { n: 3.0, sum: *n }).collect();
            for (blocks, variance, skewness) in [(hostile, variance, skewness), (tame, 1e20, 1.0)] {
                let Some(mean) = mean(&blocks, variance, skewness) else { continue };
                let [lower, upper] = interval(&mean, alpha);
                prop_assert!(lower.is_none_or(|end| end.is_finite() && end <= mean.mean.max(0.0)));
                prop_assert!(upper.is_none_or(|end| end.is_finite() && end >= mean.mean));
            }
        }
    }
}
