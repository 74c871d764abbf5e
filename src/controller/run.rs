//! Start and end of the controller.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::events::Events;
use super::finalizers;
use super::lease::{self, Leadership, LeadershipSender, LeaseSettings};
use super::metrics::Metrics;
use super::queue::{Next, Queue};
use super::reconcile::reconcile;
use super::server;
use super::shared::Shared;
use super::sweep;
use super::watches;
use crate::adapters::clock::SystemClock;
use crate::routing::Config;

/// Reconciliations at the same time. Most of their time is spent waiting for a write, and writes have their own limit.
const CONCURRENCY: usize = 64;

/// Time for running writes to end after a stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Shortest time between two resyncs.
const SHORTEST_RESYNC: Duration = Duration::from_millis(100);

/// Name of the Lease.
pub(super) const LEASE: &str = "iter8-controller";

/// Settings of the controller process.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// Namespace of the controller, of its Lease, and of the objects that it watches unless it is cluster-scoped.
    pub(crate) namespace: String,
    /// Name of this pod.
    pub(crate) pod: String,
    /// Address of metrics and health.
    pub(crate) listen: SocketAddr,
    /// True if replicas elect a leader.
    pub(crate) has_election: bool,
    /// True if each version has its own time series.
    pub(crate) has_version_metrics: bool,
}

/// Reason for the end of the controller.
#[derive(Debug, Error)]
pub(crate) enum ControllerError {
    /// The address of metrics and health cannot be used.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
}

/// Runs the controller until `stop`.
pub(crate) async fn run(client: Client, settings: Settings, stop: CancellationToken) -> Result<(), ControllerError> {
    let (sender, leadership) = Leadership::elected(Arc::new(SystemClock));
    let metrics = Metrics::new(settings.has_version_metrics);
    let events = Events::start(client.clone(), &settings.pod, metrics.clone());
    let namespace = (!settings.config.is_cluster_scoped).then(|| settings.namespace.clone());
    let parts = (leadership, events, metrics);
    let shared = Arc::new(Shared::new(client.clone(), namespace, settings.config.clone(), parts, stop.clone()));
    let end_server = CancellationToken::new();
    let address = serve(&shared, settings.listen, &end_server).await?;
    tracing::info!("metrics and health are served on http://{address}");

    watches::start(&shared);
    shared.spawn(work(Arc::clone(&shared), |shared| &shared.routemaps, reconcile));
    shared.spawn(work(Arc::clone(&shared), |shared| &shared.finalizers, finalizers::reconcile));
    shared.spawn(follow_leadership(Arc::clone(&shared)));
    shared.spawn(sweep::run(Arc::clone(&shared)));
    shared.spawn(resync(Arc::clone(&shared)));

    // Leadership ends last, after the running writes.
    let end_election = CancellationToken::new();
    let election = tokio::spawn(elect(client, settings, sender, end_election.clone()));
    stop.cancelled().await;
    tracing::info!("stopping");
    shared.finish(STOP_LIMIT).await;
    shared.events.finish().await;
    end_election.cancel();
    let _ = tokio::time::timeout(STOP_LIMIT, election).await;
    end_server.cancel();
    Ok(())
}

async fn serve(
    shared: &Arc<Shared>,
    listen: SocketAddr,
    end: &CancellationToken,
) -> Result<SocketAddr, ControllerError> {
    let (healthy, ready) = (Arc::clone(shared), Arc::clone(shared));
    let endpoints = server::Endpoints {
        metrics: shared.metrics.clone(),
        healthy: Box::new(move || healthy.liveness()),
        ready: Box::new(move || ready.readiness()),
    };
    server::start(listen, endpoints, end.clone()).await.map_err(|error| ControllerError::Listen(listen, error))
}

/// Reconciles the objects of a queue, several at a time.
pub(super) async fn work<K, F>(shared: Arc<Shared>, queue: fn(&Shared) -> &Queue<K>, reconcile: fn(Arc<Shared>, K) -> F)
where
    K: Clone + Eq + std::hash::Hash + Send + 'static,
    F: Future<Output = Next> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let key = queue(&shared).next().await;
        let task = Arc::clone(&shared);
        // Not interrupted by a stop: a write that has started ends, or reaches its timeout.
        shared.spawn_uninterrupted(async move {
            let next = reconcile(Arc::clone(&task), key.clone()).await;
            queue(&task).done(&key, next);
            task.metrics.queue_length(task.routemaps.len());
            drop(permit);
        });
    }
}

/// Reconciles everything when this process becomes the leader.
pub(super) async fn follow_leadership(shared: Arc<Shared>) {
    let mut leadership = shared.leadership.clone();
    loop {
        let is_leader = leadership.changed().await;
        shared.metrics.leader(is_leader);
        if is_leader {
            shared.push_all();
        }
    }
}

/// Reconciles everything from time to time, as Iter8 does.
async fn resync(shared: Arc<Shared>) {
    let interval = shared.config.default_resync;
    if interval.is_zero() {
        return;
    }
    let interval = interval.max(SHORTEST_RESYNC);
    loop {
        tokio::time::sleep(interval).await;
        shared.push_all();
    }
}

/// Takes part in the election, if there is one.
async fn elect(client: Client, settings: Settings, sender: LeadershipSender, end: CancellationToken) {
    if !settings.has_election {
        sender.lead_alone();
        return end.cancelled().await;
    }
    let lease = LeaseSettings::new(&settings.namespace, LEASE, &settings.pod);
    lease::run(client, &lease, &sender, &end).await;
}
