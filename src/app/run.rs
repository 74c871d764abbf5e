//! Running a prepared experiment.

use tokio_util::sync::CancellationToken;

use super::error::AppError;
use crate::pipeline::RunEnd;
use crate::ports::fleet::Fleet;
use crate::ports::{DocumentStore, Env};

pub(crate) use crate::pipeline::{Prepared, ResultPolicy};

/// Maximum number of requests listed if a replay does not find them in its recording.
const MAX_LISTED: usize = 5;

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

/// Runs an experiment that is saved in `store`; in a distributed run, as the coordinator. `abort` stops it without saving.
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
    // The error of the run takes precedence.
    let recorded = env.recording.map_or_else(|| Ok(Vec::new()), |recording| recording.finish());
    if let Ok(missing) = &recorded {
        warn_about_missing(missing);
    }
    let end = end.map_err(|error| AppError::from_run(error, &store.location()))?;
    recorded?;
    Ok(end.into())
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
