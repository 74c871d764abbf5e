//! The controller's view for users: the same index and decisions as those of a running controller, without any write.
//!
//! A type that cannot be read affects only the routemaps that name it; the others are shown as usual.

mod comparison;
mod states;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::comparison::Comparisons;
pub(crate) use self::states::{RoutePhase, RouteState, RoutemapState, VersionState};
use self::states::{decision, state};
use super::claims;
use super::events::Events;
use super::keys::{ObjectKey, TypeId};
use super::lease::Leadership;
use super::metrics::Metrics;
use super::queue::Next;
use super::shared::{ROUTEMAPS, Shared};
use super::watches;
use crate::adapters::clock::SystemClock;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::routing::Config;

/// Longest interval between two checks for failures.
const FAILURE_INTERVAL: Duration = Duration::from_millis(200);

/// Requests for comparisons at the same time.
const CONCURRENCY: usize = 8;

/// A running view of the cluster.
pub(crate) struct Survey {
    shared: Arc<Shared>,
    comparisons: Comparisons,
    changes: watch::Receiver<()>,
    stop: CancellationToken,
}

impl Survey {
    /// Starts to watch. `namespace` is the one to watch, or `None` for all.
    pub(crate) fn start(client: Client, config: Config, namespace: Option<String>) -> Self {
        let stop = CancellationToken::new();
        let metrics = Metrics::new(false);
        let events = Events::start(client.clone(), "", metrics.clone());
        // Never leads, so nothing is written.
        let (_, leadership) = Leadership::elected(Arc::new(SystemClock));
        let parts = (leadership, events, metrics);
        let shared = Arc::new(Shared::new(client.clone(), namespace, config, parts, stop.clone()).quiet());
        let (sender, changes) = watch::channel(());
        watches::start(&shared);
        shared.spawn(follow(Arc::clone(&shared), sender));
        Self { comparisons: Comparisons::new(client), shared, changes, stop }
    }

    /// Waits until everything that can be read has been read once. Fails with the reason if the routemaps, or the cluster, cannot be read.
    pub(crate) async fn complete(&mut self) -> Result<(), ClusterError> {
        loop {
            if let Some(error) = self.failure() {
                return Err(error);
            }
            let is_pending =
                |state: &RoutemapState| state.routes.iter().any(|route| route.state == RoutePhase::Pending);
            if self.is_listed() && !self.decided().iter().any(is_pending) {
                return Ok(());
            }
            // A failure of a watch changes no routemap.
            let _ = tokio::time::timeout(FAILURE_INTERVAL, self.changed()).await;
        }
    }

    /// Returns the reason why nothing can be shown.
    fn failure(&self) -> Option<ClusterError> {
        let failures = self.shared.failures().into_iter();
        let mut fatal = failures.filter(|(what, error)| what == ROUTEMAPS || error.kind != ClusterErrorKind::Forbidden);
        fatal.next().map(|(_, error)| error)
    }

    /// Returns true if the routemaps and all types that can be read were listed.
    fn is_listed(&self) -> bool {
        let types = self.shared.types.all();
        let readable = types.filter(|(_, listed)| self.shared.failure(&listed.resource.to_string()).is_none());
        self.shared.has_listed_routemaps() && self.shared.index.first_unlisted(readable.map(|(id, _)| id)).is_none()
    }

    /// Waits until something that matters to a routemap changed.
    pub(crate) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Adds or replaces routemaps in this view, as if they were applied. Returns their keys.
    pub(crate) fn plan(&self, sources: &[ConfigMap]) -> Vec<ObjectKey> {
        let shared = &self.shared;
        let planned = sources.iter().map(|source| {
            let mut object = watches::parse_source(shared, source);
            // Different from the version in the cluster, if there is one.
            object.resource_version = "plan".into();
            let key = object.key.clone();
            shared.push(shared.index.routemap_applied(object));
            key
        });
        let planned: Vec<ObjectKey> = planned.collect();
        // Routing objects that nobody claimed were not kept, so they are listed again.
        let objects = planned.iter().filter_map(|key| shared.index.routemap(key));
        let types = objects
            .filter_map(|object| states::claim(shared, &object))
            .flat_map(|decision| claims::rendered_types(shared, &decision));
        let types: BTreeSet<TypeId> = types.collect();
        shared.index.unlist_targets(&types);
        shared.watched_targets.lock().retain(|of_type| !types.contains(of_type));
        watches::watch_targets(shared, types);
        planned
    }

    /// Returns the states of all routemaps, by namespace and name.
    pub(crate) async fn states(&self) -> Vec<RoutemapState> {
        let mut states = self.decided();
        let routes = states.iter_mut().flat_map(|state| &mut state.routes);
        let compared = |route| self.comparisons.compare(&self.shared, route);
        stream::iter(routes).for_each_concurrent(CONCURRENCY, compared).await;
        states
    }

    /// Returns the states as far as they are known without further requests.
    fn decided(&self) -> Vec<RoutemapState> {
        let mut objects = self.shared.index.routemaps().unwrap_or_default();
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        objects.iter().map(|object| state(&self.shared, object)).collect()
    }
}

impl Drop for Survey {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Follows the queue, so that claims are known and routing objects are watched.
async fn follow(shared: Arc<Shared>, changes: watch::Sender<()>) {
    loop {
        let key = shared.routemaps.next().await;
        if let Some(object) = shared.index.routemap(&key) {
            decision(&shared, &object);
        }
        shared.routemaps.done(&key, Next::Wait);
        changes.send_replace(());
    }
}
