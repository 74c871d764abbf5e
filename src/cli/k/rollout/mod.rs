//! `iter8 k rollout`: the canary rollout of an InferenceService.

mod change;
mod status;

use clap::{Args, Subcommand};

use super::args::ClusterArgs;
use crate::app::cluster::namespace_without_connecting;
use crate::app::error::AppError;
use crate::app::rollout::{LazyCluster, Rollout};
use crate::cli::exit::Exit;

/// The commands of a rollout.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Show revisions, their traffic, and why they are not ready
    Status(status::StatusArgs),
    /// Give the newest revision a percent of the traffic, and wait for it
    Set(change::SetArgs),
    /// Give the newest revision all the traffic, and wait for it
    Promote(change::ChangeArgs),
    /// Give the revision before all the traffic, and wait for it
    Rollback(change::ChangeArgs),
    /// Switch URLs for each revision on or off, before a rollout
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

    fn rollout<'a>(&self, (cluster, namespace): &'a (LazyCluster, String)) -> Rollout<'a> {
        Rollout::new(cluster, namespace, &self.name)
    }
}

/// Runs a command.
pub(crate) async fn run(command: RolloutCommand) -> Result<Exit, AppError> {
    match command {
        RolloutCommand::Status(args) => status::run(args).await,
        RolloutCommand::Set(args) => change::set(args).await,
        RolloutCommand::Promote(args) => change::promote(args).await,
        RolloutCommand::Rollback(args) => change::roll_back(args).await,
        RolloutCommand::Tags(args) => change::tags(args).await,
    }
}
