//! `iter8 k rollout`: rollouts of InferenceServices, routemaps and LLMInferenceServices.

mod change;
mod commands;
mod run;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::ClusterArgs;
use crate::app::cluster::namespace_without_connecting;
use crate::app::error::AppError;
use crate::app::rollout::LazyCluster;
use crate::app::rollout_target::{RolloutTarget, TargetName};
use crate::cli::exit::Exit;
use crate::cli::globals::Globals;

/// The commands of a rollout.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Show versions, their traffic, and why they are not ready
    Status(status::StatusArgs),
    /// Give a percentage of the traffic to the candidate, and wait until it has it
    Set(change::SetArgs),
    /// Give all the traffic to the candidate, and wait until it has it
    Promote(change::ChangeArgs),
    /// Give all the traffic to the stable version, and wait until it has it
    Rollback(change::ChangeArgs),
    /// Move the traffic to the candidate in steps, each judged by SLOs
    Run(run::RolloutRunArgs),
    /// Resume a paused rollout in steps
    Resume(commands::ResumeArgs),
    /// Roll back a rollout in steps
    Abort(commands::AbortArgs),
    /// Switch separate URLs for revisions on or off; not possible during a rollout
    Tags(change::TagsArgs),
}

async fn cluster(args: &ClusterArgs) -> Result<(LazyCluster, String), AppError> {
    let options = args.options();
    let namespace = namespace_without_connecting(&options).await?;
    Ok((LazyCluster::new(options), namespace))
}

/// A target.
#[derive(Debug, Args)]
struct TargetArgs {
    /// Name of the InferenceService, or routemap/NAME, or llmisvc/CANDIDATE
    #[arg(value_name = "[TYPE/]NAME")]
    target: TargetName,
    /// Configuration of the release controller: resource types of routemaps [default: Iter8's resource types]
    #[arg(long, value_name = "FILE", env = "CONFIG_FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl TargetArgs {
    /// Returns the cluster and the namespace.
    async fn cluster(&self) -> Result<(LazyCluster, String), AppError> {
        cluster(&self.cluster).await
    }

    fn rollout<'a>(&self, (cluster, namespace): &'a (LazyCluster, String)) -> Result<RolloutTarget<'a>, AppError> {
        RolloutTarget::new(cluster, namespace, &self.target, self.config.as_deref())
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
