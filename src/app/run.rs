//! Running a prepared experiment.

use tokio_util::sync::CancellationToken;

use super::error::AppError;
use crate::model::document::{Experiment, ExperimentResult, TaskSpec};
use crate::pipeline::{PipelineError, RunEnd};
use crate::ports::fleet::Fleet;
use crate::ports::{DocumentStore, Env};
use crate::tasks::rollout;

pub(crate) use crate::pipeline::{Prepared, ResultPolicy};
pub(crate) use crate::slo::summary::{OverallVerdict, overall_verdict};

/// Maximum number of requests listed if a replay does not find them in its recording.
const MAX_LISTED: usize = 5;

/// Returns true if the result has a rollout that has not ended.
pub(crate) fn has_unfinished_rollout(result: &ExperimentResult) -> bool {
    result.rollout.as_ref().is_some_and(|rollout| !rollout.phase.is_over())
}

/// Returns true if a spec has a rollout.
pub(crate) fn is_rollout(spec: &[TaskSpec]) -> bool {
    spec.iter().any(|task| task.name() == rollout::NAME)
}

/// End of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    /// The document has the measurements so far.
    Interrupted,
    /// The document was last saved when a task started or ended.
    Aborted,
}

impl From<RunEnd> for End {
    fn from(end: RunEnd) -> Self {
        match end {
            RunEnd::Completed => Self::Completed,
            RunEnd::Interrupted => Self::Interrupted,
        }
    }
}

/// A run that has ended.
pub(crate) struct RunOutcome {
    /// Its end, or its failure.
    pub(crate) end: Result<End, AppError>,
    /// The saved document; `None` if nothing was saved since the last task started.
    pub(crate) experiment: Option<Experiment>,
}

/// Runs an experiment that is saved in `store`; in a distributed run, as the coordinator. `abort` stops it without saving.
pub(crate) async fn run(
    prepared: Prepared,
    policy: ResultPolicy,
    store: &dyn DocumentStore,
    env: &Env<'_>,
    abort: &CancellationToken,
) -> RunOutcome {
    if let Err(error) = env.recording.map_or(Ok(()), |recording| recording.start(&prepared.recorded_tasks())) {
        return RunOutcome { end: Err(error.into()), experiment: None };
    }
    let finished = tokio::select! {
        finished = prepared.run(policy, store, env) => finished,
        () = abort.cancelled() => return RunOutcome { end: Ok(End::Aborted), experiment: None },
    };
    // The error of the run takes precedence.
    let recorded = env.recording.map_or_else(|| Ok(Vec::new()), |recording| recording.finish());
    if let Ok(missing) = &recorded {
        warn_about_missing(missing);
    }
    let is_saved = match &finished.end {
        Ok(_) | Err(PipelineError::Task { .. }) => true,
        // A rollout that could not be claimed has changed nothing.
        Err(PipelineError::Traffic(_)) => finished.experiment.rollout().is_some(),
        Err(_) => false,
    };
    let end = finished.end.map_err(|error| AppError::from_run(error, &store.location()));
    let end = end.and_then(|end| recorded.map(|_| end.into()).map_err(AppError::from));
    RunOutcome { end, experiment: Some(finished.experiment).filter(|_| is_saved) }
}

/// Runs a worker's share of the loads.
pub(crate) async fn run_worker(
    prepared: &Prepared,
    fleet: &dyn Fleet,
    env: &Env<'_>,
    abort: &CancellationToken,
) -> Result<End, AppError> {
    let end = tokio::select! {
        end = prepared.run_worker(fleet, env) => end,
        () = abort.cancelled() => return Ok(End::Aborted),
    };
    let share = fleet.share();
    let worker = format!("index {} of {}", share.index(), share.count());
    end.map(End::from).map_err(|error| AppError::from_run(error, &worker))
}

fn warn_about_missing(requests: &[String]) {
    for request in requests.iter().take(MAX_LISTED) {
        tracing::warn!("the recording lacks {request}");
    }
    if requests.len() > MAX_LISTED {
        tracing::warn!("the recording lacks {} more", requests.len() - MAX_LISTED);
    }
}
