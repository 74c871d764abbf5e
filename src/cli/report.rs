//! `iter8 report`.

use std::path::PathBuf;

use clap::Args;

use super::document::{DocumentArgs, required};
use super::error::CliError;
use super::exit::Exit;
use super::output;
use crate::model::document::Experiment;
use crate::report::FORMATS;

/// Flags of `report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 report\n  \
    iter8 report -o html --outputFile report.html\n  \
    iter8 report -o json | jq '.verdicts[] | select(.verdict != \"satisfied\")'")]
pub struct ReportArgs {
    #[command(flatten)]
    document: DocumentArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// What the report is like, and where it goes.
#[derive(Debug, Args)]
pub struct FormatArgs {
    /// Format of the report
    #[arg(short = 'o', long = "outputFormat", visible_alias = "output-format", default_value = "text", value_parser = format_names())]
    format: String,
    /// File to write; - for standard output
    #[arg(long = "outputFile", visible_alias = "output-file", value_name = "FILE", default_value = "-")]
    output_file: PathBuf,
}

fn format_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(FORMATS.iter().map(|format| format.name))
}

impl FormatArgs {
    /// Prints or writes the report on an experiment; `location` is its document's.
    pub fn write(&self, experiment: &Experiment, location: &str) -> Result<Exit, CliError> {
        let format = FORMATS.iter().find(|format| format.name == self.format);
        let format = format.ok_or_else(|| CliError::input("unknown format"))?;
        let text = (format.render)(experiment)
            .map_err(|error| CliError::input(format!("cannot report on {location}")).caused_by(error))?;
        output::to_file(&self.output_file, &text)?;
        Ok(Exit::Done)
    }
}

/// Prints or writes the report.
pub async fn run(args: ReportArgs) -> Result<Exit, CliError> {
    let experiment = required(&args.document).await?;
    args.format.write(&experiment, &args.document.location())
}
