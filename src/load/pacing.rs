//! Due times of requests: a pure function of the elapsed time and the number of requests sent.
//!
//! A schedule is a sequence of *slots*; slot `k` is due at a fixed time after the start. A [`Pacer`] is the schedule, a [`Cursor`]
//! computes due times and decides about slots.
//!
//! All schedules follow one formula: slot `k` is due at the time `t` at which the integral of the rate, `Λ(t)`, reaches `U_k`. For
//! evenly spaced requests `U_k = k`; for random ones `U_k` is the sum of `k + 1` exponentially distributed numbers of mean 1, which
//! makes them a Poisson process of that rate, constant or not. A constant rate `r` has `Λ(t) = r·t`; `stages` has the formulas for
//! ramps, and `share` the distribution of a schedule over pods.

mod cursor;
mod exponential;
mod lengthen;
mod share;
pub mod stages;

use std::sync::Arc;
use std::time::Duration;

pub use self::cursor::{Cursor, Planned};
use self::stages::{MAX_RATE, Stages};
use crate::model::load::Spacing;
use crate::model::shard::Share;

/// Arrival of requests.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    /// As fast as the connections allow: every slot is due immediately.
    Max,
    /// Evenly spaced: slot `k` is due `k / rate` seconds after the start.
    Constant {
        /// Requests per second; greater than 0 and finite.
        rate: f64,
    },
    /// Randomly: a Poisson process, with exponentially distributed gaps. The sequence is the same in every run.
    Poisson {
        /// Requests per second on average; greater than 0 and at most [`MAX_RATE`].
        rate: f64,
    },
    /// At a changing rate.
    Staged {
        /// Course of the rate.
        stages: Arc<Stages>,
        /// Spacing of requests within the rate.
        spacing: Spacing,
    },
}

/// End of the schedule; stages also end by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// After this many requests.
    Count(u64),
    /// After this time: slots that are due before it belong to the schedule, later ones do not.
    Duration(Duration),
}

/// Decision about the next slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The slot is due: send a request.
    SendNow {
        /// Due time, from the start.
        intended: Duration,
    },
    /// The slot is not due yet.
    Wait {
        /// Due time, from the start.
        until: Duration,
    },
    /// The schedule has no such slot.
    Stop,
}

/// A schedule of requests; cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Pacer {
    arrival: Arrival,
    bound: Bound,
    /// Number of slots of the whole schedule, if it is known.
    total: Option<u64>,
    /// The part of this pod.
    share: Share,
}

impl Pacer {
    /// Creates a schedule. A rate of 0 or less means [`Arrival::Max`]; a rate of random arrivals is limited to [`MAX_RATE`]. Stages
    /// end at their end, whatever the bound.
    pub fn new(arrival: Arrival, bound: Bound) -> Self {
        let arrival = match arrival {
            Arrival::Constant { rate } | Arrival::Poisson { rate } if !(rate > 0.0 && rate.is_finite()) => Arrival::Max,
            Arrival::Poisson { rate } => Arrival::Poisson { rate: rate.min(MAX_RATE) },
            other => other,
        };
        let bound = match (bound, &arrival) {
            (Bound::Duration(end), Arrival::Staged { stages, .. }) => Bound::Duration(end.min(stages.duration())),
            _ => bound,
        };
        let mut pacer = Self { arrival, bound, total: None, share: Share::WHOLE };
        pacer.total = pacer.count();
        pacer
    }

    /// Creates a schedule of stages, to their end.
    pub fn staged(stages: Stages, spacing: Spacing) -> Self {
        let bound = Bound::Duration(stages.duration());
        Self::new(Arrival::Staged { stages: Arc::new(stages), spacing }, bound)
    }

    /// Returns one pod's part of the schedule. All parts together have exactly its slots at their due times. At maximum rate a number
    /// of requests is split, and a duration is kept.
    #[must_use]
    pub fn share(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Number of slots of the whole schedule, if it is known without a walk.
    fn count(&self) -> Option<u64> {
        match (self.bound, &self.arrival) {
            (Bound::Count(count), Arrival::Staged { stages, spacing: Spacing::Uniform }) => {
                Some(count.min(stages.total().ceil() as u64))
            }
            (Bound::Count(_), Arrival::Staged { spacing: Spacing::Poisson, .. }) => None,
            (Bound::Count(count), _) => Some(count),
            (Bound::Duration(end), _) if self.is_uniform() => Some(self.uniform_before(end)),
            (Bound::Duration(_), _) => None,
        }
    }

    /// Number of slots; `None` if only time ends the schedule (at maximum rate and with random arrivals).
    pub fn total(&self) -> Option<u64> {
        self.total.map(|total| share::part(self.share, total))
    }

    /// Position of slot `k` in the whole schedule, both from 0. It is unique over all pods.
    pub fn number(&self, k: u64) -> u64 {
        share::number(self.share, k)
    }

    /// Planned requests per second, on average; `None` for as many as possible.
    pub fn rate(&self) -> Option<f64> {
        Some(self.whole_rate()? / self.share.count() as f64)
    }

    /// Planned requests per second of the whole schedule.
    fn whole_rate(&self) -> Option<f64> {
        match &self.arrival {
            Arrival::Max => None,
            Arrival::Constant { rate } | Arrival::Poisson { rate } => Some(*rate),
            Arrival::Staged { stages, .. } => Some(stages.total() / stages.duration().as_secs_f64()),
        }
    }

    /// Spacing of requests.
    pub fn spacing(&self) -> Spacing {
        match &self.arrival {
            Arrival::Poisson { .. } => Spacing::Poisson,
            Arrival::Staged { spacing, .. } => *spacing,
            Arrival::Max | Arrival::Constant { .. } => Spacing::Uniform,
        }
    }

    /// Returns the stages, if the rate changes.
    pub fn stages(&self) -> Option<&Stages> {
        match &self.arrival {
            Arrival::Staged { stages, .. } => Some(stages),
            _ => None,
        }
    }

    /// End of a schedule that is bounded by time, from the start.
    pub fn ends(&self) -> Option<Duration> {
        match self.bound {
            Bound::Duration(duration) => Some(duration),
            Bound::Count(_) => None,
        }
    }

    /// Planned duration, with random arrivals on average; `None` for a number of requests at maximum rate.
    pub fn length(&self) -> Option<Duration> {
        match (self.bound, self.whole_rate()) {
            (Bound::Duration(end), _) => Some(end),
            (Bound::Count(_), None) => None,
            (Bound::Count(count), Some(rate)) => {
                let by_count = seconds(count as f64 / rate);
                Some(self.stages().map_or(by_count, Stages::duration))
            }
        }
    }

    /// Creates a cursor at the start of the schedule.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.clone())
    }

    /// Returns true if slots are evenly spaced, so that due times need no walk.
    fn is_uniform(&self) -> bool {
        !self.is_max() && self.spacing() == Spacing::Uniform
    }

    fn is_max(&self) -> bool {
        matches!(self.arrival, Arrival::Max)
    }

    /// Time at which `due` slots are due, whatever the bound; `None` if there never are. Zero at maximum rate.
    fn time_of(&self, due: f64) -> Option<Duration> {
        match &self.arrival {
            Arrival::Max => Some(Duration::ZERO),
            Arrival::Constant { rate } | Arrival::Poisson { rate } => Some(seconds(due / rate)),
            Arrival::Staged { stages, .. } => stages.time_of(due),
        }
    }

    /// Number of evenly spaced slots that are due strictly before `end`, whatever the bound.
    fn uniform_before(&self, end: Duration) -> u64 {
        let estimate = match &self.arrival {
            Arrival::Max | Arrival::Poisson { .. } => return 0,
            Arrival::Constant { rate } => end.as_secs_f64() * rate,
            Arrival::Staged { stages, .. } => stages.due_by(end),
        };
        // The estimate is at most a few slots off. `time_of` decides, so that both agree to the nanosecond. Beyond 2^53 slots `f64` does
        // not distinguish neighbours, and stepping gains nothing, hence the limit.
        let is_before = |slot: u64| self.time_of(slot as f64).is_some_and(|due| due < end);
        let mut slots = estimate as u64;
        for _ in 0..8 {
            if is_before(slots) {
                slots = slots.saturating_add(1);
            } else if slots > 0 && !is_before(slots - 1) {
                slots -= 1;
            } else {
                break;
            }
        }
        slots
    }
}

/// Seconds as a `Duration`, saturating.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
#[path = "pacing_tests.rs"]
mod tests;
