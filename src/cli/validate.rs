//! `iter8 validate`: finds what is wrong with an experiment without running anything or opening a connection.

use clap::Args;

use super::document::{DocumentArgs, required};
use super::error::CliError;
use super::exit::Exit;
use super::output;
use super::values::{Network, ValueArgs};
use crate::adapters::files::LocalFiles;
use crate::model::document::Experiment;
use crate::pipeline;
use crate::tasks::resolve::spec_from_values;

/// Flags of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 validate experiment.yaml\n  \
    iter8 validate -f values.yaml --set http.qps=50")]
pub struct ValidateArgs {
    #[command(flatten)]
    document: DocumentArgs,
    #[command(flatten)]
    values: ValueArgs,
}

/// Checks values if any are given, else a document.
pub async fn run(args: ValidateArgs) -> Result<Exit, CliError> {
    let (experiment, place) = if args.values.is_given() {
        let values = args.values.merged(Network::Forbidden).await?;
        let resolved = spec_from_values(&values).map_err(|error| CliError::in_input("the values", error))?;
        for warning in resolved.warnings {
            tracing::warn!("{warning}");
        }
        (Experiment { spec: resolved.spec, result: None }, "the values".to_owned())
    } else {
        (required(&args.document).await?, args.document.location())
    };
    let names: Vec<_> = experiment.spec.iter().map(|task| task.name().to_owned()).collect();
    pipeline::prepare(experiment, &LocalFiles).map_err(|error| CliError::in_input(&place, error))?;
    output::to_stdout(&format!("{place}: valid, {} tasks: {}\n", names.len(), names.join(", ")))?;
    Ok(Exit::Done)
}
