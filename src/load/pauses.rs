//! Measures the time in which this process did not run: it was stopped, or got no CPU time. A task that should wake at intervals
//! wakes late by that time.

use std::time::{Duration, Instant};

/// Shortest pause that counts. Shorter delays are normal on a busy machine.
const SHORTEST: Duration = Duration::from_millis(100);

/// Sum of the pauses so far, as the task sees them.
pub(super) struct Pauses {
    interval: Duration,
    waits_since: Instant,
    total: Duration,
}

impl Pauses {
    /// Starts with a task that waits from `now` on, at most `interval` at a time.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, waits_since: now, total: Duration::ZERO }
    }

    /// Records that the task woke up.
    pub(super) fn wakes(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.waits_since).saturating_sub(self.interval);
        if late >= SHORTEST {
            self.total = self.total.saturating_add(late);
        }
        self.waits_since = now;
    }

    /// Records that the task waits again. Its own work since it woke up does not count as a pause.
    pub(super) fn waits(&mut self, now: Instant) {
        self.waits_since = now;
    }

    pub(super) fn total(&self) -> Duration {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_wakeups_are_pauses_and_the_tasks_own_work_is_not() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pauses = Pauses::new(Duration::from_millis(250), start);
        // Early, on time, and a little late.
        for wake in [100, 350, 690] {
            pauses.wakes(at(wake));
        }
        assert_eq!(pauses.total(), Duration::ZERO);
        pauses.waits(at(2_000));
        pauses.wakes(at(2_250));
        assert_eq!(pauses.total(), Duration::ZERO, "work of 1.3 s");
        pauses.wakes(at(3_500));
        pauses.wakes(at(3_510));
        pauses.wakes(at(4_260));
        assert_eq!(pauses.total(), Duration::from_millis(1_500));
    }
}
