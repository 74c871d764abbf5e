//! Ratio of two means, candidate divided by version 0, against a limit.

use super::blocks::{SumBlock, SumPair, total_sum};
use super::dependence::reach;

/// Interval of `μ_c/μ_0` from sums of the same intervals: `ln(μ_c/μ_0) ± t_{df,1−α}·√V`.
///
/// `V` is the variance of `Σ e` for `e = (S_c − μ_c·n_c)/(N_c·μ_c) − (S_0 − μ_0·n_0)/(N_0·μ_0)` per block, by the delta method. Returns
/// `None` for fewer than two blocks, for means that are not positive, for impossible sums, and without any spread.
pub fn interval(blocks: &[SumPair], alpha: f64) -> Option<[f64; 2]> {
    let candidate = total_sum(blocks.iter().map(|pair| pair.candidate)).filter(|total| total.sum > 0.0)?;
    let baseline = total_sum(blocks.iter().map(|pair| pair.baseline)).filter(|total| total.sum > 0.0)?;
    // N·μ is the sum.
    let deviation = |block: SumBlock, total: SumBlock| block.sum / total.sum - block.n / total.n;
    let deviations =
        blocks.iter().map(|pair| deviation(pair.candidate, candidate) - deviation(pair.baseline, baseline));
    let reach = reach(&deviations.collect::<Vec<f64>>(), alpha)?;
    let ratio = (candidate.sum / candidate.n) / (baseline.sum / baseline.n);
    let ends = [ratio * (-reach).exp(), ratio * reach.exp()];
    (reach > 0.0 && ends.iter().all(|end| end.is_finite())).then_some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confidence::blocks::paired_sums;
    use crate::confidence::testing::assert_close;

    fn pairs(candidate: &[f64], baseline: &[f64]) -> Vec<SumPair> {
        let block = |sum: &f64| SumBlock { n: 2.0, sum: *sum };
        candidate.iter().zip(baseline).map(|(c, b)| SumPair { candidate: block(c), baseline: block(b) }).collect()
    }

    #[test]
    fn uneven_blocks_are_compared_with_the_mean_of_their_version() {
        let sums = |of: [(i32, i32); 4]| of.map(|(n, sum)| SumBlock { n: f64::from(n), sum: f64::from(sum) });
        let candidate = sums([(10, 120), (20, 210), (5, 80), (15, 150)]);
        let baseline = sums([(10, 100), (12, 118), (9, 95), (11, 104)]);
        let [lower, upper] = interval(&paired_sums(&candidate, &baseline), 0.05).unwrap();
        assert_close(lower, 1.002_074_58);
        assert_close(upper, 1.269_879_38);
    }

    #[test]
    fn a_disturbance_of_both_cancels() {
        let [lower, upper] = interval(&pairs(&[12.0, 120.0, 12.1, 23.9], &[10.0, 100.0, 10.0, 20.0]), 0.05).unwrap();
        assert!(lower < 1.2 && upper > 1.2 && upper / lower < 1.01, "{lower} {upper}");
    }

    #[test]
    fn a_ratio_of_two_blocks_is_that_of_student_with_one_degree_of_freedom() {
        // Deviations of ±0.1 have a variance of 2·(0.1² + 0.1²).
        let [lower, upper] = interval(&pairs(&[12.0, 8.0], &[5.0, 5.0]), 0.05).unwrap();
        assert_close(upper, 2.0 * (6.313_751_515_f64 * 0.2).exp());
        assert_close(lower, 2.0 * (-6.313_751_515_f64 * 0.2).exp());
    }

    #[test]
    fn means_that_are_not_positive_have_no_ratio() {
        assert_eq!(interval(&pairs(&[1.0, 2.0], &[0.0, 0.0]), 0.05), None);
        assert_eq!(interval(&pairs(&[1.0, -2.0], &[1.0, 2.0]), 0.05), None);
        assert_eq!(interval(&pairs(&[1.0], &[1.0]), 0.05), None);
        assert_eq!(interval(&pairs(&[1.0, f64::INFINITY], &[1.0, 2.0]), 0.05), None);
    }
}
