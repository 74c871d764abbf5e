//! Loads shared by several pods: each runs its share, and the coordinator gathers the reports.

use std::time::Duration;

use futures_util::future::join_all;

use super::job::{JobContext, JobEnd, Load, unless_stopped};
use super::merge::{MergedLoad, shard_end};
use super::start_barrier::StartBarrier;
use crate::model::shard::{LoadPhase, ShardEnd, ShardReport};
use crate::ports::fleet::{Entry, Fleet, FleetError, MemberShard};
use crate::tasks::{TaskContext, TaskError};

/// Time after an interruption in which pods may still report; shorter than the pipeline's grace period.
const REPORT_GRACE: Duration = Duration::from_secs(8);

/// Runs group `number` of a task's loads together with the other pods. Returns an entry for each load.
pub(super) async fn coordinate<L: Load>(
    loads: &[L],
    number: usize,
    fleet: &dyn Fleet,
    cx: &TaskContext<'_>,
) -> Vec<MergedLoad> {
    let barrier = barrier(loads, number, fleet, cx);
    let job = context(fleet, &barrier, cx);
    let fail_all = |error: &str| {
        let failed = |load: &L| MergedLoad::failed(TaskError::failed(format!("{}: {error}", load.label())));
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
    let one = |(at, (load, end)): (usize, (&L, JobEnd))| {
        let mut merged = MergedLoad::of_pods(load, end, &others, (at, load_count), count, barrier.started());
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
    loads: &[L],
    number: usize,
    fleet: &dyn Fleet,
    cx: &TaskContext<'_>,
) -> Result<(), FleetError> {
    let barrier = barrier(loads, number, fleet, cx);
    let job = context(fleet, &barrier, cx);
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

fn barrier<'a, L: Load>(loads: &[L], number: usize, fleet: &'a dyn Fleet, cx: &TaskContext<'a>) -> StartBarrier<'a> {
    let has_warmup = loads.iter().any(|load| load.warmup().is_some());
    StartBarrier::new(fleet, cx.env.observer, (cx.index, number), has_warmup)
}

fn context<'a>(fleet: &dyn Fleet, barrier: &'a StartBarrier<'a>, cx: &TaskContext<'a>) -> JobContext<'a> {
    JobContext { env: cx.env, share: fleet.share(), stop: cx.env.stop.clone(), barrier: Some(barrier) }
}

/// Runs this pod's share and builds its report; `None` if the pod skips the load.
async fn part<L: Load>(
    loads: &[L],
    barrier: &StartBarrier<'_>,
    job: &JobContext<'_>,
) -> Result<Option<(Vec<JobEnd>, ShardReport)>, FleetError> {
    let ended = join_all(loads.iter().map(|load| load.run(job))).await;
    // Enter the barrier even if every load failed before its start, so that the other pods do not wait.
    let entry = unless_stopped(job, barrier.start(LoadPhase::Load)).await;
    if entry.transpose()? == Some(Entry::Closed) {
        return Ok(None);
    }
    let report: Option<ShardReport> = ended.iter().map(shard_end).collect();
    Ok(report.map(|report| (ended, report)))
}

/// Returns the planned duration of the loads with their warm-ups; `None` if one of them has no planned end.
fn planned<L: Load>(loads: &[L]) -> Option<Duration> {
    let length = |load: &L| {
        let plan = load.plan();
        let main = [plan.pacer.length(), plan.max_duration].into_iter().flatten().min()?;
        let warmup = load.warmup().map_or(Some(Duration::ZERO), |pacer| pacer.length())?;
        Some(main.saturating_add(warmup))
    };
    loads.iter().map(length).try_fold(Duration::ZERO, |longest, length| Some(longest.max(length?)))
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
