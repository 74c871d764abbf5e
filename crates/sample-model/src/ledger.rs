//! What a version has answered so far: counts by status, and latencies in memory that does not grow.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;

/// Upper bounds of the latency buckets, in milliseconds: those of Knative's queue proxy.
pub(super) const BUCKETS_MS: [f64; 26] = [
    5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0, 400.0, 450.0, 500.0, 600.0, 700.0,
    800.0, 900.0, 1e3, 2e3, 5e3, 10e3, 20e3, 50e3, 100e3,
];

/// The predictions answered with one status.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// How many.
    pub count: u64,
    /// Sum of their latencies, in milliseconds.
    pub sum_ms: f64,
    /// How many fell into each bucket and no earlier one; those above the last bound are in `count` alone.
    pub buckets: [u64; BUCKETS_MS.len()],
}

/// What a version has answered so far.
#[derive(Debug)]
pub(super) struct Ledger {
    tally: Mutex<Tally>,
}

#[derive(Debug)]
struct Tally {
    by_status: BTreeMap<u16, Series>,
    /// Nanoseconds.
    latencies: Histogram<u64>,
    shortest: Duration,
    longest: Duration,
}

/// A version's statistics, as `/stats` shows them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionStats {
    /// Name of the version.
    pub name: String,
    /// Name of its revision in the metrics.
    pub revision: String,
    /// Predictions answered, whatever the answer.
    pub requests: u64,
    /// Those of them that were not answered with success.
    pub errors: u64,
    /// How long they took, errors included.
    pub latency: LatencyStats,
}

/// Latencies as the server sees them, from the request's head read to the answer ready, in milliseconds; absent before the first answer.
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

impl Ledger {
    /// An empty ledger. It can't fail with the bounds that stand here.
    pub fn new() -> Result<Self, CreationError> {
        const HOUR_NANOS: u64 = 3_600_000_000_000;
        Ok(Self {
            tally: Mutex::new(Tally {
                // Success is counted from 0, so that a rate over the first minute is right.
                by_status: BTreeMap::from([(200, Series::default())]),
                latencies: Histogram::new_with_bounds(1, HOUR_NANOS, 3)?,
                shortest: Duration::MAX,
                longest: Duration::ZERO,
            }),
        })
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // A panic elsewhere leaves counts that are still counts.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one answered prediction.
    pub fn record(&self, status: u16, latency: Duration) {
        let latency_ms = millis(latency);
        let bucket = BUCKETS_MS.partition_point(|bound| *bound < latency_ms);
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let mut tally = self.tally();
        let series = tally.by_status.entry(status).or_default();
        series.count += 1;
        series.sum_ms += latency_ms;
        if let Some(count) = series.buckets.get_mut(bucket) {
            *count += 1;
        }
        tally.latencies.saturating_record(nanos);
        tally.shortest = tally.shortest.min(latency);
        tally.longest = tally.longest.max(latency);
    }

    /// The counts by status, in the order of their numbers.
    pub fn by_status(&self) -> BTreeMap<u16, Series> {
        self.tally().by_status.clone()
    }

    /// The statistics of the version called `name`.
    pub fn stats(&self, name: &str, revision: &str) -> VersionStats {
        let (by_status, latencies, shortest, longest) = {
            // Copied, so that no prediction waits for percentiles.
            let tally = self.tally();
            (tally.by_status.clone(), tally.latencies.clone(), tally.shortest, tally.longest)
        };
        let requests: u64 = by_status.values().map(|series| series.count).sum();
        let successes: u64 = by_status.range(200..300).map(|(_, series)| series.count).sum();
        let sum_ms: f64 = by_status.values().map(|series| series.sum_ms).sum();
        let latency = if requests == 0 {
            LatencyStats::default()
        } else {
            // A histogram names the end of the bucket, which can lie beyond the longest latency.
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
        let ledger = Ledger::new().unwrap();
        for ms in 1..=100 {
            ledger.record(if ms <= 98 { 200 } else { 503 }, Duration::from_millis(ms));
        }
        let stats = ledger.stats("v1", "r1");
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
        let ledger = Ledger::new().unwrap();
        ledger.record(200, Duration::from_nanos(96_229));
        let latency = ledger.stats("v1", "r1").latency;
        assert_eq!((latency.p50, latency.p99, latency.max), (Some(0.096_229), Some(0.096_229), Some(0.096_229)));
    }

    #[test]
    fn no_predictions_have_no_latency_rather_than_zero() {
        let stats = Ledger::new().unwrap().stats("v1", "r1");
        assert_eq!((stats.requests, stats.errors), (0, 0));
        assert_eq!(stats.latency, LatencyStats::default());
        assert_eq!(serde_json::to_value(stats.latency).unwrap()["p99"], serde_json::Value::Null);
    }

    #[test]
    fn a_latency_on_a_bound_belongs_to_the_bucket_below_it() {
        let ledger = Ledger::new().unwrap();
        for ms in [5, 6, 100_000, 100_001] {
            ledger.record(200, Duration::from_millis(ms));
        }
        let series = &ledger.by_status()[&200];
        assert_eq!((series.count, series.buckets[0], series.buckets[1], series.buckets[25]), (4, 1, 1, 1));
    }

    #[test]
    fn the_longest_latency_there_is_can_be_recorded() {
        let ledger = Ledger::new().unwrap();
        ledger.record(200, Duration::MAX);
        assert_eq!(ledger.stats("v1", "r1").requests, 1);
    }
}
