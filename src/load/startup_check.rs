//! Whether a load fails from the start.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use super::cause::{Cause, Failure};
use super::lock::lock;
use super::plan::{FailureKind, LoadError};
use super::response::Response;

/// Different reasons that are told of a load that fails from the start.
const REASONS: usize = 8;

/// Watches whether any of the first requests succeeds: the first one of every connection. What a connection sends after a failed
/// first one does not count, or a connection that fails fast would end a load whose other connections are still at their first.
pub(super) struct StartupCheck {
    /// How many connections send a first request.
    connections: u64,
    /// Whether there is nothing to watch any more: the only thing that is read per request.
    is_settled: AtomicBool,
    failed: Mutex<Failed>,
    abandon: CancellationToken,
}

/// The first requests, as long as they all fail.
#[derive(Default)]
struct Failed {
    /// The first one of each connection.
    firsts: Reasons,
    /// As many as there are connections, whoever sent them.
    earliest: Reasons,
    /// Whether all connections failed, so that the load ends; later successes don't matter any more.
    is_enough: bool,
}

/// What failed how often.
#[derive(Default)]
struct Reasons {
    count: u64,
    /// Reason → how often.
    reasons: BTreeMap<String, u64>,
    /// What most failures have in common; the later kinds are the more telling ones.
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
        }
    }
}

impl StartupCheck {
    /// Watches the first requests of so many connections; nothing if `is_settled`. Cancels `abandon` when all of them fail.
    pub(super) fn new(connections: u64, is_settled: bool, abandon: CancellationToken) -> Self {
        Self { connections, is_settled: AtomicBool::new(is_settled), failed: Mutex::default(), abandon }
    }

    /// Takes note of one request's end; `is_first` for the first one of its connection; `status` tells a status in words.
    pub(super) fn note(&self, result: &Result<Response, Failure>, is_first: bool, status: impl FnOnce(u16) -> String) {
        if self.is_settled.load(Ordering::Relaxed) {
            return;
        }
        let (reason, kind) = match result {
            Ok(answer) if !answer.is_error => return self.is_settled.store(true, Ordering::Relaxed),
            Ok(answer) => {
                let words = answer.cause.map_or_else(|| status(answer.status), |cause| cause.words().to_owned());
                (words, FailureKind::Answered)
            }
            Err(failure) => reason(failure),
        };
        let failed = &mut *lock(&self.failed);
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
            self.abandon.cancel();
        }
    }

    /// The error of a load that has ended, if its first requests all failed: those of all connections, or, where some connections
    /// had nothing to do, every request.
    pub(super) fn error(&self, target: &str) -> Option<LoadError> {
        let failed = lock(&self.failed);
        if failed.is_enough {
            return Some(failed.firsts.error(target));
        }
        let is_none_good = !self.is_settled.load(Ordering::Relaxed) && failed.earliest.count >= self.connections;
        is_none_good.then(|| failed.earliest.error(target))
    }
}

fn reason(failure: &Failure) -> (String, FailureKind) {
    let kind = match failure.cause {
        _ if failure.is_out_of_files => FailureKind::OutOfFiles,
        Cause::Tls => FailureKind::Tls,
        _ => FailureKind::Unreached,
    };
    match failure.cause {
        Cause::Refused | Cause::Reset | Cause::Closed | Cause::Timeout => (failure.cause.words().to_owned(), kind),
        _ => (failure.to_string(), kind),
    }
}
