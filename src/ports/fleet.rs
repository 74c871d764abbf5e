//! Several machines that run one experiment together.
//!
//! Index 0 is the *coordinator*: it runs the pipeline. The others are its *assistants*: they make their share of the loads that it
//! comes to, and nothing else. All of them go through the same places in the same order:
//!
//! ```text
//! coordinator                           assistants
//!                                       next_task ── waits until the coordinator is at the start of a place of the task
//! start(warm-up)                        start(warm-up)          only where the load has one
//! start(load)    ◄── all together ──►   start(load)
//!   … makes its share …                   … makes its share …
//! gather(own) ◄────── shards ────────── gather(own)
//!   … next load, assess, notify …       next load of the task, or next_task
//! dismiss ─────────────────────────►    next_task gives none
//! ```

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::BoxFuture;
use crate::model::shard::{LoadPlace, ShardReport, Share};

/// The machines that make loads together, as one of them sees them.
///
/// Futures may be dropped at any point, when the run is interrupted. All that can fail for a while is tried again by the
/// implementation: an error is the end.
pub trait Fleet: Send + Sync {
    /// Which machine this is, and how many there are.
    fn share(&self) -> Share;

    /// Waits until all machines are at this place, for a bounded time, so that they start together. Every machine calls it for
    /// each place it comes to, once and in order; also where it has failed already, so that none waits for it in vain.
    ///
    /// The coordinator goes on without those that did not come. An assistant that comes after the others started is told to go on
    /// late, as long as the coordinator waits for its shard, unless it handed one in before: then, and when the coordinator is
    /// through with the place, the entry is closed.
    fn start(&self, place: LoadPlace) -> BoxFuture<'_, Result<BarrierResult, FleetError>>;

    /// Hands in what this machine measured at `place` (whose phase is the load itself). The coordinator gets what the others did,
    /// or why they did not: it waits for them, for a bounded time beyond the `planned` duration of the load, where that is known.
    /// For an assistant, what it handed in is safe once this returns; it gets nothing.
    ///
    /// What an assistant hands in counts once: of several attempts, the first that was handed in. One that says it was interrupted
    /// is an attempt, too; an implementation that knows another one will follow may leave it out.
    fn gather<'a>(
        &'a self,
        place: LoadPlace,
        own: &'a ShardReport,
        planned: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<MemberShard>, FleetError>>;

    /// For an assistant: the next task that the coordinator comes to a load of; `None` when the run is over.
    fn next_task(&self) -> BoxFuture<'_, Result<Option<usize>, FleetError>>;

    /// For an assistant: cancelled once what it has done since its last call of [`Fleet::next_task`] is of no use any more, as the
    /// coordinator began anew or the run is over. Asked for after that call.
    fn superseded(&self) -> CancellationToken;

    /// For the coordinator: the run is over.
    fn finish(&self) -> BoxFuture<'_, Result<(), FleetError>>;
}

/// Who is there at the start of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarrierResult {
    /// What this machine is to do.
    pub entry: Entry,
    /// The machines that did not come in time, as far as this one knows, in ascending order.
    pub missing: Vec<Missing>,
}

/// How a machine takes part in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It starts now, with the others.
    OnTime,
    /// It starts now, and the others have started before: an earlier attempt of it was lost, or it came too late.
    Late,
    /// Not at all: its shard is handed in, or nobody waits for it any more. It hands in nothing.
    Closed,
}

/// A machine that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which one.
    pub index: usize,
    /// Why, as far as that is known: `did not come to the start within 2m0s`.
    pub reason: String,
}

/// What one of the other machines handed in.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberShard {
    /// Which machine.
    pub index: usize,
    /// Whether it started after the others.
    pub is_late: bool,
    /// What it handed in, or why it did not.
    pub report: Result<ShardReport, String>,
}

/// Why machines could not work together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// To an assistant: the coordinator began anew. Drop what you do, and ask for the next task.
    #[error("the coordinator began anew")]
    Restarted,
    /// They lost each other.
    #[error("{0}")]
    Failed(String),
}
