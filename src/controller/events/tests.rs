use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::delivery::EventSink;
use super::*;
use crate::ports::BoxFuture;

const POD: &str = "iter8-controller-0";

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Sink that keeps what it gets.
#[derive(Clone, Default)]
struct Sink {
    events: Arc<Mutex<Vec<Event>>>,
    in_flight: Arc<AtomicUsize>,
    most_in_flight: Arc<AtomicUsize>,
    /// Duration of a request.
    latency: Duration,
    fails: bool,
}

impl EventSink for Sink {
    fn create(&self, event: Event) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.most_in_flight.fetch_max(self.in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(self.latency).await;
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            if self.fails {
                return Err("the namespace is being terminated".to_owned());
            }
            self.events.lock().push(event);
            Ok(())
        })
    }
}

struct Recorder {
    events: Events,
    sink: Sink,
}

impl Recorder {
    fn start(sink: Sink) -> Self {
        let events = Events::with_sink(sink.clone(), POD, Arc::new(FixedClock), Metrics::new(true));
        Self { events, sink }
    }

    fn record(&self, name: &str, note: &str) {
        self.events.record(routemap(name), EventType::Normal, "RoutesApplied", "Route", note.to_owned());
    }

    /// Stops, and returns the notes of the delivered Events and the counter of dropped ones.
    async fn end(self) -> (Vec<String>, String) {
        self.events.finish().await;
        let notes = self.sink.events.lock().iter().map(|event| event.note.clone().unwrap()).collect();
        let metrics = self.events.metrics.render();
        let dropped = metrics.lines().filter(|line| line.contains("events_dropped_total") && !line.ends_with(" 0"));
        (notes, dropped.collect::<Vec<_>>().join("\n"))
    }
}

fn routemap(name: &str) -> Regarding {
    Regarding {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: "models".to_owned(),
        name: name.to_owned(),
        uid: "0-1".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn events_name_the_object_the_change_and_the_reporter() {
    let recorder = Recorder::start(Sink::default());
    recorder.record("wisdom", "weights 80/20");
    let sink = recorder.sink.clone();
    recorder.end().await;
    let event = sink.events.lock().pop().unwrap();
    let mut json = serde_json::to_value(&event).unwrap();
    let name = json["metadata"]["name"].take();
    assert!(name.as_str().unwrap().starts_with("wisdom."), "{name}");
    let expected = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": null, "namespace": "models"},
        "type": "Normal",
        "reason": "RoutesApplied",
        "action": "Route",
        "note": "weights 80/20",
        "eventTime": "1970-01-01T00:00:00.000000Z",
        "regarding":
            {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "models", "name": "wisdom", "uid": "0-1"},
        "reportingController": "iter8-controller",
        "reportingInstance": "iter8-controller-0",
    });
    assert_eq!(json, expected);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_note_is_recorded_once_and_a_changed_note_again() {
    let recorder = Recorder::start(Sink::default());
    for note in ["weights 80/20", "weights 80/20", "weights 50/50", "weights 80/20"] {
        recorder.record("wisdom", note);
    }
    assert_eq!(recorder.end().await, (vec!["weights 80/20".to_owned(), "weights 50/50".to_owned()], String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_flapping_object_does_not_flood_the_api_server() {
    let recorder = Recorder::start(Sink::default());
    for number in 0..1000 {
        recorder.record("wisdom", &format!("change {number}"));
    }
    let (notes, dropped) = recorder.end().await;
    assert_eq!(notes.len(), 10);
    assert_eq!(dropped, "iter8_controller_events_dropped_total{reason=\"limit\"} 990");
}

#[tokio::test(start_paused = true)]
async fn recording_never_waits_for_a_slow_api_server() {
    let recorder = Recorder::start(Sink { latency: Duration::from_secs(3), ..Sink::default() });
    for number in 0..2 * QUEUE {
        recorder.record(&format!("routemap-{number}"), "ready");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(recorder.sink.most_in_flight.load(Ordering::SeqCst), 4);
    let start = Instant::now();
    let (notes, dropped) = recorder.end().await;
    assert!(start.elapsed() <= Duration::from_secs(1), "the shutdown took {:?}", start.elapsed());
    assert_eq!(notes.len(), 12);
    assert_eq!(dropped, "iter8_controller_events_dropped_total{reason=\"queue\"} 1000");
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_and_the_event_may_be_recorded_again() {
    for (sink, reason) in [
        (Sink { fails: true, ..Sink::default() }, "fails"),
        (Sink { latency: Duration::from_secs(60), ..Sink::default() }, "times out"),
    ] {
        let recorder = Recorder::start(sink);
        for _ in 0..3 {
            recorder.record("wisdom", "ready");
            tokio::time::sleep(Duration::from_secs(6)).await;
        }
        let (_, dropped) = recorder.end().await;
        assert_eq!(dropped, "iter8_controller_events_dropped_total{reason=\"failed\"} 3", "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_events_are_delivered_at_shutdown() {
    let recorder = Recorder::start(Sink { latency: Duration::from_millis(10), ..Sink::default() });
    for number in 0..100 {
        recorder.record(&format!("routemap-{number}"), "ready");
    }
    assert_eq!(recorder.end().await.0.len(), 100);
}

#[test]
fn long_names_and_notes_are_truncated() {
    let name = event_name(&format!("{}.{}", "a".repeat(235), "b".repeat(17)), 1);
    assert_eq!(name, format!("{}.0000000000000001", "a".repeat(235)));
    assert_eq!(event_name(&"a".repeat(253), 1).len(), 253);
    assert_eq!(truncated("weights 80/20", MAX_NOTE), "weights 80/20");
    for text in ["a", "ä", "€", "🦀"] {
        let shortened = truncated(&text.repeat(2000), MAX_NOTE);
        assert!(shortened.len() <= MAX_NOTE && shortened.len() > MAX_NOTE - 8 && shortened.ends_with('…'));
    }
}

#[tokio::test]
async fn cluster_scoped_objects_have_events_in_the_default_namespace() {
    let events = Recorder::start(Sink::default()).events;
    let node = Regarding { namespace: String::new(), ..routemap("node") };
    let event = events.event(node, EventType::Warning, "Refused", "Route", "cluster-scoped");
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(event.regarding.unwrap().namespace, None);
    assert_eq!(event.type_.as_deref(), Some("Warning"));
}
