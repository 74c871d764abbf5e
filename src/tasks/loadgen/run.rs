//! Runs the loads of a task and collects their measurements.

use std::sync::Arc;

use chrono::TimeDelta;

use super::job::{JobContext, Load, run_together};
use super::merge::MergedLoad;
use super::rendezvous::Rendezvous;
use super::targets::targets;
use super::until_verdict::Judge;
use super::{pairs, shared, watched};
use crate::load::outcome::LoadOutcome;
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::model::load::LoadRecord;
use crate::model::shard::Share;
use crate::ports::fleet::{Fleet, FleetError};
use crate::tasks::{TaskContext, TaskError};

/// Runs groups of loads one after the other; see [`Concurrency::groups`]. `result` has an entry for each of their versions.
///
/// A failed load does not stop the others. Any failure fails the task; the measurements are kept.
///
/// [`Concurrency::groups`]: super::concurrency::Concurrency::groups
pub(super) async fn run_all<L: Load>(
    groups: &[Vec<&L>],
    until_verdict: bool,
    mut result: Contribution,
    cx: &TaskContext<'_>,
) -> Result<Contribution, TaskError> {
    let mut failures = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let targets = || targets(group.iter().copied(), cx.times);
        let judge = if until_verdict { Judge::new(targets(), cx.objectives) } else { None };
        let merged = match cx.env.fleet {
            Some(fleet) => shared::coordinate(group, number, fleet, cx).await,
            None => alone(group, judge.as_ref(), cx).await,
        };
        let pairs = pairs::of_group(group, &merged, cx.objectives);
        for (index, (load, merged)) in group.iter().zip(merged).enumerate() {
            let decided = merged.outcome.as_ref().map(|outcome| outcome.decided);
            merge(&mut result, &mut failures, *load, merged, cx);
            if let (Some(judge), Some(decided)) = (&judge, decided) {
                judge.complete(index, load.provider(), decided, &mut result.versions);
            }
        }
        pairs.into_iter().for_each(|pairs| pairs.put(&mut result.versions));
        if result.interrupted {
            break;
        }
    }
    conclude(result, failures)
}

/// Runs this pod's share of the loads and reports it to the coordinator.
pub(super) async fn run_share_all<L: Load>(
    groups: &[Vec<&L>],
    fleet: &dyn Fleet,
    cx: &TaskContext<'_>,
) -> Result<(), FleetError> {
    for (number, group) in groups.iter().enumerate() {
        shared::run_share(group, number, fleet, cx).await?;
        if cx.env.stop.is_cancelled() {
            break;
        }
    }
    Ok(())
}

/// Runs loads at the same time in this pod alone.
async fn alone<L: Load>(loads: &[&L], judge: Option<&Arc<Judge>>, cx: &TaskContext<'_>) -> Vec<MergedLoad> {
    let rendezvous = &Rendezvous::new(loads.len());
    let (env, objectives) = (cx.env, cx.objectives);
    let (share, stop) = (Share::WHOLE, cx.env.stop.clone());
    let times = cx.times;
    let job = JobContext { env, objectives, times, share, stop, barrier: None, rendezvous, judge, index: 0 };
    run_together(loads, &job).await.into_iter().map(MergedLoad::of_single).collect()
}

/// Adds the measurements and failures of one load.
fn merge(
    result: &mut Contribution,
    failures: &mut Vec<TaskError>,
    load: &impl Load,
    merged: MergedLoad,
    cx: &TaskContext<'_>,
) {
    if let Some(outcome) = &merged.outcome {
        contribute(result, load, outcome, cx);
        result.notes.extend(load.notes(outcome));
        let unwatched = watched::note(cx.objectives, load.provider());
        result.notes.extend(unwatched.map(|note| format!("{}: {note}", load.label())));
    }
    if let Some(outcome) = &merged.aborted {
        let mut counted = Contribution {
            versions: vec![VersionMetrics::default(); result.versions.len()],
            ..Contribution::default()
        };
        contribute(&mut counted, load, outcome, cx);
        // Only the counts: these requests are not the requested load, so they give no metrics.
        let all = result.versions.iter_mut().zip(counted.versions);
        let unknown = counted.unknown.map(|counted| (result.unknown.get_or_insert_default(), counted));
        for (version, counted) in all.chain(unknown) {
            let aborted = |(provider, load)| (provider, LoadRecord { aborted: true, ..load });
            version.load.extend(counted.load.into_iter().map(aborted));
        }
    }
    result.notes.extend(merged.notes.into_iter().map(|note| format!("{}: {note}", load.label())));
    result.interrupted |= merged.is_interrupted;
    failures.extend(merged.failures);
}

/// Adds the measurements of a load to its version or, if its responses are attributed, to theirs.
fn contribute(result: &mut Contribution, load: &impl Load, outcome: &LoadOutcome, cx: &TaskContext<'_>) {
    let ago = TimeDelta::from_std(outcome.started.elapsed()).unwrap_or_default();
    let now = cx.env.clock.now();
    let start = now.checked_sub_signed(ago).unwrap_or(now);
    if load.attribution().is_none() {
        return load.add(outcome, start, &mut result.versions[load.version()]);
    }
    for (index, version) in result.versions.iter_mut().enumerate() {
        load.add(&outcome.of_version(index), start, version);
    }
    let unknown = outcome.of_version(result.versions.len());
    if unknown.counts.requests > 0 {
        load.add(&unknown, start, result.unknown.get_or_insert_default());
    }
}

/// Turns measurements and failures into the result of the task.
fn conclude(mut result: Contribution, failures: Vec<TaskError>) -> Result<Contribution, TaskError> {
    let mut messages = Vec::new();
    let mut hint = None;
    for failure in failures {
        match failure {
            TaskError::Interrupted => result.interrupted = true,
            // Nothing was measured, so the invalid input is the only error.
            TaskError::Input(error) if result.providers().is_empty() => {
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
