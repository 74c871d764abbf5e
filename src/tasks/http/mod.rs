//! The `http` task: load over HTTP that measures latencies and errors.
//!
//! `values` reads the input, `plan` turns it into loads, `prepare` reads files and downloads payloads, [`crate::load`] runs the
//! load, and `measure` turns its outcome into metrics.

mod expect;
mod field;
mod file;
mod measure;
mod plan;
mod prepare;
mod proxy;
mod redirects;
mod route;
mod template;
mod values;
mod warnings;

use chrono::{DateTime, Utc};
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use self::plan::{Auth, Load};
use self::prepare::Ready;
use super::credentials::header_secrets;
use super::loadgen::{self, JobContext, JobEnd, Plan, Time, run_load, unless_stopped};
use super::{Measured, SharedLoad, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::load::attribution::Attribution;
use crate::load::outcome::LoadOutcome;
use crate::load::pacing::Pacer;
use crate::load::plan::LoadPlan;
use crate::metrics::catalog::MetricNames;
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::model::document::TaskSpec;
use crate::model::objectives::Objectives;
use crate::ports::{BoxFuture, Files};
use crate::values::input::InputError;

/// Registry entry.
pub const KIND: TaskKind = TaskKind {
    name: "http",
    value_names: &["http"],
    summary: "load HTTP endpoints; measure latencies and errors",
    from_values,
    parse,
    with_schema,
    values_schema,
    permissions: None,
};

fn from_values(_: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    plan::plan(values, "")?;
    Ok(vec![TaskSpec { task: Some("http".into()), with: Some(values.clone()), ..TaskSpec::default() }])
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    let plan = plan::plan(spec.with.as_ref().unwrap_or(&Value::Null), "with")?;
    Ok(Box::new(HttpTask { plan }))
}

fn with_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<values::HttpValues>()
}

fn values_schema(_: &str, generator: &mut SchemaGenerator) -> Schema {
    with_schema(generator)
}

/// A parsed `http` task.
struct HttpTask {
    plan: Plan<Load>,
}

impl Task for HttpTask {
    fn facts(&self) -> TaskFacts {
        self.plan.facts()
    }

    fn measures(&self, _: &dyn Files) -> Vec<Measured> {
        self.plan.measures()
    }

    fn check_objectives(&self, objectives: Option<&Objectives>) -> Result<(), InputError> {
        self.plan.check_objectives(objectives)
    }

    fn check_pods(&self, pods: u32) -> Result<(), InputError> {
        self.plan.check_pods(pods)
    }

    fn as_load(&self) -> Option<&dyn SharedLoad> {
        Some(&self.plan)
    }

    fn secrets(&self, files: &dyn Files) -> Vec<String> {
        let secrets = |load: &Load| {
            let login = match &load.auth {
                Auth::Login(login) => login.secrets(files),
                Auth::Url | Auth::None => Vec::new(),
            };
            [header_secrets(&load.headers, files), login].concat()
        };
        self.plan.loads.iter().flat_map(secrets).collect()
    }

    fn check(&self, files: &dyn Files) -> Result<(), InputError> {
        self.plan
            .loads
            .iter()
            .try_for_each(|load| prepare::protocol(load, files, None, Time::new(DateTime::UNIX_EPOCH)).map(drop))
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        let notes = self.notes().into_iter().chain(self.warnings(cx.env.files)).collect();
        Box::pin(self.plan.run(notes, cx))
    }

    fn warnings(&self, files: &dyn Files) -> Vec<String> {
        self.plan.loads.iter().flat_map(|load| warnings::warnings(load, files)).collect()
    }
}

impl HttpTask {
    /// Notes that do not depend on the outcome.
    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self
            .plan
            .loads
            .iter()
            .filter(|load| matches!(load.auth, Auth::Url))
            .map(|load| {
                let advice = "prefer `basicAuth`, which reads them from a file or environment variable";
                format!("{}: the credentials in its URL are sent as basic authentication; {advice}", load.label)
            })
            .collect();
        notes.dedup();
        notes
    }
}

impl loadgen::Load for Load {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn version(&self) -> usize {
        self.version
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn plan(&self) -> LoadPlan {
        LoadPlan {
            timeout: self.timeout,
            in_flight: self.in_flight(),
            allow_initial_errors: self.allow_initial_errors,
            versions: self.attribution.as_ref().map(|attribution| attribution.versions.clone()).unwrap_or_default(),
            ..LoadPlan::new(self.display_url(), self.pacer.clone(), self.connections)
        }
    }

    fn attribution(&self) -> Option<&Attribution> {
        self.attribution.as_deref()
    }

    fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    fn warmup(&self) -> Option<Pacer> {
        self.warmup.clone()
    }

    fn run<'a>(&'a self, job: &'a JobContext<'a>) -> BoxFuture<'a, JobEnd> {
        Box::pin(async move {
            let time = Time::new(job.env.clock.now());
            let protocol = unless_stopped(job, prepare::download(self, job.env.web)).await.map(|downloaded| {
                downloaded
                    .and_then(|payload| prepare::protocol(self, job.env.files, payload, time).map_err(TaskError::Input))
            });
            let end = match protocol {
                None => JobEnd::Interrupted,
                Some(Err(error)) => JobEnd::Failed(error),
                Some(Ok(Ready::Http1(http))) => run_load(self, &http, job).await,
                Some(Ok(Ready::Http2(http))) => run_load(self, &http, job).await,
            };
            match end {
                JobEnd::Failed(error) => JobEnd::Failed(proxy::with_hint(self, job.env.files, error)),
                JobEnd::Aborted(error, outcome) => {
                    JobEnd::Aborted(proxy::with_hint(self, job.env.files, error), outcome)
                }
                end => end,
            }
        })
    }

    fn metric_names(&self) -> MetricNames {
        measure::metric_names(self)
    }

    fn add(&self, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics) {
        measure::add(self, outcome, start, into);
    }

    fn notes(&self, outcome: &LoadOutcome) -> Vec<String> {
        let advice = "check URL, method, headers and payload, or the definition of an error (`errorRanges`, `expect`)";
        let all_failed = loadgen::all_failed(&self.label, outcome, |code| format!("status {code}"), advice);
        let redirects = redirects::not_followed(self, outcome);
        all_failed.into_iter().chain(redirects).chain(loadgen::notes(&self.label, outcome)).collect()
    }
}
