//! Weights of two versions, in two objects that cannot be written at the same time.

/// Weights of the stable version and of the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weights {
    pub(super) stable: u32,
    pub(super) candidate: u32,
}

/// One of the two weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Stable,
    Candidate,
}

impl Weights {
    /// Returns the weights that iter8 writes for a percent: they add up to 100.
    pub(super) fn of(percent: u8) -> Self {
        let candidate = u32::from(percent.min(100));
        Self { stable: 100 - candidate, candidate }
    }

    /// Returns the percent of the candidate, rounded; `None` if both weights are 0.
    pub(super) fn percent(self) -> Option<i64> {
        let (candidate, sum) = (i64::from(self.candidate), i64::from(self.stable) + i64::from(self.candidate));
        (sum > 0).then(|| (candidate * 100 + sum / 2) / sum)
    }

    /// Returns the percents before and after a change of which only one weight was written; `None` if the weights show no such change.
    pub(super) fn half_written(self) -> Option<(i64, i64)> {
        let Self { stable, candidate } = self;
        let is_half = stable <= 100 && candidate <= 100 && stable + candidate != 100;
        is_half.then(|| (100 - i64::from(stable), i64::from(candidate)))
    }

    fn with(self, side: Side, to: Self) -> Self {
        match side {
            Side::Stable => Self { stable: to.stable, ..self },
            Side::Candidate => Self { candidate: to.candidate, ..self },
        }
    }

    /// Returns the sides to write, in order. A run may be killed between the two writes, so the first one is that which leaves the candidate
    /// less traffic, unless it would make both weights 0.
    pub(super) fn order(self, to: Self) -> Vec<Side> {
        let cost = |first: Side| {
            let half = self.with(first, to);
            let share = f64::from(half.candidate) / f64::from(half.stable.saturating_add(half.candidate));
            if share.is_nan() { f64::INFINITY } else { share }
        };
        let order = match cost(Side::Candidate) <= cost(Side::Stable) {
            true => [Side::Candidate, Side::Stable],
            false => [Side::Stable, Side::Candidate],
        };
        let is_different = |side: &Side| self.with(*side, to) != self;
        order.into_iter().filter(is_different).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(stable: u32, candidate: u32) -> Weights {
        Weights { stable, candidate }
    }

    #[test]
    fn the_half_written_state_never_gives_the_candidate_more_than_the_larger_percent_or_nobody_anything() {
        for before in 0..=100 {
            for after in 0..=100 {
                let (from, to) = (Weights::of(before), Weights::of(after));
                let order = from.order(to);
                let Some(first) = order.first() else {
                    assert_eq!(before, after);
                    continue;
                };
                let half = from.with(*first, to);
                let percent = half.percent().expect("one of them has a weight");
                assert!(percent <= i64::from(before.max(after)), "{before} to {after}: {half:?}");
                assert_eq!(half.with(order[1], to), to);
                assert_eq!(
                    half.half_written(),
                    Some((before.into(), after.into()))
                        .filter(|_| *first == Side::Candidate)
                        .or(Some((after.into(), before.into())))
                );
            }
        }
    }

    #[test]
    fn the_candidate_loses_its_traffic_with_the_first_patch_of_a_rollback() {
        use Side::{Candidate, Stable};
        assert_eq!(weights(50, 50).order(Weights::of(0)), [Candidate, Stable]);
        assert_eq!(weights(1, 1).order(Weights::of(0)), [Candidate, Stable]);
        assert_eq!(weights(0, 100).order(Weights::of(0)), [Stable, Candidate], "both would be 0");
        assert_eq!(weights(100, 0).order(Weights::of(100)), [Candidate, Stable], "both would be 0");
        assert_eq!(weights(80, 20).order(Weights::of(50)), [Stable, Candidate]);
        assert_eq!(weights(80, 50).order(Weights::of(50)), [Stable], "the rest of a change that was killed");
        assert_eq!(weights(80, 20).order(Weights::of(20)), []);
        assert_eq!(weights(u32::MAX, u32::MAX).order(Weights::of(0)).len(), 2);
    }

    #[test]
    fn percents_are_shares() {
        for (stable, candidate, percent) in [(80, 20, 20), (1, 1, 50), (2, 1, 33), (1, 2, 67), (0, 7, 100), (4, 0, 0)] {
            assert_eq!(weights(stable, candidate).percent(), Some(percent));
        }
        assert_eq!(weights(0, 0).percent(), None);
        assert_eq!(weights(80, 50).half_written(), Some((20, 50)));
        assert_eq!(weights(80, 20).half_written(), None);
        assert_eq!(weights(200, 20).half_written(), None);
    }
}
