//! Wall-clock time for code without access to the clock.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

/// A wall-clock time and the instant at which it was read; later times follow from the elapsed time.
#[derive(Clone, Copy, Debug)]
pub(in crate::tasks) struct Time(DateTime<Utc>, Instant);

impl Time {
    /// Starts at `now`.
    pub(in crate::tasks) fn new(now: DateTime<Utc>) -> Self {
        Self(now, Instant::now())
    }

    /// Returns the current time.
    pub(in crate::tasks) fn now(self) -> DateTime<Utc> {
        // The time of a replay may be the last one that exists.
        let elapsed = TimeDelta::from_std(self.1.elapsed()).unwrap_or_default();
        self.0.checked_add_signed(elapsed).unwrap_or(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_time_that_exists_stays() {
        let last = DateTime::<Utc>::MAX_UTC;
        assert_eq!(Time::new(last).now(), last);
    }
}
