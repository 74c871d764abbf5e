//! The plan of one load run, and the errors that prevent it.

use std::time::Duration;

use super::early_end::EarlyEnd;
use super::limits::is_limit;
use super::outcome::LoadOutcome;
use super::watched::WatchedLimits;
use crate::load::pacing::Pacer;
use crate::model::metric_name::Aggregation;
use crate::model::tls_problem::{HTTP_FIELDS, TlsProblem};

/// Plan of one load run.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Target for messages, without credentials.
    pub target: String,
    /// The schedule, or this pod's share of it.
    pub pacer: Pacer,
    /// Parallel connections of this pod, at least 1.
    pub connections: usize,
    /// Limit on requests in flight over all connections, at least the number of connections. If it is higher, requests share
    /// connections, provided the protocol multiplexes.
    pub in_flight: usize,
    /// Worker threads; `None` for one per core. Never more than connections.
    pub threads: Option<usize>,
    /// Request timeout. A request that takes longer is an error; it is aborted up to 2 % (1 to 50 ms) later.
    pub timeout: Duration,
    /// Continue if the first measured requests all fail.
    pub allow_initial_errors: bool,
    /// Treatment of requests that are in flight when the time of the load is over.
    pub stop_mode: StopMode,
    /// Ends the schedule after this time at the latest.
    pub max_duration: Option<Duration>,
    /// Number of requests at the start of the whole schedule that are sent but not measured.
    pub skip_first: u64,
    /// Names of the versions to which responses are attributed; empty if they are not.
    pub versions: Vec<String>,
    /// Limits whose exceedances are counted, with the sum of latencies; `None` if no verdict needs either.
    pub watched: Option<WatchedLimits>,
    /// Statistics of the latency that progress reports.
    pub statistics: Vec<Aggregation>,
    /// Ends the load early on a decision from outside.
    pub early_end: Option<EarlyEnd>,
}

impl LoadPlan {
    /// Plans a load with one request in flight per connection, one worker per core and a timeout of 10 s.
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
            versions: Vec::new(),
            watched: None,
            statistics: Vec::new(),
            early_end: None,
        }
    }

    /// Number of origins that requests are counted by: the versions and the unknown origin, or 0 if responses are not attributed.
    pub(crate) fn origins(&self) -> usize {
        self.versions.len() + usize::from(!self.versions.is_empty())
    }
}

/// Treatment of requests that are in flight when the time of a load is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopMode {
    /// Wait for them, and still send those that were due.
    #[default]
    Wait,
    /// Abort them and count them as errors.
    Abort,
    /// Abort them and do not count them.
    Ignore,
}

/// Common kind of the failures that end a load at its start, by increasing precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// No response.
    Unreached,
    /// The host name has no address.
    UnknownHost,
    /// A redirect led to a server that failed.
    Redirect,
    /// The proxy failed.
    Proxy,
    /// The TLS handshake failed.
    Tls(TlsProblem),
    /// This machine ran out of files, ports or memory.
    ClientLimit,
}

/// Hint if this machine ran out of files, ports or memory.
pub const RAISE_LIMITS: &str = "use fewer `connections`, raise the limit of open files (`ulimit -Hn`), widen the range of local \
                                ports (`net.ipv4.ip_local_port_range`), or run on a larger machine";

/// A load run without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// None of the first requests got a response.
    #[error("the first {count} requests to {target} all failed: {reasons}")]
    InitialErrors {
        /// Number of failed requests.
        count: u64,
        /// Target, without credentials.
        target: String,
        /// Reasons with their counts: `connection refused ×4`.
        reasons: String,
        /// Selects the hint.
        kind: FailureKind,
        /// Counts until the load ended.
        outcome: Option<Box<LoadOutcome>>,
    },
    /// A worker thread or its runtime could not be started.
    #[error("cannot start a load worker: {0}")]
    Worker(#[from] std::io::Error),
    /// A worker thread panicked.
    #[error("a load worker ended without a result")]
    Lost,
}

impl LoadError {
    /// Adds the counts of a load whose first requests failed.
    pub(super) fn after(self, counts: LoadOutcome) -> Self {
        match self {
            Self::InitialErrors { count, target, reasons, kind, .. } => {
                Self::InitialErrors { count, target, reasons, kind, outcome: Some(Box::new(counts)) }
            }
            other => other,
        }
    }

    /// Returns the next step for the user.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::InitialErrors { kind, .. } => match kind {
                FailureKind::Redirect => {
                    "check to which server the service redirects, or measure the redirect itself: unset `http.followRedirects`"
                }
                FailureKind::Proxy => "check that the proxy of `http.proxy` is running and accepts the target",
                FailureKind::ClientLimit => RAISE_LIMITS,
                FailureKind::Unreached => {
                    "check that the service is running; --set http.allowInitialErrors=true measures anyway"
                }
                FailureKind::UnknownHost => "check the host name",
                FailureKind::Tls(problem) => return Some(problem.hint(HTTP_FIELDS)),
            },
            Self::Worker(error) if is_limit(error) => RAISE_LIMITS,
            Self::Worker(_) => "the machine is out of threads or memory: use fewer `connections`",
            Self::Lost => return None,
        };
        Some(hint.to_owned())
    }
}
