//! One load of a task: what it must tell, and how it is made.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::meeting::Meeting;
use crate::load::engine;
use crate::load::outcome::LoadOutcome;
use crate::load::pacing::Pacer;
use crate::load::plan::{LoadError, LoadPlan};
use crate::load::protocol::Protocol;
use crate::model::contribution::VersionMetrics;
use crate::model::shard::{LoadPhase, Share};
use crate::ports::fleet::Entry;
use crate::ports::{BoxFuture, Env, Event, LoadProgress};
use crate::tasks::TaskError;

/// One load of a task: one endpoint of one version.
pub(in crate::tasks) trait Load: Send + Sync {
    /// Its provider of metrics: `http`, `http-NAME`.
    fn provider(&self) -> &str;

    /// Index of the version.
    fn version(&self) -> usize;

    /// How the load is called in progress and notes: `http-get (v2)`.
    fn label(&self) -> &str;

    /// The load to make, whole.
    fn plan(&self) -> LoadPlan;

    /// The schedule of its warm-up, where it has one.
    fn warmup(&self) -> Option<Pacer>;

    /// Prepares the protocol, and makes the load with [`offer`].
    fn run<'a>(&'a self, go: &'a Go<'a>) -> BoxFuture<'a, Ended>;

    /// Adds what was measured to its version.
    fn add(&self, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics);

    /// What readers should know of it.
    fn notes(&self, outcome: &LoadOutcome) -> Vec<String>;

    /// The next step after a failure, where there is one.
    fn hint(&self, error: &LoadError) -> Option<String> {
        error.hint().map(str::to_owned)
    }
}

/// What a load is made with.
pub(in crate::tasks) struct Go<'a> {
    /// The outside world.
    pub(in crate::tasks) env: &'a Env<'a>,
    /// This machine's part of the load.
    pub(super) share: Share,
    /// Ends the load early.
    pub(super) stop: CancellationToken,
    /// Where machines meet before they start it; absent where there is one.
    pub(super) meeting: Option<&'a Meeting<'a>>,
}

/// What became of one machine's part of a load.
pub(in crate::tasks) enum Ended {
    Measured(Box<LoadOutcome>),
    /// Interrupted before it measured anything.
    Interrupted,
    /// This machine does not take part in it; the meeting knows why.
    Absent,
    Failed(TaskError),
}

/// Waits for `work`; `None` when the load is to end before.
pub(in crate::tasks) async fn unless_stopped<T>(go: &Go<'_>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = go.stop.cancelled() => None,
        done = work => Some(done),
    }
}

/// Makes a load, or this machine's part of it; its warm-up first.
pub(in crate::tasks) async fn offer<P: Protocol>(load: &dyn Load, protocol: &Arc<P>, go: &Go<'_>) -> Ended {
    let whole = load.plan();
    let plan = LoadPlan { pacer: whole.pacer.clone().share(go.share), ..whole };
    if let Some(pacer) = load.warmup() {
        if let Some(ended) = kept_out(LoadPhase::WarmUp, go).await {
            return ended;
        }
        // All of it is thrown away, so there is nothing to skip.
        let plan = LoadPlan { pacer: pacer.share(go.share), skip_first: 0, ..plan.clone() };
        match offer_once(load, "warm-up of ", plan, protocol, go).await {
            Ok(outcome) if outcome.interrupted => return Ended::Interrupted,
            Ok(_) => {}
            Err(error) => return Ended::Failed(failed(load, " (warm-up)", &error)),
        }
    }
    if let Some(ended) = kept_out(LoadPhase::Load, go).await {
        return ended;
    }
    match offer_once(load, "", plan, protocol, go).await {
        Ok(outcome) => Ended::Measured(Box::new(outcome)),
        Err(error) => Ended::Failed(failed(load, "", &error)),
    }
}

/// Meets the other machines, where there are any; how the load ended, if it is not made here.
async fn kept_out(phase: LoadPhase, go: &Go<'_>) -> Option<Ended> {
    let meeting = go.meeting?;
    match unless_stopped(go, meeting.start(phase)).await {
        None => Some(Ended::Interrupted),
        Some(Ok(Entry::OnTime | Entry::Late)) => None,
        Some(Ok(Entry::Closed) | Err(_)) => Some(Ended::Absent),
    }
}

fn failed(load: &dyn Load, phase: &str, error: &LoadError) -> TaskError {
    TaskError::Failed { message: format!("{}{phase}: {error}", load.label()), hint: load.hint(error), partial: None }
}

/// Makes the load by one schedule, and tells its progress.
async fn offer_once<P: Protocol>(
    load: &dyn Load,
    phase: &str,
    plan: LoadPlan,
    protocol: &Arc<P>,
    go: &Go<'_>,
) -> Result<LoadOutcome, LoadError> {
    let name = format!("{phase}{}", load.label());
    let tell = |progress: LoadProgress| go.env.observer.observe(Event::Load { name: name.clone(), progress });
    engine::run(plan, Arc::clone(protocol), go.stop.clone(), &tell).await
}
