//! `iter8 k report`.

use clap::Args;

use super::args::{GroupArgs, no_document, outdated};
use crate::app::cluster::{Group, LatestDocument};
use crate::app::error::AppError;
use crate::cli::exit::Exit;
use crate::cli::report::FormatArgs;
use crate::ports::DocumentStore;

/// Flags of `k report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k report\n  \
    iter8 k report -g canary -n shop -o html --outputFile report.html\n  \
    iter8 k report -g canary -o junit --outputFile slo.xml\n  \
    iter8 k report -g canary --github               # annotations and step summary of GitHub Actions")]
pub(crate) struct KReportArgs {
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    group: GroupArgs,
}

/// Prints or writes the report on the group's experiment.
pub(crate) async fn run(args: KReportArgs) -> Result<Exit, AppError> {
    let (_, group, store) = args.group.store().await?;
    let LatestDocument { document, is_outdated } = store.latest().await.map_err(|error| no_document(error, &group))?;
    if is_outdated {
        of_earlier_values(&args.format, &group)?;
    }
    args.format.write(&document, &store.location()).await
}

/// Warns that the document belongs to earlier values, which is an error in formats from which a pipeline decides.
pub(super) fn of_earlier_values(format: &FormatArgs, group: &Group) -> Result<(), AppError> {
    if format.is_gate() {
        return Err(
            AppError::input(outdated(group)).with_hint("`-o text` without `--github` reports on the earlier values")
        );
    }
    tracing::warn!("this is the report of earlier values: {}", outdated(group));
    Ok(())
}
