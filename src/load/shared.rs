//! State shared by all workers of a load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::cause::Failure;
use super::early_end::SecondBoard;
use super::histograms::HistogramKind;
use super::outcome::split_text;
use super::plan::LoadPlan;
use super::protocol::Client;
use super::startup_check::StartupCheck;
use super::worker_stats::WorkerStats;
use crate::metrics::histogram::{self, Histogram, max_ms, mean_ms, min_ms, percentile_ms, stddev_ms};
use crate::model::metric_name::Aggregation;
use crate::ports::LoadProgress;

/// Interval of progress events.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// State shared by all workers of a load.
pub(super) struct Shared<P> {
    pub(super) protocol: Arc<P>,
    pub(super) plan: LoadPlan,
    pub(super) startup_check: StartupCheck,
    /// Next number of a request; only used if requests differ.
    numbers: AtomicU64,
    /// Recent progress of each worker.
    snapshots: Vec<Mutex<Option<Snapshot>>>,
    /// Counts of each worker after the last second.
    pub(super) seconds: SecondBoard,
}

/// Progress of a worker.
struct Snapshot {
    requests: u64,
    errors: u64,
    responses: u64,
    latency: Histogram,
    /// Requests by origin.
    versions: Vec<u64>,
}

impl<P> Shared<P> {
    pub(super) fn new(protocol: Arc<P>, plan: LoadPlan, startup_check: StartupCheck, workers: usize) -> Self {
        Self {
            protocol,
            plan,
            startup_check,
            numbers: AtomicU64::new(0),
            snapshots: (0..workers).map(|_| Mutex::new(None)).collect(),
            seconds: SecondBoard::new(workers),
        }
    }

    /// Prepares the next request; `None` if there are as many as the schedule has slots. If requests differ, each is prepared before
    /// it has a slot; there are as many of either, so each gets one.
    pub(super) fn request<C: Client>(&self, client: &C) -> Option<Result<C::Request, Failure>> {
        if !client.varies() {
            return Some(client.prepare(0));
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let pacer = &self.plan.pacer;
        // Unique over all pods that share the load.
        (number < pacer.total().unwrap_or(u64::MAX)).then(|| client.prepare(pacer.number(number)))
    }

    /// Publishes the progress of a worker.
    pub(super) fn publish(&self, worker: usize, stats: &WorkerStats) {
        let snapshot = Snapshot {
            requests: stats.counts.requests,
            errors: stats.counts.errors,
            responses: stats.responses(),
            latency: stats.histograms[HistogramKind::Latency].clone(),
            versions: stats.versions.iter().map(|version| version.counts.requests).collect(),
        };
        *self.snapshots[worker].lock() = Some(snapshot);
    }

    /// Returns the progress of the load.
    pub(super) fn progress(&self, elapsed: Duration) -> LoadProgress {
        let mut latency = histogram::new();
        let mut progress = self.blank(elapsed);
        let mut responses = 0;
        let mut versions = vec![0; self.plan.origins()];
        for snapshot in &self.snapshots {
            if let Some(snapshot) = &*snapshot.lock() {
                progress.done += snapshot.requests;
                progress.errors += snapshot.errors;
                responses += snapshot.responses;
                versions.iter_mut().zip(&snapshot.versions).for_each(|(sum, count)| *sum += count);
                // All histograms have the same bounds, so adding cannot fail.
                let _ = latency.add(&snapshot.latency);
            }
        }
        progress.split = split_text(&self.plan.versions, &versions);
        with_statistics(progress, &self.plan.statistics, responses, &latency)
    }

    pub(super) fn blank(&self, elapsed: Duration) -> LoadProgress {
        let pacer = &self.plan.pacer;
        let planned = [pacer.ends(), self.plan.max_duration].into_iter().flatten().min();
        let is_timed = pacer.ends().is_some();
        LoadProgress { total: pacer.total(), planned, is_timed, elapsed, ..LoadProgress::default() }
    }
}

/// Adds statistics once there is a complete response: timeouts count in them, but alone say nothing about the service's latency.
pub(super) fn with_statistics(
    progress: LoadProgress,
    statistics: &[Aggregation],
    responses: u64,
    latency: &Histogram,
) -> LoadProgress {
    let at = |p| (responses > 0).then(|| percentile_ms(latency, p));
    let value = |statistic: &Aggregation| match statistic {
        Aggregation::Mean => mean_ms(latency),
        Aggregation::StdDev => stddev_ms(latency),
        Aggregation::Min => min_ms(latency),
        Aggregation::Max => max_ms(latency),
        Aggregation::Count => latency.len() as f64,
        Aggregation::Percentile(p) => percentile_ms(latency, *p),
    };
    let statistics = if responses > 0 { statistics.iter().map(value).collect() } else { Vec::new() };
    LoadProgress { p50_ms: at(50.0), p99_ms: at(99.0), statistics, ..progress }
}
