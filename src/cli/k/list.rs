//! `iter8 k list`.

use clap::Args;

use super::args::ClusterArgs;
use crate::app::assert::{AssertCondition, RunState, judge, progress};
use crate::app::cluster::{GroupState, groups, planned};
use crate::app::error::AppError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::model::document::Experiment;

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
    let head = ["NAMESPACE", "GROUP", "REVISION", "RUNNER", "LOOPS", "STATE", "SLOS"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(states.iter().map(row)).collect();
    output::to_stdout(&table(&rows))?;
    Ok(Exit::Done)
}

fn row(state: &GroupState) -> [String; 7] {
    let result = document(state).and_then(|document| document.result.as_ref());
    [
        state.group.namespace.clone(),
        state.group.name.clone(),
        state.revision.map_or_else(|| "-".to_owned(), |revision| revision.to_string()),
        state.runner.clone().unwrap_or_else(|| "-".to_owned()),
        result.map_or(0, |result| result.num_loops).to_string(),
        run_state(state).to_owned(),
        verdict(state).to_owned(),
    ]
}

fn document(state: &GroupState) -> Option<&Experiment> {
    state.document.as_ref()?.as_ref().ok()
}

/// Returns the state of the run. A run that has ended with tasks left is lost.
fn run_state(state: &GroupState) -> &'static str {
    if matches!(state.document, Some(Err(_))) {
        return "unreadable";
    }
    if state.is_outdated {
        return "outdated";
    }
    let progress = document(state).map_or(RunState::NotStarted, |document| progress(document).state);
    match progress {
        RunState::NotStarted | RunState::Running if state.over.is_some() => "lost",
        RunState::NotStarted => "planned",
        RunState::Running => "running",
        RunState::Completed => "completed",
        RunState::Failed => "failed",
        RunState::Interrupted => "interrupted",
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

/// Aligns the columns of the rows.
fn table(rows: &[[String; 7]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
