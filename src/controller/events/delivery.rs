//! Delivery of recorded Events to the API server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::events::v1::Event;
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Report;
use super::limiter::Limiter;
use crate::controller::metrics::{DropReason, Metrics};
use crate::ports::BoxFuture;

/// Requests in flight. Writes of routes must not wait behind Events in the API server's queues.
const CONCURRENCY: usize = 4;

/// Timeout of one request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Time for the last Events of a shutdown.
const DRAIN: Duration = Duration::from_secs(1);

/// Destination of Events.
pub(super) trait EventSink: Send + Sync {
    /// Creates an Event; fails with the reason.
    fn create(&self, event: Event) -> BoxFuture<'_, Result<(), String>>;
}

/// API server.
pub(super) struct KubeSink(pub(super) Client);

impl EventSink for KubeSink {
    fn create(&self, event: Event) -> BoxFuture<'_, Result<(), String>> {
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.0.clone(), &namespace);
        Box::pin(async move {
            let created = api.create(&PostParams::default(), &event).await;
            created.map(drop).map_err(|error| error.to_string())
        })
    }
}

/// Background task of a recorder.
pub(super) struct Delivery {
    pub(super) queue: mpsc::Receiver<Report>,
    pub(super) limiter: Arc<Mutex<Limiter>>,
    pub(super) metrics: Metrics,
}

impl Delivery {
    /// Delivers Events until `stop`, then those that wait, for at most a second.
    pub(super) async fn run(self, sink: impl EventSink, stop: CancellationToken) {
        let Self { queue, limiter, metrics } = self;
        let reports = stream::unfold((queue, &stop), |(mut queue, stop)| async move {
            Some((next(&mut queue, stop).await?, (queue, stop)))
        });
        let (sink, limiter, metrics) = (&sink, &limiter, &metrics);
        let deliver = reports.for_each_concurrent(CONCURRENCY, |report| async move {
            let subject = report.subject;
            if let Err(reason) = send(sink, report).await {
                tracing::debug!("cannot create an Event: {reason}");
                limiter.lock().withdraw(subject);
                metrics.event_dropped(DropReason::Failed);
            }
        });
        let give_up = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            () = deliver => {}
            () = give_up => {}
        }
    }
}

/// Returns the next report; `None` if there is none after a stop.
async fn next(queue: &mut mpsc::Receiver<Report>, stop: &CancellationToken) -> Option<Report> {
    tokio::select! {
        biased;
        report = queue.recv() => report,
        () = stop.cancelled() => None,
    }
}

async fn send(sink: &impl EventSink, report: Report) -> Result<(), String> {
    let response = tokio::time::timeout(TIMEOUT, sink.create(report.event)).await;
    response.unwrap_or_else(|_| Err("the API server did not respond in time".to_owned()))
}
