//! `iter8 validate`: checks an experiment without running anything or opening a connection.

use clap::Args;

use super::document::{DocumentArgs, required};
use super::exit::Exit;
use super::output;
use super::values::{ValueArgs, resolve};
use crate::app;
use crate::app::env::LocalFiles;
use crate::app::error::AppError;
use crate::app::run::ResultPolicy;
use crate::app::values::Network;
use crate::model::document::TaskSpec;
use crate::model::text::one_line;

/// Flags of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 validate experiment.yaml\n  \
    iter8 validate -f values.yaml --set http.qps=50")]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    document: DocumentArgs,
    #[command(flatten)]
    values: ValueArgs,
}

/// Checks values if any are given, otherwise a document.
pub(crate) async fn run(args: ValidateArgs) -> Result<Exit, AppError> {
    let (spec, source) = if args.values.is_given() {
        let resolved = resolve(&args.values.merged(Network::Forbidden).await?)?;
        resolved.check(None, &LocalFiles).map_err(AppError::in_values)?;
        resolved.warn(&LocalFiles);
        (resolved.spec, "the values".to_owned())
    } else {
        let (experiment, location) = (required(&args.document).await?, args.document.location());
        let spec = experiment.spec.clone();
        app::resolve::document(experiment, ResultPolicy::Reuse, &location, &LocalFiles)
            .map_err(|errors| AppError::in_document(&location, errors))?;
        (spec, location)
    };
    let names: Vec<_> = spec.iter().map(TaskSpec::name).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    output::to_stdout(&format!("{source}: valid, {} task{plural}: {}\n", names.len(), one_line(&names.join(", "))))?;
    Ok(Exit::Done)
}
