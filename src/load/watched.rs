//! Limits whose exceedances a load counts, and the counts of an interval.
//!
//! A verdict with confidence on a percentile is one on the share of requests over its limit, and on how that share varies from interval to
//! interval. Both need exact counts, which no histogram has for a limit within one of its cells.

use std::sync::Arc;

use crate::metrics::series::limit_micros;

/// Maximum limits of a load. Each costs a comparison per request, and a number per interval in the document.
pub const MAX_LIMITS: usize = 32;

/// Limits on the latency of a load in µs, ascending and distinct. A latency is over a limit if it is larger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedLimits(Arc<[u64]>);

impl WatchedLimits {
    /// Takes limits in msec, the first [`MAX_LIMITS`] if there are more.
    pub fn new(limits: impl IntoIterator<Item = f64>) -> Self {
        let mut micros: Vec<u64> = Vec::new();
        for limit in limits.into_iter().filter(|limit| limit.is_finite()).map(limit_micros) {
            if micros.len() < MAX_LIMITS && !micros.contains(&limit) {
                micros.push(limit);
            }
        }
        micros.sort_unstable();
        Self(micros.into())
    }

    /// Reads the limits of another pod; `None` if there are too many, or if they are not ascending.
    pub(super) fn from_shard(micros: &[u64]) -> Option<Self> {
        let is_valid = micros.len() <= MAX_LIMITS && micros.windows(2).all(|pair| pair[0] < pair[1]);
        is_valid.then(|| Self(micros.into()))
    }

    /// Returns true if requests over this limit, in msec, are counted.
    pub fn has(&self, limit: f64) -> bool {
        limit.is_finite() && self.0.contains(&limit_micros(limit))
    }

    /// Returns the limits in µs.
    pub fn micros(&self) -> &[u64] {
        &self.0
    }
}

/// Counts of the requests with a latency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// The requests.
    pub(super) timed: u64,
    /// Sum of their latencies in µs.
    pub(super) sum: u64,
    /// Requests over each limit.
    pub(super) over: Vec<u64>,
}

impl Totals {
    /// Creates empty counts for these limits.
    pub(super) fn new(limits: &WatchedLimits) -> Self {
        Self { over: vec![0; limits.0.len()], ..Self::default() }
    }

    /// Records a latency.
    pub(super) fn record(&mut self, limits: &WatchedLimits, micros: u64) {
        self.timed += 1;
        self.sum = self.sum.saturating_add(micros);
        for (over, limit) in self.over.iter_mut().zip(limits.0.iter()) {
            *over += u64::from(micros > *limit);
        }
    }

    /// Adds other counts of the same limits.
    pub(super) fn add(&mut self, other: &Self) {
        self.timed = self.timed.saturating_add(other.timed);
        self.sum = self.sum.saturating_add(other.sum);
        if self.over.len() < other.over.len() {
            self.over.resize(other.over.len(), 0);
        }
        for (mine, theirs) in self.over.iter_mut().zip(&other.over) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// Sets all counts to zero, without giving memory back.
    pub(super) fn reset(&mut self) {
        (self.timed, self.sum) = (0, 0);
        self.over.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_distinct_ascending_and_bounded() {
        let limits = WatchedLimits::new([50.0, f64::NAN, 0.1, 50.000_000_1, f64::INFINITY, -3.0, 1e300]);
        assert_eq!(limits.micros(), [0, 100, 50_000, u64::MAX]);
        let many = WatchedLimits::new((0..99).rev().map(f64::from));
        assert_eq!((many.micros().len(), many.micros()[0]), (MAX_LIMITS, 67_000));
    }

    #[test]
    fn a_latency_of_exactly_the_limit_is_within_it() {
        let limits = WatchedLimits::new([0.1, 50.0]);
        let mut totals = Totals::new(&limits);
        for micros in [100, 101, 50_000, 50_001] {
            totals.record(&limits, micros);
        }
        assert_eq!(totals, Totals { timed: 4, sum: 100_202, over: vec![3, 1] });
    }

    #[test]
    fn limits_of_another_pod_are_checked() {
        assert_eq!(WatchedLimits::from_shard(&[1, 2]), Some(WatchedLimits::new([0.001, 0.002])));
        assert_eq!(WatchedLimits::from_shard(&[2, 2]), None);
        assert_eq!(WatchedLimits::from_shard(&[0; MAX_LIMITS + 1]), None);
    }
}
