//! `iter8 assess`: judges a saved document again.

use clap::Args;

use super::document::{DocumentArgs, required};
use super::exit::Exit;
use super::globals::Globals;
use super::progress::Progress;
use super::report::FormatArgs;
use super::run::lock_directory;
use super::values::ValueArgs;
use crate::app;
use crate::app::assert::{AssertCondition, judge_all, verdict};
use crate::app::assess::Reassessed;
use crate::app::error::AppError;
use crate::app::run::overall_verdict;
use crate::app::values::Network;
use crate::ports::DocumentStore;

/// Flags of `assess`.
#[derive(Debug, Args)]
#[command(long_about = "Judge a saved experiment again, with other SLOs or a confidence.\n\n\
    The values of `assess` replace the settings of the document's `assess` task, key by key; all others stay. The document gets the \
    new verdicts and settings, and the report on it is printed. The exit code is that of `iter8 assert -c slos`.")]
#[command(after_help = "Examples:\n  \
    iter8 assess --set assess.confidence=0.95          # the same SLOs, with a confidence\n  \
    iter8 assess --set assess.SLOs.upper.http/latency-p95=40 --dry\n  \
    iter8 assess results/experiment.yaml -f slos.yaml -o json")]
pub(crate) struct AssessArgs {
    #[command(flatten)]
    document: DocumentArgs,
    /// Print the report without saving the verdicts
    #[arg(long, visible_alias = "dry-run")]
    dry: bool,
    #[command(flatten)]
    format: FormatArgs,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    values: ValueArgs,
}

/// Judges the document, saves it, and prints the report.
pub(crate) async fn run(args: AssessArgs, globals: &Globals) -> Result<Exit, AppError> {
    let values = args.values.merged(Network::Forbidden).await?;
    let location = args.document.location();
    // Nothing can be saved to a stream.
    let store = args.document.store().filter(|_| !args.dry);
    let _lock = store.as_ref().map(|(store, directory)| lock_directory(store, &directory.display())).transpose()?;
    let experiment = match &store {
        Some((store, _)) => store.load().await?,
        None => required(&args.document).await?,
    };
    let Reassessed { experiment, dropped_loops } = app::assess::assess(experiment, &values, &location)?;
    if let Some((store, _)) = &store {
        store.save(&experiment).await?;
    }
    finish(&Reassessed { experiment, dropped_loops }, &args.format, &location, globals).await
}

/// Prints the report on a document that was judged again, and its verdict.
pub(crate) async fn finish(
    Reassessed { experiment, dropped_loops }: &Reassessed,
    format: &FormatArgs,
    location: &str,
    globals: &Globals,
) -> Result<Exit, AppError> {
    if *dropped_loops > 0 {
        let plural = if *dropped_loops == 1 { "" } else { "s" };
        tracing::warn!("the verdicts on {dropped_loops} earlier loop{plural} are dropped: they judge other SLOs");
    }
    format.write(experiment, location).await?;
    Progress::new(globals).verdict(&overall_verdict(experiment), None);
    Ok(verdict(&judge_all(experiment, &[AssertCondition::Slos])).into())
}
