//! Peers with separate environments, the coordinator's document, and a run of an experiment on all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use iter8::model::document::{Experiment, TaskRecord, TaskSpec};
use iter8::model::load::LoadRecord;
use iter8::pipeline::{PipelineError, Prepared, ResultPolicy, RunEnd, prepare};
use iter8::ports::fleet::Fleet;
use iter8::ports::{BoxFuture, DocumentStore, Event, StoreError};
use serde_json::{Value, json};

use crate::support::env::TestEnv;
use crate::support::fleet::InMemoryFleet;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

/// Start timeout of the barrier, for tests in which a peer never joins.
pub const TIMEOUT: Duration = Duration::from_millis(1_500);

/// Longest run of a test.
pub const LONGEST: Duration = Duration::from_secs(60);

/// One process of the fleet, with an environment of its own.
pub struct Peer {
    pub env: TestEnv,
}

impl Default for Peer {
    fn default() -> Self {
        Self { env: TestEnv::default().file("p", "payload") }
    }
}

impl Peer {
    /// Runs the pipeline, as the coordinator or alone.
    pub async fn run(
        &self,
        spec: &Value,
        fleet: Option<&dyn Fleet>,
        document: &Document,
    ) -> Result<RunEnd, PipelineError> {
        prepared(spec).run(ResultPolicy::Fresh, document, &self.env.env(fleet)).await.end
    }

    /// Assists as that member.
    pub async fn work(&self, spec: &Value, fleet: &dyn Fleet) -> Result<RunEnd, PipelineError> {
        prepared(spec).run_worker(fleet, &self.env.env(None)).await
    }

    /// Waits until a load of this peer has been under way for a while.
    pub async fn wait_for_load(&self) {
        let is_under_way = |event: &Event| matches!(event, Event::Load { progress, .. } if progress.elapsed > Duration::from_millis(200));
        while !self.env.events.lock().unwrap().iter().any(is_under_way) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lines in its log.
    pub fn log(&self) -> Vec<String> {
        let events = self.env.events.lock().unwrap();
        let line = |event: &Event| match event {
            Event::TaskLog { line, .. } => Some(line.clone()),
            _ => None,
        };
        events.iter().filter_map(line).collect()
    }
}

fn prepared(spec: &Value) -> Prepared {
    let spec: Vec<TaskSpec> = serde_json::from_value(spec.clone()).unwrap();
    prepare(Experiment { spec, ..Experiment::default() }, &Peer::default().env).unwrap()
}

/// The document, as it was last saved.
#[derive(Default)]
pub struct Document(Mutex<Option<Experiment>>);

impl DocumentStore for Document {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>> {
        Box::pin(async { Err(StoreError::Missing { location: self.location() }) })
    }

    fn save<'a>(&'a self, experiment: &'a Experiment) -> BoxFuture<'a, Result<(), StoreError>> {
        *self.0.lock().unwrap() = Some(experiment.clone());
        Box::pin(async { Ok(()) })
    }
}

impl Document {
    pub fn experiment(&self) -> Experiment {
        self.0.lock().unwrap().clone().unwrap()
    }

    /// The only version's loads.
    pub fn load(&self, provider: &str) -> LoadRecord {
        self.experiment().result.unwrap().insights.unwrap().load[0][provider].clone()
    }

    pub fn task(&self, index: usize) -> TaskRecord {
        self.experiment().result.unwrap().tasks[index].clone()
    }

    /// Outcome and reason of the first objective.
    pub fn verdict(&self) -> (Value, String) {
        let insights = self.experiment().result.unwrap().insights.unwrap();
        let verdict = &insights.verdicts[0];
        (json!(verdict.verdict), verdict.reason.clone())
    }
}

/// An experiment: a load with these values, and an objective that every load meets.
pub fn experiment(http: Value) -> Value {
    json!([
        {"task": "http", "with": http},
        {"task": "assess", "with": {"SLOs": {"upper": [{"metric": "http/error-count", "limit": 1000}]}}},
    ])
}

/// Runs an experiment on several peers; each worker must end when the run is over.
pub async fn run_all(shared: &Arc<InMemoryFleet>, count: usize, spec: &Value) -> Document {
    let document = Document::default();
    let (first, coordinator) = (Peer::default(), shared.member(0));
    let workers: Vec<_> = (1..count).map(|index| (Peer::default(), shared.member(index))).collect();
    let work = join_all(workers.iter().map(|(peer, member)| peer.work(spec, member)));
    let all = async { tokio::join!(first.run(spec, Some(&coordinator), &document), work) };
    let (end, ends) = tokio::time::timeout(LONGEST, all).await.unwrap();
    assert_eq!(end.unwrap(), RunEnd::Completed);
    for end in ends {
        assert_eq!(end.unwrap(), RunEnd::Completed);
    }
    document
}

/// A service that counts its requests and responds after the delay that the closure returns.
pub fn counting(latency: impl Fn(u64) -> Duration + Send + Sync + 'static) -> (MisbehavingServer, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&count);
    let server = MisbehavingServer::scripted(move |_| {
        let number = seen.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(latency(number));
        Reply::ok("fine")
    });
    (server, count)
}
