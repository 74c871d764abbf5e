//! `iter8 k list`.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use super::args::ClusterArgs;
use super::table::{age, table};
use crate::app::assert::{AssertCondition, RunState, assessed_at, judge, progress};
use crate::app::cluster::{CronJobState, GroupState, groups, now, planned};
use crate::app::error::AppError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::model::document::Experiment;
use crate::model::rollout::RolloutPhase;

/// Flags of `k list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  iter8 k list\n  iter8 k list -A")]
pub(crate) struct ListArgs {
    /// List groups of all namespaces
    #[arg(short = 'A', long = "all-namespaces")]
    all: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Prints the groups.
pub(crate) async fn run(args: ListArgs) -> Result<Exit, AppError> {
    let connection = args.cluster.connect().await?;
    let states = groups(&connection, args.all, planned).await?;
    if states.is_empty() {
        let place = if args.all { "any namespace".to_owned() } else { format!("namespace {}", connection.namespace) };
        output::to_stderr(&format!("no experiments in {place}\n"));
        return Ok(Exit::Done);
    }
    let now = now();
    let rows: Vec<Row> =
        std::iter::once(HEAD.map(str::to_owned)).chain(states.iter().map(|state| row(state, now))).collect();
    output::to_stdout(&table(&rows))?;
    Ok(Exit::Done)
}

/// Names of the columns.
const HEAD: [&str; 9] =
    ["NAMESPACE", "GROUP", "REVISION", "RUNNER", "LOOPS", "STATE", "SLOS", "ASSESSED", "LAST SCHEDULE"];

/// Cells of a line.
type Row = [String; HEAD.len()];

/// Time for the Job of a CronJob to start its pod, and to end after its loop.
const TRANSITION: TimeDelta = TimeDelta::minutes(2);

fn row(state: &GroupState, now: DateTime<Utc>) -> Row {
    let ago = |time| age(time, now);
    let result = document(state).and_then(|document| document.result.as_ref());
    [
        state.group.namespace.clone(),
        state.group.name.clone(),
        state.revision.map_or_else(|| "-".to_owned(), |revision| revision.to_string()),
        state.runner.clone().unwrap_or_else(|| "-".to_owned()),
        result.map_or(0, |result| result.num_loops).to_string(),
        run_state(state, now),
        verdict(state).to_owned(),
        document(state).filter(|_| verdict(state) != "-").and_then(assessed_at).map_or_else(|| "-".to_owned(), ago),
        state.cron_job.as_ref().and_then(|cron_job| cron_job.last_schedule).map_or_else(|| "-".to_owned(), ago),
    ]
}

fn document(state: &GroupState) -> Option<&Experiment> {
    state.document.as_ref()?.as_ref().ok()
}

/// Returns the state of the run, and of its CronJob if no further loop will start: it is suspended, or held back by a Job whose loop has
/// ended or cannot start.
fn run_state(state: &GroupState, now: DateTime<Utc>) -> String {
    let of_run = state_of_run(state);
    let last_is_long_ago = |last: DateTime<Utc>| now - last > TRANSITION;
    match &state.cron_job {
        Some(cron_job) if cron_job.is_suspended => format!("{of_run}, suspended"),
        Some(CronJobState { is_active: true, last_schedule: Some(last), .. })
            if of_run != "running" && last_is_long_ago(*last) =>
        {
            format!("{of_run}, held back")
        }
        _ => of_run.to_owned(),
    }
}

/// Returns the state of the run. A run that has ended with tasks left is lost.
fn state_of_run(state: &GroupState) -> &'static str {
    if matches!(state.document, Some(Err(_))) {
        return "unreadable";
    }
    if state.is_outdated {
        return "outdated";
    }
    let progress = document(state).map_or(RunState::NotStarted, |document| progress(document).state);
    if let Some(record) = document(state).and_then(Experiment::rollout) {
        return state_of_rollout(record.phase, progress, state.over.is_some());
    }
    match progress {
        RunState::NotStarted | RunState::Running if state.over.is_some() => "lost",
        RunState::NotStarted => "planned",
        RunState::Running => "running",
        RunState::Completed => "completed",
        RunState::Failed => "failed",
        RunState::Interrupted => "interrupted",
    }
}

/// Returns the state of a rollout in steps. The tasks of its newest loop may be done while it goes on.
fn state_of_rollout(phase: RolloutPhase, newest: RunState, is_over: bool) -> &'static str {
    match (phase, newest) {
        (RolloutPhase::Promoted, _) => "promoted",
        (RolloutPhase::RolledBack, _) => "rolled back",
        (RolloutPhase::Stopped, _) => "stopped",
        (_, RunState::Interrupted) => "interrupted",
        // Its run ends after `pauseTimeout`, and a person can still resume it.
        (RolloutPhase::Paused, _) => "paused",
        (RolloutPhase::Promoting, _) if !is_over => "promoting",
        (RolloutPhase::RollingBack, _) if !is_over => "rolling back",
        (_, RunState::Failed) => "failed",
        _ if is_over => "lost",
        _ => "running",
    }
}

/// Returns the verdict on the SLOs.
fn verdict(state: &GroupState) -> &'static str {
    let Some(document) = document(state).filter(|_| !state.is_outdated) else { return "-" };
    let insights = document.result.as_ref().and_then(|result| result.insights.as_ref());
    if insights.is_none_or(|insights| insights.slos_satisfied.is_none()) {
        return "-";
    }
    match judge(document, AssertCondition::Slos) {
        judgement if judgement.holds => "satisfied",
        judgement if judgement.inconclusive => "inconclusive",
        _ => "not satisfied",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::cluster::Group;
    use crate::model::document::{ExperimentResult, TaskRecord, TaskSpec, TaskStatus};
    use crate::model::duration::GoDuration;
    use crate::model::insights::Insights;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    /// A CronJob whose loop was assessed at second 10.
    fn state(status: TaskStatus, cron_job: CronJobState) -> GroupState {
        let record = TaskRecord {
            task: "assess".to_owned(),
            status,
            start: Some(at(9)),
            duration: Some(GoDuration(std::time::Duration::from_secs(1))),
            error: None,
            notes: Vec::new(),
        };
        let insights = Insights { num_versions: 1, slos_satisfied: Some(Default::default()), ..Insights::default() };
        let result = ExperimentResult {
            num_loops: 1,
            num_completed_tasks: usize::from(status == TaskStatus::Done),
            tasks: vec![record],
            insights: Some(insights),
            ..ExperimentResult::default()
        };
        let spec = vec![TaskSpec { task: Some("assess".into()), ..TaskSpec::default() }];
        GroupState {
            group: Group::new("shop", "canary").unwrap(),
            revision: Some(1),
            runner: Some("cronjob".to_owned()),
            document: Some(Ok(Experiment { spec, result: Some(result), ..Experiment::default() })),
            is_outdated: false,
            over: None,
            cron_job: Some(cron_job),
        }
    }

    #[test]
    fn a_cron_job_that_starts_no_loop_is_named() {
        let ticked = CronJobState { is_suspended: false, is_active: false, last_schedule: Some(at(0)) };
        let active = CronJobState { is_active: true, ..ticked.clone() };
        let suspended = CronJobState { is_suspended: true, ..ticked.clone() };
        let cases = [
            (TaskStatus::Done, &ticked, 3600, "completed"),
            // Its pod is about to end.
            (TaskStatus::Done, &active, 60, "completed"),
            (TaskStatus::Done, &active, 3600, "completed, held back"),
            (TaskStatus::Running, &active, 3600, "running"),
            (TaskStatus::Done, &suspended, 60, "completed, suspended"),
        ];
        for (status, cron_job, now, expected) in cases {
            assert_eq!(run_state(&state(status, cron_job.clone()), at(now)), expected, "{cron_job:?} {now}");
        }
    }

    #[test]
    fn a_rollout_is_as_far_as_its_phase() {
        let cases = [
            (RolloutPhase::Progressing, RunState::Completed, false, "running"),
            (RolloutPhase::Progressing, RunState::Completed, true, "lost"),
            (RolloutPhase::Progressing, RunState::Failed, true, "failed"),
            (RolloutPhase::Paused, RunState::Completed, true, "paused"),
            (RolloutPhase::Paused, RunState::Interrupted, true, "interrupted"),
            (RolloutPhase::Promoting, RunState::Completed, false, "promoting"),
            (RolloutPhase::RollingBack, RunState::Failed, false, "rolling back"),
            (RolloutPhase::RollingBack, RunState::Completed, true, "lost"),
            (RolloutPhase::RolledBack, RunState::Failed, true, "rolled back"),
            (RolloutPhase::Promoted, RunState::Completed, true, "promoted"),
            (RolloutPhase::Stopped, RunState::Failed, true, "stopped"),
        ];
        for (phase, newest, is_over, expected) in cases {
            assert_eq!(state_of_rollout(phase, newest, is_over), expected, "{phase} {newest:?}");
        }
    }

    #[test]
    fn verdicts_and_schedules_have_an_age() {
        let ticked = CronJobState { is_suspended: false, is_active: false, last_schedule: Some(at(0)) };
        let state = state(TaskStatus::Done, ticked);
        let ages = |now: i64| row(&state, at(now))[7..].join("; ");
        assert_eq!(ages(129), "119s ago; 2m ago");
        assert_eq!(ages(7_209), "119m ago; 2h ago");
        assert_eq!(ages(172_810), "2d ago; 2d ago");
        // Clocks differ.
        assert_eq!(ages(-5), "0s ago; 0s ago");
        let never = GroupState { cron_job: None, document: None, ..state };
        assert_eq!(row(&never, at(0))[6..].join(" "), "- - -");
    }
}
