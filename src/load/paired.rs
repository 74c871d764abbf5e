//! Two loads that ran at the same time, interval by interval.

use std::sync::Arc;
use std::time::Duration;

use super::interval::Interval;
use super::timeline::{MAX_INTERVALS, Timeline};

/// Latencies of one interval: their number, and those over a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exceedances {
    /// Requests with a latency.
    pub requests: u64,
    /// Requests over the threshold.
    pub over: u64,
}

/// Intervals of two loads that started at the same time.
#[derive(Debug)]
pub struct PairedTimelines {
    loads: [Vec<Arc<Interval>>; 2],
    /// Length of the intervals.
    pub interval: Duration,
}

impl PairedTimelines {
    /// Aligns two loads at their starts; the shorter one has no requests at its end. Returns `None` unless the latencies of all intervals
    /// of both are known.
    pub fn new(a: &Timeline, b: &Timeline) -> Option<Self> {
        let interval = a.interval().max(b.interval());
        let elapsed = a.elapsed.max(b.elapsed);
        let length = |timeline: &Timeline| timeline.intervals.list.len();
        let [a, b] = [a, b].map(|timeline| timeline.with_intervals_of(interval));
        let count = length(&a).max(length(&b));
        let aligned = |mut timeline: Timeline| {
            timeline.intervals.list.resize_with(count, Arc::default);
            timeline.elapsed = elapsed;
            timeline.points(MAX_INTERVALS).map(|points| points.list).filter(|_| timeline.has_totals())
        };
        Some(Self { loads: [aligned(a)?, aligned(b)?], interval })
    }

    /// Returns the requests of both loads over their percentiles, per interval. A percentile is within a cell of a histogram, so they are
    /// counted twice: without the requests in the cell, and with them. `None` if a load has no latencies.
    pub fn over_percentile(&self, p: f64) -> Option<[Vec<[Exceedances; 2]>; 2]> {
        let percentile = |load: &[Arc<Interval>]| Interval::sum(load).percentile(p);
        let [a, b] = &self.loads;
        let cells = [percentile(a)?, percentile(b)?];
        let counted = |least: [u32; 2]| {
            let of = |interval: &Interval, least: u32| Exceedances {
                requests: interval.latencies(),
                over: interval.above(least),
            };
            a.iter().zip(b).map(|(a, b)| [of(a, least[0]), of(b, least[1])]).collect()
        };
        Some([counted(cells), counted(cells.map(|micros| micros.saturating_sub(1)))])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::load::series::{SeriesRecorder, SharedSeries};
    use crate::load::watched::WatchedLimits;

    /// Returns a load with requests that ended in these seconds, with these latencies in µs.
    fn timeline(requests: &[(u64, u64)], seconds: u64) -> Timeline {
        let start = Instant::now();
        let shared = Arc::new(SharedSeries::new(start, Some(WatchedLimits::default())));
        let mut recorder = SeriesRecorder::new(Arc::clone(&shared));
        for (second, micros) in requests {
            recorder.record(start + Duration::from_secs(*second), *micros, false, true);
        }
        recorder.flush();
        shared.timeline(start + Duration::from_secs(seconds))
    }

    #[test]
    fn intervals_are_those_of_the_longer_load() {
        let (short, long) = (timeline(&[(0, 5), (0, 9), (1, 7)], 2), timeline(&[(0, 20), (300, 30)], 301));
        let paired = PairedTimelines::new(&short, &long).unwrap();
        assert_eq!((paired.interval, paired.loads[0].len()), (Duration::from_secs(2), 151));
        let [above, from] = paired.over_percentile(50.0).unwrap();
        let counts = |counted: &[[Exceedances; 2]], at: usize| counted[at].map(|it| (it.requests, it.over));
        assert_eq!((counts(&above, 0), counts(&above, 150)), ([(3, 1), (1, 0)], [(0, 0), (1, 1)]));
        assert_eq!((counts(&from, 0), counts(&from, 150)), ([(3, 2), (1, 1)], [(0, 0), (1, 1)]));
    }

    #[test]
    fn loads_without_latencies_are_not_compared() {
        let good = timeline(&[(0, 5)], 1);
        let mut shard = good.shard().unwrap();
        shard.intervals[0].latency = None;
        assert!(PairedTimelines::new(&good, &Timeline::from_shard(&shard).unwrap()).is_none());
        shard.limits = None;
        assert!(PairedTimelines::new(&Timeline::from_shard(&shard).unwrap(), &good).is_none());
        let paired = PairedTimelines::new(&good, &Timeline { intervals: timeline(&[], 1).intervals, ..good.clone() });
        assert!(paired.unwrap().over_percentile(50.0).is_none());
    }
}
