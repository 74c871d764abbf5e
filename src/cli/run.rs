//! `iter8 run`: runs an experiment from values, or runs the document in the run directory again.

use std::fmt::Display;

use clap::Args;
use serde_json::json;

use super::assert;
use super::document::RunDirArgs;
use super::exit::Exit;
use super::globals::Globals;
use super::output;
use super::progress::Progress;
use super::recording::RecordingArgs;
use super::signals::Interruption;
use super::values::{ValueArgs, resolve};
use crate::app;
use crate::app::assert::{AssertCondition, judge_all, verdict};
use crate::app::cluster::{ConnectOptions, LazyCluster};
use crate::app::env::FileStore;
use crate::app::env::file_store::RunLock;
use crate::app::error::AppError;
use crate::app::resolve::{Resolved, is_same_spec, redacted_spec};
use crate::app::run::{
    End, OverallVerdict, Prepared, ResultPolicy, RunOutcome, has_unfinished_rollout, is_rollout, overall_verdict,
};
use crate::app::values::Network;
use crate::model::codec;
use crate::model::document::{Experiment, ExperimentResult, TaskSpec};
use crate::ports::{DocumentStore, Env, Files, StoreError};

/// Flags of `run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 run --set \"tasks={http,assess}\" --set http.url=http://localhost:8080/ \\\n            --set assess.SLOs.upper.http/latency-mean=50\n  \
    iter8 run -f values.yaml --assert slos     # exit code 1 if an SLO is violated\n  \
    iter8 run -f values.yaml --set http.qps=50 --dry\n  \
    iter8 run --runDir results          # runs results/experiment.yaml\n  \
    iter8 run --reuseResult             # one more loop of ./experiment.yaml\n  \
    iter8 run -f values.yaml --record recordings   # records responses, without secrets\n  \
    iter8 run -f values.yaml --replay recordings   # repeats the run without network")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    run_dir: RunDirArgs,
    /// Add a loop to the earlier result
    #[arg(long = "reuseResult", visible_alias = "reuse-result")]
    reuse_result: bool,
    /// Print the resolved spec without running it
    #[arg(long, visible_alias = "dry-run", conflicts_with = "conditions")]
    dry: bool,
    #[command(flatten)]
    recording: RecordingArgs,
    #[command(flatten)]
    assert: AssertArg,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    values: ValueArgs,
}

/// Conditions that decide the exit code of a run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AssertArg {
    /// Exit with 1 or 5 unless these conditions hold: completed, nofailure, slos (repeatable, comma-separated)
    #[arg(long = "assert", value_name = "CONDITION", value_delimiter = ',')]
    conditions: Vec<AssertCondition>,
}

impl AssertArg {
    /// Asserts these conditions.
    pub(crate) fn of(conditions: Vec<AssertCondition>) -> Self {
        Self { conditions }
    }
}

/// Next step and exit code after a run.
pub(crate) struct After {
    /// The next command, for the user.
    pub(crate) next: Option<String>,
    /// Conditions that decide the exit code.
    pub(crate) assert: AssertArg,
}

/// Resolves the values, runs them, and writes the document.
pub(crate) async fn run(args: RunArgs, globals: &Globals) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let store = FileStore::new(args.run_dir.path());
    let policy = if args.reuse_result { ResultPolicy::Reuse } else { ResultPolicy::Fresh };
    let adapters = args.recording.adapters(policy, &store).await?;
    let cluster = LazyCluster::new(ConnectOptions::default());
    let progress = Progress::new(globals);
    let _lock = if args.dry { None } else { Some(lock(&args.run_dir, args.values.is_given(), &store)?) };
    let env = adapters.env(&cluster, None, &progress, &interruption.stop);
    let after = After { next: Some(args.run_dir.report_command()), assert: args.assert };
    if !args.values.is_given() {
        let (experiment, location) = (store.load().await?, store.location());
        let invalid = |errors| AppError::in_document(&location, errors);
        if args.dry {
            let tasks = app::resolve::check_document(&experiment, policy, &location, env.files).map_err(invalid)?;
            return dry(&redacted_spec(&experiment.spec, &tasks, env.files));
        }
        let has_rollout = experiment.result.as_ref().is_some_and(has_unfinished_rollout);
        let policy = if has_rollout && !args.reuse_result { ResultPolicy::Resume } else { policy };
        let prepared = app::resolve::document(experiment.clone(), policy, &location, env.files).map_err(invalid)?;
        say_what_is_replaced(&experiment, &experiment.spec, policy, &location, &progress);
        return execute(prepared, policy, &store, &env, &progress, &interruption, &after).await;
    }
    let values = tokio::select! {
        values = args.values.merged(Network::Through(env.web)) => values?,
        () = interruption.stop.cancelled() => {
            output::to_stderr("interrupted before the experiment started\n");
            return Ok(interruption.exit());
        }
    };
    let resolved = resolve(&values)?;
    if args.dry {
        let result = earlier(policy, &store, &resolved.spec).await?;
        resolved.check_slos(result.as_ref(), env.files).map_err(AppError::in_values)?;
        return dry(&resolved.redacted_spec(env.files));
    }
    let (prepared, policy) = prepare(resolved, policy, &store, env.files, &progress).await?;
    execute(prepared, policy, &store, &env, &progress, &interruption, &after).await
}

/// Prepares an experiment that is resolved from values, with the earlier result that it continues. Even a fresh run continues a rollout that has
/// not ended.
pub(crate) async fn prepare(
    resolved: Resolved,
    policy: ResultPolicy,
    store: &FileStore,
    files: &dyn Files,
    progress: &Progress,
) -> Result<(Prepared, ResultPolicy), AppError> {
    let result = earlier(policy, store, &resolved.spec).await?;
    let policy = match policy {
        ResultPolicy::Fresh if result.is_some() => ResultPolicy::Resume,
        policy => policy,
    };
    let spec = resolved.spec.clone();
    let prepared = resolved.prepare(result, files).map_err(AppError::in_values)?;
    if let Ok(earlier) = store.load().await {
        say_what_is_replaced(&earlier, &spec, policy, &store.location(), progress);
    }
    Ok((prepared, policy))
}

/// Loads the earlier result that a run continues, if there is one.
async fn earlier(
    policy: ResultPolicy,
    store: &FileStore,
    spec: &[TaskSpec],
) -> Result<Option<ExperimentResult>, AppError> {
    match policy {
        ResultPolicy::Fresh | ResultPolicy::Resume => unfinished_rollout(store, spec).await,
        ResultPolicy::Reuse => earlier_result(store, spec).await,
    }
}

/// Locks the run directory, which is created for a new experiment.
pub(crate) fn lock(run_dir: &RunDirArgs, is_new: bool, store: &FileStore) -> Result<RunLock, AppError> {
    let directory = run_dir.run_dir.display();
    if is_new {
        std::fs::create_dir_all(&run_dir.run_dir)
            .map_err(|error| AppError::outside(format!("cannot create directory {directory}")).caused_by(error))?;
    }
    lock_directory(store, &directory)
}

/// Locks the directory of a document that exists.
pub(crate) fn lock_directory(store: &FileStore, directory: &dyn Display) -> Result<RunLock, AppError> {
    match store.lock() {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(AppError::outside(format!("another run is active in directory {directory}"))
            .with_hint("wait for its end, or choose another directory with --runDir")),
        // A directory that does not exist has no document, which is the better error.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(StoreError::Missing { location: store.location() }.into())
        }
        Err(error) => Err(AppError::outside(format!("cannot open directory {directory}")).caused_by(error)),
    }
}

/// Tells the user about results that this run replaces, unless they are one loop of the same experiment.
fn say_what_is_replaced(
    earlier: &Experiment,
    spec: &[TaskSpec],
    policy: ResultPolicy,
    location: &str,
    progress: &Progress,
) {
    let loops = earlier.result.as_ref().map_or(0, |result| result.num_loops);
    if policy != ResultPolicy::Fresh || loops == 0 {
        return;
    }
    let plural = if loops == 1 { "" } else { "s" };
    if !is_same_spec(&earlier.spec, spec) {
        progress.say(&format!("replacing {location}: {loops} loop{plural} of another experiment"));
    } else if loops > 1 {
        progress
            .say(&format!("replacing {location}: {loops} loops of this experiment (--reuseResult adds one instead)"));
    }
}

/// Loads the earlier result if it has a rollout of the same spec that a killed run has left. The record of another rollout that has not
/// ended is not replaced: it is the only one of the traffic that was moved.
async fn unfinished_rollout(store: &FileStore, spec: &[TaskSpec]) -> Result<Option<ExperimentResult>, AppError> {
    let earlier = match store.load().await {
        Ok(earlier) => earlier,
        Err(error) if is_rollout(spec) && !matches!(error, StoreError::Missing { .. }) => {
            return Err(AppError::from(error).with_hint(
                "the document may have a rollout that has not ended: fix or remove it, or choose another directory with --runDir",
            ));
        }
        Err(_) => return Ok(None),
    };
    let Some(result) = earlier.result.filter(has_unfinished_rollout) else { return Ok(None) };
    if is_same_spec(&earlier.spec, spec) {
        return Ok(Some(result));
    }
    let rollout = result.rollout.map(|rollout| format!("a rollout of {} ({})", rollout.target, rollout.phase));
    let message = format!("{} contains {}, which has not ended", store.location(), rollout.unwrap_or_default());
    Err(AppError::input(message)
        .with_hint("run it again with its own values to continue it, or choose another directory with --runDir"))
}

/// Loads the earlier result, which must have the same spec.
async fn earlier_result(store: &FileStore, spec: &[TaskSpec]) -> Result<Option<ExperimentResult>, AppError> {
    match store.load().await {
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(earlier) if is_same_spec(&earlier.spec, spec) => Ok(earlier.result),
        Ok(_) => Err(AppError::input(format!("{} contains the result of another spec", store.location()))
            .with_hint("run without --reuseResult to start over, or with the values of that experiment")),
    }
}

/// Prints a spec, which has no secrets.
pub(crate) fn dry(spec: &[TaskSpec]) -> Result<Exit, AppError> {
    let spec = json!({ "spec": spec });
    let text =
        codec::to_readable_yaml(spec).map_err(|error| AppError::input("cannot print the spec").caused_by(error))?;
    output::to_stdout(&text)?;
    Ok(Exit::Done)
}

/// Runs a prepared experiment, reports its end, and prints the verdict on its SLOs last.
pub(crate) async fn execute(
    prepared: Prepared,
    policy: ResultPolicy,
    store: &dyn DocumentStore,
    env: &Env<'_>,
    progress: &Progress,
    interruption: &Interruption,
    after: &After,
) -> Result<Exit, AppError> {
    let RunOutcome { end, experiment } = app::run::run(prepared, policy, store, env, &interruption.abort).await;
    progress.finish();
    let exit = match end {
        Ok(end) => {
            progress.say(&last_words(end, &store.location(), after));
            if end == End::Completed { Exit::Done } else { interruption.exit() }
        }
        // The verdict comes last, even after an error.
        Err(error) if experiment.is_some() => progress.error(&error),
        Err(error) => return Err(error),
    };
    let asserted = match &experiment {
        Some(experiment) => assert_now(experiment, &after.assert.conditions),
        None => Ok(Exit::Done),
    };
    progress.verdict(&experiment.as_ref().map_or_else(OverallVerdict::interrupted, overall_verdict));
    // A judgement that cannot be printed does not hide a failure.
    if exit == Exit::Done { asserted } else { Ok(exit) }
}

/// Describes the end of a run that did not fail.
fn last_words(end: End, location: &str, after: &After) -> String {
    match end {
        End::Completed => {
            let next = after.next.as_ref().map(|next| format!("; next: {next}")).unwrap_or_default();
            format!("experiment completed; the document is {location}{next}")
        }
        End::Interrupted => format!("interrupted; the measurements so far are in {location}"),
        End::Aborted => {
            format!("stopped immediately; {location} was last saved when the previous task started or finished")
        }
    }
}

/// Judges conditions on the document of the run, and prints the judgements.
fn assert_now(experiment: &Experiment, conditions: &[AssertCondition]) -> Result<Exit, AppError> {
    let judgements = judge_all(experiment, conditions);
    assert::print(&judgements)?;
    Ok(verdict(&judgements).into())
}
