//! When the next request is due: a pure function of the time elapsed and the requests taken so far.
//!
//! A schedule is a sequence of *slots*; slot `k` is due at a fixed time after the start. The engine deals the slots out and asks
//! [`Pacer::decide`] about the next one. A new arrival process (stages, Poisson) is a new [`Arrival`] with its own due times.

use std::time::Duration;

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// As many as the connections can take: every slot is due at once.
    Max,
    /// Evenly spaced: slot `k` is due `k / rate` seconds after the start.
    Constant {
        /// Requests per second; greater than 0 and finite.
        rate: f64,
    },
}

/// When the schedule ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// After this many requests.
    Count(u64),
    /// Slots that are due before this much time has passed belong to the schedule, later ones do not.
    Duration(Duration),
}

/// What to do about the next slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is due: send a request.
    SendNow {
        /// When it was due, after the start.
        intended: Duration,
    },
    /// It is not due yet.
    Wait {
        /// When it will be, after the start.
        until: Duration,
    },
    /// The schedule has no such slot.
    Stop,
}

/// A schedule of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pacer {
    arrival: Arrival,
    bound: Bound,
    total: Option<u64>,
}

impl Pacer {
    /// A schedule; a rate that is not greater than 0 is read as [`Arrival::Max`].
    pub fn new(arrival: Arrival, bound: Bound) -> Self {
        let arrival = match arrival {
            Arrival::Constant { rate } if !(rate > 0.0 && rate.is_finite()) => Arrival::Max,
            other => other,
        };
        let mut pacer = Self { arrival, bound, total: None };
        pacer.total = match (bound, arrival) {
            (Bound::Count(count), _) => Some(count),
            (Bound::Duration(end), Arrival::Constant { .. }) => Some(pacer.slots_before(end)),
            (Bound::Duration(_), Arrival::Max) => None,
        };
        pacer
    }

    /// How many slots the schedule has; `None` where only time ends it.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Requests per second asked for; `None` for as many as possible.
    pub fn rate(&self) -> Option<f64> {
        match self.arrival {
            Arrival::Max => None,
            Arrival::Constant { rate } => Some(rate),
        }
    }

    /// How long the schedule runs by plan: its bound, or the time its slots take; `None` for a count at maximum rate.
    pub fn planned(&self) -> Option<Duration> {
        match (self.bound, self.arrival) {
            (Bound::Duration(duration), _) => Some(duration),
            (Bound::Count(count), Arrival::Constant { .. }) => Some(self.due(count)),
            (Bound::Count(_), Arrival::Max) => None,
        }
    }

    /// When time alone ends the schedule.
    pub fn ends(&self) -> Option<Duration> {
        match self.bound {
            Bound::Duration(duration) => Some(duration),
            Bound::Count(_) => None,
        }
    }

    /// What to do now, `elapsed` after the start, when slots `0..taken` have been taken.
    pub fn decide(&self, elapsed: Duration, taken: u64) -> Step {
        if self.total.is_some_and(|total| taken >= total) {
            return Step::Stop;
        }
        match (self.arrival, self.bound) {
            (Arrival::Max, Bound::Duration(end)) if elapsed >= end => Step::Stop,
            (Arrival::Max, _) => Step::SendNow { intended: elapsed },
            (Arrival::Constant { .. }, _) => match self.due(taken) {
                intended if intended <= elapsed => Step::SendNow { intended },
                until => Step::Wait { until },
            },
        }
    }

    /// How many slots are due `elapsed` after the start, taken or not. At maximum rate that is not defined, and 0.
    pub fn due_by(&self, elapsed: Duration) -> u64 {
        match self.arrival {
            Arrival::Max => 0,
            Arrival::Constant { .. } => {
                let due = self.slots_before(elapsed.saturating_add(Duration::from_nanos(1)));
                self.total.map_or(due, |total| due.min(total))
            }
        }
    }

    /// When slot `k` is due, after the start.
    pub fn due(&self, k: u64) -> Duration {
        match self.arrival {
            Arrival::Max => Duration::ZERO,
            Arrival::Constant { rate } => Duration::try_from_secs_f64(k as f64 / rate).unwrap_or(Duration::MAX),
        }
    }

    /// How many slots are due strictly before `end`.
    fn slots_before(&self, end: Duration) -> u64 {
        let Arrival::Constant { rate } = self.arrival else { return 0 };
        // The product is at most a few units off; `due` decides, so that both agree to the nanosecond. Where `f64` can no longer
        // tell neighbours apart (beyond 2^53 slots) nothing is gained by stepping, hence the limit.
        let mut slots = (end.as_secs_f64() * rate) as u64;
        for _ in 0..8 {
            if self.due(slots) < end {
                slots = slots.saturating_add(1);
            } else if slots > 0 && self.due(slots - 1) >= end {
                slots -= 1;
            } else {
                break;
            }
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn constant(rate: f64, bound: Bound) -> Pacer {
        Pacer::new(Arrival::Constant { rate }, bound)
    }

    /// Runs a schedule on a made-up clock that jumps by the given steps; returns (when sent, when due) per request.
    fn simulate(pacer: &Pacer, jumps: &[u64]) -> Vec<(Duration, Duration)> {
        let mut now = Duration::ZERO;
        let mut sent = Vec::new();
        let mut jumps = jumps.iter().cycle();
        loop {
            match pacer.decide(now, sent.len() as u64) {
                Step::SendNow { intended } => sent.push((now, intended)),
                Step::Wait { until } => {
                    assert!(until > now, "a wait that ends in the past never ends");
                    now = until.max(now + Duration::from_nanos(*jumps.next().unwrap_or(&0)));
                }
                Step::Stop => return sent,
            }
        }
    }

    proptest! {
        #[test]
        fn never_early_never_more_than_asked_and_exact(
            rate in 0.1_f64..1e6, count in 0_u64..400, jumps in prop::collection::vec(0_u64..5_000_000_000, 1..8)
        ) {
            let sent = simulate(&constant(rate, Bound::Count(count)), &jumps);
            prop_assert_eq!(sent.len() as u64, count);
            for (k, (now, intended)) in sent.iter().enumerate() {
                prop_assert!(now >= intended);
                let exact = k as f64 / rate;
                prop_assert!((intended.as_secs_f64() - exact).abs() <= 2e-9 + exact * 1e-12);
            }
        }

        #[test]
        fn a_duration_holds_the_slots_that_are_due_before_its_end(rate in 0.1_f64..1e4, millis in 0_u64..3_000) {
            let end = Duration::from_millis(millis);
            let pacer = constant(rate, Bound::Duration(end));
            let total = pacer.total().unwrap();
            prop_assert!(total == 0 || pacer.due(total - 1) < end);
            prop_assert!(pacer.due(total) >= end);
            prop_assert!(total as f64 <= end.as_secs_f64() * rate + 1.0);
        }

        #[test]
        fn due_by_counts_what_decide_would_send(rate in 0.1_f64..1e5, nanos in 0_u64..2_000_000_000) {
            let now = Duration::from_nanos(nanos);
            let pacer = constant(rate, Bound::Count(1_000_000_000));
            let due = pacer.due_by(now);
            prop_assert!(due > 0, "slot 0 is due from the start");
            let is_sent = matches!(pacer.decide(now, due - 1), Step::SendNow { .. });
            let is_awaited = matches!(pacer.decide(now, due), Step::Wait { .. });
            prop_assert!(is_sent && is_awaited);
        }

        #[test]
        fn a_backlog_drains_after_the_end(rate in 1.0_f64..1e4, millis in 1_u64..1_000) {
            let end = Duration::from_millis(millis);
            let pacer = constant(rate, Bound::Duration(end));
            let late = end * 10;
            let mut sent = 0;
            while let Step::SendNow { .. } = pacer.decide(late, sent) { sent += 1; }
            prop_assert_eq!(Some(sent), pacer.total());
            prop_assert_eq!(pacer.decide(late, sent), Step::Stop);
        }
    }

    #[test]
    fn the_maximum_rate_is_bounded_by_count_or_time() {
        let counted = Pacer::new(Arrival::Max, Bound::Count(3));
        let now = Duration::from_secs(9);
        assert_eq!(counted.decide(now, 2), Step::SendNow { intended: now });
        assert_eq!(counted.decide(now, 3), Step::Stop);
        let timed = Pacer::new(Arrival::Max, Bound::Duration(now));
        assert_eq!(timed.decide(now, 2), Step::Stop);
        assert_eq!(timed.decide(Duration::ZERO, u64::MAX), Step::SendNow { intended: Duration::ZERO });
    }

    #[test]
    fn absurd_schedules_neither_panic_nor_hang() {
        for rate in [f64::MIN_POSITIVE, 1e-9, 1e300, f64::MAX] {
            for bound in [Bound::Count(u64::MAX), Bound::Duration(Duration::MAX), Bound::Duration(Duration::ZERO)] {
                let pacer = constant(rate, bound);
                let _ = (pacer.total(), pacer.planned(), pacer.due_by(Duration::MAX), pacer.decide(Duration::ZERO, 1));
            }
        }
        assert_eq!(constant(f64::NAN, Bound::Count(1)).rate(), None);
    }
}
