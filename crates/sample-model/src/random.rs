//! Pseudo-random numbers that depend only on a seed and a position, so that concurrent requests share no generator.

/// Steele, Lea and Flood's SplitMix64 generator.
#[derive(Clone, Debug)]
pub(super) struct SplitMix64(u64);

/// The generator's increment: 2^64 divided by the golden ratio, made odd.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl SplitMix64 {
    /// Creates a generator that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Creates an independent generator for the `n`-th item of a sequence.
    pub fn of_item(seed: u64, n: u64) -> Self {
        Self::new(mix(seed.wrapping_add(n.wrapping_mul(GAMMA))))
    }

    /// Sixty-four random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// Uniformly distributed from 0 up to, but not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniformly distributed from 0 up to, but not including, `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// Standard normal distribution, by the Box-Muller transform.
    pub fn normal(&mut self) -> f64 {
        // 1 - unit is never 0, so the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs for seed 1234567, as reference implementations give them.
        let mut random = SplitMix64::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn unit_draws_are_even_and_below_one() {
        let draws: Vec<f64> = (0..10_000).map(|n| SplitMix64::of_item(7, n).unit()).collect();
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.015, "{mean}"); // 5 standard errors
    }

    #[test]
    fn normal_draws_have_mean_0_and_deviation_1() {
        let draws: Vec<f64> = (0..10_000).map(|n| SplitMix64::of_item(7, n).normal()).collect();
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        let variance = draws.iter().map(|z| z * z).sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.05, "{mean}");
        assert!((variance - 1.0).abs() < 0.08, "{variance}");
    }

    #[test]
    fn below_stays_below() {
        let mut random = SplitMix64::new(1);
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| random.below(3) < 3));
    }
}
