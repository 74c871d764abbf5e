//! What load to make, and why it can't be made.

use std::time::Duration;

use super::cause::is_out_of_files;
use crate::load::pacing::Pacer;

/// What load to make.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// The target, as it may be shown in messages.
    pub target: String,
    /// The schedule, or this machine's share of it.
    pub pacer: Pacer,
    /// Parallel connections of this machine, at least 1.
    pub connections: usize,
    /// Bound on requests in flight, over all connections; at least as many as connections. More of them share connections, where
    /// the protocol can.
    pub in_flight: usize,
    /// Worker threads; `None` for one per core. Never more than connections.
    pub threads: Option<usize>,
    /// Time for one exchange; a request is ended at most 2 % (and 1 to 50 ms) later.
    pub timeout: Duration,
    /// Whether the load goes on when its first requests all fail.
    pub allow_initial_errors: bool,
    /// What becomes of requests in flight at the end of a schedule that is bounded by time.
    pub stop_mode: StopMode,
    /// Ends the schedule after this long, whatever else bounds it.
    pub max_duration: Option<Duration>,
    /// How many requests, the first of the whole schedule, are sent without being measured.
    pub skip_first: u64,
}

impl LoadPlan {
    /// A load with one request in flight per connection, one worker per core, a time-out of 10 s, and the other settings off.
    pub fn new(target: impl Into<String>, pacer: Pacer, connections: usize) -> Self {
        Self {
            target: target.into(),
            pacer,
            connections,
            in_flight: connections,
            threads: None,
            timeout: Duration::from_secs(10),
            allow_initial_errors: false,
            stop_mode: StopMode::Wait,
            max_duration: None,
            skip_first: 0,
        }
    }
}

/// What becomes of requests that are in flight when the time of a load is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopMode {
    /// They are awaited, as are those that were due and not sent yet.
    #[default]
    Wait,
    /// They are cut off, and count as errors.
    Abort,
    /// They are cut off, and not counted.
    Ignore,
}

/// What failures that end a load from its start have in common; the later ones tell more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// No answer.
    Unreached,
    /// Answers that count as errors, so that the service is there.
    Answered,
    /// No TLS session.
    Tls,
    /// This process may not open more connections.
    OutOfFiles,
}

/// The next step where this process has too many connections open.
const FILES: &str =
    "this process may not open that many connections: raise the limit (`ulimit -n`) or ask for fewer `connections`";

/// Why a load gave no outcome.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The first requests failed, all of them.
    #[error("the first {count} requests to {target} all failed: {reasons}")]
    InitialErrors {
        /// How many.
        count: u64,
        /// The target, without credentials.
        target: String,
        /// What failed how often: `connection refused ×4`.
        reasons: String,
        /// What may be wrong.
        kind: FailureKind,
    },
    /// This machine can't make the load.
    #[error("can't start a load worker: {0}")]
    Worker(#[from] std::io::Error),
    /// A worker ended without a result.
    #[error("a load worker ended without a result")]
    Lost,
}

impl LoadError {
    /// The next step for the user, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::InitialErrors { kind, .. } => Some(match kind {
                FailureKind::Answered => {
                    "the service answers, with errors: check URL, method, headers and payload, or what counts as an error \
                     (`errorRanges`, `expect`); set `allowInitialErrors: true` to measure anyway"
                }
                FailureKind::Tls => {
                    "name the authority that issued the server's certificate in `ca` (a PEM file), or trust any certificate \
                     with `insecureSkipVerify: true`; is it an https service at all?"
                }
                FailureKind::OutOfFiles => FILES,
                FailureKind::Unreached => "is the service up? set `allowInitialErrors: true` to measure anyway",
            }),
            Self::Worker(error) if is_out_of_files(error) => Some(FILES),
            Self::Worker(_) => Some("this machine is short of threads or memory: ask for fewer `connections`"),
            Self::Lost => None,
        }
    }
}
