//! Retries of requests to an API server that is restarting or overloaded, or requests a delay.

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use tokio::time::error::Elapsed;

use super::error::{Operation, is_rejection, is_transient, retry_after};
use crate::ports::cluster::ClusterError;

/// Timeout of a single request, response body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Time after its start in which an API server may reject authorized clients, because RBAC is not loaded yet.
pub(crate) const RBAC_WARMUP: Duration = Duration::from_secs(20);

/// Retries for a user at a terminal.
pub(crate) const INTERACTIVE: RetryPolicy = RetryPolicy { budget: Duration::from_secs(5), rbac_warmup: Duration::ZERO };

/// Retries for a run: longer than a restart or failover of the control plane.
pub(crate) const RUN: RetryPolicy = RetryPolicy { budget: Duration::from_secs(300), rbac_warmup: RBAC_WARMUP };

/// Limits on retrying.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// Time in which transient failures are retried.
    pub(crate) budget: Duration,
    /// Time in which 401 and 403 count as transient.
    rbac_warmup: Duration,
}

/// Pauses between attempts, without a limit on their number.
pub(crate) fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(125))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times()
}

/// Failure of one attempt.
enum AttemptError {
    Failed(kube::Error),
    TimedOut,
}

impl AttemptError {
    fn is_retryable(&self, policy: RetryPolicy, elapsed: Duration) -> bool {
        match self {
            Self::Failed(error) => is_transient(error) || (is_rejection(error) && elapsed < policy.rbac_warmup),
            Self::TimedOut => true,
        }
    }

    fn retry_after(&self) -> Duration {
        match self {
            Self::Failed(error) => retry_after(error).unwrap_or_default(),
            Self::TimedOut => Duration::ZERO,
        }
    }

    fn describe(&self, operation: &Operation) -> ClusterError {
        match self {
            Self::Failed(error) => operation.failed(error),
            Self::TimedOut => operation.timed_out(REQUEST_TIMEOUT),
        }
    }
}

/// Sends `request` until it succeeds, fails permanently, or exceeds the budget of `policy`.
pub(crate) async fn with_retry<T, F: Future<Output = Result<T, kube::Error>>>(
    policy: RetryPolicy,
    operation: &Operation,
    mut request: impl FnMut() -> F,
) -> Result<T, ClusterError> {
    let started = Instant::now();
    let attempt = || {
        let response = tokio::time::timeout(REQUEST_TIMEOUT, request());
        async move { response.await.map_err(|_: Elapsed| AttemptError::TimedOut)?.map_err(AttemptError::Failed) }
    };
    let end = attempt
        .retry(backoff())
        .when(|error| error.is_retryable(policy, started.elapsed()))
        .adjust(|error, pause| {
            let pause = pause?.max(error.retry_after());
            (started.elapsed() + pause <= policy.budget).then_some(pause)
        })
        .notify(|error, pause| {
            tracing::debug!("{}; retrying in {} ms", error.describe(operation), pause.as_millis());
        })
        .await;
    end.map_err(|error| error.describe(operation))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use kube::core::Status;

    use super::*;
    use crate::model::object::ResourceKind;

    /// Returns the number of requests that `with_retry` sends, and the time it takes, if all responses have this status.
    async fn attempts(policy: RetryPolicy, code: u16) -> (u32, Duration) {
        let kind = ResourceKind { group: String::new(), version: "v1".into(), resource: "secrets".into() };
        let operation = Operation::new("get", &kind, "models", "default");
        let count = Cell::new(0);
        let started = Instant::now();
        let end = with_retry(policy, &operation, || {
            count.set(count.get() + 1);
            let status = Status { code, ..Status::default() };
            async { Err::<(), _>(kube::Error::Api(Box::new(status))) }
        });
        assert!(end.await.is_err());
        (count.get(), started.elapsed())
    }

    #[tokio::test]
    async fn only_transient_errors_are_retried_within_the_budget() {
        let brief = RetryPolicy { budget: Duration::from_millis(400), rbac_warmup: Duration::ZERO };
        for code in [401, 403, 404, 409, 422] {
            assert_eq!(attempts(brief, code).await.0, 1, "{code}");
        }
        for code in [429, 500, 503] {
            let (count, elapsed) = attempts(brief, code).await;
            assert!(count > 1 && elapsed < Duration::from_secs(5), "{code}: {count} attempts in {elapsed:?}");
        }
    }

    #[tokio::test]
    async fn rejections_are_retried_only_while_rbac_may_be_loading() {
        let policy = RetryPolicy { budget: Duration::from_secs(60), rbac_warmup: Duration::from_millis(200) };
        for code in [401, 403] {
            let (count, elapsed) = attempts(policy, code).await;
            assert!(count > 1 && elapsed < Duration::from_secs(10), "{code}: {count} attempts in {elapsed:?}");
        }
    }
}
