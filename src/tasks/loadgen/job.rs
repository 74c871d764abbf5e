//! One load of a task: what it must tell, and how it is made.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::start_barrier::StartBarrier;
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
    fn run<'a>(&'a self, job: &'a JobContext<'a>) -> BoxFuture<'a, JobEnd>;

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
pub(in crate::tasks) struct JobContext<'a> {
    /// The outside world.
    pub(in crate::tasks) env: &'a Env<'a>,
    /// This machine's part of the load.
    pub(super) share: Share,
    /// Ends the load early.
    pub(super) stop: CancellationToken,
    /// Where machines meet before they start it; absent where there is one.
    pub(super) barrier: Option<&'a StartBarrier<'a>>,
}

/// What became of one machine's part of a load.
pub(in crate::tasks) enum JobEnd {
    Measured(Box<LoadOutcome>),
    /// Interrupted before it measured anything.
    Interrupted,
    /// This machine does not take part in it; the meeting knows why.
    Absent,
    Failed(TaskError),
}

/// Waits for `work`; `None` when the load is to end before.
pub(in crate::tasks) async fn unless_stopped<T>(job: &JobContext<'_>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = job.stop.cancelled() => None,
        done = work => Some(done),
    }
}

/// Makes a load, or this machine's part of it; its warm-up first.
pub(in crate::tasks) async fn run_load<P: Protocol>(
    load: &dyn Load,
    protocol: &Arc<P>,
    job: &JobContext<'_>,
) -> JobEnd {
    let whole = load.plan();
    let plan = LoadPlan { pacer: whole.pacer.clone().share(job.share), ..whole };
    if let Some(pacer) = load.warmup() {
        if let Some(ended) = wait_for_start(LoadPhase::WarmUp, job).await {
            return ended;
        }
        // All of it is thrown away, so there is nothing to skip.
        let plan = LoadPlan { pacer: pacer.share(job.share), skip_first: 0, ..plan.clone() };
        match run_once(load, "warm-up of ", plan, protocol, job).await {
            Ok(outcome) if outcome.interrupted => return JobEnd::Interrupted,
            Ok(_) => {}
            Err(error) => return JobEnd::Failed(failed(load, " (warm-up)", &error)),
        }
    }
    if let Some(ended) = wait_for_start(LoadPhase::Load, job).await {
        return ended;
    }
    match run_once(load, "", plan, protocol, job).await {
        Ok(outcome) => JobEnd::Measured(Box::new(outcome)),
        Err(error) => JobEnd::Failed(failed(load, "", &error)),
    }
}

/// Meets the other machines, where there are any; how the load ended, if it is not made here.
async fn wait_for_start(phase: LoadPhase, job: &JobContext<'_>) -> Option<JobEnd> {
    let barrier = job.barrier?;
    match unless_stopped(job, barrier.start(phase)).await {
        None => Some(JobEnd::Interrupted),
        Some(Ok(Entry::OnTime | Entry::Late)) => None,
        Some(Ok(Entry::Closed) | Err(_)) => Some(JobEnd::Absent),
    }
}

fn failed(load: &dyn Load, phase: &str, error: &LoadError) -> TaskError {
    TaskError::Failed { message: format!("{}{phase}: {error}", load.label()), hint: load.hint(error), partial: None }
}

/// Makes the load by one schedule, and tells its progress.
async fn run_once<P: Protocol>(
    load: &dyn Load,
    phase: &str,
    plan: LoadPlan,
    protocol: &Arc<P>,
    job: &JobContext<'_>,
) -> Result<LoadOutcome, LoadError> {
    let name = format!("{phase}{}", load.label());
    let tell = |progress: LoadProgress| job.env.observer.observe(Event::Load { name: name.clone(), progress });
    engine::run(plan, Arc::clone(protocol), job.stop.clone(), &tell).await
}
