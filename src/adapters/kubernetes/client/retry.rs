//! Patience with an API server that restarts, is overloaded, or asks to wait.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::error::Operation;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::providers::retry::{delay, is_transient};

/// Time for one request.
const REQUEST: Duration = Duration::from_secs(30);

/// How long somebody at a terminal waits for an API server that may come back.
pub(crate) const INTERACTIVE: Duration = Duration::from_secs(5);

/// How long a run waits for it: longer than a control plane takes to restart, or to fail over.
pub(crate) const RUN: Duration = Duration::from_secs(300);

/// How long a run takes a refusal for one of an API server that has just started.
pub(crate) const RBAC_WARMUP: Duration = Duration::from_secs(20);

/// Whether the server does not let this be done.
fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403))
}

/// Does `request` until it is answered, for at most `patience` where it fails in a way that may pass.
pub(crate) async fn with_retry<T, F: Future<Output = Result<T, kube::Error>>>(
    patience: Duration,
    operation: &Operation,
    mut request: impl FnMut() -> F,
) -> Result<T, ClusterError> {
    let begun = Instant::now();
    let random = RandomState::new();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let answer = tokio::time::timeout(REQUEST, request()).await;
        let (error, asked) = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            // An API server that has just started knows no Roles yet, for a moment.
            Ok(Err(error)) if is_refusal(&error) && patience >= RUN && begun.elapsed() < RBAC_WARMUP => {
                (operation.failed(&error), None)
            }
            Ok(Err(error)) => match passing(&error) {
                Some(asked) => (operation.failed(&error), asked),
                None => return Err(operation.failed(&error)),
            },
            Err(_) => {
                let words = format!("the API server did not answer within {} s", REQUEST.as_secs());
                (ClusterError::new(ClusterErrorKind::Unreachable, words), None)
            }
        };
        let pause = delay(attempt, asked, random.hash_one(attempt));
        if begun.elapsed() + pause > patience {
            return Err(error);
        }
        tracing::debug!("attempt {attempt}: {error}; trying again in {} ms", pause.as_millis());
        tokio::time::sleep(pause).await;
    }
}

/// Whether another attempt may do better; with how long the server asks to wait.
fn passing(error: &kube::Error) -> Option<Option<Duration>> {
    match error {
        kube::Error::Api(status) if is_transient(status.code) => {
            let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            Some((seconds > 0).then(|| Duration::from_secs(seconds.into())))
        }
        kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => Some(None),
        kube::Error::Service(_) if !is_final(error) => Some(None),
        _ => None,
    }
}

/// Certificates that are not trusted stay so, and so do names that nobody has.
fn is_final(error: &kube::Error) -> bool {
    let reasons = super::error::reasons(error);
    ["certificate", "CertNot", "dns error", "auth"].iter().any(|sign| reasons.contains(sign))
}
