//! One load of a task, and the share of it that runs in this pod.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::live_slos::LiveSlos;
use super::rendezvous::Rendezvous;
use super::start_barrier::StartBarrier;
use super::until_verdict::Judge;
use super::watched::watched;
use crate::load::attribution::Attribution;
use crate::load::engine;
use crate::load::outcome::LoadOutcome;
use crate::load::pacing::Pacer;
use crate::load::plan::{LoadError, LoadPlan};
use crate::load::protocol::Protocol;
use crate::metrics::catalog::MetricNames;
use crate::model::contribution::VersionMetrics;
use crate::model::objectives::Objectives;
use crate::model::shard::{LoadPhase, Share};
use crate::ports::fleet::Entry;
use crate::ports::{BoxFuture, Env, Event, LoadProgress};
use crate::tasks::TaskError;

/// One load of a task: one endpoint of one version.
pub(in crate::tasks) trait Load: Send + Sync {
    /// Provider of its metrics: `http`, `http-NAME`.
    fn provider(&self) -> &str;

    /// Index of the version.
    fn version(&self) -> usize;

    /// Label in progress and notes: `http-get (v2)`.
    fn label(&self) -> &str;

    /// Returns the whole load, before it is split among pods.
    fn plan(&self) -> LoadPlan;

    /// Returns the attribution of its responses to versions, if there is one. Then [`Load::version`] is 0.
    fn attribution(&self) -> Option<&Attribution>;

    /// Returns true if its connections are encrypted.
    fn is_tls(&self) -> bool;

    /// Returns the schedule of its warm-up, if any.
    fn warmup(&self) -> Option<Pacer>;

    /// Prepares the protocol and runs the load with [`run_load`].
    fn run<'a>(&'a self, job: &'a JobContext<'a>) -> BoxFuture<'a, JobEnd>;

    /// Returns the names of the metrics that it adds, without the provider. Some may turn out to be missing.
    fn metric_names(&self) -> MetricNames;

    /// Adds the measurements to its version.
    fn add(&self, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics);

    /// Returns notes for readers of the document.
    fn notes(&self, outcome: &LoadOutcome) -> Vec<String>;

    /// Returns the hint for a failure, if any.
    fn hint(&self, error: &LoadError) -> Option<String> {
        error.hint()
    }
}

/// State handed to a load when its task starts.
#[derive(Clone)]
pub(in crate::tasks) struct JobContext<'a> {
    pub(in crate::tasks) env: &'a Env<'a>,
    /// Objectives that a later task judges.
    pub(super) objectives: Option<&'a Objectives>,
    /// Multiple of the load that its values ask for.
    pub(super) times: f64,
    /// This pod's share of the load.
    pub(super) share: Share,
    /// Stops the load early.
    pub(super) stop: CancellationToken,
    /// Barrier at which the pods start together; `None` with a single pod.
    pub(super) barrier: Option<&'a StartBarrier<'a>>,
    /// Common start of the loads that run at the same time, and the index of this one among them.
    pub(super) rendezvous: &'a Rendezvous,
    pub(super) index: usize,
    /// Ends the loads with their verdict.
    pub(super) judge: Option<&'a Arc<Judge>>,
}

/// Runs loads at the same time; the rendezvous of `job` is that of all of them.
pub(super) async fn run_together<L: Load>(loads: &[&L], job: &JobContext<'_>) -> Vec<JobEnd> {
    let run = async |(index, load): (usize, &&L)| {
        let job = JobContext { index, ..job.clone() };
        let end = load.run(&job).await;
        job.rendezvous.leave(index);
        if let Some(judge) = job.judge {
            judge.leave(index);
        }
        end
    };
    join_all(loads.iter().enumerate().map(run)).await
}

/// Result of one pod's share of a load.
pub(in crate::tasks) enum JobEnd {
    Measured(Box<LoadOutcome>),
    /// Interrupted before the first measurement.
    Interrupted,
    /// The pod skips the load; the barrier has the reason.
    Absent,
    Failed(TaskError),
    /// None of the first requests got a response; the counts until then.
    Aborted(TaskError, Box<LoadOutcome>),
}

/// Waits for `work`; `None` if the load is stopped first.
pub(in crate::tasks) async fn unless_stopped<T>(job: &JobContext<'_>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = job.stop.cancelled() => None,
        done = work => Some(done),
    }
}

/// Runs this pod's share of a load, after its warm-up.
pub(in crate::tasks) async fn run_load<P: Protocol>(
    load: &dyn Load,
    protocol: &Arc<P>,
    job: &JobContext<'_>,
) -> JobEnd {
    let whole = load.plan();
    let watched = watched(job.objectives, load.provider());
    let plan = LoadPlan { pacer: whole.pacer.lengthened(job.times).share(job.share), watched, ..whole };
    if let Some(pacer) = load.warmup() {
        if let Some(ended) = wait_for_start(LoadPhase::WarmUp, job).await {
            return ended;
        }
        // All of the warm-up is discarded, so nothing is skipped. A service that is still warming up may respond with errors.
        let pacer = pacer.share(job.share);
        let plan = LoadPlan { pacer, skip_first: 0, allow_initial_errors: true, watched: None, ..plan.clone() };
        match run_once(load, "warm-up of ", plan, protocol, job).await {
            Ok(outcome) if outcome.interrupted => return JobEnd::Interrupted,
            Ok(_) => {}
            Err(error) => return JobEnd::Failed(failed(load, " (warm-up)", &error)),
        }
    }
    if let Some(ended) = wait_for_start(LoadPhase::Load, job).await {
        return ended;
    }
    let early_end = job.judge.map(|judge| judge.early_end(job.index));
    let plan = LoadPlan { early_end, ..plan };
    match run_once(load, "", plan, protocol, job).await {
        Ok(outcome) => JobEnd::Measured(Box::new(outcome)),
        Err(mut error) => {
            let outcome = if let LoadError::InitialErrors { outcome, .. } = &mut error { outcome.take() } else { None };
            let error = failed(load, "", &error);
            match outcome {
                Some(outcome) => JobEnd::Aborted(error, outcome),
                None => JobEnd::Failed(error),
            }
        }
    }
}

/// Waits for the other loads that start with this one, and for the other pods, if there are any. Returns a result if the load does not run here.
async fn wait_for_start(phase: LoadPhase, job: &JobContext<'_>) -> Option<JobEnd> {
    if phase == LoadPhase::Load && unless_stopped(job, job.rendezvous.arrive(job.index)).await.is_none() {
        return Some(JobEnd::Interrupted);
    }
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

/// Runs the load with one schedule and reports its progress.
async fn run_once<P: Protocol>(
    load: &dyn Load,
    phase: &str,
    plan: LoadPlan,
    protocol: &Arc<P>,
    job: &JobContext<'_>,
) -> Result<LoadOutcome, LoadError> {
    let name = format!("{phase}{}", load.label());
    let judge = job.judge.filter(|_| plan.early_end.is_some());
    // A warm-up is not judged.
    let objectives = job.objectives.filter(|_| phase.is_empty());
    let live = LiveSlos::of(objectives, load.provider(), &plan);
    let plan = LoadPlan { statistics: live.statistics(), ..plan };
    let observe = |progress: LoadProgress| {
        let evidence = judge.map(|judge| judge.progress(job.index)).unwrap_or_default();
        let progress = LoadProgress { evidence, ..live.add_to(progress) };
        job.env.observer.observe(Event::Load { name: name.clone(), progress });
    };
    let started = Instant::now();
    let outcome = engine::run(plan, Arc::clone(protocol), job.stop.clone(), &observe).await;
    if let Ok(outcome) = &outcome {
        let (connections, requests) = (outcome.connections, outcome.counts.requests);
        let [whole, load] = [started.elapsed(), outcome.duration].map(|time| time.as_millis());
        tracing::debug!(
            "{name}: {requests} requests over {connections} connections in {load} ms; {whole} ms including connecting"
        );
    }
    outcome
}
