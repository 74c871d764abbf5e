//! `iter8 k rollout resume` and `abort`: commands to a rollout in steps that runs elsewhere.

use clap::Args;

use super::TargetArgs;
use crate::app::error::AppError;
use crate::app::rollout_commands::{Aborted, RunningRollout};
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::signals::Interruption;
use crate::model::duration::GoDuration;
use crate::model::rollout::RolloutPhase;

/// Flags of `k rollout resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  iter8 k rollout resume sklearn-iris")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    target: TargetArgs,
}

/// Flags of `k rollout abort`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  iter8 k rollout abort sklearn-iris")]
pub(crate) struct AbortArgs {
    /// Maximum time to wait until the traffic has moved
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    timeout: GoDuration,
    #[command(flatten)]
    target: TargetArgs,
}

/// Resumes a paused rollout.
pub(super) async fn resume(args: ResumeArgs) -> Result<Exit, AppError> {
    let place = args.target.cluster().await?;
    let (target, name) = (args.target.rollout(&place)?, &args.target.target);
    RunningRollout::new(&place.0, &place.1, name, &target).resume().await?;
    let name = &name.name;
    output::to_stdout(&format!("resumed the rollout of {name}\n"))?;
    Ok(Exit::Done)
}

/// Aborts a rollout.
pub(super) async fn abort(args: AbortArgs) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let place = args.target.cluster().await?;
    let (target, name) = (args.target.rollout(&place)?, &args.target.target);
    let mut say = |line: &str| output::to_stderr(&format!("{line}\n"));
    let rollout = RunningRollout::new(&place.0, &place.1, name, &target);
    let name = &name.name;
    let aborted = tokio::select! {
        aborted = rollout.abort(args.timeout.0, &mut say) => aborted?,
        () = interruption.stop.cancelled() => return Ok(interruption.exit()),
    };
    let (text, exit) = match aborted {
        Aborted::Here(changed) => (super::status::verdict(&changed.state), Exit::Done),
        Aborted::ByItsRun(phase) => {
            let exit = if phase == Some(RolloutPhase::RolledBack) { Exit::Done } else { Exit::OutsideWorld };
            let phase = phase.map(|phase| format!(": {phase}")).unwrap_or_default();
            (format!("the rollout of {name} has ended{phase}"), exit)
        }
    };
    output::to_stdout(&format!("{text}\n"))?;
    Ok(exit)
}
