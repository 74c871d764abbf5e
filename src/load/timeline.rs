//! A load over time: per interval the counters and the cells of a histogram, so that intervals and whole loads merge losslessly.
//!
//! Memory is bounded however long the load: only cells with values are kept, and at most [`MAX_INTERVALS`] intervals. If a load lasts
//! longer, intervals become twice as long, and neighbours merge exactly.

use std::time::Duration;

use crate::metrics::histogram::{self, HistogramError};
use crate::metrics::series::is_scrap;
use crate::model::duration::GoDuration;
use crate::model::series::Series;
use crate::model::shard::{IntervalShard, TimelineShard};

/// Maximum intervals of a load.
pub const MAX_INTERVALS: usize = 240;

/// Length of an interval until the load has more than [`MAX_INTERVALS`] of them.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// A millisecond in nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// Significant digits of an interval's latencies: enough for a chart.
pub(super) const DIGITS: u8 = 2;

/// Maximum doublings of intervals; a load would have to last for centuries.
const MAX_DOUBLINGS: u32 = 34;

/// A cell of a histogram: its middle value and its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) micros: u32,
    pub(super) count: u32,
}

/// Requests that ended in one interval.
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

    fn from_shard(shard: &IntervalShard) -> Result<Self, TimelineError> {
        let mut cells = Vec::new();
        if let Some(latency) = &shard.latency {
            let latency = histogram::coarser(&histogram::decode(latency)?, DIGITS);
            for recorded in latency.iter_recorded() {
                let micros = u32::try_from(latency.median_equivalent(recorded.value_iterated_to())).unwrap_or(u32::MAX);
                cells.push(Cell { micros, count: u32::try_from(recorded.count_at_value()).unwrap_or(u32::MAX) });
            }
        }
        Ok(Self { requests: shard.requests, errors: shard.errors, cells })
    }

    fn shard(&self) -> Result<IntervalShard, HistogramError> {
        let mut latency = None;
        if !self.cells.is_empty() {
            let mut histogram = histogram::with_digits(DIGITS);
            for cell in &self.cells {
                histogram.saturating_record_n(u64::from(cell.micros), u64::from(cell.count));
            }
            latency = Some(histogram::encode(&histogram)?);
        }
        Ok(IntervalShard { requests: self.requests, errors: self.errors, latency })
    }

    /// Returns a percentile in msec, by nearest rank.
    fn percentile(&self, p: f64) -> Option<f64> {
        let total: u64 = self.cells.iter().map(|cell| u64::from(cell.count)).sum();
        let rank = ((p / 100.0 * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let cell = self.cells.iter().find(|cell| {
            seen += u64::from(cell.count);
            seen >= rank
        });
        cell.map(|cell| three_digits(f64::from(cell.micros) / 1000.0))
    }
}

/// Merges two ascending lists of cells into one.
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
    // Kept for the whole load, so without spare capacity.
    all.shrink_to_fit();
    all
}

/// Rounds to the precision of the cells, which keeps documents short.
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
    /// Number of times that the length of an interval was doubled.
    doublings: u32,
    pub(super) list: Vec<Interval>,
}

impl Intervals {
    /// Adds to the interval of a second of the load.
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

    /// Doubles the length of intervals.
    fn double(&mut self) {
        self.doublings += 1;
        self.list = self.list.chunks(2).map(sum).collect();
    }

    /// Adds the intervals of another load, aligned at the start.
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

/// A complete load over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    pub(super) intervals: Intervals,
    /// Time from the start to the last response or the interruption.
    pub(super) elapsed: Duration,
}

impl Timeline {
    /// Returns the series of the load, in at most `most` points; `None` if no request ended.
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
        // The end determines the length of the last interval, unless it is before it, which a damaged shard may claim.
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
        // Whole milliseconds (if there are any) are precise enough for the rates computed from it.
        let last =
            if last >= MILLISECOND { last.saturating_add(MILLISECOND / 2) / MILLISECOND * MILLISECOND } else { last };
        Some(Series {
            interval: GoDuration(duration(length)),
            last: (last != length).then_some(GoDuration(duration(last))),
            requests: points.iter().map(|point| point.requests).collect(),
            errors: points.iter().map(|point| point.errors).collect(),
            p50: points.iter().map(|point| point.percentile(50.0)).collect(),
            p99: points.iter().map(|point| point.percentile(99.0)).collect(),
            ..Series::default()
        })
    }

    /// Adds another load, aligned at the start.
    pub(super) fn merge(&mut self, other: &Timeline) {
        self.intervals.merge(&other.intervals);
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// Returns the form that pods exchange.
    pub(super) fn shard(&self) -> Result<TimelineShard, HistogramError> {
        let intervals = self.intervals.list.iter().map(Interval::shard).collect::<Result<_, _>>()?;
        Ok(TimelineShard {
            elapsed_nanos: u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX),
            doublings: self.intervals.doublings,
            intervals,
        })
    }

    /// Reads the result of [`Timeline::shard`].
    pub(super) fn from_shard(shard: &TimelineShard) -> Result<Self, TimelineError> {
        let (count, doublings) = (shard.intervals.len(), shard.doublings);
        if count > MAX_INTERVALS || doublings > MAX_DOUBLINGS {
            return Err(TimelineError::Size { count, doublings });
        }
        let list = shard.intervals.iter().map(Interval::from_shard).collect::<Result<_, _>>()?;
        Ok(Self { intervals: Intervals { doublings, list }, elapsed: Duration::from_nanos(shard.elapsed_nanos) })
    }
}

/// A timeline of another pod cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TimelineError {
    /// More or longer intervals than any load has.
    #[error("its {count} intervals of 2^{doublings} s exceed those of any load")]
    Size {
        /// Number of intervals.
        count: usize,
        /// Doublings of their length.
        doublings: u32,
    },
    /// A histogram is damaged.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}
