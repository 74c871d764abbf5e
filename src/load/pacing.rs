//! When the next request is due: a pure function of the time elapsed and the requests taken so far.
//!
//! A schedule is a sequence of *slots*; slot `k` is due at a fixed time after the start. A [`Pacer`] is the schedule; a [`Cursor`]
//! tells when a slot is due and what to do about it.
//!
//! All schedules are one formula: slot `k` is due at the time `t` at which the integral of the rate, `Λ(t)`, reaches `U_k`. For
//! evenly spaced requests `U_k = k`; for random ones `U_k` is the sum of `k + 1` random numbers with an exponential distribution
//! of mean 1, which makes them a Poisson process of just that rate, constant or not. A constant rate `r` has `Λ(t) = r·t`;
//! `stages` has the formulas for ramps. Where several machines share a schedule, `share` says which slots are whose.

mod cursor;
mod exponential;
mod share;
pub mod stages;

use std::sync::Arc;
use std::time::Duration;

pub use self::cursor::{Asked, Cursor};
use self::stages::{MAX_RATE, Stages};
use crate::model::load::Spacing;
use crate::model::shard::Share;

/// How requests arrive.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    /// As many as the connections can take: every slot is due at once.
    Max,
    /// Evenly spaced: slot `k` is due `k / rate` seconds after the start.
    Constant {
        /// Requests per second; greater than 0 and finite.
        rate: f64,
    },
    /// At random: a Poisson process, whose gaps have an exponential distribution. The sequence is the same in every run.
    Poisson {
        /// Requests per second on average; greater than 0 and at most [`MAX_RATE`].
        rate: f64,
    },
    /// At a rate that changes.
    Staged {
        /// How it changes.
        stages: Arc<Stages>,
        /// How requests are spaced within the rate.
        spacing: Spacing,
    },
}

/// When the schedule ends; stages end by themselves, too.
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

/// A schedule of requests; cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Pacer {
    arrival: Arrival,
    bound: Bound,
    /// How many slots the whole schedule has, if that is known.
    total: Option<u64>,
    /// Which of them belong to it.
    share: Share,
}

impl Pacer {
    /// A schedule. A rate that is not greater than 0 is read as [`Arrival::Max`], and one of random arrivals above [`MAX_RATE`] as
    /// that. Stages end at their end, whatever the bound.
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

    /// A schedule of stages, to their end.
    pub fn staged(stages: Stages, spacing: Spacing) -> Self {
        let bound = Bound::Duration(stages.duration());
        Self::new(Arrival::Staged { stages: Arc::new(stages), spacing }, bound)
    }

    /// One machine's part of the whole schedule; all parts together have exactly its slots, when they are due there. At maximum
    /// rate a number of requests is split, and a duration is kept.
    #[must_use]
    pub fn share(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// How many slots the whole schedule has, where that is known without walking through them.
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

    /// How many slots the schedule has; `None` where only time ends it: at maximum rate and with random arrivals.
    pub fn total(&self) -> Option<u64> {
        self.total.map(|total| share::part(self.share, total))
    }

    /// Which slot of the whole schedule slot `k` is, both from 0: the number of a request, which no other machine has.
    pub fn number(&self, k: u64) -> u64 {
        share::number(self.share, k)
    }

    /// Requests per second asked for, on average by plan; `None` for as many as possible.
    pub fn rate(&self) -> Option<f64> {
        Some(self.whole_rate()? / self.share.count() as f64)
    }

    /// The same of the whole schedule.
    fn whole_rate(&self) -> Option<f64> {
        match &self.arrival {
            Arrival::Max => None,
            Arrival::Constant { rate } | Arrival::Poisson { rate } => Some(*rate),
            Arrival::Staged { stages, .. } => Some(stages.total() / stages.duration().as_secs_f64()),
        }
    }

    /// How requests are spaced.
    pub fn spacing(&self) -> Spacing {
        match &self.arrival {
            Arrival::Poisson { .. } => Spacing::Poisson,
            Arrival::Staged { spacing, .. } => *spacing,
            Arrival::Max | Arrival::Constant { .. } => Spacing::Uniform,
        }
    }

    /// The stages, where the rate changes.
    pub fn stages(&self) -> Option<&Stages> {
        match &self.arrival {
            Arrival::Staged { stages, .. } => Some(stages),
            _ => None,
        }
    }

    /// When time alone ends the schedule.
    pub fn ends(&self) -> Option<Duration> {
        match self.bound {
            Bound::Duration(duration) => Some(duration),
            Bound::Count(_) => None,
        }
    }

    /// How long the schedule takes by plan, with random arrivals on average; `None` where only the number of its requests, sent as
    /// fast as can be, ends it.
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

    /// A cursor at the start of the schedule.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.clone())
    }

    /// Whether slots are evenly spaced, so that they are due at times that need no walk.
    fn is_uniform(&self) -> bool {
        !self.is_max() && self.spacing() == Spacing::Uniform
    }

    fn is_max(&self) -> bool {
        matches!(self.arrival, Arrival::Max)
    }

    /// When `due` slots are due, whatever the bound; `None` when there never are. At maximum rate it is at once.
    fn time_of(&self, due: f64) -> Option<Duration> {
        match &self.arrival {
            Arrival::Max => Some(Duration::ZERO),
            Arrival::Constant { rate } | Arrival::Poisson { rate } => Some(seconds(due / rate)),
            Arrival::Staged { stages, .. } => stages.time_of(due),
        }
    }

    /// How many evenly spaced slots are due strictly before `end`, whatever the bound.
    fn uniform_before(&self, end: Duration) -> u64 {
        let estimate = match &self.arrival {
            Arrival::Max | Arrival::Poisson { .. } => return 0,
            Arrival::Constant { rate } => end.as_secs_f64() * rate,
            Arrival::Staged { stages, .. } => stages.due_by(end),
        };
        // The estimate is at most a few slots off; `time_of` decides, so that both agree to the nanosecond. Where `f64` can no
        // longer tell neighbours apart (beyond 2^53 slots) nothing is gained by stepping, hence the limit.
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

/// So many seconds, to the nanosecond; as long as can be where they are more.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
#[path = "pacing_tests.rs"]
mod tests;
