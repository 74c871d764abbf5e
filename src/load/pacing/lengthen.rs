//! A schedule that is longer than its values say, for an analysis that needs more requests.

use std::sync::Arc;

use super::{Arrival, Bound, Pacer, seconds};

impl Pacer {
    /// Returns the schedule with so many times the requests, at the same rate; stages become longer. Factors below 1 change nothing.
    #[must_use]
    pub fn lengthened(&self, times: f64) -> Self {
        if !(times > 1.0 && times.is_finite()) {
            return self.clone();
        }
        let (arrival, bound) = match (&self.arrival, self.bound) {
            (Arrival::Staged { stages, spacing }, _) => {
                let stages = stages.lengthened(times);
                let bound = Bound::Duration(stages.duration());
                (Arrival::Staged { stages: Arc::new(stages), spacing: *spacing }, bound)
            }
            // The factor may be rounded up in its sixth decimal, which must not add a request.
            (arrival, Bound::Count(count)) => {
                (arrival.clone(), Bound::Count((count as f64 * (times - 1e-6)).ceil() as u64))
            }
            (arrival, Bound::Duration(end)) => (arrival.clone(), Bound::Duration(seconds(end.as_secs_f64() * times))),
        };
        Self { share: self.share, ..Self::new(arrival, bound) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::stages::{MAX_TIME, Stage, Stages};
    use super::*;
    use crate::model::load::Spacing;

    #[test]
    fn a_longer_schedule_has_more_requests_at_the_same_rate() {
        let counted = Pacer::new(Arrival::Constant { rate: 50.0 }, Bound::Count(153)).lengthened(1.509_804);
        assert_eq!((counted.total(), counted.rate()), (Some(231), Some(50.0)));
        assert_eq!(Pacer::new(Arrival::Max, Bound::Count(200)).lengthened(2.5).total(), Some(500));
        let timed = Pacer::new(Arrival::Constant { rate: 50.0 }, Bound::Duration(Duration::from_secs(4)));
        assert_eq!(
            (timed.lengthened(2.5).total(), timed.lengthened(2.5).ends()),
            (Some(500), Some(Duration::from_secs(10)))
        );
    }

    #[test]
    fn stages_keep_their_rates_and_become_longer() {
        let stage = |seconds, rate| Stage { duration: Duration::from_secs(seconds), rate };
        let stages = Stages::new(0.0, &[stage(2, 100.0), stage(4, 100.0)]).unwrap();
        let pacer = Pacer::staged(stages, Spacing::Uniform);
        let longer = pacer.lengthened(3.0);
        assert_eq!(
            (pacer.total(), longer.total(), longer.length()),
            (Some(500), Some(1500), Some(Duration::from_secs(18)))
        );
        assert_eq!(longer.stages().unwrap().to_string(), "from 0/s: 100/s in 6s, 100/s in 12s");
        assert_eq!(pacer.lengthened(1e6).length(), Some(MAX_TIME), "a day at most");
    }

    #[test]
    fn no_factor_makes_a_schedule_shorter_or_impossible() {
        for bound in [Bound::Count(100), Bound::Duration(Duration::from_secs(2))] {
            let pacer = Pacer::new(Arrival::Constant { rate: 50.0 }, bound);
            for times in [0.0, -3.0, 0.5, 1.0, f64::NAN, f64::INFINITY] {
                assert_eq!(pacer.lengthened(times), pacer, "{times}");
            }
            assert!(pacer.lengthened(f64::MAX).total() >= Some(100));
        }
    }
}
