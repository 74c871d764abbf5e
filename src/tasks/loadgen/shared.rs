//! Loads shared by several pods: each runs its share, and the coordinator gathers the reports.

use std::time::Duration;

use super::job::{JobContext, JobEnd, Load, run_together, unless_stopped};
use super::merge::{MergedLoad, shard_end};
use super::rendezvous::Rendezvous;
use super::start_barrier::StartBarrier;
use crate::model::shard::{LoadPhase, ShardEnd, ShardReport};
use crate::ports::fleet::{Entry, Fleet, FleetError, MemberShard};
use crate::tasks::{TaskContext, TaskError};

/// Time after an interruption in which pods may still report; shorter than the pipeline's grace period.
const REPORT_GRACE: Duration = Duration::from_secs(8);

/// Runs group `number` of a task's loads together with the other pods. Returns an entry for each load.
pub(super) async fn coordinate<L: Load>(
    loads: &[&L],
    number: usize,
    fleet: &dyn Fleet,
    cx: &TaskContext<'_>,
) -> Vec<MergedLoad> {
    let barrier = barrier(loads, number, fleet, cx);
    let rendezvous = Rendezvous::new(loads.len());
    let job = context(fleet, &barrier, &rendezvous, cx);
    let fail_all = |error: &str| {
        let failed = |load: &&L| MergedLoad::failed(TaskError::failed(format!("{}: {error}", load.label())));
        loads.iter().map(failed).collect()
    };
    let (ended, report) = match part(loads, &barrier, &job).await {
        Ok(Some(part)) => part,
        Ok(None) => return fail_all("this pod was excluded from its own load"),
        Err(error) => return fail_all(&error.to_string()),
    };
    let place = barrier.place(LoadPhase::Load);
    let gathered = unless_expired(&job, fleet.gather(place, &report, planned(loads))).await;
    let count = fleet.share().count();
    let missing = |reason: String| {
        let one = |index| MemberShard { index, is_late: false, report: Err(reason.clone()) };
        (1..count).map(one).collect::<Vec<_>>()
    };
    let (others, error) = match gathered {
        Some(Ok(others)) => (others, None),
        Some(Err(error)) => (missing("its measurements could not be read".to_owned()), Some(error)),
        None => (missing("reported nothing before the interrupted run ended".to_owned()), None),
    };
    let load_count = loads.len();
    let one = |(at, (load, end)): (usize, (&&L, JobEnd))| {
        let mut merged = MergedLoad::of_pods(*load, end, &others, (at, load_count), count, barrier.started());
        if let Some(error) = &error {
            let message = format!("{}: cannot collect the measurements of the other pods: {error}", load.label());
            merged.failures.push(TaskError::failed(message));
        }
        merged
    };
    loads.iter().zip(ended).enumerate().map(one).collect()
}

/// Runs this pod's share of group `number` of a task's loads and reports it.
pub(super) async fn run_share<L: Load>(
    loads: &[&L],
    number: usize,
    fleet: &dyn Fleet,
    cx: &TaskContext<'_>,
) -> Result<(), FleetError> {
    let barrier = barrier(loads, number, fleet, cx);
    let rendezvous = Rendezvous::new(loads.len());
    let job = context(fleet, &barrier, &rendezvous, cx);
    let work = async {
        let Some((_, report)) = part(loads, &barrier, &job).await? else { return Ok(()) };
        log_failures(&report, cx);
        let place = barrier.place(LoadPhase::Load);
        match unless_expired(&job, fleet.gather(place, &report, planned(loads))).await {
            Some(gathered) => gathered.map(drop),
            None => Err(FleetError::Failed("interrupted before the measurements could be reported".to_owned())),
        }
    };
    let superseded = fleet.superseded();
    tokio::select! {
        biased;
        // Dropping the future aborts the load.
        () = superseded.cancelled() => Err(FleetError::Restarted),
        done = work => done,
    }
}

fn barrier<'a, L: Load>(loads: &[&L], number: usize, fleet: &'a dyn Fleet, cx: &TaskContext<'a>) -> StartBarrier<'a> {
    let has_warmup = loads.iter().any(|load| load.warmup().is_some());
    StartBarrier::new(fleet, cx.env.observer, (cx.index, number), has_warmup)
}

fn context<'a>(
    fleet: &dyn Fleet,
    barrier: &'a StartBarrier<'a>,
    rendezvous: &'a Rendezvous,
    cx: &TaskContext<'a>,
) -> JobContext<'a> {
    let (env, objectives) = (cx.env, cx.objectives);
    let (share, stop) = (fleet.share(), cx.env.stop.clone());
    // A load that pods share is never an analysis of a rollout.
    let times = 1.0;
    JobContext { env, objectives, times, share, stop, barrier: Some(barrier), rendezvous, judge: None, index: 0 }
}

/// Runs this pod's share and builds its report; `None` if the pod skips the load.
async fn part<L: Load>(
    loads: &[&L],
    barrier: &StartBarrier<'_>,
    job: &JobContext<'_>,
) -> Result<Option<(Vec<JobEnd>, ShardReport)>, FleetError> {
    let ended = run_together(loads, job).await;
    // Enter the barrier even if every load failed before its start, so that the other pods do not wait.
    let entry = unless_stopped(job, barrier.start(LoadPhase::Load)).await;
    if entry.transpose()? == Some(Entry::Closed) {
        return Ok(None);
    }
    let report: Option<ShardReport> = ended.iter().map(shard_end).collect();
    Ok(report.map(|report| (ended, report)))
}

/// Returns the planned duration of the loads, after the longest of their warm-ups; `None` if one of them has no planned end.
fn planned<L: Load>(loads: &[&L]) -> Option<Duration> {
    let main = |load: &&L| {
        let plan = load.plan();
        [plan.pacer.length(), plan.max_duration].into_iter().flatten().min()
    };
    let warmup = |load: &&L| load.warmup().map_or(Some(Duration::ZERO), |pacer| pacer.length());
    let longest = |lengths: Option<Vec<Duration>>| Some(lengths?.into_iter().max().unwrap_or_default());
    let (main, warmup) = (loads.iter().map(main).collect(), loads.iter().map(warmup).collect());
    Some(longest(main)?.saturating_add(longest(warmup)?))
}

/// Waits for `work`; `None` if the run is interrupted and the time for reports has passed.
async fn unless_expired<T>(job: &JobContext<'_>, work: impl Future<Output = T>) -> Option<T> {
    let expired = async {
        job.stop.cancelled().await;
        tokio::time::sleep(REPORT_GRACE).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = expired => None,
    }
}

/// Logs the failures in this pod; the coordinator reports them as the task's error.
fn log_failures(report: &ShardReport, cx: &TaskContext<'_>) {
    for end in report {
        if let ShardEnd::Failed(failure) = end {
            cx.log(&failure.message);
        }
    }
}
