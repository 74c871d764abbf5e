//! Annotations and step summary of GitHub Actions.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use clap::Args;

use super::output;
use crate::app::error::AppError;
use crate::app::report::{Report, render};

/// Variable with the file of the step summary.
const SUMMARY_VARIABLE: &str = "GITHUB_STEP_SUMMARY";

/// Flag for GitHub Actions.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct GithubArg {
    /// Print annotations for GitHub Actions to standard error, and append a Markdown report to GITHUB_STEP_SUMMARY if it is set
    #[arg(long)]
    github: bool,
}

impl GithubArg {
    pub(crate) fn is_given(&self) -> bool {
        self.github
    }

    /// Prints the annotations and appends the summary, if the flag is given; `location` is that of the document.
    pub(crate) fn announce(&self, report: &Report<'_>, location: &str) -> Result<(), AppError> {
        if !self.github {
            return Ok(());
        }
        // GitHub reads commands from both streams, and results on standard output may be piped.
        output::to_stderr(&render(report, "github", location)?);
        match std::env::var_os(SUMMARY_VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => append(&path, &render(report, "markdown", location)?),
            None => Ok(()),
        }
    }
}

/// Appends to the summary, because other commands of the step write to it, too.
fn append(path: &OsString, markdown: &str) -> Result<(), AppError> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    // One write, so that lines of other writers are not mixed into it.
    let written = file.and_then(|mut file| file.write_all(format!("{markdown}\n").as_bytes()));
    written.map_err(|error| {
        AppError::outside(format!("cannot write the step summary {}", Path::new(path).display()))
            .caused_by(error)
            .with_hint(format!("{SUMMARY_VARIABLE} names the file; GitHub sets it"))
    })
}
