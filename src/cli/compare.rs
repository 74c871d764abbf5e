//! `iter8 compare`: compares a saved document with another one.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::document::{FILE_NAME, location, read};
use super::exit::Exit;
use super::output;
use super::values::ValueArgs;
use crate::app::compare::{self, Document};
use crate::app::error::AppError;
use crate::app::values::Network;

/// Flags of `compare`.
#[derive(Debug, Args)]
#[command(long_about = "Compare a saved experiment, B, with another one, A: every load that both have measured.\n\n\
    Each metric has the interval of its difference (error rates) or ratio (latencies). Without limits the exit code is 0. With \
    `assess.relative.upper`, whose limits are relative to A, it is 1 if B violates one of them, and 5 if the samples do not decide.")]
#[command(after_help = "Examples:\n  \
    iter8 compare before/experiment.yaml after/experiment.yaml\n  \
    iter8 compare before after -o json      # run directories\n  \
    iter8 compare before after --set assess.relative.upper.http/latency-p95=1.1")]
pub(crate) struct CompareArgs {
    /// Experiment document or run directory to compare with
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Experiment document or run directory that is compared
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Version of A, by name or index, if it has several
    #[arg(long = "versionA", visible_alias = "version-a", value_name = "VERSION")]
    version_a: Option<String>,
    /// Version of B, by name or index, if it has several
    #[arg(long = "versionB", visible_alias = "version-b", value_name = "VERSION")]
    version_b: Option<String>,
    /// Format of the comparison
    #[arg(short = 'o', long = "outputFormat", visible_alias = "output-format", value_enum, default_value = "text")]
    format: Format,
    /// Output file; - for standard output
    #[arg(long = "outputFile", visible_alias = "output-file", value_name = "FILE", default_value = "-")]
    output_file: PathBuf,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    values: ValueArgs,
}

/// Format of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// plain text for terminals and logs
    Text,
    /// one JSON object, for jq
    Json,
}

/// Compares the documents.
pub(crate) async fn run(args: CompareArgs) -> Result<Exit, AppError> {
    let values = args.values.merged(Network::Forbidden).await?;
    let (a, b) = (document(&args.a, args.version_a).await?, document(&args.b, args.version_b).await?);
    let comparison = compare::run(&a, &b, &values)?;
    let text = match args.format {
        Format::Text => comparison.text(),
        Format::Json => comparison.json()?,
    };
    output::to_file(&args.output_file, &text)?;
    Ok(comparison.verdict().into())
}

async fn document(path: &Path, version: Option<String>) -> Result<Document, AppError> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    Ok(Document { experiment: read(&path).await?, location: location(&path), version })
}
