//! `iter8 k`: experiments in a cluster, one file per command.

mod args;
mod assert;
mod assess;
mod delete;
mod launch;
mod list;
mod log;
mod report;
mod rollout;
mod routes;
mod run;
mod table;

use clap::Subcommand;

pub(crate) use args::ClusterArgs;

use super::exit::Exit;
use super::globals::Globals;
use crate::app::error::AppError;

/// The Kubernetes commands.
#[derive(Debug, Subcommand)]
pub(crate) enum KCommand {
    /// Launch an experiment in the cluster, as a Job or CronJob
    Launch(launch::LaunchArgs),
    /// Run the experiment of a group, as its Job or CronJob does
    Run(run::KRunArgs),
    /// Check conditions on the experiment of a group: exit code 0 if they hold, 1 if not
    Assert(assert::KAssertArgs),
    /// Judge the experiment of a group again, with other SLOs or a confidence; nothing is changed in the cluster
    Assess(assess::KAssessArgs),
    /// Report on the experiment of a group, in the formats of iter8 report
    Report(report::KReportArgs),
    /// Show the logs of a group's pods
    Log(log::LogArgs),
    /// Delete all objects of a group
    Delete(delete::DeleteArgs),
    /// List groups with their state and verdict
    List(list::ListArgs),
    /// Show routemaps: versions, weights, and the state of their routes
    Routes(routes::RoutesArgs),
    /// Show and change the rollout of an InferenceService, a routemap or an LLMInferenceService
    #[command(subcommand)]
    Rollout(rollout::RolloutCommand),
}

/// Runs a command.
pub(crate) async fn run(command: KCommand, globals: &Globals) -> Result<Exit, AppError> {
    match command {
        KCommand::Launch(args) => launch::run(args).await,
        KCommand::Run(args) => run::run(args, globals).await,
        KCommand::Assert(args) => assert::run(args).await,
        KCommand::Assess(args) => assess::run(args, globals).await,
        KCommand::Report(args) => report::run(args).await,
        KCommand::Log(args) => log::run(args).await,
        KCommand::Delete(args) => delete::run(args).await,
        KCommand::List(args) => list::run(args).await,
        KCommand::Routes(args) => routes::run(args).await,
        KCommand::Rollout(command) => rollout::run(command, globals).await,
    }
}
