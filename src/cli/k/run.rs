//! `iter8 k run`: runs the experiment of a group. This is the command of its Job or CronJob.

use clap::Args;

use super::args::{GroupArgs, no_document};
use crate::app;
use crate::app::cluster::{
    Group, LazyCluster, PodFleet, SecretStore, Stored, policy_of_new_run, prepare_stored, shard_index,
};
use crate::app::env::Adapters;
use crate::app::error::AppError;
use crate::app::run::{End, Prepared, ResultPolicy};
use crate::cli::exit::Exit;
use crate::cli::github::GithubArg;
use crate::cli::globals::Globals;
use crate::cli::progress::Progress;
use crate::cli::run::{After, AssertArg, execute};
use crate::cli::signals::Interruption;
use crate::ports::fleet::Fleet;
use crate::ports::{DocumentStore, Env};

/// Flags of `k run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k run -g canary                  # again, on this machine\n  \
    iter8 k run -g canary --reuseResult    # one more loop\n  \
    iter8 k run -g canary --assert slos    # exit code 1 if an SLO is violated")]
pub(crate) struct KRunArgs {
    /// Add a loop to the earlier result
    #[arg(long = "reuseResult", visible_alias = "reuse-result")]
    reuse_result: bool,
    /// Revision of the launch; the run exits if there is a later one
    #[arg(long, value_name = "N")]
    revision: Option<i64>,
    #[command(flatten)]
    assert: AssertArg,
    #[command(flatten)]
    github: GithubArg,
    #[command(flatten)]
    group: GroupArgs,
}

/// Runs the experiment in the group's Secret.
pub(crate) async fn run(args: KRunArgs, globals: &Globals) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let (connection, group) = args.group.connect().await?;
    let store = SecretStore::new(&connection, group.clone(), args.revision);
    let stored = store.open().await.map_err(|error| no_document(error, &group))?;
    let revision = args.revision.or(stored.revision).unwrap_or(1);
    let policy = match args.reuse_result {
        true => ResultPolicy::Reuse,
        false => policy_of_new_run(&stored, revision, args.revision.is_some()),
    };
    let adapters = Adapters::default();
    let shard = shard_index(&group, stored.values.as_ref(), adapters.files())?;
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
    let cluster = LazyCluster::from(connection);
    let prepared = prepare_stored(stored, revision, policy, &store.location(), adapters.files())?;
    let fleet = fleet.as_ref().map(|fleet| fleet as &dyn Fleet);
    let progress = Progress::new(globals);
    let env = adapters.env(&cluster, fleet, &progress, &interruption.stop);
    let Group { namespace, name } = &group;
    let after = After {
        next: Some(format!("iter8 k report -g {name} -n {namespace}")),
        assert: args.assert,
        github: args.github,
        ..After::default()
    };
    let running = async {
        match fleet.filter(|fleet| fleet.share().index() > 0) {
            Some(fleet) => run_worker(&prepared, fleet, &env, &progress, &interruption).await,
            None => execute(prepared, policy, &store, &env, &progress, &interruption, &after).await,
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
