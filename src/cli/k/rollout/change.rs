//! `iter8 k rollout set`, `promote`, `rollback` and `tags`.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::TargetArgs;
use crate::app::error::AppError;
use crate::app::rollout::{Change, Changed};
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::signals::Interruption;
use crate::model::codec::to_yaml;
use crate::model::duration::GoDuration;
use crate::model::object::ObjectRef;

/// Flags of `k rollout promote` and `k rollout rollback`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k rollout promote sklearn-iris\n  \
    iter8 k rollout rollback sklearn-iris -n models --timeout 2m\n  \
    iter8 k rollout promote sklearn-iris --dry")]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    waiting: WaitingArgs,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    target: TargetArgs,
}

/// Flags of `k rollout set`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  iter8 k rollout set sklearn-iris --percent 20\n  \
    iter8 k rollout set routemap/wisdom-routemap --percent 20")]
pub(crate) struct SetArgs {
    /// Percent of the traffic for the candidate
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    percent: u8,
    #[command(flatten)]
    waiting: WaitingArgs,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    target: TargetArgs,
}

/// Flags of `k rollout tags`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  iter8 k rollout tags sklearn-iris on")]
pub(crate) struct TagsArgs {
    /// On or off
    #[arg(value_enum, index = 2)]
    tags: Tags,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    target: TargetArgs,
}

/// Routing by tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tags {
    /// Each revision has a URL of its own
    On,
    /// Only the InferenceService has a URL
    Off,
}

#[derive(Debug, Args)]
struct WaitingArgs {
    /// Longest wait for the requested traffic; exit code 4 if it is not reached by then
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: GoDuration,
    /// Print the patch instead of sending it
    #[arg(long)]
    dry: bool,
}

/// Sets the percent.
pub(super) async fn set(args: SetArgs) -> Result<Exit, AppError> {
    change(args.target, args.waiting, Change::Percent(args.percent)).await
}

/// Promotes the candidate.
pub(super) async fn promote(args: ChangeArgs) -> Result<Exit, AppError> {
    change(args.target, args.waiting, Change::Promote).await
}

/// Rolls back to the stable version.
pub(super) async fn roll_back(args: ChangeArgs) -> Result<Exit, AppError> {
    change(args.target, args.waiting, Change::Rollback).await
}

async fn change(target: TargetArgs, waiting: WaitingArgs, change: Change) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let place = target.cluster().await?;
    let rollout = target.rollout(&place)?;
    if waiting.dry {
        let patches = tokio::select! {
            patches = rollout.dry(change) => patches?,
            () = interruption.stop.cancelled() => return Ok(interruption.exit()),
        };
        let text = match patches.is_empty() {
            true => "# nothing to change\n".to_owned(),
            false => patches.iter().map(dry).collect::<Result<Vec<String>, AppError>>()?.join("---\n"),
        };
        output::to_stdout(&text)?;
        return Ok(Exit::Done);
    }
    let mut say = |reason: &str| output::to_stderr(&format!("waiting: {reason}\n"));
    tokio::select! {
        changed = rollout.change(change, None, waiting.timeout.0, &mut say) => {
            let Changed { state, was_so, warnings } = changed?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            let note = if was_so { " (as before)" } else { "" };
            output::to_stdout(&format!("{}{note}\n", super::status::verdict(&state)))?;
            Ok(Exit::Done)
        }
        () = interruption.stop.cancelled() => Ok(interruption.exit()),
    }
}

/// Renders a patch, with the command that sends it.
fn dry((object, patch): &(ObjectRef, Value)) -> Result<String, AppError> {
    let yaml = to_yaml(patch).map_err(|error| AppError::outside("cannot write the patch").caused_by(error))?;
    let kind = match object.kind.resource.as_str() {
        "inferenceservices" => "inferenceservice".to_owned(),
        _ => object.kind.to_string(),
    };
    let (name, namespace) = (&object.name, object.namespace.as_deref().unwrap_or_default());
    Ok(format!("# kubectl patch {kind} {name} -n {namespace} --type merge --patch-file FILE\n{yaml}"))
}

/// Switches routing by tags.
pub(super) async fn tags(args: TagsArgs) -> Result<Exit, AppError> {
    let place = args.target.cluster().await?;
    let is_changed = args.target.rollout(&place)?.tag_routing(args.tags == Tags::On).await?;
    let switch = if args.tags == Tags::On { "on" } else { "off" };
    let name = &args.target.target.name;
    output::to_stdout(&match is_changed {
        true => format!("{name}: routing by tags is {switch}; KServe makes a new revision of the same model\n"),
        false => format!("{name}: routing by tags is already {switch}\n"),
    })?;
    Ok(Exit::Done)
}
