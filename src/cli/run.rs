//! `iter8 run`: values in, document out; or the document in the run directory once more.

use clap::Args;
use serde_json::json;

use super::document::RunDirArgs;
use super::error::CliError;
use super::exit::Exit;
use super::globals::Globals;
use super::output;
use super::progress::Progress;
use super::recording::RecordingArgs;
use super::signals::Interruption;
use super::values::{Network, ValueArgs};
use crate::adapters::file_store::FileStore;
use crate::adapters::kubernetes::{ConnectOptions, LazyCluster};
use crate::model::codec;
use crate::model::document::Experiment;
use crate::pipeline::{self, Prepared, ResultPolicy, RunEnd};
use crate::ports::{DocumentStore, Env, Files, StoreError};
use crate::tasks::resolve::{Resolved, spec_from_values};

/// Flags of `run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 run --set \"tasks={http,assess}\" --set http.url=http://localhost:8080/ \\\n            --set assess.SLOs.upper.http/latency-mean=50\n  \
    iter8 run -f values.yaml --set http.qps=50 --dry\n  \
    iter8 run --runDir results          # runs results/experiment.yaml\n  \
    iter8 run --reuseResult             # one more loop of ./experiment.yaml\n  \
    iter8 run -f values.yaml --record recordings   # keeps what providers answer, without secrets\n  \
    iter8 run -f values.yaml --replay recordings   # the same run once more, without network")]
pub struct RunArgs {
    #[command(flatten)]
    run_dir: RunDirArgs,
    /// Keep the earlier result and add a loop to it
    #[arg(long = "reuseResult", visible_alias = "reuse-result")]
    reuse_result: bool,
    /// Print the resolved spec and run nothing
    #[arg(long, visible_alias = "dry-run")]
    dry: bool,
    #[command(flatten)]
    recording: RecordingArgs,
    // Last: what follows a flattened group stands under its heading.
    #[command(flatten)]
    values: ValueArgs,
}

/// Resolves, runs, and writes the document.
pub async fn run(args: RunArgs, globals: &Globals) -> Result<Exit, CliError> {
    let interruption = Interruption::listen()?;
    let store = FileStore::new(args.run_dir.path());
    let policy = if args.reuse_result { ResultPolicy::Reuse } else { ResultPolicy::Fresh };
    let adapters = args.recording.adapters(policy, &store).await?;
    let cluster = LazyCluster::new(ConnectOptions::default());
    let progress = Progress::new(globals);
    let env = adapters.env(&cluster, None, &progress, &interruption.stop);
    if !args.values.is_given() {
        let experiment = store.load().await?;
        if args.dry {
            return dry(&experiment);
        }
        let prepared = pipeline::prepare(experiment, env.files)
            .map_err(|error| CliError::in_document(&store.location(), error))?;
        return execute(prepared, policy, &store, &env, &progress, &interruption).await;
    }
    let values = tokio::select! {
        values = args.values.merged(Network::Through(env.web)) => values?,
        () = interruption.stop.cancelled() => {
            output::to_stderr("interrupted before the experiment started\n");
            return Ok(interruption.exit());
        }
    };
    let resolved = spec_from_values(&values).map_err(CliError::in_values)?;
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let mut experiment = Experiment { spec: resolved.spec.clone(), result: None, ..Experiment::default() };
    if args.dry {
        return dry(&experiment);
    }
    if policy == ResultPolicy::Reuse {
        experiment.result = earlier_result(&store, &experiment).await?;
    }
    let prepared = prepare(experiment, &resolved, env.files)?;
    execute(prepared, policy, &store, &env, &progress, &interruption).await
}

/// Checks everything that can be checked before a run of values; errors name the values, not the spec made of them.
pub fn prepare(experiment: Experiment, resolved: &Resolved, files: &dyn Files) -> Result<Prepared, CliError> {
    let prepared = pipeline::prepare(experiment, files);
    prepared.map(Prepared::saved_without_secrets).map_err(|error| CliError::in_values(resolved.locate(error)))
}

/// The result to add a loop to, which must be of the same spec.
async fn earlier_result(
    store: &FileStore,
    experiment: &Experiment,
) -> Result<Option<crate::model::document::ExperimentResult>, CliError> {
    match store.load().await {
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(earlier) if pipeline::masked(&earlier.spec) == pipeline::masked(&experiment.spec) => Ok(earlier.result),
        Ok(_) => Err(CliError::input(format!("{} holds the result of another spec", store.location()))
            .with_hint("run without --reuseResult to start afresh, or with the values of that experiment")),
    }
}

/// Prints the spec, without its secrets.
fn dry(experiment: &Experiment) -> Result<Exit, CliError> {
    pipeline::parse_all(&experiment.spec).map_err(|error| CliError::in_document("the experiment", error))?;
    let spec = json!({ "spec": pipeline::masked(&experiment.spec) });
    let text = codec::to_yaml(&spec).map_err(|error| CliError::input("cannot print the spec").caused_by(error))?;
    output::to_stdout(&text)?;
    Ok(Exit::Done)
}

/// Requests named at most if a replay does not find them in its recording.
const MAX_NAMED: usize = 5;

/// Runs a prepared experiment and says how it ended.
pub async fn execute(
    prepared: Prepared,
    policy: ResultPolicy,
    store: &dyn DocumentStore,
    env: &Env<'_>,
    progress: &Progress,
    interruption: &Interruption,
) -> Result<Exit, CliError> {
    env.recording.map_or(Ok(()), |recording| recording.start())?;
    let end = tokio::select! {
        end = prepared.run(policy, store, env) => end,
        () = interruption.at_once.cancelled() => {
            progress.finish();
            progress.say(&format!("ended at once; {} is as the last task's start or end left it", store.location()));
            return Ok(interruption.exit());
        }
    };
    progress.finish();
    let end = end.map_err(|error| CliError::from_run(error, &store.location()));
    let recorded = env.recording.map_or_else(|| Ok(Vec::new()), |recording| recording.finish());
    if let Ok(missing) = &recorded {
        warn_of_missing(missing);
    }
    let end = end?;
    recorded?;
    match end {
        RunEnd::Completed => {
            progress.say(&format!("experiment completed; its document is {}", store.location()));
            Ok(Exit::Done)
        }
        RunEnd::Interrupted => {
            progress.say(&format!("interrupted; what was measured is in {}", store.location()));
            Ok(interruption.exit())
        }
    }
}

/// Warns of requests that a replay did not find in its recording.
fn warn_of_missing(requests: &[String]) {
    for request in requests.iter().take(MAX_NAMED) {
        tracing::warn!("the recording lacks {request}");
    }
    if requests.len() > MAX_NAMED {
        tracing::warn!("the recording lacks {} more", requests.len() - MAX_NAMED);
    }
}
