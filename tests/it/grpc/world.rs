//! The outside world of a task, as far as `grpc` looks at it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use iter8::load::grpc::status_name;
use iter8::model::contribution::{Contribution, Values};
use iter8::model::document::{Experiment, TaskSpec};
use iter8::model::load::LoadRecord;
use iter8::ports::{
    BoxFuture, Clock, Event, Files, Observer, ScriptEnd, Shell, Web, WebError, WebRequest, WebResponse,
};
use iter8::tasks::grpc::KIND;
use iter8::tasks::{TaskContext, TaskError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::server::{PROTO, Server};

pub struct World {
    pub files: BTreeMap<String, Vec<u8>>,
    pub downloads: BTreeMap<String, Vec<u8>>,
    pub events: Mutex<Vec<Event>>,
}

impl Default for World {
    fn default() -> Self {
        let files = BTreeMap::from([("t.proto".to_owned(), PROTO.as_bytes().to_vec())]);
        Self { files, downloads: BTreeMap::new(), events: Mutex::default() }
    }
}

impl Files for World {
    fn read(&self, path: &str, _: u64) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

impl Web for World {
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>> {
        let found = self.downloads.get(&request.url).cloned();
        let status = if found.is_some() { 200 } else { 404 };
        Box::pin(async move {
            Ok(WebResponse { status, body: found.unwrap_or_default(), retry_after: None, clock_ahead: None })
        })
    }
}

impl Shell for World {
    fn run<'a>(
        &'a self,
        _: &'a str,
        _: Duration,
        _: &'a (dyn Fn(&str) + Send + Sync),
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, io::Result<ScriptEnd>> {
        Box::pin(async { Ok(ScriptEnd::Exited(0)) })
    }
}

impl Clock for World {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000, 0).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Observer for World {
    fn observe(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

impl World {
    pub async fn run(&self, with: Value) -> Result<Contribution, TaskError> {
        let spec = TaskSpec { task: Some("grpc".into()), with: Some(with), ..TaskSpec::default() };
        let task = (KIND.parse)(&spec)?;
        task.check(self)?;
        let experiment = Experiment::default();
        let world = iter8::ports::Env {
            cluster: &iter8::adapters::kubernetes::NoCluster,
            clock: self,
            web: self,
            shell: self,
            files: self,
            observer: self,
            recording: None,
            fleet: None,
            stop: CancellationToken::new(),
        };
        let cx = TaskContext { index: 0, experiment: &experiment, measured: &Default::default(), env: &world };
        task.run(&cx).await
    }
}

/// Loads a method of the tests' service, with these fields beside the usual ones.
pub async fn load(server: &Server, method: &str, fields: Value) -> Contribution {
    World::default().run(with(server, method, fields)).await.unwrap()
}

/// The usual fields, and these.
pub fn with(server: &Server, method: &str, fields: Value) -> Value {
    let mut with = json!({
        "host": server.host(), "call": format!("t.Echo/{method}"), "proto": "t.proto",
        "total": 20, "concurrency": 4, "timeout": "5s", "allowInitialErrors": true,
    });
    for (name, value) in fields.as_object().unwrap() {
        with[name] = value.clone();
    }
    with
}

/// The record of the only load.
pub fn record(contribution: &Contribution) -> &LoadRecord {
    contribution.versions[0].load.values().next().unwrap()
}

/// How many values a distribution has; 0 where there is none.
pub fn samples(contribution: &Contribution, name: &str) -> u64 {
    match contribution.versions[0].metrics.get(name).map(|metric| &metric.values) {
        Some(Values::Distribution { histogram, .. }) => histogram.count,
        _ => 0,
    }
}

/// Codes and causes of the only load, as text.
pub fn told(contribution: &Contribution) -> String {
    let record = record(contribution);
    let codes = record.statuses.iter().map(|(code, count)| (status_name(*code), *count));
    let all = codes.chain(record.causes.iter().map(|(cause, count)| (cause.clone(), *count)));
    all.map(|(name, count)| format!("{name}×{count}")).collect::<Vec<_>>().join(" ")
}
