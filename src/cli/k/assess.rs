//! `iter8 k assess`: judges the document of a group again. The document in the cluster belongs to the runs of the group, which may add a loop
//! to it at any time, so it is never changed.

use clap::Args;

use super::args::{GroupArgs, no_document};
use super::report::of_earlier_values;
use crate::app::assess::assess;
use crate::app::cluster::LatestDocument;
use crate::app::error::AppError;
use crate::app::values::Network;
use crate::cli::assess::finish;
use crate::cli::exit::Exit;
use crate::cli::globals::Globals;
use crate::cli::report::FormatArgs;
use crate::cli::values::ValueArgs;
use crate::ports::DocumentStore;

/// Flags of `k assess`.
#[derive(Debug, Args)]
#[command(long_about = "Judge the experiment of a group again, with other SLOs or a confidence.\n\n\
    The values of `assess` replace the settings of the document's `assess` task, key by key; all others stay. The report on the new \
    verdicts is printed, and the document in the cluster stays as it is. The exit code is that of `iter8 k assert -c slos`.")]
#[command(after_help = "Examples:\n  \
    iter8 k assess --set assess.confidence=0.95          # the same SLOs, with a confidence\n  \
    iter8 k assess -g canary -n shop -f slos.yaml -o json")]
pub(crate) struct KAssessArgs {
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    group: GroupArgs,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    values: ValueArgs,
}

/// Judges the group's document, and prints the report.
pub(crate) async fn run(args: KAssessArgs, globals: &Globals) -> Result<Exit, AppError> {
    let values = args.values.merged(Network::Forbidden).await?;
    let (_, group, store) = args.group.store().await?;
    let LatestDocument { document, is_outdated } = store.latest().await.map_err(|error| no_document(error, &group))?;
    let location = store.location();
    let judged = assess(document, &values, &location)?;
    if is_outdated {
        of_earlier_values(&args.format, &group)?;
    }
    finish(&judged, &args.format, &location, globals).await
}
