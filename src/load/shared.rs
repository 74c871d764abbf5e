//! What all workers of a load see.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::cause::Failure;
use super::lock::lock;
use super::plan::LoadPlan;
use super::protocol::Client;
use super::startup_check::StartupCheck;
use super::worker_stats::WorkerStats;
use crate::metrics::histogram::{self, Histogram, percentile_ms};
use crate::ports::LoadProgress;

/// How often progress is told.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// What all workers of a load see.
pub(super) struct Shared<P> {
    pub(super) protocol: Arc<P>,
    pub(super) plan: LoadPlan,
    pub(super) initial: StartupCheck,
    /// Numbers given to requests so far; only where each is prepared on its own.
    numbers: AtomicU64,
    /// Per worker, how far it was lately.
    snapshots: Vec<Mutex<Option<Snapshot>>>,
}

/// How far a worker is.
struct Snapshot {
    requests: u64,
    errors: u64,
    answers: u64,
    latency: Histogram,
}

impl<P> Shared<P> {
    pub(super) fn new(protocol: Arc<P>, plan: LoadPlan, initial: StartupCheck, workers: usize) -> Self {
        Self {
            protocol,
            plan,
            initial,
            numbers: AtomicU64::new(0),
            snapshots: (0..workers).map(|_| Mutex::new(None)).collect(),
        }
    }

    /// The next request of a seat; `None` when there are as many as the schedule has slots. Where requests differ, each is prepared
    /// before it has a slot, and as there are as many of either, each gets one.
    pub(super) fn request<C: Client>(&self, client: &C) -> Option<Result<C::Request, Failure>> {
        if !client.varies() {
            return Some(client.prepare(0));
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let pacer = &self.plan.pacer;
        // Where machines share the load, each request has a number that no other machine's has.
        (number < pacer.total().unwrap_or(u64::MAX)).then(|| client.prepare(pacer.number(number)))
    }

    /// Makes a worker's state visible to the progress.
    pub(super) fn publish(&self, worker: usize, stats: &WorkerStats) {
        let snapshot = Snapshot {
            requests: stats.requests,
            errors: stats.errors,
            answers: stats.answers,
            latency: stats.latency.clone(),
        };
        *lock(&self.snapshots[worker]) = Some(snapshot);
    }

    /// How far the load is.
    pub(super) fn progress(&self, elapsed: Duration) -> LoadProgress {
        let mut latency = histogram::new();
        let mut progress = self.blank(elapsed);
        let mut answers = 0;
        for snapshot in &self.snapshots {
            if let Some(snapshot) = &*lock(snapshot) {
                progress.done += snapshot.requests;
                progress.errors += snapshot.errors;
                answers += snapshot.answers;
                // All histograms have the same bounds, so adding can't fail.
                let _ = latency.add(&snapshot.latency);
            }
        }
        with_percentiles(progress, answers, &latency)
    }

    pub(super) fn blank(&self, elapsed: Duration) -> LoadProgress {
        let pacer = &self.plan.pacer;
        let planned = [pacer.ends(), self.plan.max_duration].into_iter().flatten().min();
        let is_timed = pacer.ends().is_some();
        LoadProgress { total: pacer.total(), planned, is_timed, elapsed, ..LoadProgress::default() }
    }
}

/// Adds percentiles once there is a complete answer: time-outs alone, which count in them, say nothing of the service's latency.
pub(super) fn with_percentiles(progress: LoadProgress, answers: u64, latency: &Histogram) -> LoadProgress {
    let at = |p| (answers > 0).then(|| percentile_ms(latency, p));
    LoadProgress { p50_ms: at(50.0), p99_ms: at(99.0), ..progress }
}
