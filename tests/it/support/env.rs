//! The outside case of a task or a run, in memory: files, variables, downloads, a clock that stands still, and the events that were
//! emitted. Scripts do nothing and succeed; there is no cluster.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use iter8::adapters::kubernetes::NoCluster;
use iter8::model::contribution::Contribution;
use iter8::model::document::{Experiment, TaskSpec};
use iter8::model::objectives::Objectives;
use iter8::ports::fleet::Fleet;
use iter8::ports::{
    BoxFuture, Clock, Env, Event, Files, Observer, ScriptEnd, ScriptLog, Shell, Web, WebError, WebRequest, WebResponse,
};
use iter8::tasks::{TaskContext, TaskError, TaskKind};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Starts empty; its builder methods add what the test needs.
#[derive(Default)]
pub struct TestEnv {
    /// Contents by path; `None` is a directory.
    files: BTreeMap<String, Option<Vec<u8>>>,
    variables: BTreeMap<String, String>,
    downloads: BTreeMap<String, Vec<u8>>,
    clock_ahead: TimeDelta,
    /// The clock is the system's.
    has_real_clock: bool,
    pub stop: CancellationToken,
    pub events: Mutex<Vec<Event>>,
}

impl TestEnv {
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), Some(content.into()));
        self
    }

    pub fn directory(mut self, path: &str) -> Self {
        self.files.insert(path.to_owned(), None);
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Response body for a URL; other URLs are answered with 404.
    pub fn download(mut self, url: &str, body: impl Into<Vec<u8>>) -> Self {
        self.downloads.insert(url.to_owned(), body.into());
        self
    }

    /// Lets the clock run.
    pub fn with_real_clock(mut self) -> Self {
        self.has_real_clock = true;
        self
    }

    /// Sets the clock ahead of the other environments' clocks.
    pub fn clock_ahead(mut self, ahead: TimeDelta) -> Self {
        self.clock_ahead = ahead;
        self
    }

    /// The environment as the program's code sees it.
    pub fn env<'a>(&'a self, fleet: Option<&'a dyn Fleet>) -> Env<'a> {
        Env {
            clock: self,
            web: self,
            shell: self,
            files: self,
            cluster: &NoCluster,
            observer: self,
            recording: None,
            fleet,
            stop: self.stop.clone(),
        }
    }

    /// Parses, checks and runs one task.
    pub async fn run_task(&self, kind: &TaskKind, with: Value) -> Result<Contribution, TaskError> {
        self.run_judged(kind, with, None).await
    }

    /// Parses, checks and runs one task whose measurements a later task judges.
    pub async fn run_judged(
        &self,
        kind: &TaskKind,
        with: Value,
        objectives: Option<&Objectives>,
    ) -> Result<Contribution, TaskError> {
        let spec = TaskSpec { task: Some(kind.name.to_owned()), with: Some(with), ..TaskSpec::default() };
        let task = (kind.parse)(&spec)?;
        task.check(self)?;
        let experiment = Experiment::default();
        let env = self.env(None);
        let (measured, secrets) = (Default::default(), Default::default());
        let cx = TaskContext {
            index: 0,
            experiment: &experiment,
            measured: &measured,
            objectives,
            times: 1.0,
            secrets: &secrets,
            env: &env,
        };
        task.run(&cx).await
    }
}

impl Files for TestEnv {
    fn read(&self, path: &str, _: u64) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(Some(content)) => Ok(content.clone()),
            Some(None) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

impl Web for TestEnv {
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>> {
        let body = self.downloads.get(&request.url).cloned();
        let status = if body.is_some() { 200 } else { 404 };
        let body = body.unwrap_or_default();
        Box::pin(async move { Ok(WebResponse { status, body, retry_after: None, clock_ahead: None }) })
    }
}

impl Shell for TestEnv {
    fn run<'a>(
        &'a self,
        _: &'a str,
        _: Duration,
        _: &'a dyn ScriptLog,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, io::Result<ScriptEnd>> {
        Box::pin(async { Ok(ScriptEnd::Exited(0)) })
    }
}

impl Clock for TestEnv {
    fn now(&self) -> DateTime<Utc> {
        if self.has_real_clock {
            Utc::now()
        } else {
            DateTime::from_timestamp(1_000_000, 0).unwrap() + self.clock_ahead
        }
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Observer for TestEnv {
    fn observe(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}
