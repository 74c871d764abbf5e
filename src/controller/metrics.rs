//! Metrics of the controller, in the OpenMetrics text format.
//!
//! Callers report what happened; names and labels are only here. Counters exist from the start, so that `rate()` sees their first
//! increase. Series of a routemap end with it.

mod labels;
mod routemaps;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

pub(crate) use self::labels::{DropReason, ErrorReason, WatchReason};
use self::labels::{Labelled, Reason, ResultLabel, WatchLabels};
use self::routemaps::Routemaps;
use super::keys::ObjectKey;

/// Media type of the rendered text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Prefix of all names.
const PREFIX: &str = "iter8_controller";

/// Metrics of one process. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    reconciles: Family<ResultLabel, Counter>,
    errors: Family<Reason<ErrorReason>, Counter>,
    apply_duration: Histogram,
    drift_repairs: Counter,
    events_dropped: Family<Reason<DropReason>, Counter>,
    watch_restarts: Family<WatchLabels, Counter>,
    queue_length: Gauge<u64, AtomicU64>,
    leader: Gauge<u64, AtomicU64>,
    routemaps: Arc<Routemaps>,
}

impl Metrics {
    /// Creates all metrics. `has_versions` adds two series per version of each routemap.
    pub(crate) fn new(has_versions: bool) -> Self {
        let mut all = Registry::with_prefix(PREFIX);
        let routemaps = Arc::new(Routemaps::new(has_versions));
        all.register_collector(Box::new(Arc::clone(&routemaps)));
        Self(Arc::new(Inner {
            reconciles: counters(&mut all, "reconciles", "Reconciliations of routemaps; failed ones once per error"),
            errors: counters(&mut all, "errors", "Routemaps and routes that could not be used or applied"),
            apply_duration: register(
                &mut all,
                "apply_duration_seconds",
                "Time to apply one routing object, including the wait for a free request",
                Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            ),
            drift_repairs: register(
                &mut all,
                "drift_repairs",
                "Routing objects that someone else had changed and that were repaired",
                Counter::default(),
            ),
            events_dropped: counters(&mut all, "events_dropped", "Kubernetes Events that were not created"),
            watch_restarts: register(
                &mut all,
                "watch_restarts",
                "Restarts of watches after an error, and attempts that failed",
                Family::default(),
            ),
            queue_length: register(
                &mut all,
                "queue_length",
                "Routemaps that wait for reconciliation",
                Gauge::default(),
            ),
            leader: register(&mut all, "leader", "1 if this process leads", Gauge::default()),
            routemaps,
            registry: all,
        }))
    }

    /// Counts a reconciliation without errors.
    pub(crate) fn reconciled(&self, has_changes: bool) {
        let result = if has_changes { ResultLabel::Applied } else { ResultLabel::Unchanged };
        self.0.reconciles.get_or_create(&result).inc();
    }

    /// Counts an error of a reconciliation.
    pub(crate) fn failed(&self, reason: ErrorReason) {
        self.0.reconciles.get_or_create(&ResultLabel::Error).inc();
        self.0.errors.get_or_create(&Reason(reason)).inc();
    }

    pub(crate) fn apply_finished(&self, duration: Duration) {
        self.0.apply_duration.observe(duration.as_secs_f64());
    }

    pub(crate) fn drift_repaired(&self) {
        self.0.drift_repairs.inc();
    }

    pub(crate) fn event_dropped(&self, reason: DropReason) {
        self.0.events_dropped.get_or_create(&Reason(reason)).inc();
    }

    /// Exports the counters of the watch of `resource` from the start, so that its first restart is an increase.
    pub(crate) fn watch_started(&self, resource: &str) {
        for labels in WatchLabels::all(resource) {
            drop(self.0.watch_restarts.get_or_create(&labels));
        }
    }

    /// Counts a restart of the watch of `resource`.
    pub(crate) fn watch_restarted(&self, resource: &str, reason: WatchReason) {
        self.0.watch_restarts.get_or_create(&WatchLabels { resource: resource.to_owned(), reason }).inc();
    }

    pub(crate) fn queue_length(&self, length: usize) {
        self.0.queue_length.set(length.try_into().unwrap_or(u64::MAX));
    }

    pub(crate) fn leader(&self, is_leader: bool) {
        self.0.leader.set(is_leader.into());
    }

    pub(crate) fn routemap_is(&self, routemap: &ObjectKey, is_valid: bool) {
        self.0.routemaps.set_validity(routemap, is_valid);
    }

    /// Sets the weights of the last decision, in the order of the versions.
    pub(crate) fn weights_desired(&self, routemap: &ObjectKey, weights: &[u32]) {
        self.0.routemaps.set_desired(routemap, weights);
    }

    /// Sets the weights that the routes have.
    pub(crate) fn weights_applied(&self, routemap: &ObjectKey, weights: &[u32]) {
        self.0.routemaps.set_applied(routemap, weights);
    }

    /// Ends all series of a routemap.
    pub(crate) fn forget(&self, routemap: &ObjectKey) {
        self.0.routemaps.forget(routemap);
    }

    /// Renders everything as [`CONTENT_TYPE`].
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.0.registry) {
            // Writing to a String does not fail.
            tracing::error!("cannot render metrics: {error}");
        }
        text
    }
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// Registers a counter for each value of a label.
fn counters<L: Labelled>(registry: &mut Registry, name: &str, help: &str) -> Family<L, Counter> {
    let family = Family::<L, Counter>::default();
    for labels in L::all() {
        let _ = family.get_or_create(&labels);
    }
    register(registry, name, help, family)
}

#[cfg(test)]
mod tests;
