//! `iter8 k run`: runs the experiment of a group. This is the command of its Job or CronJob.

use clap::Args;
use serde_json::Value;

use super::args::{GroupArgs, no_document};
use crate::adapters::kubernetes::{LazyCluster, PodFleet, SecretStore, ShardIndex, Stored};
use crate::app;
use crate::app::env::Adapters;
use crate::app::error::AppError;
use crate::app::resolve::from_value;
use crate::app::run::End;
use crate::cli::exit::Exit;
use crate::cli::globals::Globals;
use crate::cli::progress::Progress;
use crate::cli::run::execute;
use crate::cli::signals::Interruption;
use crate::manifests::names::{Group, JOB_VARIABLE};
use crate::manifests::settings::Settings;
use crate::model::document::{Experiment, ExperimentResult};
use crate::model::shard::Share;
use crate::pipeline::{self, Prepared, ResultPolicy};
use crate::ports::fleet::Fleet;
use crate::ports::{DocumentStore, Env, Files};

/// Variable with the index of a pod in an Indexed Job, set by the Job controller.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// Flags of `k run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k run -g canary                  # again, on this machine\n  \
    iter8 k run -g canary --reuseResult    # one more loop")]
pub(crate) struct KRunArgs {
    /// Add a loop to the earlier result
    #[arg(long = "reuseResult", visible_alias = "reuse-result")]
    reuse_result: bool,
    /// Revision of the launch; the run exits if there is a later one
    #[arg(long, value_name = "N")]
    revision: Option<i64>,
    #[command(flatten)]
    group: GroupArgs,
}

/// Runs the experiment in the group's Secret.
pub(crate) async fn run(args: KRunArgs, globals: &Globals) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let (connection, group) = args.group.connect().await?;
    let store = SecretStore::new(&connection, group.clone(), args.revision);
    let stored = store.open().await.map_err(|error| no_document(error, &group))?;
    let policy = if args.reuse_result { ResultPolicy::Reuse } else { ResultPolicy::Fresh };
    let revision = args.revision.or(stored.revision).unwrap_or(1);
    let shard = shard_index(&group, stored.values.as_ref())?;
    let fleet = match &shard {
        None => None,
        Some(shard) => match PodFleet::join(&connection, shard).await? {
            None => {
                tracing::info!("the run is over: an earlier pod with this index finished it");
                return Ok(Exit::Done);
            }
            fleet => fleet,
        },
    };
    let stored = match &fleet {
        Some(fleet) => Stored { document: fleet.before_run(stored.document).await?, ..stored },
        None => stored,
    };
    let (adapters, cluster) = (Adapters::default(), LazyCluster::from(connection));
    let prepared = prepared(stored, revision, policy, &store.location(), adapters.files())?;
    let fleet = fleet.as_ref().map(|fleet| fleet as &dyn Fleet);
    let progress = Progress::new(globals);
    let env = adapters.env(&cluster, fleet, &progress, &interruption.stop);
    let running = async {
        match fleet.filter(|fleet| fleet.share().index() > 0) {
            Some(fleet) => run_worker(&prepared, fleet, &env, &progress, &interruption).await,
            None => execute(prepared, policy, &store, &env, &progress, &interruption).await,
        }
    };
    tokio::pin!(running);
    tokio::select! {
        end = &mut running => end,
        lost = store.until_lost() => {
            tracing::warn!("stopping the run: {lost}");
            interruption.stop.cancel();
            let _ = running.await;
            Err(lost.into())
        }
    }
}

/// Returns the index of this pod among several; `None` if the experiment runs in a single process.
fn shard_index(group: &Group, values: Option<&Value>) -> Result<Option<ShardIndex>, AppError> {
    let Some(values) = values else { return Ok(None) };
    let settings = Settings::from_values(values).map_err(AppError::in_values)?;
    if settings.parallelism == 1 {
        return Ok(None);
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let (Some(index), Some(job)) = (variable(INDEX_VARIABLE), variable(JOB_VARIABLE)) else {
        let pods = settings.parallelism;
        tracing::warn!("this is not a pod of an Indexed Job: one process generates the load of all {pods} pods");
        return Ok(None);
    };
    let share = index.parse().ok().and_then(|index| Share::new(index, settings.parallelism as usize));
    let share = share.ok_or_else(|| {
        let message = format!("{INDEX_VARIABLE} is `{index}`, but parallelism is {}", settings.parallelism);
        AppError::input(message).with_hint("the Job belongs to another launch; launch the experiment again")
    })?;
    Ok(Some(ShardIndex { group: group.clone(), job, share, start_timeout: settings.start_timeout.0 }))
}

/// Runs this pod's share of the loads.
async fn run_worker(
    prepared: &Prepared,
    fleet: &dyn Fleet,
    env: &Env<'_>,
    progress: &Progress,
    interruption: &Interruption,
) -> Result<Exit, AppError> {
    let end = app::run::run_worker(prepared, fleet, env, &interruption.abort).await;
    progress.finish();
    let share = fleet.share();
    let position = format!("index {} of {}", share.index(), share.count());
    match end? {
        End::Completed => {
            progress.say(&format!("the run is over; this pod was {position}"));
            Ok(Exit::Done)
        }
        End::Interrupted => {
            progress.say(&format!("interrupted; this pod was {position}"));
            Ok(interruption.exit())
        }
        End::Aborted => Ok(interruption.exit()),
    }
}

/// Prepares the experiment in the Secret.
fn prepared(
    stored: Stored,
    revision: i64,
    policy: ResultPolicy,
    location: &str,
    files: &dyn Files,
) -> Result<Prepared, AppError> {
    // Ignore results of earlier launches.
    let is_ours = |result: &ExperimentResult| result.revision.is_none_or(|of_result| of_result == revision);
    let earlier = stored.document.as_ref().and_then(|document| document.result.clone()).filter(is_ours);
    let base = earlier.filter(|_| policy == ResultPolicy::Reuse).unwrap_or_default();
    let result = Some(ExperimentResult { revision: Some(revision), ..base });
    let fresh = ExperimentResult { revision: Some(revision), ..ExperimentResult::default() };
    match (stored.values, stored.document) {
        (Some(values), document) => {
            let resolved = from_value(&values).map_err(AppError::in_values)?;
            for warning in &resolved.warnings {
                tracing::warn!("{warning}");
            }
            // Tools that only render charts change the values but not the revision.
            let is_same = document
                .is_none_or(|document| pipeline::redacted(&document.spec) == pipeline::redacted(&resolved.spec));
            let result = if is_same { result } else { Some(fresh) };
            resolved.prepare(result, files).map_err(AppError::in_values)
        }
        (None, Some(document)) => pipeline::prepare(Experiment { result, ..document }, files)
            .map_err(|errors| AppError::in_document(location, errors)),
        (None, None) => Err(AppError::input(format!("{location} contains neither values.yaml nor experiment.yaml"))
            .with_hint("launch an experiment with `iter8 k launch`")),
    }
}
