//! The `http` task: load over HTTP, and what it tells of latencies and errors.
//!
//! `values` reads what the user wrote, `plan` merges it into loads, `prepare` reads files and downloads payloads, [`crate::load`]
//! makes the load, and `measure` turns its outcome into metrics.

mod field;
mod measure;
mod plan;
mod prepare;
mod route;
mod values;

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join_all;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use self::plan::{Auth, Load, Plan};
use self::prepare::Ready;
use super::{Measures, Task, TaskContext, TaskError, TaskKind};
use crate::load::engine;
use crate::load::outcome::LoadOutcome;
use crate::load::plan::{LoadError, LoadPlan};
use crate::logic::input::InputError;
use crate::logic::pacing::Pacer;
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::model::document::TaskSpec;
use crate::ports::{BoxFuture, Event, Files, LoadProgress};

/// The registry's row.
pub const KIND: TaskKind = TaskKind {
    name: "http",
    value_names: &["http"],
    summary: "load HTTP endpoints; measure latencies and errors",
    from_values,
    parse,
    with_schema,
    values_schema,
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
    plan: Plan,
}

/// What became of one load.
enum Ended {
    Measured(Box<LoadOutcome>),
    /// Interrupted before it measured anything.
    Interrupted,
    Failed(TaskError),
}

impl Task for HttpTask {
    fn measures(&self) -> Measures {
        let mut providers: Vec<_> = self.plan.loads.iter().map(|load| load.provider.clone()).collect();
        providers.sort_unstable();
        providers.dedup();
        Measures { providers, versions: Some(self.plan.versions.len()) }
    }

    fn check(&self, files: &dyn Files) -> Result<(), InputError> {
        self.plan.loads.iter().try_for_each(|load| prepare::protocol(load, files, None).map(drop))
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(async move {
            let mut result = self.blank();
            let mut failures = Vec::new();
            if self.plan.is_parallel {
                let all = join_all(self.plan.loads.iter().map(|load| run_one(load, cx))).await;
                for (load, ended) in self.plan.loads.iter().zip(all) {
                    merge(&mut result, &mut failures, load, ended, cx);
                }
            } else {
                for load in &self.plan.loads {
                    let ended = run_one(load, cx).await;
                    merge(&mut result, &mut failures, load, ended, cx);
                    // One that fails does not keep the others from being measured.
                    if result.interrupted {
                        break;
                    }
                }
            }
            conclude(result, failures)
        })
    }
}

impl HttpTask {
    /// A contribution without measurements.
    fn blank(&self) -> Contribution {
        let versions = &self.plan.versions;
        let versions = versions.iter().map(|name| VersionMetrics { name: name.clone(), ..VersionMetrics::default() });
        let mut notes: Vec<String> = self
            .plan
            .loads
            .iter()
            .filter(|load| matches!(load.auth, Auth::Url))
            .map(|load| {
                let advice = "`basicAuth` takes them from a file or variable and is the better place";
                format!("{}: the credentials in its URL are sent as basic authentication; {advice}", load.label)
            })
            .collect();
        notes.dedup();
        Contribution { versions: versions.collect(), notes, ..Contribution::default() }
    }
}

/// Adds what one load measured, or why it did not.
fn merge(result: &mut Contribution, failures: &mut Vec<TaskError>, load: &Load, ended: Ended, cx: &TaskContext<'_>) {
    match ended {
        Ended::Measured(outcome) => {
            let ago = TimeDelta::from_std(outcome.started.elapsed()).unwrap_or_default();
            measure::add(load, &outcome, cx.world.clock.now() - ago, &mut result.versions[load.version]);
            result.notes.extend(measure::notes(load, &outcome));
            result.interrupted |= outcome.interrupted;
        }
        Ended::Interrupted => result.interrupted = true,
        Ended::Failed(error) => failures.push(error),
    }
}

/// The task's result: any failure fails it, and what the other loads measured is kept.
fn conclude(result: Contribution, failures: Vec<TaskError>) -> Result<Contribution, TaskError> {
    let mut messages = Vec::new();
    let mut hint = None;
    for failure in failures {
        match failure {
            // Nothing was measured: what the user wrote is the whole story.
            TaskError::Input(error) if result.versions.iter().all(|version| version.load.is_empty()) => {
                return Err(TaskError::Input(error));
            }
            TaskError::Input(error) => {
                messages.push(error.to_string());
                hint = hint.or(error.hint);
            }
            TaskError::Failed { message, hint: next, .. } => {
                messages.push(message);
                hint = hint.or(next);
            }
        }
    }
    if messages.is_empty() {
        return Ok(result);
    }
    Err(TaskError::Failed { message: messages.join("; "), hint, partial: Some(Box::new(result)) })
}

/// Runs one load, its warm-up first.
async fn run_one(load: &Load, cx: &TaskContext<'_>) -> Ended {
    let protocol = tokio::select! {
        biased;
        () = cx.world.stop.cancelled() => return Ended::Interrupted,
        downloaded = prepare::download(load, cx.world.web) => downloaded
            .and_then(|payload| prepare::protocol(load, cx.world.files, payload).map_err(TaskError::Input)),
    };
    let protocol = match protocol {
        Ok(protocol) => protocol,
        Err(error) => return Ended::Failed(error),
    };
    if let Some(pacer) = load.warmup {
        match offer(load, "warm-up of ", pacer, &protocol, cx).await {
            Ok(outcome) if outcome.interrupted => return Ended::Interrupted,
            Ok(_) => {}
            Err(error) => return Ended::Failed(failed(load, " (warm-up)", &error)),
        }
    }
    match offer(load, "", load.pacer, &protocol, cx).await {
        Ok(outcome) => Ended::Measured(Box::new(outcome)),
        Err(error) => Ended::Failed(failed(load, "", &error)),
    }
}

fn failed(load: &Load, phase: &str, error: &LoadError) -> TaskError {
    let message = format!("{}{phase}: {error}", load.label);
    TaskError::Failed { message, hint: error.hint().map(str::to_owned), partial: None }
}

/// Makes the load by one schedule, and tells its progress.
async fn offer(
    load: &Load,
    phase: &str,
    pacer: Pacer,
    protocol: &Ready,
    cx: &TaskContext<'_>,
) -> Result<LoadOutcome, LoadError> {
    let plan = LoadPlan {
        timeout: load.timeout,
        in_flight: load.in_flight(),
        allow_initial_errors: load.allow_initial_errors,
        ..LoadPlan::new(load.shown_url(), pacer, load.connections)
    };
    let name = format!("{phase}{}", load.label);
    let tell = |progress: LoadProgress| cx.world.observer.observe(Event::Load { name: name.clone(), progress });
    let stop = cx.world.stop.clone();
    match protocol {
        Ready::Http1(http) => engine::run(plan, Arc::clone(http), stop, &tell).await,
        Ready::Http2(http) => engine::run(plan, Arc::clone(http), stop, &tell).await,
    }
}
