//! Distributed runs: several pods that run one experiment together.
//!
//! Index 0 is the *coordinator*, which runs the pipeline. The others are *workers*, which only generate their shares of the loads.
//! All of them reach the same places in the same order:
//!
//! ```text
//! coordinator                           workers
//!                                       next_task ── waits until the coordinator reaches a load of a task
//! start(warm-up)                        start(warm-up)          only if the load has one
//! start(load)    ◄───── barrier ────►   start(load)
//!   … its share of the load …             … its share of the load …
//! gather(report) ◄────  shards ──────── gather(report)
//!   … next load, assess, notify …       next load of the task, or next_task
//! finish ──────────────────────────►    next_task returns None
//! ```

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::BoxFuture;
use crate::model::shard::{LoadPlace, ShardReport, Share};

/// The pods of a distributed run, from the view of one of them.
///
/// Futures may be dropped at any point, when the run is interrupted. Implementations retry transient failures, so an error is
/// final.
pub trait Fleet: Send + Sync {
    /// Returns the index of this pod and the number of pods.
    fn share(&self) -> Share;

    /// Waits at a barrier, for a bounded time, so that all pods start together. Every pod calls it once for each place, in order,
    /// even if it has already failed: otherwise the others would wait in vain.
    ///
    /// The coordinator continues without missing workers. A worker that arrives after the start enters [late](Entry::Late) as long
    /// as the coordinator waits for its shard. If it has already reported its shard, or the coordinator has left the place, the
    /// entry is [closed](Entry::Closed).
    fn start(&self, place: LoadPlace) -> BoxFuture<'_, Result<BarrierResult, FleetError>>;

    /// Reports the measurements of this pod at `place` (whose phase is the load itself). The coordinator gets the reports of the others,
    /// or the reasons for their absence; it waits for them for a bounded time beyond the `planned` duration of the load, if known. A
    /// worker gets nothing; its report is stored when this returns.
    ///
    /// If a worker reports several times, the first report counts, even if it says that the worker was interrupted. An
    /// implementation may omit such a report if it knows that another attempt follows.
    fn gather<'a>(
        &'a self,
        place: LoadPlace,
        report: &'a ShardReport,
        planned: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<MemberShard>, FleetError>>;

    /// For workers: waits until the coordinator reaches a load, and returns the index of its task; `None` when the run is over.
    fn next_task(&self) -> BoxFuture<'_, Result<Option<usize>, FleetError>>;

    /// For workers: cancelled when the work since the last call of [`Fleet::next_task`] is obsolete, because the coordinator restarted
    /// or the run is over. To be called after `next_task`.
    fn superseded(&self) -> CancellationToken;

    /// For the coordinator: announces the end of the run.
    fn finish(&self) -> BoxFuture<'_, Result<(), FleetError>>;
}

/// Outcome of a barrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarrierResult {
    /// Entry of this pod.
    pub entry: Entry,
    /// Pods that did not arrive in time, as far as known, in ascending order.
    pub missing: Vec<Missing>,
}

/// Participation of a pod in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Starts now, with the others.
    OnTime,
    /// Starts now, after the others: it arrived too late, or an earlier attempt was lost.
    Late,
    /// Skips the place and reports nothing: its shard was reported, or the coordinator no longer waits for it.
    Closed,
}

/// A pod that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Index of the pod.
    pub index: usize,
    /// Reason, as far as known: `did not reach the start within 2m0s`.
    pub reason: String,
}

/// Report of another pod.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberShard {
    /// Index of the pod.
    pub index: usize,
    /// True if it started after the others.
    pub is_late: bool,
    /// Its measurements, or the reason for their absence.
    pub report: Result<ShardReport, String>,
}

/// Failure of a distributed run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// For workers: the coordinator restarted. Abandon the current task and call [`Fleet::next_task`].
    #[error("the coordinator restarted")]
    Restarted,
    /// The pods lost contact.
    #[error("{0}")]
    Failed(String),
}
