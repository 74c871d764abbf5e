//! `iter8 k rollout run`: a rollout in steps, in a terminal.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::app::assert::AssertCondition;
use crate::app::cluster::ConnectOptions;
use crate::app::env::{Adapters, FileStore};
use crate::app::error::AppError;
use crate::app::rollout::LazyCluster;
use crate::app::rollout_target::TargetName;
use crate::app::run::ResultPolicy;
use crate::app::values::{Network, Source, Values, merged};
use crate::cli::document::RunDirArgs;
use crate::cli::exit::Exit;
use crate::cli::github::GithubArg;
use crate::cli::globals::Globals;
use crate::cli::k::args::ClusterArgs;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::run::{After, AssertArg, dry, execute, lock, prepare};
use crate::cli::signals::Interruption;
use crate::cli::values::{ValueArgs, resolve};
use crate::model::duration::GoDuration;

/// Flags of `k rollout run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k rollout run sklearn-iris --steps 10,25,50,100 -f analysis.yaml\n  \
    iter8 k rollout run sklearn-iris --steps 5,20:pause,50 --interval 2m \\\n      \
    --analysis http,assess \\\n      \
    --set http.url=http://sklearn-iris.models.example.com/v1/models/iris:predict \\\n      \
    --set assess.SLOs.upper.http/error-rate=0.01\n  \
    # the same command continues a rollout that was interrupted\n\n\
The exit code is 0 after a promotion, 1 if violated SLOs ended the rollout, 3 if a task failed or the traffic\n\
did not move, 4 if the cluster refused or another rollout is under way, 5 if nothing decided it.")]
pub(crate) struct RolloutRunArgs {
    /// Name of the InferenceService, or routemap/NAME, or llmisvc/CANDIDATE
    #[arg(value_name = "[TYPE/]NAME")]
    target: TargetName,
    /// Percents of the traffic, in rising order; `:pause` after one waits for `k rollout resume`
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', value_parser = step)]
    steps: Vec<Value>,
    /// Tasks that analyze each step [default: those of the values]
    #[arg(long, value_name = "TASK", value_delimiter = ',')]
    analysis: Vec<String>,
    /// Time between a change of the traffic and its analysis
    #[arg(long, value_name = "DURATION")]
    interval: Option<GoDuration>,
    /// Reaction to violated SLOs [default: rollback]
    #[arg(long = "on-failure", visible_alias = "onFailure", value_enum)]
    on_failure: Option<OnFailure>,
    /// Reaction to an analysis that decides nothing [default: hold]
    #[arg(long = "on-inconclusive", visible_alias = "onInconclusive", value_enum)]
    on_inconclusive: Option<OnInconclusive>,
    /// Print the resolved spec without running it
    #[arg(long, visible_alias = "dry-run")]
    dry: bool,
    #[command(flatten)]
    github: GithubArg,
    #[command(flatten)]
    run_dir: RunDirArgs,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    values: ValueArgs,
}

/// Reaction to violated SLOs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnFailure {
    /// Give the traffic back to the stable version
    Rollback,
    /// Wait for `k rollout resume` or `k rollout abort`
    Pause,
    /// End the rollout, and leave the traffic
    None,
}

/// Reaction to an analysis that decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnInconclusive {
    /// Wait for `k rollout resume` or `k rollout abort`
    Hold,
    /// Analyze again, at most `rollout.maxExtensions` times
    Extend,
    /// Give the traffic back to the stable version
    Rollback,
}

/// Parses a step: `25`, or `25:pause`.
fn step(text: &str) -> Result<Value, String> {
    let (percent, pause) = match text.split_once(':') {
        None => (text, false),
        Some((percent, "pause")) => (percent, true),
        Some((_, other)) => return Err(format!("unknown setting `{other}`; expected `pause`")),
    };
    let percent: u8 = percent.trim().parse().map_err(|_| format!("`{percent}` is not a whole number from 0 to 100"))?;
    Ok(if pause { json!({"percent": percent, "pause": true}) } else { json!(percent) })
}

/// Runs the rollout.
pub(super) async fn run(args: RolloutRunArgs, globals: &Globals) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let store = FileStore::new(args.run_dir.path());
    let adapters = Adapters::default();
    let options: ConnectOptions = args.cluster.options();
    let cluster = LazyCluster::new(options);
    let progress = Progress::new(globals);
    let env = adapters.env(&cluster, None, &progress, &interruption.stop);
    let values = tokio::select! {
        values = args.merged(Network::Through(env.web)) => values?,
        () = interruption.stop.cancelled() => {
            output::to_stderr("interrupted before the experiment started\n");
            return Ok(interruption.exit());
        }
    };
    let resolved = resolve(&values)?;
    if args.dry {
        resolved.check_slos(None, env.files).map_err(AppError::in_values)?;
        return dry(&resolved.redacted_spec(env.files));
    }
    let _lock = lock(&args.run_dir, true, &store)?;
    let (prepared, policy) = prepare(resolved, ResultPolicy::Fresh, &store, env.files, &progress).await?;
    let assert = AssertArg::of(vec![AssertCondition::Slos]);
    let after = After { next: Some(args.run_dir.report_command()), assert, github: args.github, ..After::default() };
    execute(prepared, policy, &store, &env, &progress, &interruption, &after).await
}

impl RolloutRunArgs {
    /// Returns the values with those of the flags. An experiment without a rollout becomes the analysis.
    async fn merged(&self, network: Network<'_>) -> Result<Values, AppError> {
        let given = self.values.sources(network).await?;
        let values = merged(&given)?.value;
        let listed = values["tasks"].as_array().cloned().unwrap_or_default();
        let TargetName { kind, name } = &self.target;
        let mut flags = vec![format!("rollout.{}={}", kind.value(), json!(name))];
        match listed.iter().position(|task| task == "rollout") {
            // The tasks after it would analyze the steps, too.
            Some(position) if !self.analysis.is_empty() => {
                flags.push(format!("tasks={}", json!(listed.iter().take(position + 1).collect::<Vec<_>>())));
            }
            Some(_) => {}
            None => {
                flags.push("tasks=[\"rollout\"]".to_owned());
                if self.analysis.is_empty() && values["rollout"]["analysis"].is_null() && !listed.is_empty() {
                    flags.push(format!("rollout.analysis={}", Value::from(listed)));
                }
            }
        }
        if !self.analysis.is_empty() {
            flags.push(format!("rollout.analysis={}", json!(self.analysis)));
        }
        if !self.steps.is_empty() {
            flags.push(format!("rollout.steps={}", json!(self.steps)));
        }
        let settings = [
            ("interval", self.interval.map(|interval| interval.to_string())),
            ("onFailure", self.on_failure.and_then(|value| Some(value.to_possible_value()?.get_name().to_owned()))),
            (
                "onInconclusive",
                self.on_inconclusive.and_then(|value| Some(value.to_possible_value()?.get_name().to_owned())),
            ),
        ];
        for (name, value) in settings {
            flags.extend(value.map(|value| format!("rollout.{name}={}", json!(value))));
        }
        merged(&flags.into_iter().map(Source::Argument).chain(given).collect::<Vec<_>>())
    }
}
