//! A load over time: per interval how many requests ended, how many of them failed, and how long they took.
//!
//! Each worker has a [`SeriesRecorder`] with the counts and one histogram of the interval it is in; when that is over they go to the
//! load's [`SharedSeries`], whose lock is thus taken once per interval and worker, never per request. A request counts in the
//! interval in which it *ended*: what was measured then is known then, and a stall shows as intervals without any.
//!
//! Memory is bounded whatever the load's length: of an interval only the cells of its histogram are kept that hold a value, and there
//! are at most [`MAX_INTERVALS`] intervals. Where a load lasts longer, intervals become twice as long, and neighbours merge exactly.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::lock::lock;
use crate::logic::histogram::HIGHEST;
use crate::logic::series::is_scrap;
use crate::model::duration::GoDuration;
use crate::model::series::Series;

/// Most intervals of a load.
pub const MAX_INTERVALS: usize = 240;

/// Length of an interval, as long as the load has no more than [`MAX_INTERVALS`] of them.
const INTERVAL: Duration = Duration::from_secs(1);

/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// Significant digits of an interval's latencies: what a chart can show.
const DIGITS: u8 = 2;

/// The values that a histogram takes as equal, by their middle, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    micros: u32,
    count: u32,
}

/// What ended in one interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Interval {
    requests: u64,
    errors: u64,
    /// In ascending order.
    cells: Vec<Cell>,
}

impl Interval {
    fn add(&mut self, requests: u64, errors: u64, cells: &[Cell]) {
        self.requests = self.requests.saturating_add(requests);
        self.errors = self.errors.saturating_add(errors);
        self.cells = merged(&self.cells, cells);
    }

    /// The value in msec that `p` percent of all do not exceed, by the nearest rank.
    fn percentile(&self, p: f64) -> Option<f64> {
        let total: u64 = self.cells.iter().map(|cell| u64::from(cell.count)).sum();
        let rank = ((p / 100.0 * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.cells.iter().find(|cell| {
            seen += u64::from(cell.count);
            seen >= rank
        });
        found.map(|cell| three_digits(f64::from(cell.micros) / 1000.0))
    }
}

/// Two lists of cells as one; both in ascending order, as is the result.
fn merged(a: &[Cell], b: &[Cell]) -> Vec<Cell> {
    let mut all = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    loop {
        let next = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.micros == y.micros => {
                let count = x.count.saturating_add(y.count);
                b.next();
                a.next().map(|cell| Cell { count, ..cell })
            }
            (Some(x), Some(y)) if x.micros > y.micros => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        };
        match next {
            Some(cell) => all.push(cell),
            None => break,
        }
    }
    // What is kept for the whole load takes no more than it needs.
    all.shrink_to_fit();
    all
}

/// As exact as the cells are, and short in a document.
fn three_digits(ms: f64) -> f64 {
    let decimals = match ms {
        _ if ms >= 100.0 => 1.0,
        _ if ms >= 10.0 => 10.0,
        _ if ms >= 1.0 => 100.0,
        _ => 1000.0,
    };
    (ms * decimals).round() / decimals
}

/// The series of a load, which its workers add to.
#[derive(Debug)]
pub struct SharedSeries {
    start: Instant,
    intervals: Mutex<Intervals>,
}

#[derive(Debug, Default)]
struct Intervals {
    /// How often the length of an interval was doubled.
    doublings: u32,
    list: Vec<Interval>,
}

impl Intervals {
    /// Adds to the interval that holds the second `second`.
    fn add(&mut self, second: u64, requests: u64, errors: u64, cells: &[Cell]) {
        while second >> self.doublings >= MAX_INTERVALS as u64 {
            self.doublings += 1;
            self.list = self.list.chunks(2).map(sum).collect();
        }
        let at = (second >> self.doublings) as usize;
        if self.list.len() <= at {
            self.list.resize_with(at + 1, Interval::default);
        }
        self.list[at].add(requests, errors, cells);
    }
}

fn sum(group: &[Interval]) -> Interval {
    let mut all = Interval::default();
    for interval in group {
        all.add(interval.requests, interval.errors, &interval.cells);
    }
    all
}

impl SharedSeries {
    /// An empty series of a load whose first request is due at `start`.
    pub fn new(start: Instant) -> Self {
        Self { start, intervals: Mutex::default() }
    }

    /// The series of a load that ended at `end` (its last answer, or when it was stopped), in at most `most` points; `None` where no
    /// request ended. What recorders have not handed over yet is not in it.
    pub fn series(&self, end: Instant, most: usize) -> Option<Series> {
        let intervals = lock(&self.intervals);
        if intervals.list.is_empty() {
            return None;
        }
        let most = most.clamp(1, MAX_INTERVALS) as u64;
        let elapsed = end.saturating_duration_since(self.start);
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let base = nanos(INTERVAL).saturating_mul(1 << intervals.doublings.min(34));
        let passed = nanos(elapsed).div_ceil(base).max(intervals.list.len() as u64);
        let mut joined = 1_u64;
        while passed.div_ceil(joined) > most {
            joined *= 2;
        }
        let length = base.saturating_mul(joined);
        let count = passed.div_ceil(joined);
        // An end within the last interval says how long that was; one before it, which can't be, says nothing.
        let mut last = nanos(elapsed).saturating_sub(length.saturating_mul(count - 1)).min(length);
        if last == 0 {
            last = length;
        }
        let mut points: Vec<Interval> = intervals.list.chunks(joined as usize).map(sum).collect();
        drop(intervals);
        points.resize_with(count as usize, Interval::default);
        let duration = Duration::from_nanos;
        if is_scrap(duration(last), duration(length)) && count > 1 {
            let rest = points.pop();
            if let (Some(point), Some(rest)) = (points.last_mut(), rest) {
                point.add(rest.requests, rest.errors, &rest.cells);
                last += length;
            }
        }
        // Whole milliseconds, where there are any: finer than any rate that is made of it.
        let last =
            if last >= MILLISECOND { last.saturating_add(MILLISECOND / 2) / MILLISECOND * MILLISECOND } else { last };
        Some(Series {
            interval: GoDuration(duration(length)),
            last: (last != length).then_some(GoDuration(duration(last))),
            requests: points.iter().map(|point| point.requests).collect(),
            errors: points.iter().map(|point| point.errors).collect(),
            p50: points.iter().map(|point| point.percentile(50.0)).collect(),
            p99: points.iter().map(|point| point.percentile(99.0)).collect(),
        })
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
