//! Statistics of a version: counts by status, and latencies in constant memory.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use parking_lot::Mutex;
use serde::Serialize;

/// Upper bounds of the latency buckets, in milliseconds, as in Knative's queue proxy.
pub(super) const BUCKETS_MS: [f64; 26] = [
    5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0, 400.0, 450.0, 500.0, 600.0, 700.0,
    800.0, 900.0, 1e3, 2e3, 5e3, 10e3, 20e3, 50e3, 100e3,
];

/// The predictions with one status.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub count: u64,
    /// Sum of their latencies, in milliseconds.
    pub sum_ms: f64,
    /// Counts per bucket, not cumulative; latencies above the last bound are in `count` only.
    pub buckets: [u64; BUCKETS_MS.len()],
}

/// Statistics of a version.
#[derive(Debug)]
pub(super) struct Stats {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    by_status: BTreeMap<u16, Series>,
    /// Nanoseconds.
    latencies: Histogram<u64>,
    shortest: Duration,
    longest: Duration,
}

/// Statistics of a version, as `/stats` serves them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionStats {
    /// Name of the version.
    pub name: String,
    /// Name of its revision in the metrics.
    pub revision: String,
    /// Predictions with any status.
    pub requests: u64,
    /// Predictions that failed.
    pub errors: u64,
    /// Latencies, errors included.
    pub latency: LatencyStats,
}

/// Latencies in milliseconds, from the request's head until the response is ready; absent before the first response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LatencyStats {
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Shortest.
    pub min: Option<f64>,
    /// Longest.
    pub max: Option<f64>,
    /// Median; percentiles have three significant digits.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

impl Stats {
    /// Empty statistics. The bounds of the histogram are valid, so this does not fail.
    pub fn new() -> Result<Self, CreationError> {
        const HOUR_NANOS: u64 = 3_600_000_000_000;
        Ok(Self {
            counts: Mutex::new(Counts {
                // Counting success from 0 makes a rate over the first minute correct.
                by_status: BTreeMap::from([(200, Series::default())]),
                latencies: Histogram::new_with_bounds(1, HOUR_NANOS, 3)?,
                shortest: Duration::MAX,
                longest: Duration::ZERO,
            }),
        })
    }

    /// Counts one prediction.
    pub fn record(&self, status: u16, latency: Duration) {
        let latency_ms = millis(latency);
        let bucket = BUCKETS_MS.partition_point(|bound| *bound < latency_ms);
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let mut counts = self.counts.lock();
        let series = counts.by_status.entry(status).or_default();
        series.count += 1;
        series.sum_ms += latency_ms;
        if let Some(count) = series.buckets.get_mut(bucket) {
            *count += 1;
        }
        counts.latencies.saturating_record(nanos);
        counts.shortest = counts.shortest.min(latency);
        counts.longest = counts.longest.max(latency);
    }

    /// Returns the counts, ordered by status.
    pub fn by_status(&self) -> BTreeMap<u16, Series> {
        self.counts.lock().by_status.clone()
    }

    /// Returns the statistics of the version called `name`.
    pub fn stats(&self, name: &str, revision: &str) -> VersionStats {
        let (by_status, latencies, shortest, longest) = {
            // Copied, so that predictions do not wait for percentiles to be computed.
            let counts = self.counts.lock();
            (counts.by_status.clone(), counts.latencies.clone(), counts.shortest, counts.longest)
        };
        let requests: u64 = by_status.values().map(|series| series.count).sum();
        let successes: u64 = by_status.range(200..300).map(|(_, series)| series.count).sum();
        let sum_ms: f64 = by_status.values().map(|series| series.sum_ms).sum();
        let latency = if requests == 0 {
            LatencyStats::default()
        } else {
            // The histogram reports the end of a bucket, which can exceed the longest latency.
            let longest_ms = millis(longest);
            let at = |quantile| Some((latencies.value_at_quantile(quantile) as f64 / 1e6).min(longest_ms));
            LatencyStats {
                mean: Some(sum_ms / requests as f64),
                min: Some(millis(shortest)),
                max: Some(longest_ms),
                p50: at(0.50),
                p95: at(0.95),
                p99: at(0.99),
            }
        };
        let errors = requests - successes;
        VersionStats { name: name.to_owned(), revision: revision.to_owned(), requests, errors, latency }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_follow_what_was_recorded() {
        let stats = Stats::new().unwrap();
        for ms in 1..=100 {
            stats.record(if ms <= 98 { 200 } else { 503 }, Duration::from_millis(ms));
        }
        let stats = stats.stats("v1", "r1");
        assert_eq!((stats.requests, stats.errors), (100, 2));
        let latency = stats.latency;
        assert!((latency.mean.unwrap() - 50.5).abs() < 1e-9);
        assert_eq!((latency.min, latency.max), (Some(1.0), Some(100.0)));
        for (value, expected) in [(latency.p50, 50.0), (latency.p95, 95.0), (latency.p99, 99.0)] {
            assert!((value.unwrap() / expected - 1.0).abs() < 0.001, "{value:?} {expected}");
        }
    }

    #[test]
    fn no_percentile_is_beyond_the_longest_latency() {
        let stats = Stats::new().unwrap();
        stats.record(200, Duration::from_nanos(96_229));
        let latency = stats.stats("v1", "r1").latency;
        assert_eq!((latency.p50, latency.p99, latency.max), (Some(0.096_229), Some(0.096_229), Some(0.096_229)));
    }

    #[test]
    fn no_predictions_have_no_latency_rather_than_zero() {
        let stats = Stats::new().unwrap().stats("v1", "r1");
        assert_eq!((stats.requests, stats.errors), (0, 0));
        assert_eq!(stats.latency, LatencyStats::default());
        assert_eq!(serde_json::to_value(stats.latency).unwrap()["p99"], serde_json::Value::Null);
    }

    #[test]
    fn a_latency_on_a_bound_belongs_to_the_bucket_below_it() {
        let stats = Stats::new().unwrap();
        for ms in [5, 6, 100_000, 100_001] {
            stats.record(200, Duration::from_millis(ms));
        }
        let series = &stats.by_status()[&200];
        assert_eq!((series.count, series.buckets[0], series.buckets[1], series.buckets[25]), (4, 1, 1, 1));
    }

    #[test]
    fn the_longest_latency_there_is_can_be_recorded() {
        let stats = Stats::new().unwrap();
        stats.record(200, Duration::MAX);
        assert_eq!(stats.stats("v1", "r1").requests, 1);
    }
}
