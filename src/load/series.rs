//! Records a load over time: per interval the number of requests, their errors and latencies.
//!
//! Each worker has a [`SeriesRecorder`] with the counts and one histogram of the current interval. At the end of the interval they are
//! added to the load's [`SharedSeries`], so its lock is taken once per interval and worker, never per request. A request counts in
//! the interval in which it *ended*, so a stall shows as intervals without requests.

use std::sync::Arc;
use std::time::Instant;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::interval::{Cell, DIGITS, Interval};
use super::timeline::{INTERVAL, Intervals, Timeline};
use super::watched::{Totals, WatchedLimits};
use crate::metrics::histogram::HIGHEST;

/// The series of a load, filled by its workers.
#[derive(Debug)]
pub struct SharedSeries {
    start: Instant,
    /// Limits whose exceedances are counted.
    limits: Option<WatchedLimits>,
    intervals: Mutex<Intervals>,
}

impl SharedSeries {
    /// Creates an empty series for a load whose first request is due at `start`. With `limits`, latencies are added up, and those over a
    /// limit counted.
    pub fn new(start: Instant, limits: Option<WatchedLimits>) -> Self {
        Self { start, intervals: Mutex::new(Intervals::new(limits.clone())), limits }
    }

    /// Returns the first `seconds` seconds of the load. Recorders must be flushed before. Under the lock, only references to the
    /// intervals are copied, not their latencies.
    pub fn until(&self, seconds: u64) -> Timeline {
        self.timeline(self.start).first(seconds)
    }

    /// Returns the load until `end`: its last response, or its interruption. Recorders must be flushed before.
    pub fn timeline(&self, end: Instant) -> Timeline {
        let elapsed = end.saturating_duration_since(self.start);
        Timeline { intervals: self.intervals.lock().clone(), elapsed }
    }
}

/// Records one worker's part of a series.
#[derive(Debug)]
pub struct SeriesRecorder {
    shared: Arc<SharedSeries>,
    /// The current interval: its start, its end, and its second of the load.
    from: Instant,
    until: Instant,
    second: u64,
    /// Requests of the interval, without cells. Kept from interval to interval, so that flushing does not allocate.
    requests: Interval,
    latencies: Histogram<u32>,
}

impl SeriesRecorder {
    /// Creates the recorder of one worker; all workers of a load share `shared`.
    pub fn new(shared: Arc<SharedSeries>) -> Self {
        let start = shared.start;
        let totals = shared.limits.as_ref().map(Totals::new).unwrap_or_default();
        let requests = Interval { totals, ..Interval::default() };
        Self { shared, from: start, until: start, second: 0, requests, latencies: latencies() }
    }

    /// Records a request that ended at `ended`. Its latency `micros`, in µs, counts if `is_timed`.
    ///
    /// Instants need not ascend, but should: each one in another interval than its predecessor takes the lock.
    pub fn record(&mut self, ended: Instant, micros: u64, is_error: bool, is_timed: bool) {
        if ended >= self.until || ended < self.from {
            self.turn_to(ended);
        }
        self.requests.requests += 1;
        self.requests.errors += u64::from(is_error);
        if is_timed {
            self.latencies.saturating_record(micros);
            if let Some(limits) = &self.shared.limits {
                self.requests.totals.record(limits, micros);
            }
        }
    }

    /// Continues in the interval of `ended`.
    fn turn_to(&mut self, ended: Instant) {
        self.flush();
        self.second = ended.saturating_duration_since(self.shared.start).as_secs();
        let from =
            self.shared.start.checked_add(INTERVAL.saturating_mul(u32::try_from(self.second).unwrap_or(u32::MAX)));
        // A request that ended before the start counts in the first interval.
        self.from = from.map_or(ended, |from| from.min(ended));
        self.until = from.and_then(|from| from.checked_add(INTERVAL)).unwrap_or(ended);
    }

    /// Adds what was recorded since the last time to the shared series. Must be called when a worker ends.
    pub fn flush(&mut self) {
        if self.requests.requests == 0 {
            return;
        }
        self.requests.cells.clear();
        for recorded in self.latencies.iter_recorded() {
            let middle = self.latencies.median_equivalent(recorded.value_iterated_to());
            let cell = Cell { micros: u32::try_from(middle).unwrap_or(u32::MAX), count: recorded.count_at_value() };
            self.requests.cells.push(cell);
        }
        self.shared.intervals.lock().add(self.second, &self.requests);
        (self.requests.requests, self.requests.errors) = (0, 0);
        self.requests.totals.reset();
        self.latencies.reset();
    }
}

#[expect(clippy::expect_used, reason = "the bounds are constants that the crate accepts; every test makes them")]
fn latencies() -> Histogram<u32> {
    Histogram::new_with_bounds(1, HIGHEST, DIGITS).expect("valid bounds")
}

#[cfg(test)]
#[path = "series_tests.rs"]
mod tests;
