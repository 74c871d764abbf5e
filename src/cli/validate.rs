//! `iter8 validate`: finds what is wrong with an experiment without running anything or opening a connection.

use clap::Args;

use super::document::{DocumentArgs, required};
use super::error::CliError;
use super::exit::Exit;
use super::output;
use super::run::prepare;
use super::values::{Network, ValueArgs};
use crate::adapters::files::LocalFiles;
use crate::model::document::{Experiment, TaskSpec};
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
        let resolved = spec_from_values(&values).map_err(CliError::in_values)?;
        for warning in &resolved.warnings {
            tracing::warn!("{warning}");
        }
        let experiment = Experiment { spec: resolved.spec.clone(), result: None, ..Experiment::default() };
        prepare(experiment.clone(), &resolved, &LocalFiles)?;
        (experiment, "the values".to_owned())
    } else {
        let (experiment, location) = (required(&args.document).await?, args.document.location());
        pipeline::prepare(experiment.clone(), &LocalFiles).map_err(|error| CliError::in_document(&location, error))?;
        (experiment, location)
    };
    let names: Vec<_> = experiment.spec.iter().map(TaskSpec::name).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    output::to_stdout(&format!("{place}: valid, {} task{plural}: {}\n", names.len(), names.join(", ")))?;
    Ok(Exit::Done)
}
