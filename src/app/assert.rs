//! Judging conditions on a document, and waiting for them.

use std::time::{Duration, Instant};

use super::error::AppError;
use crate::model::document::{Experiment, TaskSpec};
use crate::model::duration::GoDuration;
use crate::ports::cluster::ClusterErrorKind;
use crate::ports::{BoxFuture, StoreError};
use crate::slo::assertion::has_assess;

pub(crate) use crate::slo::assertion::{AssertCondition, Judgement, RunState, assessed_at, judge, progress};

/// Refuses to assert SLOs of a run that has none: it would fail after the load, while its reports have nothing to complain about.
pub(crate) fn check_asserted(spec: &[TaskSpec], conditions: &[AssertCondition]) -> Result<(), AppError> {
    if has_assess(spec) || !conditions.contains(&AssertCondition::Slos) {
        return Ok(());
    }
    Err(AppError::input("--assert slos: the experiment has no SLOs")
        .with_hint("add one, such as --slo 'p99 < 60ms', or assert the rest: --assert completed,nofailure"))
}

/// Poll interval of files.
pub(crate) const FILE_POLL: Duration = Duration::from_millis(250);

/// Maximum timeout, so that no instant overflows.
const MAX_TIMEOUT: Duration = Duration::from_secs(366 * 24 * 3600);

/// Document that may change while an assertion waits.
pub(crate) trait Source: Sync {
    /// Reads the document.
    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>>;

    /// Returns the poll interval; `None` if it cannot change.
    fn poll(&self) -> Option<Duration>;

    /// Returns the reason why the document that exists was not judged, if there is one.
    fn outdated(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    /// Returns the reason why the run that writes it does not proceed, if known.
    fn held_up(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    /// Returns the reason why nothing will write it any more, if known.
    fn over(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }
}

/// Outcome of an assertion.
pub(crate) enum Assertion {
    /// The conditions were judged.
    Judged {
        judgements: Judgements,
        /// True if results are replayed from a recording.
        is_replayed: bool,
        /// Reason why the wait ended.
        warning: Option<String>,
    },
    /// No document appeared in time.
    Missing(String),
}

/// Verdict on all conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Fails,
    /// Some conditions are inconclusive, and all others hold.
    Inconclusive,
}

/// Conditions with the judgement on each.
pub(crate) type Judgements = Vec<(AssertCondition, Judgement)>;

impl Assertion {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Judged { judgements, .. } => verdict(judgements),
            Self::Missing(_) => Verdict::Fails,
        }
    }
}

/// Judges all conditions on a document.
pub(crate) fn judge_all(experiment: &Experiment, conditions: &[AssertCondition]) -> Judgements {
    conditions.iter().map(|condition| (*condition, judge(experiment, *condition))).collect()
}

/// Combines the judgements into one verdict.
pub(crate) fn verdict(judgements: &Judgements) -> Verdict {
    let mut failed = judgements.iter().map(|(_, judgement)| judgement).filter(|judgement| !judgement.holds).peekable();
    if failed.peek().is_none() {
        Verdict::Holds
    } else if failed.all(|judgement| judgement.inconclusive) {
        Verdict::Inconclusive
    } else {
        Verdict::Fails
    }
}

/// Judges the conditions until all hold, one can no longer hold, the document is final, or `timeout` is over.
pub(crate) async fn assert(
    conditions: &[AssertCondition],
    timeout: GoDuration,
    source: &dyn Source,
) -> Result<Assertion, StoreError> {
    let deadline = Instant::now() + timeout.0.min(MAX_TIMEOUT);
    let waits = !timeout.0.is_zero();
    let mut over = None;
    loop {
        let is_last = source.poll().is_none() || Instant::now() >= deadline || over.is_some();
        match source.load().await {
            Ok(experiment) => {
                let judgements = judge_all(&experiment, conditions);
                let hold = judgements.iter().all(|(_, judgement)| judgement.holds);
                let is_lost = judgements.iter().any(|(_, judgement)| !judgement.holds && judgement.decided);
                if hold || is_lost || is_last {
                    let limit = Some(timeout).filter(|_| waits && !is_lost);
                    let warning = if hold { None } else { explanation(source, over.as_deref(), limit).await };
                    let is_replayed = experiment.result.as_ref().is_some_and(|result| result.replayed);
                    return Ok(Assertion::Judged { judgements, is_replayed, warning });
                }
            }
            // Not written yet.
            Err(StoreError::Missing { .. }) if !is_last => {}
            // The cluster may recover.
            Err(StoreError::Cluster { source, .. }) if !is_last && source.kind == ClusterErrorKind::Unreachable => {
                tracing::debug!("{source}");
            }
            Err(error @ StoreError::Missing { .. }) if waits => {
                let reason = match (&over, reason(source).await) {
                    (Some(over), _) => format!("and none will be written: {over}"),
                    (None, Some(reason)) => format!("and none appeared within {timeout}: {reason}"),
                    (None, None) => format!("and none appeared within {timeout}"),
                };
                return Ok(Assertion::Missing(format!("{error}, {reason}")));
            }
            Err(error) => return Err(error),
        }
        // If the document is final, read it once more.
        over = source.over().await;
        if over.is_none() {
            let pause = source.poll().unwrap_or(FILE_POLL);
            tokio::time::sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
        }
    }
}

/// Explains conditions that do not hold: the end of the experiment, if it is over, or of the wait, if there was one.
async fn explanation(source: &dyn Source, over: Option<&str>, limit: Option<GoDuration>) -> Option<String> {
    let because = |separator: &str, reason: Option<String>| {
        reason.map(|reason| format!("{separator}{reason}")).unwrap_or_default()
    };
    match (over, limit) {
        (Some(over), _) => Some(format!("the experiment has finished: {over}{}", because("; ", reason(source).await))),
        (None, Some(limit)) => {
            Some(format!("the conditions did not hold within {limit}{}", because(": ", reason(source).await)))
        }
        (None, None) => source.outdated().await,
    }
}

/// Returns the reason why there is no document to judge, or why its run does not proceed.
async fn reason(source: &dyn Source) -> Option<String> {
    match source.outdated().await {
        None => source.held_up().await,
        outdated => outdated,
    }
}
