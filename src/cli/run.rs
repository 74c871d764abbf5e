//! `iter8 run`: runs an experiment from values, or runs the document in the run directory again.

use std::fmt::Display;

use clap::Args;
use serde_json::{Map, Value, json};

use super::assert::{self, ConditionParser};
use super::document::RunDirArgs;
use super::exit::Exit;
use super::expand::ALL_CONDITIONS;
use super::github::GithubArg;
use super::globals::Globals;
use super::inputs::Inputs;
use super::output;
use super::output_files::OutputFiles;
use super::progress::Progress;
use super::recording::RecordingArgs;
use super::rerun;
use super::short::{NO_URL, ShortArgs};
use super::signals::Interruption;
use super::values::{ValueArgs, resolve};
use crate::app;
use crate::app::assert::{AssertCondition, check_asserted, judge_all, verdict};
use crate::app::cluster::{ConnectOptions, LazyCluster};
use crate::app::dry::{DryValues, hide_headers};
use crate::app::env::FileStore;
use crate::app::env::file_store::RunLock;
use crate::app::error::AppError;
use crate::app::report::Report;
use crate::app::resolve::{Resolved, is_same_spec, redacted_spec};
use crate::app::run::{
    End, OverallVerdict, Prepared, ResultPolicy, RunOutcome, has_unfinished_rollout, is_rollout, overall_verdict,
};
use crate::app::values::Network;
use crate::model::codec;
use crate::model::document::{Experiment, ExperimentResult, TaskSpec};
use crate::model::slo::Outcome;
use crate::model::text::one_line;
use crate::ports::{DocumentStore, Env, Files, StoreError};

/// Maximum number of redacted values that `--dry` names.
const MAX_HIDDEN: usize = 10;

/// Flags of `run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 run http://localhost:8080/ --qps 100 --duration 30s --slo 'p99 < 60ms' \\\n      \
      --slo 'error-rate <= 0.1%' --assert --report report.html --junit slo.xml\n  \
    iter8 run http://shop-v2/ --against http://shop/ -z 1m --slo 'p95 <= +10%'\n  \
    iter8 run http://localhost:8080/ -n 1000 -c 8 -H 'X-User: 7' -d '{\"item\": 5}' --dry\n  \
    iter8 run --grpc localhost:9000 shop.Cart/Get -d '{\"id\": 5}' -z 30s --slo 'p99 < 20ms'\n  \
    iter8 run --set \"tasks={http,assess}\" --set http.url=http://localhost:8080/ \\\n      --set assess.SLOs.upper.http/latency-mean=50ms\n  \
    iter8 run -f values.yaml --assert   # exit code 1 if an SLO is violated, 5 if inconclusive\n  \
    iter8 run -f values.yaml --assert slos --github   # in a GitHub Actions step\n  \
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
    /// Print the values, as -f reads them, without running anything; without values, the spec of the document
    #[arg(long, visible_alias = "dry-run", conflicts_with = "conditions")]
    dry: bool,
    #[command(flatten)]
    recording: RecordingArgs,
    #[command(flatten)]
    assert: AssertArg,
    #[command(flatten)]
    github: GithubArg,
    #[command(flatten)]
    files: OutputFiles,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    short: ShortArgs,
    #[command(flatten)]
    values: ValueArgs,
}

impl RunArgs {
    /// Returns true if the experiment comes from values.
    fn has_values(&self) -> bool {
        self.values.is_given() || self.short.is_given()
    }

    /// Warns about flags that have no effect with `--dry`.
    fn warn_about_dry(&self) {
        let github = self.github.is_given().then_some("--github");
        let flags: Vec<&str> = self.files.flags().chain(github).collect();
        match flags.as_slice() {
            [] => {}
            [flag] => tracing::warn!("{flag} has no effect with --dry, which runs nothing"),
            _ => tracing::warn!("{} have no effect with --dry, which runs nothing", flags.join(", ")),
        }
    }
}

/// Conditions that decide the exit code of a run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AssertArg {
    /// Exit with 1 or 5 unless these conditions hold: completed, nofailure, slos (repeatable, comma-separated; all three if given without a
    /// value)
    #[arg(long = "assert", value_name = "CONDITION", value_delimiter = ',', value_parser = ConditionParser, num_args = 0..=1, default_missing_value = ALL_CONDITIONS)]
    conditions: Vec<AssertCondition>,
}

impl AssertArg {
    /// Asserts these conditions.
    pub(crate) fn of(conditions: Vec<AssertCondition>) -> Self {
        Self { conditions }
    }
}

/// Next step and exit code after a run.
#[derive(Default)]
pub(crate) struct After {
    /// The next command, for the user.
    pub(crate) next: Option<String>,
    /// Conditions that decide the exit code.
    pub(crate) assert: AssertArg,
    /// Annotations and summary for GitHub Actions.
    pub(crate) github: GithubArg,
    /// Reports and test results.
    pub(crate) files: OutputFiles,
    /// Names `--assert` if SLOs that are not satisfied do not decide the exit code.
    pub(crate) suggests_assert: bool,
}

/// Resolves the values, runs them, and writes the document.
pub(crate) async fn run(args: RunArgs, globals: &Globals) -> Result<Exit, AppError> {
    args.files.check(args.values.named_files().chain(args.short.named_files()))?;
    if args.dry {
        args.warn_about_dry();
    }
    let interruption = Interruption::listen()?;
    let store = FileStore::new(args.run_dir.path());
    let policy = if args.reuse_result { ResultPolicy::Reuse } else { ResultPolicy::Fresh };
    let has_values = args.has_values();
    let _lock = if args.dry { None } else { Some(lock(&args.run_dir, has_values, &store)?) };
    if !args.dry {
        // Files of a run that is active in this directory are its own.
        args.files.discard_earlier()?;
    }
    let adapters = args.recording.adapters(policy, &store).await?;
    let cluster = LazyCluster::new(ConnectOptions::default());
    let progress = Progress::new(globals);
    let env = adapters.env(&cluster, None, &progress, &interruption.stop);
    let inputs = Inputs::of(env.files);
    let env = Env { files: &inputs, ..env };
    let next = Some(args.run_dir.report_command());
    let after = After { next, assert: args.assert, github: args.github, files: args.files, suggests_assert: true };
    if !has_values {
        let (experiment, location) = (store.load().await.map_err(nothing_to_run)?, store.location());
        let invalid = |errors| AppError::in_document(&location, errors);
        if args.dry {
            let tasks = app::resolve::check_document(&experiment, policy, &location, env.files).map_err(invalid)?;
            return dry(&redacted_spec(&experiment.spec, &tasks, env.files));
        }
        check_asserted(&experiment.spec, &after.assert.conditions)?;
        let has_rollout = experiment.result.as_ref().is_some_and(has_unfinished_rollout);
        let policy = if has_rollout && !args.reuse_result { ResultPolicy::Resume } else { policy };
        let prepared = app::resolve::document(experiment.clone(), policy, &location, env.files).map_err(invalid)?;
        after.files.check(inputs.names().iter().map(String::as_str))?;
        progress.say(&rerun::line(&experiment, &location));
        say_what_is_replaced(&experiment, &experiment.spec, policy, &location, &progress);
        return execute(prepared, policy, &store, &env, &progress, &interruption, &after).await;
    }
    let values = tokio::select! {
        values = args.short.merged_over(&args.values, Network::Through(env.web)) => values?,
        () = interruption.stop.cancelled() => {
            output::to_stderr("interrupted before the experiment started\n");
            return Ok(interruption.exit());
        }
    };
    let resolved = resolve(&values)?;
    if args.dry {
        let result = earlier(policy, &store, &resolved.spec).await?;
        resolved.check_slos(result.as_ref(), env.files).map_err(AppError::in_values)?;
        return dry_values(app::dry::values(&values.value, &resolved.secrets(env.files)));
    }
    check_asserted(&resolved.spec, &after.assert.conditions)?;
    let (prepared, policy) = prepare(resolved, policy, &store, env.files, &progress).await?;
    after.files.check(inputs.names().iter().map(String::as_str))?;
    execute(prepared, policy, &store, &env, &progress, &interruption, &after).await
}

/// Names what is missing: a URL, values or a document.
fn nothing_to_run(error: StoreError) -> AppError {
    match error {
        StoreError::Missing { .. } => {
            AppError::input(format!("nothing to run: no URL, no values, and {error}")).with_hint(NO_URL)
        }
        error => error.into(),
    }
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
    let mut spec = json!({ "spec": spec });
    hide_headers(&mut spec, "");
    output::to_stdout(&readable(spec)?)?;
    Ok(Exit::Done)
}

/// Prints values as a file for `-f`: `tasks` first, and a comment about what is redacted.
fn dry_values(DryValues { mut value, hidden }: DryValues) -> Result<Exit, AppError> {
    let mut text = String::new();
    if !hidden.is_empty() {
        let more = match hidden.len().saturating_sub(MAX_HIDDEN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let paths: Vec<String> = hidden.iter().take(MAX_HIDDEN).map(|path| one_line(path)).collect();
        text.push_str(&format!(
            "# Hidden, because they may be secret; set them again to run this: {}{more}\n",
            paths.join(", ")
        ));
    }
    let tasks = value.remove_entry("tasks").map(|(key, tasks)| Map::from_iter([(key, tasks)]));
    for part in tasks.into_iter().chain([value]).filter(|part| !part.is_empty()) {
        text.push_str(&readable(Value::Object(part))?);
    }
    output::to_stdout(&text)?;
    Ok(Exit::Done)
}

fn readable(value: Value) -> Result<String, AppError> {
    codec::to_readable_yaml(value).map_err(|error| AppError::input("cannot print YAML").caused_by(error))
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
    let report = experiment.as_ref().map(Report::of);
    let announced = report.as_ref().map_or(Ok(()), |report| after.github.announce(report, &store.location()));
    let written = report.as_ref().map_or(Ok(Vec::new()), |report| after.files.write(report, &store.location()));
    let written = written.map(|files| {
        if !files.is_empty() {
            progress.say(&format!("wrote {}", files.join(", ")));
        }
    });
    // A judgement, a summary or a report that cannot be written does not hide a failure.
    let failures = [announced, written].into_iter().filter_map(Result::err);
    let unwritten = failures.fold(None, |_, error| Some(progress.error(&error)));
    let overall = experiment.as_ref().map_or_else(OverallVerdict::interrupted, overall_verdict);
    if let Some(experiment) = experiment.as_ref().filter(|_| exit == Exit::Done && after.suggests_assert) {
        suggest_assert(experiment, &overall, &after.assert, progress);
    }
    progress.verdict(&overall, report.as_ref().and_then(Report::difference).as_deref());
    match (exit, asserted) {
        (Exit::Done, Ok(Exit::Done)) => Ok(unwritten.unwrap_or(Exit::Done)),
        (Exit::Done, asserted) => asserted,
        (exit, _) => Ok(exit),
    }
}

/// Says that SLOs which are not satisfied have no effect on the exit code.
fn suggest_assert(experiment: &Experiment, overall: &OverallVerdict, assert: &AssertArg, progress: &Progress) {
    let is_open = overall.outcome.is_some_and(|outcome| outcome != Outcome::Satisfied);
    if is_open && assert.conditions.is_empty() {
        let asserted = Exit::from(verdict(&judge_all(experiment, &[AssertCondition::Slos])));
        progress.say(&format!("exit code 0: with --assert, it would be {}", asserted as u8));
    }
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
