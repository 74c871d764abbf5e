//! `iter8 k rollout`: the canary rollout of an InferenceService.

mod change;
mod commands;
mod run;
mod status;

use clap::{Args, Subcommand};

use super::args::ClusterArgs;
use crate::app::cluster::namespace_without_connecting;
use crate::app::error::AppError;
use crate::app::rollout::{LazyCluster, ServiceTraffic};
use crate::cli::exit::Exit;
use crate::cli::globals::Globals;

/// The commands of a rollout.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Show revisions, their traffic, and why they are not ready
    Status(status::StatusArgs),
    /// Give a percentage of the traffic to the newest revision, and wait until it has it
    Set(change::SetArgs),
    /// Give all the traffic to the newest revision, and wait until it has it
    Promote(change::ChangeArgs),
    /// Give all the traffic to the previous revision, and wait until it has it
    Rollback(change::ChangeArgs),
    /// Move the traffic to the newest revision in steps, each judged by SLOs
    Run(run::RolloutRunArgs),
    /// Go on with a paused rollout in steps
    Resume(commands::ResumeArgs),
    /// Roll back a rollout in steps
    Abort(commands::AbortArgs),
    /// Switch separate URLs for revisions on or off; not possible during a rollout
    Tags(change::TagsArgs),
}

/// An InferenceService.
#[derive(Debug, Args)]
struct ServiceArgs {
    /// Name of the InferenceService
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl ServiceArgs {
    /// Returns the cluster and the namespace.
    async fn cluster(&self) -> Result<(LazyCluster, String), AppError> {
        let options = self.cluster.options();
        let namespace = namespace_without_connecting(&options).await?;
        Ok((LazyCluster::new(options), namespace))
    }

    fn rollout<'a>(&self, (cluster, namespace): &'a (LazyCluster, String)) -> ServiceTraffic<'a> {
        ServiceTraffic::new(cluster, namespace, &self.name)
    }
}

/// Runs a command.
pub(crate) async fn run(command: RolloutCommand, globals: &Globals) -> Result<Exit, AppError> {
    match command {
        RolloutCommand::Status(args) => status::run(args).await,
        RolloutCommand::Set(args) => change::set(args).await,
        RolloutCommand::Promote(args) => change::promote(args).await,
        RolloutCommand::Rollback(args) => change::roll_back(args).await,
        RolloutCommand::Run(args) => run::run(args, globals).await,
        RolloutCommand::Resume(args) => commands::resume(args).await,
        RolloutCommand::Abort(args) => commands::abort(args).await,
        RolloutCommand::Tags(args) => change::tags(args).await,
    }
}
