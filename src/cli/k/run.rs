//! `iter8 k run`: what the Job or CronJob of a group does.

use clap::Args;

use super::args::{GroupArgs, no_document};
use crate::adapters::kubernetes::{LazyCluster, SecretStore, Stored};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::globals::Globals;
use crate::cli::run::{execute, prepare};
use crate::cli::signals::Interruption;
use crate::cli::stage::Stage;
use crate::model::document::{Experiment, ExperimentResult};
use crate::pipeline::{self, Prepared, ResultPolicy};
use crate::ports::DocumentStore;
use crate::tasks::resolve::spec_from_values;

/// Flags of `k run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k run -g canary                  # once more, on this machine\n  \
    iter8 k run -g canary --reuseResult    # one more loop")]
pub struct KRunArgs {
    /// Keep the earlier result and add a loop to it
    #[arg(long = "reuseResult", visible_alias = "reuse-result")]
    reuse_result: bool,
    /// The launch that this run belongs to: it does nothing when there has been a later one
    #[arg(long, value_name = "N")]
    revision: Option<i64>,
    #[command(flatten)]
    group: GroupArgs,
}

/// Runs the experiment in the group's Secret.
pub async fn run(args: KRunArgs, globals: &Globals) -> Result<Exit, CliError> {
    let interruption = Interruption::listen()?;
    let (connection, group) = args.group.connect().await?;
    let store = SecretStore::new(&connection, group.clone(), args.revision);
    let stored = store.open().await.map_err(|error| no_document(error, &group))?;
    let policy = if args.reuse_result { ResultPolicy::Reuse } else { ResultPolicy::Fresh };
    let revision = args.revision.or(stored.revision).unwrap_or(1);
    let prepared = prepared(stored, revision, policy, &store.location())?;
    let (stage, cluster) = (Stage::default(), LazyCluster::from(connection));
    let running = execute(prepared, policy, &store, &stage, &cluster, globals, &interruption);
    tokio::pin!(running);
    tokio::select! {
        end = &mut running => end,
        lost = store.until_lost() => {
            tracing::warn!("the run stops: {lost}");
            interruption.stop.cancel();
            let _ = running.await;
            Err(lost.into())
        }
    }
}

/// The experiment that the Secret asks for.
fn prepared(stored: Stored, revision: i64, policy: ResultPolicy, location: &str) -> Result<Prepared, CliError> {
    let files = Stage::default().files();
    // What an earlier launch came to is not this one's.
    let is_ours = |result: &ExperimentResult| result.revision.is_none_or(|of| of == revision);
    let earlier = stored.document.as_ref().and_then(|document| document.result.clone()).filter(is_ours);
    let begun = earlier.filter(|_| policy == ResultPolicy::Reuse).unwrap_or_default();
    let result = Some(ExperimentResult { revision: Some(revision), ..begun });
    match (stored.values, stored.document) {
        (Some(values), _) => {
            let resolved = spec_from_values(&values).map_err(CliError::in_values)?;
            for warning in &resolved.warnings {
                tracing::warn!("{warning}");
            }
            let experiment = Experiment { spec: resolved.spec.clone(), result, ..Experiment::default() };
            prepare(experiment, &resolved, files)
        }
        (None, Some(document)) => pipeline::prepare(Experiment { result, ..document }, files)
            .map_err(|error| CliError::in_document(location, error)),
        (None, None) => Err(CliError::input(format!("{location} holds neither values.yaml nor experiment.yaml"))
            .with_hint("launch an experiment into it with `iter8 k launch`")),
    }
}
