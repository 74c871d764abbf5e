//! `iter8 man`: man pages, for packages.

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;
use crate::app::error::AppError;

/// Flags of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Directory to write the pages to; it must exist
    dir: PathBuf,
}

/// Writes one page per command.
pub(crate) fn run(args: &ManArgs, command: clap::Command) -> Result<Exit, AppError> {
    clap_mangen::generate_to(command, &args.dir).map_err(|error| {
        AppError::outside(format!("cannot write man pages to {}", args.dir.display())).caused_by(error)
    })?;
    Ok(Exit::Done)
}
