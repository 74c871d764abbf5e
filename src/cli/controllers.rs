//! `iter8 controllers`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;
use super::k::ClusterArgs;
use super::output;
use super::signals::Interruption;
use crate::app::controllers::{self, ControllerOptions};
use crate::app::env::LocalFiles;
use crate::app::error::AppError;

/// Flags of `controllers`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 controllers --config config.yaml -n modelmesh-serving\n  \
    iter8 controllers --config config.yaml --listen 127.0.0.1:8080\n  \
    iter8 controllers --cleanup")]
pub(crate) struct ControllersArgs {
    /// Configuration: resource types to watch, scope, resync [default: Iter8's resource types]
    #[arg(long, value_name = "FILE", env = "CONFIG_FILE")]
    config: Option<PathBuf>,
    /// Address of /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080")]
    listen: SocketAddr,
    /// Elect a leader among replicas with a Lease; without it, this process always writes
    #[arg(long, value_name = "BOOLEAN", default_value_t = true, action = clap::ArgAction::Set)]
    leader_elect: bool,
    /// Export the weights of each version as metrics
    #[arg(long, value_name = "BOOLEAN", default_value_t = true, action = clap::ArgAction::Set)]
    version_metrics: bool,
    /// Remove the controller's finalizers from all resources, and exit: do this before you uninstall the controller
    #[arg(long)]
    cleanup: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Runs the release controller until a signal.
pub(crate) async fn run(args: ControllersArgs) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let options = ControllerOptions {
        config: args.config,
        listen: args.listen,
        has_election: args.leader_elect,
        has_version_metrics: args.version_metrics,
    };
    let connection = args.cluster.connect().await?;
    let settings = controllers::settings(options, &connection, &LocalFiles)?;
    if args.cleanup {
        let cleaned = tokio::select! {
            cleaned = controllers::cleanup(&connection, &settings) => cleaned?,
            () = interruption.stop.cancelled() => return Ok(interruption.exit()),
        };
        let mut text: String = cleaned.iter().map(|name| format!("{name}: finalizer removed\n")).collect();
        if cleaned.is_empty() {
            let place = match settings.config.is_cluster_scoped {
                true => "in any namespace".to_owned(),
                false => format!("in namespace {}", settings.namespace),
            };
            text.push_str(&format!("no resource {place} has the finalizer iter8.tools/finalizer\n"));
        }
        output::to_stdout(&text)?;
        return Ok(Exit::Done);
    }
    let running = controllers::run(connection, settings, interruption.stop.clone());
    tokio::select! {
        result = running => result.map(|()| Exit::Done),
        () = interruption.abort.cancelled() => Ok(interruption.exit()),
    }
}
