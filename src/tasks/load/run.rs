//! Runs the loads of a task, and gathers what they measured.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use crate::load::engine;
use crate::load::outcome::LoadOutcome;
use crate::load::plan::{LoadError, LoadPlan};
use crate::load::protocol::Protocol;
use crate::logic::pacing::Pacer;
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::ports::{BoxFuture, Event, LoadProgress};
use crate::tasks::{TaskContext, TaskError};

/// One load of a task: one endpoint of one version.
pub(in crate::tasks) trait Load: Sync {
    /// Its provider of metrics: `http`, `http-NAME`.
    fn provider(&self) -> &str;

    /// Index of the version.
    fn version(&self) -> usize;

    /// How the load is called in progress and notes: `http-get (v2)`.
    fn label(&self) -> &str;

    /// The load to make.
    fn plan(&self) -> LoadPlan;

    /// The schedule of its warm-up, where it has one.
    fn warmup(&self) -> Option<Pacer>;

    /// Prepares the protocol, and makes the load with [`offer`].
    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Ended>;

    /// Adds what was measured to its version.
    fn add(&self, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics);

    /// What readers should know of it.
    fn notes(&self, outcome: &LoadOutcome) -> Vec<String>;

    /// The next step after a failure, where there is one.
    fn hint(&self, error: &LoadError) -> Option<String> {
        error.hint().map(str::to_owned)
    }
}

/// What became of one load.
pub(in crate::tasks) enum Ended {
    Measured(Box<LoadOutcome>),
    /// Interrupted before it measured anything.
    Interrupted,
    Failed(TaskError),
}

/// Runs the loads, one after the other or all together. `result` has an entry for each of their versions.
///
/// One that fails does not keep the others from being measured; any failure fails the task, and what was measured is kept.
pub(super) async fn run_all<L: Load>(
    loads: &[L],
    is_parallel: bool,
    mut result: Contribution,
    cx: &TaskContext<'_>,
) -> Result<Contribution, TaskError> {
    let mut failures = Vec::new();
    if is_parallel {
        let all = join_all(loads.iter().map(|load| load.run(cx))).await;
        for (load, ended) in loads.iter().zip(all) {
            merge(&mut result, &mut failures, load, ended, cx);
        }
    } else {
        for load in loads {
            let ended = load.run(cx).await;
            merge(&mut result, &mut failures, load, ended, cx);
            if result.interrupted {
                break;
            }
        }
    }
    conclude(result, failures)
}

/// Adds what one load measured, or why it did not.
fn merge(
    result: &mut Contribution,
    failures: &mut Vec<TaskError>,
    load: &impl Load,
    ended: Ended,
    cx: &TaskContext<'_>,
) {
    match ended {
        Ended::Measured(outcome) => {
            let ago = TimeDelta::from_std(outcome.started.elapsed()).unwrap_or_default();
            load.add(&outcome, cx.world.clock.now() - ago, &mut result.versions[load.version()]);
            result.notes.extend(load.notes(&outcome));
            result.interrupted |= outcome.interrupted;
        }
        Ended::Interrupted => result.interrupted = true,
        Ended::Failed(error) => failures.push(error),
    }
}

/// The task's result.
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

/// Waits for `work`; `None` when the run is interrupted before.
pub(in crate::tasks) async fn unless_stopped<T>(cx: &TaskContext<'_>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = cx.world.stop.cancelled() => None,
        done = work => Some(done),
    }
}

/// Makes a load, its warm-up first.
pub(in crate::tasks) async fn offer<P: Protocol>(load: &dyn Load, protocol: &Arc<P>, cx: &TaskContext<'_>) -> Ended {
    let plan = load.plan();
    if let Some(pacer) = load.warmup() {
        // All of it is thrown away, so there is nothing to skip.
        let plan = LoadPlan { pacer, skip_first: 0, ..plan.clone() };
        match offer_once(load, "warm-up of ", plan, protocol, cx).await {
            Ok(outcome) if outcome.interrupted => return Ended::Interrupted,
            Ok(_) => {}
            Err(error) => return Ended::Failed(failed(load, " (warm-up)", &error)),
        }
    }
    match offer_once(load, "", plan, protocol, cx).await {
        Ok(outcome) => Ended::Measured(Box::new(outcome)),
        Err(error) => Ended::Failed(failed(load, "", &error)),
    }
}

fn failed(load: &dyn Load, phase: &str, error: &LoadError) -> TaskError {
    TaskError::Failed { message: format!("{}{phase}: {error}", load.label()), hint: load.hint(error), partial: None }
}

/// Makes the load by one schedule, and tells its progress.
async fn offer_once<P: Protocol>(
    load: &dyn Load,
    phase: &str,
    plan: LoadPlan,
    protocol: &Arc<P>,
    cx: &TaskContext<'_>,
) -> Result<LoadOutcome, LoadError> {
    let name = format!("{phase}{}", load.label());
    let tell = |progress: LoadProgress| cx.world.observer.observe(Event::Load { name: name.clone(), progress });
    engine::run(plan, Arc::clone(protocol), cx.world.stop.clone(), &tell).await
}
