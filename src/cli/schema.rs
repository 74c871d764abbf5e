//! `iter8 schema`: prints JSON Schemas.

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::output;
use crate::app::error::AppError;
use crate::app::schema;

/// Flags of `schema`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  iter8 schema values > values.schema.json\n  iter8 schema document | jq '.\"$defs\" | keys'"
)]
pub(crate) struct SchemaArgs {
    /// Schema to print
    #[arg(value_enum, value_name = "WHAT")]
    kind: SchemaKind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SchemaKind {
    /// Values, as accepted by --set and -f
    Values,
    /// Experiment document, experiment.yaml
    Document,
}

/// Prints a schema.
pub(crate) fn run(args: &SchemaArgs) -> Result<Exit, AppError> {
    let schema = match args.kind {
        SchemaKind::Values => schema::values(),
        SchemaKind::Document => schema::document(),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| AppError::input("cannot print the schema").caused_by(error))?;
    output::to_stdout(&format!("{text}\n"))?;
    Ok(Exit::Done)
}
