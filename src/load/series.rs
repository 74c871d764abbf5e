//! A load over time: per interval how many requests ended, how many of them failed, and how long they took.
//!
//! Each worker has a [`SeriesRecorder`] with the counts and one histogram of the interval it is in; when that is over they go to the
//! load's [`SharedSeries`], whose lock is thus taken once per interval and worker, never per request. A request counts in the
//! interval in which it *ended*: what was measured then is known then, and a stall shows as intervals without any.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use hdrhistogram::Histogram;

use super::lock::lock;
use super::timeline::{Cell, DIGITS, INTERVAL, Intervals, Timeline};
use crate::metrics::histogram::HIGHEST;

/// The series of a load, which its workers add to.
#[derive(Debug)]
pub struct SharedSeries {
    start: Instant,
    intervals: Mutex<Intervals>,
}

impl SharedSeries {
    /// An empty series of a load whose first request is due at `start`.
    pub fn new(start: Instant) -> Self {
        Self { start, intervals: Mutex::default() }
    }

    /// The load until `end` (its last answer, or when it was stopped). What recorders have not handed over yet is not in it.
    pub fn timeline(&self, end: Instant) -> Timeline {
        let elapsed = end.saturating_duration_since(self.start);
        Timeline { intervals: lock(&self.intervals).clone(), elapsed }
    }
}

/// Records one worker's part of a series.
#[derive(Debug)]
pub struct SeriesRecorder {
    shared: Arc<SharedSeries>,
    /// The interval that is recorded: from when until before when, and which second of the load.
    from: Instant,
    until: Instant,
    second: u64,
    requests: u64,
    errors: u64,
    latencies: Histogram<u32>,
    /// Kept from interval to interval, so that handing over needs no new memory.
    cells: Vec<Cell>,
}

impl SeriesRecorder {
    /// A recorder for one worker; all of a load share `shared`.
    pub fn new(shared: Arc<SharedSeries>) -> Self {
        let start = shared.start;
        Self {
            shared,
            from: start,
            until: start,
            second: 0,
            requests: 0,
            errors: 0,
            latencies: latencies(),
            cells: Vec::new(),
        }
    }

    /// Takes note of a request that ended at `ended`. `micros` is its latency in µs, taken note of if `is_timed`.
    ///
    /// The instants need not rise, but are expected to: each that lies in another interval than the one before it takes a lock.
    pub fn record(&mut self, ended: Instant, micros: u64, is_error: bool, is_timed: bool) {
        if ended >= self.until || ended < self.from {
            self.turn_to(ended);
        }
        self.requests += 1;
        self.errors += u64::from(is_error);
        if is_timed {
            self.latencies.saturating_record(micros);
        }
    }

    /// Goes on in the interval of `ended`.
    fn turn_to(&mut self, ended: Instant) {
        self.flush();
        self.second = ended.saturating_duration_since(self.shared.start).as_secs();
        let from =
            self.shared.start.checked_add(INTERVAL.saturating_mul(u32::try_from(self.second).unwrap_or(u32::MAX)));
        // What ends before the start counts in the first interval.
        self.from = from.map_or(ended, |from| from.min(ended));
        self.until = from.and_then(|from| from.checked_add(INTERVAL)).unwrap_or(ended);
    }

    /// Hands over what was recorded since the last time. To be called once a worker is through.
    pub fn flush(&mut self) {
        if self.requests == 0 {
            return;
        }
        self.cells.clear();
        for recorded in self.latencies.iter_recorded() {
            let middle = self.latencies.median_equivalent(recorded.value_iterated_to());
            self.cells
                .push(Cell { micros: u32::try_from(middle).unwrap_or(u32::MAX), count: recorded.count_at_value() });
        }
        lock(&self.shared.intervals).add(self.second, self.requests, self.errors, &self.cells);
        (self.requests, self.errors) = (0, 0);
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
