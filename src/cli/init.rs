//! `iter8 init`: writes a values file to start from. Asks nothing.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::exit::Exit;
use super::output;
use super::text::json;
use crate::app::error::AppError;
use crate::app::examples::{EXAMPLES, SCHEMA_FILE, example, is_values_schema};
use crate::app::schema;

/// Flags of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 init --url http://localhost:8080/\n  \
    iter8 init two-versions --url http://localhost:8081/ --url http://localhost:8082/\n  \
    iter8 init grpc --url localhost:9000 --output grpc.yaml\n  \
    iter8 init kserve --output -")]
pub(crate) struct InitArgs {
    /// Example to start from
    #[arg(value_name = "EXAMPLE", default_value = "http", value_parser = example_parser())]
    name: String,
    /// Address of your service instead of the example's; grpc takes HOST:PORT (repeatable)
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    /// File to write, with values.schema.json for editors beside it; - for standard output
    #[arg(long, visible_alias = "out", value_name = "FILE", default_value = "values.yaml")]
    output: PathBuf,
    /// Replace existing files
    #[arg(long)]
    force: bool,
}

fn example_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(EXAMPLES.iter().map(|example| PossibleValue::new(example.name).help(example.summary)))
}

/// Writes the values and their schema.
pub(crate) fn run(args: &InitArgs) -> Result<Exit, AppError> {
    let Some(example) = example(&args.name) else { return Err(AppError::input("unknown example")) };
    let text = example.with_addresses(&args.urls)?;
    if args.output.as_os_str() == "-" {
        output::to_stdout(&text)?;
        return Ok(Exit::Done);
    }
    let schema = args.output.with_file_name(SCHEMA_FILE);
    if !args.force {
        refuse_existing(&args.output)?;
        // A schema of another version is replaced.
        if !std::fs::read_to_string(&schema).is_ok_and(|text| is_values_schema(&text)) {
            refuse_existing(&schema)?;
        }
    }
    output::to_file(&schema, &json(&schema::values())?)?;
    output::to_file(&args.output, &text)?;
    let file = args.output.display();
    output::to_stderr(&format!(
        "wrote {file} and {}\nnext: iter8 validate -f {file}, then {} {file}{}\n",
        schema.display(),
        example.command,
        example.flags
    ));
    Ok(Exit::Done)
}

fn refuse_existing(path: &Path) -> Result<(), AppError> {
    match path.symlink_metadata() {
        Ok(_) => Err(AppError::input(format!("{} exists", path.display()))
            .with_hint("replace it with --force, or name a file in another directory with --output")),
        Err(_) => Ok(()),
    }
}
