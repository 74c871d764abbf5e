//! Ends a load whose service cannot be reached. A service that responds, even with errors, is measured.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::cause::{Cause, Failure};
use super::plan::{FailureKind, LoadError};
use super::response::Response;
use crate::model::tls_problem::TlsProblem;

/// Maximum distinct reasons in the error.
const REASONS: usize = 8;

/// Checks that at least one of the first measured requests gets a response, one per connection. Later requests of a connection do not
/// count: otherwise one that fails fast would end a load while the others are still waiting for their first response.
pub(super) struct StartupCheck {
    /// Number of requests in flight, each of which sends a first request.
    connections: u64,
    /// Nothing to check any more: the only field that is read per request.
    is_settled: AtomicBool,
    failed: Mutex<Failed>,
    shutdown: CancellationToken,
}

/// Failures among the first requests.
#[derive(Default)]
struct Failed {
    /// First request of each connection.
    firsts: Reasons,
    /// The earliest requests, as many as there are connections, whichever connection sent them.
    earliest: Reasons,
    /// All connections failed, so the load ends; later successes do not matter.
    is_enough: bool,
}

/// Reasons of failures with their counts.
#[derive(Default)]
struct Reasons {
    count: u64,
    /// Reason → count.
    reasons: BTreeMap<String, u64>,
    /// The kind with the highest precedence.
    kind: Option<FailureKind>,
}

impl Reasons {
    fn add(&mut self, reason: &str, kind: FailureKind) {
        self.count += 1;
        self.kind = self.kind.max(Some(kind));
        if self.reasons.len() < REASONS || self.reasons.contains_key(reason) {
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }

    fn error(&self, target: &str) -> LoadError {
        let reasons: Vec<_> = self.reasons.iter().map(|(reason, count)| format!("{reason} ×{count}")).collect();
        LoadError::InitialErrors {
            count: self.count,
            target: target.to_owned(),
            reasons: reasons.join(", "),
            kind: self.kind.unwrap_or(FailureKind::Unreached),
            outcome: None,
        }
    }
}

impl StartupCheck {
    /// Checks the first requests of `connections` connections, unless `is_settled`. Cancels `shutdown` if all of them fail.
    pub(super) fn new(connections: u64, is_settled: bool, shutdown: CancellationToken) -> Self {
        Self { connections, is_settled: AtomicBool::new(is_settled), failed: Mutex::default(), shutdown }
    }

    /// Records the end of a request. `is_first` marks the first one of its connection.
    pub(super) fn record(&self, result: &Result<Response, Failure>, is_first: bool) {
        if self.is_settled.load(Ordering::Relaxed) {
            return;
        }
        let (reason, kind) = match result {
            Ok(_) | Err(Failure { is_response: true, .. }) => return self.is_settled.store(true, Ordering::Relaxed),
            Err(failure) => reason(failure),
        };
        let failed = &mut *self.failed.lock();
        if failed.is_enough {
            return;
        }
        if failed.earliest.count < self.connections {
            failed.earliest.add(&reason, kind);
        }
        if is_first {
            failed.firsts.add(&reason, kind);
        }
        if failed.firsts.count >= self.connections && !self.is_settled.load(Ordering::Relaxed) {
            failed.is_enough = true;
            self.shutdown.cancel();
        }
    }

    /// Returns the error of a load that has ended, if its first requests all failed: those of all connections or, if some
    /// connections had nothing to do, every request.
    pub(super) fn error(&self, target: &str) -> Option<LoadError> {
        let failed = self.failed.lock();
        if failed.is_enough {
            return Some(failed.firsts.error(target));
        }
        let is_none_good = !self.is_settled.load(Ordering::Relaxed) && failed.earliest.count >= self.connections;
        is_none_good.then(|| failed.earliest.error(target))
    }
}

fn reason(failure: &Failure) -> (String, FailureKind) {
    let kind = match failure.hop.unwrap_or(failure.cause) {
        Cause::ClientLimit => FailureKind::ClientLimit,
        Cause::Tls => FailureKind::Tls(failure.tls.unwrap_or(TlsProblem::Other)),
        Cause::Proxy => FailureKind::Proxy,
        Cause::Dns => FailureKind::UnknownHost,
        Cause::Redirect => FailureKind::Redirect,
        _ => FailureKind::Unreached,
    };
    match failure.cause {
        Cause::Refused | Cause::Reset | Cause::Closed => (failure.cause.description().to_owned(), kind),
        _ => (failure.to_string(), kind),
    }
}
