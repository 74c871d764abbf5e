//! A load over time: per interval the counters and the cells of a histogram, so that intervals and whole loads merge losslessly.
//!
//! Memory is bounded however long the load: only cells with values are kept, and at most [`MAX_INTERVALS`] intervals. If a load lasts
//! longer, intervals become twice as long, and neighbours merge exactly.
//!
//! Copies of a running load share its intervals, so they are cheap to take: an interval is copied only if requests are added to it while
//! a copy of the load exists, so at most the last one is.

use std::sync::Arc;
use std::time::Duration;

use super::interval::{DIGITS, Interval};
use super::watched::{Totals, WatchedLimits};
use crate::confidence::design_effect::midway;
use crate::metrics::histogram::{self, Histogram, HistogramError};
use crate::metrics::series::is_scrap;
use crate::model::duration::GoDuration;
use crate::model::series::{Over, Series};
use crate::model::shard::TimelineShard;

/// Maximum intervals of a load.
pub const MAX_INTERVALS: usize = 240;

/// Length of an interval until the load has more than [`MAX_INTERVALS`] of them.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// A millisecond in nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// Percentiles of the whole load whose exceedances are kept: limits that later verdicts are about lie between them.
const PERCENTILES: [f64; 3] = [50.0, 90.0, 99.0];

/// Maximum doublings of intervals; a load would have to last for centuries.
const MAX_DOUBLINGS: u32 = 34;

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
    /// Limits that the totals of the intervals are about; `None` if some request was recorded without totals.
    limits: Option<WatchedLimits>,
    pub(super) list: Vec<Arc<Interval>>,
}

impl Intervals {
    /// Creates an empty list, with totals if there are `limits`.
    pub(super) fn new(limits: Option<WatchedLimits>) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Adds to the interval of a second of the load.
    pub(super) fn add(&mut self, second: u64, requests: &Interval) {
        while second >> self.doublings >= MAX_INTERVALS as u64 {
            self.double();
        }
        let at = (second >> self.doublings) as usize;
        if self.list.len() <= at {
            self.list.resize_with(at + 1, Arc::default);
        }
        let interval = Arc::make_mut(&mut self.list[at]);
        interval.add(requests);
        if self.limits.is_none() {
            interval.totals = Totals::default();
        }
    }

    /// Doubles the length of intervals.
    fn double(&mut self) {
        self.doublings += 1;
        self.list = joined(&self.list, 2);
    }

    fn drop_totals(&mut self) {
        self.list.iter_mut().for_each(|interval| Arc::make_mut(interval).totals = Totals::default());
    }

    /// Adds the intervals of another load, aligned at the start. Totals that only some of the requests have are dropped.
    fn merge(&mut self, other: &Intervals) {
        if self.list.is_empty() {
            self.limits.clone_from(&other.limits);
        } else if !other.list.is_empty() && self.limits != other.limits {
            self.limits = None;
            self.drop_totals();
        }
        while self.doublings < other.doublings {
            self.double();
        }
        for (at, interval) in other.list.iter().enumerate() {
            self.add((at as u64) << other.doublings, interval);
        }
    }
}

/// Adds up neighbours, `count` at a time; a single interval is shared, not copied.
fn joined(list: &[Arc<Interval>], count: usize) -> Vec<Arc<Interval>> {
    let sum = |group: &[Arc<Interval>]| match group {
        [single] => Arc::clone(single),
        _ => Arc::new(Interval::sum(group)),
    };
    list.chunks(count).map(sum).collect()
}

/// Points of a series.
pub(super) struct Points {
    pub(super) list: Vec<Arc<Interval>>,
    /// Length of a point, and of the last one, in nanoseconds.
    length: u64,
    last: u64,
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
        let points = self.points(most)?;
        let percentile = |point: &Arc<Interval>, p| Some(three_digits(f64::from(point.percentile(p)?) / 1000.0));
        let percentiles = |p: f64| points.list.iter().map(|point| percentile(point, p)).collect();
        Some(Series { p50: percentiles(50.0), p99: percentiles(99.0), ..self.counts_of(&points) })
    }

    /// Returns the series of the load without the percentiles of its points, which nothing but a chart needs.
    pub(crate) fn counts(&self, most: usize) -> Option<Series> {
        Some(self.counts_of(&self.points(most)?))
    }

    fn counts_of(&self, Points { list: points, length, last }: &Points) -> Series {
        let (length, last) = (*length, *last);
        // Whole milliseconds (if there are any) are precise enough for the rates computed from it.
        let last =
            if last >= MILLISECOND { last.saturating_add(MILLISECOND / 2) / MILLISECOND * MILLISECOND } else { last };
        let duration = Duration::from_nanos;
        let series = Series {
            interval: GoDuration(duration(length)),
            last: (last != length).then_some(GoDuration(duration(last))),
            requests: points.iter().map(|point| point.requests).collect(),
            errors: points.iter().map(|point| point.errors).collect(),
            ..Series::default()
        };
        let Some(limits) = &self.intervals.limits else { return series };
        let is_timed = points.iter().all(|point| point.totals.timed == point.requests);
        let of_limit = |(at, micros): (usize, &u64)| Over {
            limit: *micros as f64 / 1000.0,
            percentile: None,
            counts: points.iter().map(|point| point.totals.over.get(at).copied().unwrap_or(0)).collect(),
        };
        let of_limits = limits.micros().iter().enumerate().map(of_limit);
        Series {
            timed: if is_timed { Vec::new() } else { points.iter().map(|point| point.totals.timed).collect() },
            sum: points.iter().map(|point| point.totals.sum).collect(),
            over: of_limits.chain(over_own(points, limits)).collect(),
            ..series
        }
    }

    /// Returns the number of requests that ended.
    pub(crate) fn requests(&self) -> u64 {
        self.intervals.list.iter().fold(0, |sum, interval| sum.saturating_add(interval.requests))
    }

    /// Returns the load in at most `most` points; `None` if no request ended.
    pub(super) fn points(&self, most: usize) -> Option<Points> {
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
        let mut list = self::joined(&intervals.list, joined as usize);
        list.resize_with(count as usize, Arc::default);
        let duration = Duration::from_nanos;
        if is_scrap(duration(last), duration(length)) && count > 1 {
            let rest = list.pop();
            if let (Some(point), Some(rest)) = (list.last_mut(), rest) {
                Arc::make_mut(point).add(&rest);
                last += length;
            }
        }
        Some(Points { list, length, last })
    }

    /// Returns the length of an interval.
    pub(crate) fn interval(&self) -> Duration {
        INTERVAL.saturating_mul(1 << self.intervals.doublings.min(MAX_DOUBLINGS - 3))
    }

    /// Returns the load with intervals of at least this length.
    pub(crate) fn with_intervals_of(&self, length: Duration) -> Self {
        let mut longer = self.clone();
        while longer.interval() < length {
            longer.intervals.double();
        }
        longer
    }

    /// Returns true if requests were counted, and the latencies of all of them are known.
    pub(super) fn has_totals(&self) -> bool {
        let of_interval = |interval: &Arc<Interval>| interval.latencies() == interval.totals.timed;
        self.intervals.limits.is_some() && self.intervals.list.iter().all(of_interval)
    }

    /// Returns the load of the first `seconds` seconds.
    pub(super) fn first(mut self, seconds: u64) -> Self {
        let length = 1_u64.checked_shl(self.intervals.doublings).unwrap_or(u64::MAX);
        self.intervals.list.truncate(usize::try_from(seconds.div_ceil(length)).unwrap_or(usize::MAX));
        Self { elapsed: Duration::from_secs(seconds), ..self }
    }

    /// Returns the latencies, in cells of two significant digits.
    pub(crate) fn histogram(&self) -> Histogram {
        let mut all = histogram::with_digits(DIGITS);
        for cell in self.intervals.list.iter().flat_map(|interval| &interval.cells) {
            all.saturating_record_n(u64::from(cell.micros), u64::from(cell.count));
        }
        all
    }

    /// Returns the latencies of each interval, and those in cells above `micros`.
    pub(crate) fn counts_over(&self, micros: u64) -> Vec<(u64, u64)> {
        let micros = u32::try_from(micros).unwrap_or(u32::MAX);
        self.intervals.list.iter().map(|interval| (interval.latencies(), interval.above(micros))).collect()
    }

    /// Adds another load, aligned at the start.
    pub(super) fn merge(&mut self, other: &Timeline) {
        self.intervals.merge(&other.intervals);
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// Returns the form that pods exchange.
    pub(super) fn shard(&self) -> Result<TimelineShard, HistogramError> {
        let intervals = self.intervals.list.iter().map(|interval| interval.shard()).collect::<Result<_, _>>()?;
        Ok(TimelineShard {
            elapsed_nanos: u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX),
            doublings: self.intervals.doublings,
            limits: self.intervals.limits.as_ref().map(|limits| limits.micros().to_vec()),
            intervals,
        })
    }

    /// Reads the result of [`Timeline::shard`].
    pub(super) fn from_shard(shard: &TimelineShard) -> Result<Self, TimelineError> {
        let (count, doublings) = (shard.intervals.len(), shard.doublings);
        if count > MAX_INTERVALS || doublings > MAX_DOUBLINGS {
            return Err(TimelineError::Size { count, doublings });
        }
        let limits = shard.limits.as_deref().and_then(WatchedLimits::from_shard);
        let interval = |shard| Interval::from_shard(shard).map(Arc::new);
        let list = shard.intervals.iter().map(interval).collect::<Result<_, _>>()?;
        let mut intervals = Intervals { doublings, limits, list };
        if intervals.limits.is_none() {
            intervals.drop_totals();
        }
        Ok(Self { intervals, elapsed: Duration::from_nanos(shard.elapsed_nanos) })
    }
}

/// Returns the requests over the load's own percentiles, and over [`midway`] of each limit if that is above p90; none if the latencies of
/// some intervals are unknown.
fn over_own(points: &[Arc<Interval>], limits: &WatchedLimits) -> Vec<Over> {
    let whole = Interval::sum(points);
    let total = whole.latencies();
    let [Some(median), Some(p90)] = [50.0, 90.0].map(|p| whole.percentile(p)) else { return Vec::new() };
    if total != whole.totals.timed {
        return Vec::new();
    }
    let cells = histogram::with_digits(DIGITS);
    let column = |micros: u32, p: f64| {
        let counts = points.iter().map(|point| point.above(micros)).collect();
        let limit = cells.highest_equivalent(u64::from(micros)) as f64 / 1000.0;
        Over { limit, percentile: Some(p), counts }
    };
    let percentiles = PERCENTILES.into_iter().filter_map(|p| Some(column(whole.percentile(p)?, p)));
    let middle = |limit: &u64| midway(f64::from(median), *limit as f64) as u32;
    let mut middles: Vec<u32> = limits.micros().iter().map(middle).filter(|micros| *micros > p90).collect();
    middles.dedup();
    let share_within = |micros: u32| 1.0 - whole.above(micros) as f64 / total as f64;
    percentiles.chain(middles.into_iter().map(|micros| column(micros, 100.0 * share_within(micros)))).collect()
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
