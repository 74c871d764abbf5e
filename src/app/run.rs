//! Running a prepared experiment.

use tokio_util::sync::CancellationToken;

use super::error::AppError;
use crate::pipeline::{Prepared, ResultPolicy, RunEnd};
use crate::ports::fleet::Fleet;
use crate::ports::{DocumentStore, Env};

/// Requests named at most if a replay does not find them in its recording.
const MAX_NAMED: usize = 5;

/// End of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    /// The document holds what was measured.
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

/// Runs an experiment into `store`, as the coordinator if several pods run it. `abort` stops it without saving.
pub(crate) async fn run(
    prepared: Prepared,
    policy: ResultPolicy,
    store: &dyn DocumentStore,
    env: &Env<'_>,
    abort: &CancellationToken,
) -> Result<End, AppError> {
    env.recording.map_or(Ok(()), |recording| recording.start())?;
    let end = tokio::select! {
        end = prepared.run(policy, store, env) => end,
        () = abort.cancelled() => return Ok(End::Aborted),
    };
    // The error of the run comes first.
    let recorded = env.recording.map_or_else(|| Ok(Vec::new()), |recording| recording.finish());
    if let Ok(missing) = &recorded {
        warn_of_missing(missing);
    }
    let end = end.map_err(|error| AppError::from_run(error, &store.location()))?;
    recorded?;
    Ok(end.into())
}

/// Runs a worker's share of the loads.
pub(crate) async fn assist(
    prepared: &Prepared,
    fleet: &dyn Fleet,
    env: &Env<'_>,
    abort: &CancellationToken,
) -> Result<End, AppError> {
    let end = tokio::select! {
        end = prepared.assist(fleet, env) => end,
        () = abort.cancelled() => return Ok(End::Aborted),
    };
    let share = fleet.share();
    let worker = format!("index {} of {}", share.index(), share.count());
    end.map(End::from).map_err(|error| AppError::from_run(error, &worker))
}

fn warn_of_missing(requests: &[String]) {
    for request in requests.iter().take(MAX_NAMED) {
        tracing::warn!("the recording lacks {request}");
    }
    if requests.len() > MAX_NAMED {
        tracing::warn!("the recording lacks {} more", requests.len() - MAX_NAMED);
    }
}
