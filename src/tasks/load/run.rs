//! Runs the loads of a task, and gathers what they measured.

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::made::Made;
use super::offer::{Go, Load};
use super::shared;
use crate::model::contribution::Contribution;
use crate::model::shard::Share;
use crate::ports::fleet::{Fleet, FleetError};
use crate::tasks::{TaskContext, TaskError};

/// The loads that are made at the same time: one after the other, or all together.
fn groups<L>(loads: &[L], is_parallel: bool) -> impl Iterator<Item = (usize, &[L])> {
    loads.chunks(if is_parallel { loads.len().max(1) } else { 1 }).enumerate()
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
    for (number, group) in groups(loads, is_parallel) {
        let made = match cx.env.fleet {
            Some(fleet) => shared::coordinate(group, number, fleet, cx).await,
            None => alone(group, cx).await,
        };
        for (load, made) in group.iter().zip(made) {
            merge(&mut result, &mut failures, load, made, cx);
        }
        if result.interrupted {
            break;
        }
    }
    conclude(result, failures)
}

/// Makes this machine's part of the loads, and hands it in to the coordinator.
pub(super) async fn assist_all<L: Load>(
    loads: &[L],
    is_parallel: bool,
    fleet: &dyn Fleet,
    cx: &TaskContext<'_>,
) -> Result<(), FleetError> {
    for (number, group) in groups(loads, is_parallel) {
        shared::assist(group, number, fleet, cx).await?;
        if cx.env.stop.is_cancelled() {
            break;
        }
    }
    Ok(())
}

/// Makes loads at the same time, on this machine alone.
async fn alone<L: Load>(loads: &[L], cx: &TaskContext<'_>) -> Vec<Made> {
    let go = Go { env: cx.env, share: Share::WHOLE, stop: cx.env.stop.clone(), meeting: None };
    join_all(loads.iter().map(|load| load.run(&go))).await.into_iter().map(Made::of_one).collect()
}

/// Adds what one load measured, or why it did not.
fn merge(result: &mut Contribution, failures: &mut Vec<TaskError>, load: &impl Load, made: Made, cx: &TaskContext<'_>) {
    if let Some(outcome) = &made.outcome {
        let ago = TimeDelta::from_std(outcome.started.elapsed()).unwrap_or_default();
        load.add(outcome, cx.env.clock.now() - ago, &mut result.versions[load.version()]);
        result.notes.extend(load.notes(outcome));
    }
    result.notes.extend(made.notes.into_iter().map(|note| format!("{}: {note}", load.label())));
    result.interrupted |= made.is_interrupted;
    failures.extend(made.failures);
}

/// The task's result.
fn conclude(mut result: Contribution, failures: Vec<TaskError>) -> Result<Contribution, TaskError> {
    let mut messages = Vec::new();
    let mut hint = None;
    for failure in failures {
        match failure {
            TaskError::Interrupted => result.interrupted = true,
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
