//! The time of day where no clock is at hand.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

/// Tells the time without a clock: a time, and the instant at which it was told.
#[derive(Clone, Copy, Debug)]
pub(in crate::tasks) struct Time(DateTime<Utc>, Instant);

impl Time {
    /// It is `now`.
    pub(in crate::tasks) fn new(now: DateTime<Utc>) -> Self {
        Self(now, Instant::now())
    }

    /// The time now.
    pub(in crate::tasks) fn now(self) -> DateTime<Utc> {
        self.0 + TimeDelta::from_std(self.1.elapsed()).unwrap_or_default()
    }
}
