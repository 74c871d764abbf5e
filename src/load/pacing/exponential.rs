//! Random gaps that are the same in every run: the `n`-th one is a pure function of `n`, which general-purpose generators (such as
//! `fastrand`) do not offer.

/// Start of the sequence. Fixed, so that every run of an experiment, each of its versions and every worker has the same one.
const SEED: u64 = 0x1f83_d9ab_fb41_bd6b;

/// Step of SplitMix64's counter: 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the `n`-th of a sequence of independent, exponentially distributed numbers of mean 1; finite and at least 0.
///
/// The generator is SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014): a counter with mixed
/// bits, so any number of the sequence is computed directly. Its upper 53 bits make a uniform `u` in (0, 1], and `−ln u` is
/// exponential.
pub(super) fn gap(n: u64) -> f64 {
    let bits = mixed(SEED.wrapping_add(n.wrapping_add(1).wrapping_mul(STEP)));
    let uniform = ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    // Adding 0 turns -0 into 0.
    -uniform.ln() + 0.0
}

fn mixed(counter: u64) -> u64 {
    let bits = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = 200_000;

    #[test]
    fn the_bits_are_those_of_splitmix64() {
        // The first numbers that the published algorithm gives for the seed 0.
        let first: Vec<u64> = (1..=3_u64).map(|n| mixed(n.wrapping_mul(STEP))).collect();
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn mean_variance_and_tail_are_those_of_an_exponential_distribution() {
        let gaps: Vec<f64> = (0..MANY).map(gap).collect();
        let mean = gaps.iter().sum::<f64>() / MANY as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / MANY as f64;
        // Four standard errors: 1/√n of the mean, √8/√n of the variance.
        assert!((mean - 1.0).abs() < 4.0 / (MANY as f64).sqrt(), "mean {mean}");
        assert!((variance - 1.0).abs() < 4.0 * 8.0_f64.sqrt() / (MANY as f64).sqrt(), "variance {variance}");
        for bound in [0.5, 1.0, 2.0, 4.0_f64] {
            let share = gaps.iter().filter(|gap| **gap > bound).count() as f64 / MANY as f64;
            assert!((share - (-bound).exp()).abs() < 0.005, "P(gap > {bound}) = {share}");
        }
    }

    #[test]
    fn neighbours_are_not_correlated() {
        let product: f64 = (0..MANY).map(|n| (gap(n) - 1.0) * (gap(n + 1) - 1.0)).sum();
        assert!((product / MANY as f64).abs() < 4.0 / (MANY as f64).sqrt());
    }

    #[test]
    fn every_gap_is_finite_and_none_is_negative() {
        for n in [0, 1, 2, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            assert!(gap(n).is_finite() && gap(n) >= 0.0);
        }
    }
}
