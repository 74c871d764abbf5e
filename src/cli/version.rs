//! `iter8 version`.

use clap::Args;

use super::exit::Exit;
use super::output;
use crate::app::error::AppError;
use crate::model::document::SCHEMA_VERSION;

/// Flags of `version`.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Print only the version number
    #[arg(long)]
    short: bool,
}

/// Prints the version.
pub(crate) fn run(args: &VersionArgs) -> Result<Exit, AppError> {
    let version = env!("CARGO_PKG_VERSION");
    let text = match args.short {
        true => format!("{version}\n"),
        false => format!(
            "iter8 {version}\nexperiment documents: schema {SCHEMA_VERSION} and Iter8 v0.13\nplatform: {}/{}\n",
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done)
}
