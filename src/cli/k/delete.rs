//! `iter8 k delete`.

use clap::Args;

use super::args::GroupArgs;
use crate::app::cluster::{Group, GroupDeletion, delete_group};
use crate::app::error::AppError;
use crate::app::launch::watched_namespaces;
use crate::cli::exit::Exit;
use crate::cli::output;

/// Flags of `k delete`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  iter8 k delete\n  iter8 k delete -g canary -n shop")]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    group: GroupArgs,
}

/// Deletes all objects of the group.
pub(crate) async fn run(args: DeleteArgs) -> Result<Exit, AppError> {
    let (connection, group) = args.group.connect().await?;
    let Group { namespace, name } = &group;
    match delete_group(&connection, &group, &watched_namespaces).await? {
        GroupDeletion::Done => {}
        GroupDeletion::Absent => {
            return Err(AppError::input(format!("group {name} in namespace {namespace} has no experiment"))
                .with_hint("`iter8 k list` shows all experiments"));
        }
        GroupDeletion::Pending(objects) => {
            let objects = objects.join("; ");
            return Err(AppError::outside(format!(
                "group {name} in namespace {namespace} is not deleted yet: {objects}"
            ))
            .with_hint("finalizers are removed by the controllers that set them; delete again to see what is left"));
        }
    }
    output::to_stdout(&format!("deleted group {name} in namespace {namespace}\n"))?;
    Ok(Exit::Done)
}
