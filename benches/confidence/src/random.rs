//! Seeded random numbers: the same on every machine and with every version of every crate, because results are committed.

use std::f64::consts::TAU;

/// Generator xoshiro256++ of Blackman and Vigna, seeded by splitmix64 (<https://prng.di.unimi.it>).
pub(crate) struct Random {
    state: [u64; 4],
    /// Second normal number of the last pair.
    spare: Option<f64>,
}

impl Random {
    /// Creates a generator whose numbers depend on these words alone.
    pub(crate) fn new(words: &[u64]) -> Self {
        let mut seed = 0;
        let mut next = || {
            seed = u64::wrapping_add(seed, 0x9e37_79b9_7f4a_7c15);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        let mut state = [next(), next(), next(), next()];
        for word in words {
            state[0] ^= word;
            let mut generator = Self { state, spare: None };
            // Distributes every bit of the word over the whole state.
            (0..16).for_each(|_| _ = generator.bits());
            state = generator.state;
        }
        Self { state, spare: None }
    }

    fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// Returns a number in (0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Returns true with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Returns an exponential number of mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Returns a standard normal number, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (2.0 * self.exponential()).sqrt();
        let (sine, cosine) = (TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn equal_words_give_equal_numbers_and_others_do_not() {
        let numbers = |words: &[u64]| -> Vec<u64> {
            let mut random = Random::new(words);
            (0..8).map(|_| random.bits()).collect()
        };
        assert_eq!(numbers(&[1, 2]), numbers(&[1, 2]));
        assert_ne!(numbers(&[1, 2]), numbers(&[2, 1]));
        assert_ne!(numbers(&[1, 2]), numbers(&[1, 3]));
    }

    #[test]
    fn the_moments_of_the_numbers_are_those_of_their_laws() {
        const DRAWS: usize = 200_000;
        let mut random = Random::new(&[7]);
        let mut moments = |draw: fn(&mut Random) -> f64| {
            let draws: Vec<f64> = (0..DRAWS).map(|_| draw(&mut random)).collect();
            let mean = draws.iter().sum::<f64>() / DRAWS as f64;
            (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / DRAWS as f64)
        };
        for (draw, mean, variance) in [
            (Random::uniform as fn(&mut Random) -> f64, 0.5, 1.0 / 12.0),
            (Random::exponential, 1.0, 1.0),
            (Random::normal, 0.0, 1.0),
        ] {
            let (seen, spread) = moments(draw);
            assert!((seen - mean).abs() < 0.01 && (spread - variance).abs() < 0.02, "{seen} {spread}");
        }
    }
}
