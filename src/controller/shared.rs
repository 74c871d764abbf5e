//! State shared by the tasks of the controller.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use kube::Client;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::events::Events;
use super::index::{Affected, Index};
use super::keys::{ObjectKey, ResourceKey, TypeId};
use super::lease::Leadership;
use super::metrics::Metrics;
use super::queue::Queue;
use super::types::Types;
use super::writer::Writer;
use crate::adapters::clock::SystemClock;
use crate::ports::Clock;
use crate::ports::cluster::ClusterError;
use crate::routing::Config;

/// State shared by the tasks of the controller.
pub(super) struct Shared {
    pub(super) client: Client,
    /// Namespace that is watched; `None` for all.
    pub(super) namespace: Option<String>,
    pub(super) config: Config,
    pub(super) types: Types,
    pub(super) index: Index,
    pub(super) routemaps: Queue<ObjectKey>,
    pub(super) finalizers: Queue<ResourceKey>,
    pub(super) writer: Writer,
    pub(super) leadership: Leadership,
    pub(super) events: Events,
    pub(super) metrics: Metrics,
    /// Types of routing objects that are watched.
    pub(super) watched_targets: Mutex<HashSet<TypeId>>,
    /// Routing objects that were as desired once.
    pub(super) settled: Mutex<HashMap<ResourceKey, Settled>>,
    /// Routing objects that the API server rejected, or that others own.
    pub(super) blocked: Mutex<HashMap<ResourceKey, Blocked>>,
    /// Descriptions of the last decisions.
    pub(super) decided: Mutex<HashMap<ObjectKey, String>>,
    /// True once the claims of all routemaps are known, so that no two of them write the same object.
    pub(super) has_claims: AtomicBool,
    /// Collections that cannot be read, with the reason.
    unreadable: Mutex<HashMap<String, String>>,
    pub(super) stop: CancellationToken,
    tasks: TaskTracker,
}

/// A routing object that was as desired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled {
    /// Hash of the desired object.
    pub(super) desired: u64,
    /// Hash of the live object when it was as desired: the API server may have added defaults.
    pub(super) accepted: u64,
    /// Repairs that followed each other closely, and the time of the last one.
    pub(super) repairs: u32,
    pub(super) repaired_at: Option<Instant>,
}

/// A routing object that could not be applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocked {
    /// Hash of the desired object.
    pub(super) desired: u64,
    /// Time of the first failure.
    pub(super) since: Instant,
    /// Time of the next attempt.
    pub(super) until: Instant,
}

impl Shared {
    pub(super) fn new(
        client: Client,
        namespace: Option<String>,
        config: Config,
        parts: (Leadership, Events, Metrics),
        stop: CancellationToken,
    ) -> Self {
        let (leadership, events, metrics) = parts;
        Self {
            writer: Writer::new(client.clone(), leadership.clone()),
            types: Types::of(&config),
            client,
            namespace,
            config,
            index: Index::default(),
            routemaps: Queue::default(),
            finalizers: Queue::default(),
            leadership,
            events,
            metrics,
            watched_targets: Mutex::default(),
            settled: Mutex::default(),
            blocked: Mutex::default(),
            decided: Mutex::default(),
            has_claims: AtomicBool::new(false),
            unreadable: Mutex::default(),
            stop,
            tasks: TaskTracker::new(),
        }
    }

    /// Forgets what is known about routing objects whose claims changed.
    pub(super) fn forget_targets(&self, targets: &[ResourceKey]) {
        if targets.is_empty() {
            return;
        }
        let (mut settled, mut blocked) = (self.settled.lock(), self.blocked.lock());
        for target in targets {
            settled.remove(target);
            blocked.remove(target);
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    /// Runs a task until the controller stops.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Runs a task that is not interrupted when the controller stops.
    pub(super) fn spawn_uninterrupted(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits for all tasks after a stop, up to `limit`.
    pub(super) async fn finish(&self, limit: Duration) {
        self.tasks.close();
        let _ = tokio::time::timeout(limit, self.tasks.wait()).await;
    }

    /// Queues what a change affects.
    pub(super) fn push(&self, affected: Affected) {
        self.routemaps.push_all(&affected.routemaps);
        self.finalizers.push_all(&affected.resources);
        self.metrics.queue_length(self.routemaps.len());
    }

    /// Queues everything.
    pub(super) fn push_all(&self) {
        self.push(self.index.everything());
    }

    /// Notes that a collection cannot be read.
    pub(super) fn failed(&self, what: &str, error: &ClusterError) {
        self.metrics.watch_restarted(what);
        let known = self.unreadable.lock().insert(what.to_owned(), error.message.clone());
        if known.as_ref() != Some(&error.message) {
            let hint = error.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            tracing::warn!("{}{hint}", error.message);
        }
    }

    /// Notes that a collection was read.
    pub(super) fn recovered(&self, what: &str) {
        if self.unreadable.lock().remove(what).is_some() {
            tracing::info!("{what} can be read now");
        }
    }

    /// Returns the reason why the controller is not ready: it has not read everything once.
    pub(super) fn readiness(&self) -> Result<(), String> {
        if self.index.routemaps().is_none() || !self.has_claims.load(Ordering::Acquire) {
            return Err(self.unready("routemaps"));
        }
        let types = self.types.all().map(|(of_type, _)| of_type);
        match self.index.first_unlisted(types).and_then(|of_type| self.types.get(of_type)) {
            Some(missing) => Err(self.unready(&missing.resource.to_string())),
            None => Ok(()),
        }
    }

    /// Returns the reason why a collection cannot be read.
    pub(super) fn failure(&self) -> Option<String> {
        self.unreadable.lock().values().next().cloned()
    }

    fn unready(&self, what: &str) -> String {
        match self.unreadable.lock().get(what) {
            Some(reason) => reason.clone(),
            None => format!("{what} are not listed yet"),
        }
    }
}
