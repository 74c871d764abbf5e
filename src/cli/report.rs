//! `iter8 report`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::document::{DocumentArgs, required};
use super::exit::Exit;
use super::output;
use crate::app::error::AppError;
use crate::app::report::{formats, render};
use crate::model::document::Experiment;

/// Flags of `report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 report\n  \
    iter8 report -o html --outputFile report.html\n  \
    iter8 report -o json | jq '.verdicts[] | select(.verdict != \"satisfied\")'")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    document: DocumentArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Format and destination of the report.
#[derive(Debug, Args)]
pub(crate) struct FormatArgs {
    /// Format of the report
    #[arg(short = 'o', long = "outputFormat", visible_alias = "output-format", default_value = "text", value_parser = format_parser())]
    format: String,
    /// Output file; - for standard output
    #[arg(long = "outputFile", visible_alias = "output-file", value_name = "FILE", default_value = "-")]
    output_file: PathBuf,
}

fn format_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(formats().map(|(name, summary)| PossibleValue::new(name).help(summary)))
}

impl FormatArgs {
    /// Prints or writes the report on an experiment; `location` is that of its document.
    pub(crate) fn write(&self, experiment: &Experiment, location: &str) -> Result<Exit, AppError> {
        output::to_file(&self.output_file, &render(experiment, &self.format, location)?)?;
        Ok(Exit::Done)
    }
}

/// Prints or writes the report.
pub(crate) async fn run(args: ReportArgs) -> Result<Exit, AppError> {
    let experiment = required(&args.document).await?;
    args.format.write(&experiment, &args.document.location())
}
