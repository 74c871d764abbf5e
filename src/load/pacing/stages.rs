//! Rates that change over time: ramps, and the times at which a number of requests is due.
//!
//! Within a stage of length `d` the rate goes linearly from `a` to `b`, so that the requests due since its start grow with the
//! square of the time: `Λ(t) = a·t + s·t²/2`, where `s = (b − a)/d`. The time at which `v` requests are due is the root
//! `t = 2v / (a + √(a² + 2·s·v))`, which neither divides by a slope of 0 nor subtracts numbers of similar size while `s ≥ 0`. A
//! falling rate is measured from the stage's end, backwards, where it rises: with `w` requests still to come, they begin
//! `r = 2w / (b + √(b² − 2·s·w))` before the end.

use std::fmt;
use std::time::Duration;

use crate::model::duration::GoDuration;
use crate::model::readable::show;

/// Maximum stages of a schedule.
pub const MAX_STAGES: usize = 100;

/// Longest schedule of stages: a day.
pub const MAX_TIME: Duration = Duration::from_secs(24 * 3600);

/// Highest rate of a stage and of random arrivals, in requests per second: more than one machine can send.
pub const MAX_RATE: f64 = 1e6;

/// Number of stages that are shown; the rest is only counted.
const MAX_LISTED: usize = 5;

/// One stage: the rate changes linearly from its previous value to `rate` within `duration`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// Length; with 0 the rate jumps.
    pub duration: Duration,
    /// Requests per second at its end, 0 to [`MAX_RATE`].
    pub rate: f64,
}

/// Stages do not make a schedule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StagesError {
    /// No stages, or too many.
    #[error("has {0} stages; expected 1 to {MAX_STAGES}")]
    Count(usize),
    /// A rate is out of range.
    #[error("{} is not a valid rate; expected 0 to {}", show(*.rate), show(MAX_RATE))]
    Rate {
        /// Index of the stage; `None` for the rate before the first stage.
        stage: Option<usize>,
        /// The rate.
        rate: f64,
    },
    /// The total duration is zero or too long.
    #[error("takes {} in total; expected more than 0s and at most {}", GoDuration(*.0), GoDuration(MAX_TIME))]
    Time(Duration),
    /// Every rate is 0.
    #[error("has no requests: every rate is 0")]
    Nothing,
}

/// A schedule of stages, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Stages {
    /// The rate before the first stage.
    from: f64,
    stages: Vec<Stage>,
    /// The stages that take time.
    ramps: Vec<Ramp>,
    duration: Duration,
}

/// A stage that takes time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ramp {
    /// Start, from that of the first stage.
    start: Duration,
    /// Length in seconds, greater than 0.
    length: f64,
    /// The rate at its start and at its end.
    from: f64,
    to: f64,
    /// Requests due before its start, and before its end.
    before: f64,
    after: f64,
}

impl Stages {
    /// Creates stages that start at the rate `from`, in requests per second.
    pub fn new(from: f64, stages: &[Stage]) -> Result<Self, StagesError> {
        if !(1..=MAX_STAGES).contains(&stages.len()) {
            return Err(StagesError::Count(stages.len()));
        }
        let rates = std::iter::once((None, from)).chain(stages.iter().enumerate().map(|(at, s)| (Some(at), s.rate)));
        for (stage, rate) in rates {
            if !(0.0..=MAX_RATE).contains(&rate) {
                return Err(StagesError::Rate { stage, rate });
            }
        }
        let duration = stages.iter().fold(Duration::ZERO, |sum, stage| sum.saturating_add(stage.duration));
        if duration.is_zero() || duration > MAX_TIME {
            return Err(StagesError::Time(duration));
        }
        let mut ramps: Vec<Ramp> = Vec::new();
        let (mut start, mut rate, mut before) = (Duration::ZERO, from, 0.0);
        for stage in stages {
            if !stage.duration.is_zero() {
                let length = stage.duration.as_secs_f64();
                let after = snapped(before + (rate + stage.rate) / 2.0 * length);
                ramps.push(Ramp { start, length, from: rate, to: stage.rate, before, after });
                before = after;
                start += stage.duration;
            }
            rate = stage.rate;
        }
        if before <= 0.0 {
            return Err(StagesError::Nothing);
        }
        Ok(Self { from, stages: stages.to_vec(), ramps, duration })
    }

    /// Returns stages with the same rates that last so many times as long, at most [`MAX_TIME`].
    pub(super) fn lengthened(&self, times: f64) -> Self {
        let times = times.min(MAX_TIME.as_secs_f64() / self.duration.as_secs_f64());
        let longer = |stage: &Stage| Stage { duration: stage.duration.mul_f64(times), ..*stage };
        let stages: Vec<Stage> = self.stages.iter().map(longer).collect();
        // Rounding may exceed the limit.
        Self::new(self.from, &stages).unwrap_or_else(|_| self.clone())
    }

    /// Total duration.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Requests due by the end: the integral of the rate.
    pub fn total(&self) -> f64 {
        self.ramps.last().map_or(0.0, |ramp| ramp.after)
    }

    /// Requests due `elapsed` after the start: the integral of the rate until then.
    pub(super) fn due_by(&self, elapsed: Duration) -> f64 {
        let next = self.ramps.partition_point(|ramp| ramp.start <= elapsed);
        let Some(ramp) = next.checked_sub(1).and_then(|at| self.ramps.get(at)) else { return 0.0 };
        ramp.due_by((elapsed - ramp.start).as_secs_f64())
    }

    /// Time at which more than `due` requests are due for the first time: after a pause, at its end. `None` if there are fewer.
    pub(super) fn time_of(&self, due: f64) -> Option<Duration> {
        // Ramps at a rate of 0 have no requests, and are never found.
        let ramp = self.ramps.get(self.ramps.partition_point(|ramp| ramp.after <= due))?;
        Some(ramp.start + Duration::try_from_secs_f64(ramp.time_of(due)).unwrap_or_default())
    }
}

impl Ramp {
    fn is_falling(&self) -> bool {
        self.to < self.from
    }

    /// Requests due `time` seconds after its start, including those before it.
    fn due_by(&self, time: f64) -> f64 {
        let time = time.min(self.length);
        let steepness = (self.to - self.from).abs() / self.length;
        let due = if self.is_falling() {
            let left = self.length - time;
            self.after - left * (self.to + steepness * left / 2.0)
        } else {
            self.before + time * (self.from + steepness * time / 2.0)
        };
        due.clamp(self.before, self.after)
    }

    /// Seconds after its start at which `due` requests are due; `due` is between `before` and `after`.
    fn time_of(&self, due: f64) -> f64 {
        let steepness = (self.to - self.from).abs() / self.length;
        // Time until `count` requests are due if the rate rises from `rate`.
        let rising = |rate: f64, count: f64| {
            if count <= 0.0 { 0.0 } else { 2.0 * count / (rate + (rate * rate + 2.0 * steepness * count).sqrt()) }
        };
        let time = if self.is_falling() {
            self.length - rising(self.to, self.after - due)
        } else {
            rising(self.from, due - self.before)
        };
        time.clamp(0.0, self.length)
    }
}

/// Removes rounding errors from a count that is almost whole. Products and sums of decimal fractions miss it by their last bits, and
/// a request that is due at the end of a stage would be due within it.
fn snapped(count: f64) -> f64 {
    let whole = count.round();
    if (count - whole).abs() <= 1e-9 + count * 1e-13 { whole } else { count }
}

impl fmt::Display for Stages {
    /// `from 0/s: 100/s in 30s, 100/s in 1m0s, …`; the first few stages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {}/s: ", show(self.from))?;
        for (index, stage) in self.stages.iter().take(MAX_LISTED).enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}/s in {}", show(stage.rate), GoDuration(stage.duration))?;
        }
        match self.stages.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            more => write!(f, " and {more} more, {} in total", GoDuration(self.duration)),
        }
    }
}

#[cfg(test)]
#[path = "stages_tests.rs"]
mod tests;
