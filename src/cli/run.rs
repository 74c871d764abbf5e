//! `iter8 run`: values in, document out; or the document in the run directory once more.

use clap::Args;
use serde_json::json;

use super::document::RunDirArgs;
use super::error::CliError;
use super::exit::Exit;
use super::globals::Globals;
use super::output;
use super::progress::Progress;
use super::signals::Interruption;
use super::stage::{Stage, StageArgs};
use super::values::{Network, ValueArgs};
use crate::adapters::file_store::FileStore;
use crate::adapters::kubernetes::{ConnectOptions, LazyCluster};
use crate::adapters::shell::SystemShell;
use crate::model::codec;
use crate::model::document::Experiment;
use crate::pipeline::{self, Prepared, ResultPolicy, RunEnd};
use crate::ports::cluster::Cluster;
use crate::ports::fleet::Fleet;
use crate::ports::{DocumentStore, Files, StoreError, World};
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
    stage: StageArgs,
    // Last: what follows a flattened group stands under its heading.
    #[command(flatten)]
    values: ValueArgs,
}

/// Resolves, runs, and writes the document.
pub async fn run(args: RunArgs, globals: &Globals) -> Result<Exit, CliError> {
    let interruption = Interruption::listen()?;
    let store = FileStore::new(args.run_dir.path());
    let policy = if args.reuse_result { ResultPolicy::Reuse } else { ResultPolicy::Fresh };
    let stage = args.stage.stage(policy, &store).await?;
    let cluster = LazyCluster::new(ConnectOptions::default());
    let scene = Scene { stage: &stage, cluster: &cluster, fleet: None };
    if !args.values.is_given() {
        let experiment = store.load().await?;
        if args.dry {
            return dry(&experiment);
        }
        let prepared = pipeline::prepare(experiment, stage.files())
            .map_err(|error| CliError::in_document(&store.location(), error))?;
        return execute(prepared, policy, &store, &scene, globals, &interruption).await;
    }
    let values = tokio::select! {
        values = args.values.merged(Network::Through(stage.web())) => values?,
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
    let prepared = prepare(experiment, &resolved, stage.files())?;
    execute(prepared, policy, &store, &scene, globals, &interruption).await
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

/// What a run takes place among.
pub struct Scene<'a> {
    /// Where answers and times come from.
    pub stage: &'a Stage,
    /// The cluster that tasks ask.
    pub cluster: &'a dyn Cluster,
    /// The machines that make the loads together, if there are several.
    pub fleet: Option<&'a dyn Fleet>,
}

impl<'a> Scene<'a> {
    /// The world, as the tasks see it.
    pub fn world(&self, progress: &'a Progress, interruption: &Interruption) -> World<'a> {
        World {
            clock: self.stage.clock(),
            web: self.stage.web(),
            shell: &SystemShell,
            files: self.stage.files(),
            cluster: self.cluster,
            observer: progress,
            tape: self.stage.tape(),
            fleet: self.fleet,
            stop: interruption.stop.clone(),
        }
    }
}

/// Runs a prepared experiment, with the real world around it.
pub async fn execute(
    prepared: Prepared,
    policy: ResultPolicy,
    store: &dyn DocumentStore,
    scene: &Scene<'_>,
    globals: &Globals,
    interruption: &Interruption,
) -> Result<Exit, CliError> {
    let stage = scene.stage;
    stage.start()?;
    let progress = Progress::new(globals);
    let world = scene.world(&progress, interruption);
    let end = tokio::select! {
        end = prepared.run(policy, store, &world) => end,
        () = interruption.at_once.cancelled() => {
            progress.finish();
            progress.say(&format!("ended at once; {} is as the last task's start or end left it", store.location()));
            return Ok(interruption.exit());
        }
    };
    progress.finish();
    let end = end.map_err(|error| CliError::from_run(error, &store.location()));
    let recorded = stage.finish();
    match end.and_then(|end| recorded.map(|()| end))? {
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
