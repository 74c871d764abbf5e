//! A load over time as it is kept until its end: per interval the counts and the cells of a histogram, so that intervals and whole
//! loads merge without loss.
//!
//! Memory is bounded whatever the load's length: of an interval only the cells of its histogram are kept that hold a value, and there
//! are at most [`MAX_INTERVALS`] intervals. Where a load lasts longer, intervals become twice as long, and neighbours merge exactly.

use std::time::Duration;

use crate::metrics::histogram::{self, HistogramError};
use crate::metrics::series::is_scrap;
use crate::model::duration::GoDuration;
use crate::model::series::Series;
use crate::model::shard::{IntervalShard, TimelineShard};

/// Most intervals of a load.
pub const MAX_INTERVALS: usize = 240;

/// Length of an interval, as long as the load has no more than [`MAX_INTERVALS`] of them.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// Significant digits of an interval's latencies: what a chart can show.
pub(super) const DIGITS: u8 = 2;

/// Intervals have been doubled at most this often: the load lasted longer than anything.
const MAX_DOUBLINGS: u32 = 34;

/// The values that a histogram takes as equal, by their middle, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) micros: u32,
    pub(super) count: u32,
}

/// What ended in one interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
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

/// The intervals of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals {
    /// How often the length of an interval was doubled.
    doublings: u32,
    pub(super) list: Vec<Interval>,
}

impl Intervals {
    /// Adds to the interval that holds the second `second`.
    pub(super) fn add(&mut self, second: u64, requests: u64, errors: u64, cells: &[Cell]) {
        while second >> self.doublings >= MAX_INTERVALS as u64 {
            self.double();
        }
        let at = (second >> self.doublings) as usize;
        if self.list.len() <= at {
            self.list.resize_with(at + 1, Interval::default);
        }
        self.list[at].add(requests, errors, cells);
    }

    /// Makes intervals twice as long.
    fn double(&mut self) {
        self.doublings += 1;
        self.list = self.list.chunks(2).map(sum).collect();
    }

    /// Adds those of another load, each to the interval as long after the start.
    fn merge(&mut self, other: &Intervals) {
        while self.doublings < other.doublings {
            self.double();
        }
        for (at, interval) in other.list.iter().enumerate() {
            self.add((at as u64) << other.doublings, interval.requests, interval.errors, &interval.cells);
        }
    }
}

fn sum(group: &[Interval]) -> Interval {
    let mut all = Interval::default();
    for interval in group {
        all.add(interval.requests, interval.errors, &interval.cells);
    }
    all
}

/// A load over time, to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    pub(super) intervals: Intervals,
    /// From the instant the first request was due to the last answer, or to when the load was stopped.
    pub(super) elapsed: Duration,
}

impl Timeline {
    /// The series of the load, in at most `most` points; `None` where no request ended.
    pub fn series(&self, most: usize) -> Option<Series> {
        let Self { intervals, elapsed } = self;
        if intervals.list.is_empty() {
            return None;
        }
        let most = most.clamp(1, MAX_INTERVALS) as u64;
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let base = nanos(INTERVAL).saturating_mul(1 << intervals.doublings.min(MAX_DOUBLINGS));
        let passed = nanos(*elapsed).div_ceil(base).max(intervals.list.len() as u64);
        let mut joined = 1_u64;
        while passed.div_ceil(joined) > most {
            joined *= 2;
        }
        let length = base.saturating_mul(joined);
        let count = passed.div_ceil(joined);
        // An end within the last interval says how long that was; one before it, which can't be, says nothing.
        let mut last = nanos(*elapsed).saturating_sub(length.saturating_mul(count - 1)).min(length);
        if last == 0 {
            last = length;
        }
        let mut points: Vec<Interval> = intervals.list.chunks(joined as usize).map(sum).collect();
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

    /// Adds another load, as if both had started at the same instant.
    pub(super) fn merge(&mut self, other: &Timeline) {
        self.intervals.merge(&other.intervals);
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// The same as it is handed from machine to machine.
    pub(super) fn shard(&self) -> TimelineShard {
        let interval = |interval: &Interval| IntervalShard {
            requests: interval.requests,
            errors: interval.errors,
            latency: (!interval.cells.is_empty()).then(|| {
                let mut latency = histogram::with_digits(DIGITS);
                for cell in &interval.cells {
                    latency.saturating_record_n(u64::from(cell.micros), u64::from(cell.count));
                }
                histogram::encode(&latency)
            }),
        };
        TimelineShard {
            elapsed_nanos: u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX),
            doublings: self.intervals.doublings,
            intervals: self.intervals.list.iter().map(interval).collect(),
        }
    }

    /// Reads what [`Timeline::shard`] made.
    pub(super) fn of_shard(shard: &TimelineShard) -> Result<Self, TimelineError> {
        let (count, doublings) = (shard.intervals.len(), shard.doublings);
        if count > MAX_INTERVALS || doublings > MAX_DOUBLINGS {
            return Err(TimelineError::Size { count, doublings });
        }
        let list = shard.intervals.iter().map(of_shard).collect::<Result<_, _>>()?;
        Ok(Self { intervals: Intervals { doublings, list }, elapsed: Duration::from_nanos(shard.elapsed_nanos) })
    }
}

fn of_shard(shard: &IntervalShard) -> Result<Interval, TimelineError> {
    let mut cells = Vec::new();
    if let Some(latency) = &shard.latency {
        let latency = histogram::coarser(&histogram::decode(latency)?, DIGITS);
        for recorded in latency.iter_recorded() {
            let micros = u32::try_from(latency.median_equivalent(recorded.value_iterated_to())).unwrap_or(u32::MAX);
            cells.push(Cell { micros, count: u32::try_from(recorded.count_at_value()).unwrap_or(u32::MAX) });
        }
    }
    Ok(Interval { requests: shard.requests, errors: shard.errors, cells })
}

/// Why what another machine handed in is no timeline.
#[derive(Debug, thiserror::Error)]
pub enum TimelineError {
    /// It has more or longer intervals than any load.
    #[error("it has {count} intervals of 2^{doublings} s, more or longer than any load's")]
    Size {
        /// How many.
        count: usize,
        /// How often they were doubled.
        doublings: u32,
    },
    /// A histogram can't be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}
