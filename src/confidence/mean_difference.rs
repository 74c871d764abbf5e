//! Difference of two means, candidate minus version 0, of values that may be 0 or negative.

use super::blocks::{SumBlock, SumPair, total_sum};
use super::dependence::reach;

/// Interval of `μ_c − μ_0` from sums of the same intervals: `d ± t_{df,1−α}·√V`.
///
/// `V` is the variance of `Σ e` for `e = (S_c − μ_c·n_c)/N_c − (S_0 − μ_0·n_0)/N_0` per block. Returns `None` for fewer than two blocks,
/// for impossible sums, and without any spread.
pub fn interval(blocks: &[SumPair], alpha: f64) -> Option<[f64; 2]> {
    let candidate = total_sum(blocks.iter().map(|pair| pair.candidate))?;
    let baseline = total_sum(blocks.iter().map(|pair| pair.baseline))?;
    let deviation = |block: SumBlock, total: SumBlock| (block.sum - total.sum / total.n * block.n) / total.n;
    let deviations =
        blocks.iter().map(|pair| deviation(pair.candidate, candidate) - deviation(pair.baseline, baseline));
    let reach = reach(&deviations.collect::<Vec<f64>>(), alpha)?;
    let difference = candidate.sum / candidate.n - baseline.sum / baseline.n;
    let ends = [difference - reach, difference + reach];
    (reach > 0.0 && ends.iter().all(|end| end.is_finite())).then_some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confidence::blocks::paired_sums;
    use crate::confidence::testing::assert_close;

    fn pairs(candidate: &[f64], baseline: &[f64]) -> Vec<SumPair> {
        let block = |sum: &f64| SumBlock { n: 1.0, sum: *sum };
        candidate.iter().zip(baseline).map(|(c, b)| SumPair { candidate: block(c), baseline: block(b) }).collect()
    }

    #[test]
    fn uneven_blocks_are_compared_with_the_mean_of_their_version() {
        let sums = |of: [(i32, i32); 4]| of.map(|(n, sum)| SumBlock { n: f64::from(n), sum: f64::from(sum) });
        let candidate = sums([(10, 120), (20, 210), (5, 80), (15, 150)]);
        let baseline = sums([(10, 100), (12, 118), (9, 95), (11, 104)]);
        let [lower, upper] = interval(&paired_sums(&candidate, &baseline), 0.05).unwrap();
        assert_close(lower, -0.112_717_59);
        assert_close(upper, 2.655_574_73);
    }

    #[test]
    fn a_disturbance_of_both_cancels() {
        let [lower, upper] = interval(&pairs(&[11.0, 102.0, 13.0], &[10.0, 100.0, 10.0]), 0.05).unwrap();
        assert_close(lower, 2.0 - 2.919_985_58 / 3.0_f64.sqrt());
        assert_close(upper, 2.0 + 2.919_985_58 / 3.0_f64.sqrt());
    }

    #[test]
    fn one_block_and_values_without_spread_are_not_enough() {
        assert_eq!(interval(&pairs(&[1.0], &[2.0]), 0.05), None);
        assert_eq!(interval(&pairs(&[1.0, 1.0], &[2.0, 2.0]), 0.05), None);
        assert_eq!(interval(&pairs(&[1.0, f64::NAN], &[2.0, 3.0]), 0.05), None);
        assert_eq!(interval(&pairs(&[1.0, f64::MAX], &[2.0, -f64::MAX]), 0.05), None);
    }
}
