//! Runs the tasks of an experiment in order, merges their contributions into its document, saves after each, and emits events.
//!
//! Everything that can be checked without running is checked first: no load starts if a later task is misconfigured or the document
//! cannot be written.
//!
//! | file | step |
//! |---|---|
//! | [`check`] | spec → parsed tasks that fit each other ([`Prepared`]) |
//! | [`measured`] | SLOs and rewards that nothing measures |
//! | [`driver`] | a whole run: earlier result, loop, end of the distributed run |
//! | [`rollout`] | a rollout in steps: one loop per analysis |
//! | [`reassess`] | a saved document, judged again |
//! | [`run_loop`] | one loop: every task once |
//! | [`distributed`] | a worker pod's share of the loads |
//! | [`document`] | the experiment document while it is run |
//! | [`spec_digest`] | digest of what a loop measures |

mod check;
mod distributed;
mod document;
mod driver;
mod measured;
pub(crate) mod reassess;
mod rollout;
mod run_loop;
mod spec_digest;

pub use check::{Prepared, prepare};
pub(crate) use check::{check_files, check_together, parse_all, parse_entry};
pub(crate) use document::{planned, redacted, secrets};
pub use driver::Finished;
pub(crate) use measured::unmeasured_slos;

use std::time::Duration;

use crate::ports::fleet::FleetError;
use crate::ports::{Env, StoreError};
use crate::tasks::{OnStop, TaskError};
use crate::traffic::TrafficError;
use crate::values::input::InputErrors;

/// Time for an interrupted task to return its measurements.
const INTERRUPT_GRACE: Duration = Duration::from_secs(15);

/// Treatment of an earlier result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultPolicy {
    /// The result starts empty.
    Fresh,
    /// The earlier result is kept, and this run is its next loop.
    Reuse,
    /// The earlier result is kept, and its rollout goes on. One that has ended stays as it is.
    Resume,
}

/// End of a run or loop in which no task failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Every task is done or skipped.
    Completed,
    /// A signal interrupted it; the document has the measurements so far.
    Interrupted,
}

/// Failure of a run.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The spec is invalid; nothing was run.
    #[error("the experiment is not valid")]
    Input(#[source] InputErrors),
    /// A task failed; the document has the details.
    #[error("task {number} of {total} (`{task}`) failed")]
    Task {
        /// Position of the task, from 1.
        number: usize,
        /// Number of tasks in the spec.
        total: usize,
        /// Name of the task.
        task: String,
        /// The task's error.
        #[source]
        source: TaskError,
    },
    /// The traffic of a rollout could not be moved.
    #[error("{}", .0.message)]
    Traffic(TrafficError),
    /// The document could not be saved.
    #[error("the experiment document could not be saved")]
    Store(#[from] StoreError),
    /// This worker lost contact with the coordinator.
    #[error("this worker could not run its share of the loads")]
    Fleet(#[source] FleetError),
}

impl From<TrafficError> for PipelineError {
    fn from(error: TrafficError) -> Self {
        Self::Traffic(error)
    }
}

/// Completes when the run is interrupted and the grace period of the running task, if it has one, is over.
async fn interrupt_grace_over(env: &Env<'_>, on_stop: OnStop) {
    env.stop.cancelled().await;
    if on_stop == OnStop::Finish {
        tokio::time::sleep(INTERRUPT_GRACE).await;
    }
}
