//! Whether a load fails from the start.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use super::cause::{Cause, Failure};
use super::lock::lock;
use super::plan::LoadError;
use super::protocol::Answer;

/// Different reasons that are told of a load that fails from the start.
const REASONS: usize = 8;

/// Watches whether any of the first requests succeeds.
pub(super) struct Initial {
    /// That many failures and no success end the load.
    enough: u64,
    /// Whether there is nothing to watch any more: the only thing that is read per request.
    is_settled: AtomicBool,
    failed: Mutex<Failed>,
    abandon: CancellationToken,
}

/// The first requests, as long as they all fail.
#[derive(Default)]
struct Failed {
    count: u64,
    /// Whether any of them got an answer.
    answered: bool,
    /// Reason → how often.
    reasons: BTreeMap<String, u64>,
    /// Whether that many failed that the load ends; later successes don't matter any more.
    is_enough: bool,
}

impl Initial {
    /// Watches for `enough` failures in a row; nothing if `is_settled`. Cancels `abandon` when they come.
    pub(super) fn new(enough: u64, is_settled: bool, abandon: CancellationToken) -> Self {
        Self { enough, is_settled: AtomicBool::new(is_settled), failed: Mutex::default(), abandon }
    }

    /// Takes note of one request's end.
    pub(super) fn note(&self, result: &Result<Answer, Failure>) {
        if self.is_settled.load(Ordering::Relaxed) {
            return;
        }
        let reason = match result {
            Ok(answer) if !answer.is_error => return self.is_settled.store(true, Ordering::Relaxed),
            Ok(answer) => format!("status {}", answer.status),
            Err(failure) => match failure.cause {
                Cause::Refused | Cause::Reset | Cause::Closed | Cause::Timeout => failure.cause.words().to_owned(),
                _ => failure.to_string(),
            },
        };
        let failed = &mut *lock(&self.failed);
        if failed.is_enough {
            return;
        }
        failed.answered |= result.is_ok();
        failed.count += 1;
        if failed.reasons.len() < REASONS || failed.reasons.contains_key(&reason) {
            *failed.reasons.entry(reason).or_default() += 1;
        }
        if failed.count >= self.enough && !self.is_settled.load(Ordering::Relaxed) {
            failed.is_enough = true;
            self.abandon.cancel();
        }
    }

    /// The error, if the first requests all failed.
    pub(super) fn error(&self, target: &str) -> Option<LoadError> {
        let failed = lock(&self.failed);
        if !failed.is_enough {
            return None;
        }
        let reasons: Vec<_> = failed.reasons.iter().map(|(reason, count)| format!("{reason} ×{count}")).collect();
        Some(LoadError::InitialErrors {
            count: failed.count,
            target: target.to_owned(),
            reasons: reasons.join(", "),
            answered: failed.answered,
        })
    }
}
