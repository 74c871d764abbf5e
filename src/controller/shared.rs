//! State shared by the tasks of the controller.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use kube::Client;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::costly::Costly;
use super::events::Events;
use super::index::{Affected, Index};
use super::keys::{ObjectKey, ResourceKey, TypeId};
use super::lease::Leadership;
use super::metrics::{Metrics, WatchReason};
use super::queue::Queue;
use super::types::Types;
use super::writer::Writer;
use crate::adapters::clock::SystemClock;
use crate::adapters::kubernetes::Interruption;
use crate::model::object::ResourceKind;
use crate::ports::Clock;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::routing::Config;

/// Time without progress after which a queue counts as dead. Each step takes less, even if the API server does not respond.
const STALLED: Duration = Duration::from_secs(120);

/// Name of the collection of routemaps in logs and metrics.
pub(super) const ROUTEMAPS: &str = "routemaps";

/// Returns the name of the collection of the routing objects of a type, in logs and metrics.
pub(super) fn routes_of(kind: &ResourceKind) -> String {
    format!("routes of type {kind}")
}

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
    pub(super) costly: Costly,
    pub(super) leadership: Leadership,
    pub(super) events: Events,
    pub(super) metrics: Metrics,
    /// Types of routing objects that are watched.
    pub(super) watched_targets: Mutex<HashSet<TypeId>>,
    /// Routing objects that were as desired once.
    pub(super) settled: Mutex<HashMap<ResourceKey, Settled>>,
    /// Routing objects that the API server rejected, or that others own.
    pub(super) blocked: Mutex<HashMap<ResourceKey, Blocked>>,
    /// Digests of the last decisions.
    pub(super) decided: Mutex<HashMap<ObjectKey, u64>>,
    /// True once the claims of all routemaps are known, so that no two of them write the same object.
    pub(super) has_claims: AtomicBool,
    /// Notified after each list of the resources of a type.
    pub(super) listed: Notify,
    /// Collections that cannot be read, with the reason.
    unreadable: Mutex<HashMap<String, ClusterError>>,
    /// Collections whose type does not exist, with the reason.
    missing: Mutex<HashMap<String, ClusterError>>,
    /// True if failures are not logged, because they are shown in another way.
    is_quiet: bool,
    pub(super) stop: CancellationToken,
    tasks: TaskTracker,
}

/// A routing object that was as desired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled {
    /// Hash of the desired object.
    pub(super) desired: u64,
    /// Digest of the live object when it was as desired.
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
            costly: Costly::default(),
            leadership,
            events,
            metrics,
            watched_targets: Mutex::default(),
            settled: Mutex::default(),
            blocked: Mutex::default(),
            decided: Mutex::default(),
            has_claims: AtomicBool::new(false),
            listed: Notify::new(),
            unreadable: Mutex::default(),
            missing: Mutex::default(),
            is_quiet: false,
            stop,
            tasks: TaskTracker::new(),
        }
    }

    /// Disables the logging of failures.
    pub(super) fn quiet(self) -> Self {
        Self { is_quiet: true, ..self }
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
    pub(super) fn failed(&self, what: &str, error: ClusterError) {
        self.metrics.watch_restarted(
            what,
            match error.kind {
                ClusterErrorKind::Forbidden => WatchReason::Forbidden,
                ClusterErrorKind::Unauthorized => WatchReason::Unauthorized,
                ClusterErrorKind::NotFound => WatchReason::NotFound,
                ClusterErrorKind::Unreachable => WatchReason::Unreachable,
                ClusterErrorKind::Config | ClusterErrorKind::Conflict | ClusterErrorKind::Refused => {
                    WatchReason::Refused
                }
            },
        );
        let text = with_hint(&error);
        let known = self.unreadable.lock().insert(what.to_owned(), error);
        if !self.is_quiet && known.is_none_or(|known| with_hint(&known) != text) {
            tracing::warn!("{text}");
        }
    }

    /// Notes that an open watch ended with an error. The missed changes follow.
    pub(super) fn interrupted(&self, what: &str, interruption: Interruption) {
        tracing::debug!("the watch of {what} was interrupted: {interruption:?}");
        self.metrics.watch_restarted(
            what,
            match interruption {
                Interruption::Expired => WatchReason::Expired,
                Interruption::Disconnected => WatchReason::Disconnected,
                Interruption::Refused => WatchReason::Refused,
            },
        );
    }

    /// Notes that the type of a collection does not exist.
    pub(super) fn missing(&self, what: &str, error: ClusterError) {
        self.unreadable.lock().remove(what);
        self.missing.lock().insert(what.to_owned(), error);
    }

    /// Notes that a collection was read.
    pub(super) fn recovered(&self, what: &str) {
        self.missing.lock().remove(what);
        if self.unreadable.lock().remove(what).is_some() && !self.is_quiet {
            tracing::info!("{what} can be read now");
        }
    }

    /// Returns true once the routemaps and their claims are known.
    pub(super) fn has_listed_routemaps(&self) -> bool {
        self.index.routemaps().is_some() && self.has_claims.load(Ordering::Acquire)
    }

    /// Returns the reason why the controller is not ready: it has not read everything once.
    pub(super) fn readiness(&self) -> Result<(), String> {
        if !self.has_listed_routemaps() {
            return Err(self.unready(ROUTEMAPS));
        }
        let types = self.types.all().map(|(of_type, _)| of_type);
        match self.index.first_unlisted(types).and_then(|of_type| self.types.get(of_type)) {
            Some(missing) => Err(self.unready(&missing.resource.to_string())),
            None => Ok(()),
        }
    }

    /// Fails with the reason if the controller makes no progress.
    pub(super) fn liveness(&self) -> Result<(), String> {
        for (what, silence) in [(ROUTEMAPS, self.routemaps.silence()), ("finalizers", self.finalizers.silence())] {
            if silence > STALLED {
                return Err(format!("the queue of {what} has made no progress for {} s", silence.as_secs()));
            }
        }
        Ok(())
    }

    /// Returns the collections that cannot be read, with the reasons.
    pub(super) fn failures(&self) -> Vec<(String, ClusterError)> {
        self.unreadable.lock().iter().map(|(what, error)| (what.clone(), error.clone())).collect()
    }

    /// Returns the reason why a collection cannot be read.
    pub(super) fn failure(&self, what: &str) -> Option<ClusterError> {
        self.unreadable.lock().get(what).cloned()
    }

    /// Returns the reason why a collection is empty, if its type does not exist.
    pub(super) fn absence(&self, what: &str) -> Option<ClusterError> {
        self.missing.lock().get(what).cloned()
    }

    /// Returns the reason why a collection was not read yet.
    pub(super) fn unready(&self, what: &str) -> String {
        match self.unreadable.lock().get(what) {
            Some(error) => with_hint(error),
            None => format!("{what} are not listed yet"),
        }
    }
}

/// Describes an error with its hint.
pub(super) fn with_hint(error: &ClusterError) -> String {
    let hint = error.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{}{hint}", error.message)
}
