//! Kubernetes Events about routemaps and their targets.
//!
//! Events are best effort: recording never waits and never fails. The recorder of kube-runtime is not used because it keeps the first
//! note of a series, so that "weights 80/20" would hide "weights 50/50" for six minutes.

mod delivery;
mod limiter;

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::delivery::{Delivery, EventSink, KubeSink};
use self::limiter::{Limiter, Subject, Verdict};
use super::metrics::{DropReason, Metrics};
use crate::adapters::clock::SystemClock;
use crate::ports::Clock;

/// Name of this controller in Events.
const CONTROLLER: &str = "iter8-controller";

/// Events that wait for delivery.
const QUEUE: usize = 1000;

/// Longest note in bytes that the API server accepts.
const MAX_NOTE: usize = 1024;

/// Longest reporting instance in bytes that the API server accepts.
const MAX_INSTANCE: usize = 128;

/// Longest name of an object in bytes.
const MAX_NAME: usize = 253;

/// Namespace for events of cluster-scoped objects.
const CLUSTER_NAMESPACE: &str = "default";

/// Object of an Event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Regarding {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    /// Empty for cluster-scoped objects.
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Empty if it is not known.
    pub(crate) uid: String,
}

/// Type of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventType {
    Normal,
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Event on its way to the API server.
#[derive(Debug)]
struct Report {
    subject: Subject,
    event: Event,
}

/// Recorder of Events. Clones share limits and queue.
#[derive(Clone)]
pub(crate) struct Events {
    queue: mpsc::Sender<Report>,
    limiter: Arc<Mutex<Limiter>>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// Name of the pod.
    instance: Arc<str>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Events {
    /// Creates a recorder that delivers Events to the cluster in the background.
    pub(crate) fn start(client: Client, pod: &str, metrics: Metrics) -> Self {
        Self::with_sink(KubeSink(client), pod, Arc::new(SystemClock), metrics)
    }

    fn with_sink(sink: impl EventSink + 'static, pod: &str, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let limiter = Arc::new(Mutex::new(Limiter::default()));
        let delivery = Delivery { queue: receiver, limiter: Arc::clone(&limiter), metrics: metrics.clone() };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(delivery.run(sink, stop.clone()));
        tasks.close();
        Self { queue, limiter, clock, metrics, instance: truncated(pod, MAX_INSTANCE).into(), stop, tasks }
    }

    /// Records an Event, unless it repeats a recent one or its object had too many.
    pub(crate) fn record(
        &self,
        regarding: Regarding,
        of_type: EventType,
        reason: &'static str,
        action: &'static str,
        note: String,
    ) {
        let (subject, verdict) = {
            let mut limiter = self.limiter.lock();
            let subject = limiter.subject(&regarding, &(of_type, reason, action, &note));
            (subject, limiter.admit(subject, Instant::now()))
        };
        match verdict {
            Verdict::Admitted => {}
            Verdict::Repeated => return,
            Verdict::TooMany => return self.metrics.event_dropped(DropReason::Limit),
        }
        let event = self.event(regarding, of_type, reason, action, &note);
        if self.queue.try_send(Report { subject, event }).is_err() {
            self.limiter.lock().withdraw(subject);
            self.metrics.event_dropped(DropReason::Queue);
        }
    }

    /// Delivers the Events that wait, for at most a second, and stops.
    pub(crate) async fn finish(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    fn event(&self, regarding: Regarding, of_type: EventType, reason: &str, action: &str, note: &str) -> Event {
        let namespace = if regarding.namespace.is_empty() { CLUSTER_NAMESPACE } else { &regarding.namespace };
        let metadata = ObjectMeta {
            name: Some(event_name(&regarding.name, fastrand::u64(..))),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        };
        Event {
            metadata,
            event_time: Timestamp::from_microsecond(self.clock.now().timestamp_micros()).ok().map(MicroTime),
            type_: Some(of_type.as_str().to_owned()),
            reason: Some(reason.to_owned()),
            action: Some(action.to_owned()),
            note: Some(truncated(note, MAX_NOTE)),
            regarding: Some(reference(regarding)),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.to_string()),
            ..Event::default()
        }
    }
}

fn reference(regarding: Regarding) -> ObjectReference {
    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    ObjectReference {
        api_version: present(regarding.api_version),
        kind: present(regarding.kind),
        namespace: present(regarding.namespace),
        name: present(regarding.name),
        uid: present(regarding.uid),
        ..ObjectReference::default()
    }
}

/// Returns a name for an Event that starts with the name of its object.
fn event_name(object: &str, unique: u64) -> String {
    let suffix = format!(".{unique:016x}");
    let length = object.floor_char_boundary(MAX_NAME - suffix.len());
    // Each part of a name between dots ends with a letter or digit.
    let object = object[..length].trim_end_matches(['.', '-']);
    format!("{object}{suffix}")
}

/// Truncates a string to `limit` bytes, with an ellipsis.
fn truncated(text: &str, limit: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit - ELLIPSIS.len());
    format!("{}{ELLIPSIS}", &text[..end])
}

#[cfg(test)]
mod tests;
