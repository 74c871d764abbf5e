//! Files that a run writes beside its document: reports and test results.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output;
use crate::app::env::file_store::{discard, is_stream};
use crate::app::error::AppError;
use crate::app::report::{Report, extensions, format_of, is_report, render};

/// Format of `--summary`.
const SUMMARY: &str = "summary";

/// Format of `--junit`.
const JUNIT: &str = "junit";

/// Flags for reports.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OutputFiles {
    /// Write a report in the format of its extension: .html, .json, .md, .csv, .txt, .prom or .xml (JUnit) (repeatable)
    #[arg(long = "report", value_name = "FILE")]
    reports: Vec<PathBuf>,
    /// Print a summary of a few lines to standard output
    #[arg(long)]
    summary: bool,
    /// Write the verdicts as JUnit test results
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl OutputFiles {
    /// Returns each file with its format.
    fn files(&self) -> impl Iterator<Item = (&PathBuf, &'static str)> {
        let reports = self.reports.iter().filter_map(|path| Some((path, format_of(path)?)));
        reports.chain(self.junit.iter().map(|path| (path, JUNIT)))
    }

    /// Finds files that cannot be written, before the run. A report never replaces a document, values, or a file that the run reads:
    /// `inputs`.
    pub(crate) fn check<'a>(&self, inputs: impl IntoIterator<Item = &'a str>) -> Result<(), AppError> {
        if let Some(path) = self.reports.iter().find(|path| format_of(path).is_none()) {
            return Err(AppError::input(format!("--report {}: no format has this extension", path.display()))
                .with_hint(format!("expected {}", extensions().join(", "))));
        }
        let is_xml = |path: &PathBuf| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("xml"));
        let is_test_results = |path: &PathBuf| is_xml(path) || is_stream(path) || output::is_standard_output(path);
        if let Some(path) = self.junit.iter().find(|path| !is_test_results(path)) {
            return Err(AppError::input(format!("--junit {}: test results are XML", path.display()))
                .with_hint("choose a name that ends with .xml"));
        }
        let inputs: Vec<PathBuf> = inputs.into_iter().filter_map(|name| fs::canonicalize(name).ok()).collect();
        let is_input = |path: &PathBuf| fs::canonicalize(path).is_ok_and(|path| inputs.contains(&path));
        if let Some((path, _)) = self.files().find(|(path, _)| !is_stream(path) && is_input(path)) {
            return Err(AppError::input(format!("cannot write {}: this run reads it", path.display()))
                .with_hint("choose another name for the report"));
        }
        if let Some(path) = self.written_twice() {
            return Err(AppError::input(format!("{} would be written twice", path.display()))
                .with_hint("give each of --report and --junit its own file"));
        }
        let is_read_only =
            |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().readonly());
        if let Some((path, _)) = self.files().find(|(path, _)| is_read_only(path)) {
            return Err(AppError::outside(format!("cannot write {}: the file is read-only", path.display())));
        }
        let directory =
            |path: &PathBuf| path.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_owned);
        match self.files().find(|(path, _)| path.is_dir() || directory(path).is_some_and(|parent| !parent.is_dir())) {
            None => Ok(()),
            Some((path, _)) if path.is_dir() => {
                Err(AppError::outside(format!("cannot write {}: it is a directory", path.display())))
            }
            Some((path, _)) => {
                Err(AppError::outside(format!("cannot write {}: its directory does not exist", path.display()))
                    .with_hint("create the directory first with `mkdir -p`"))
            }
        }
    }

    /// Finds a file that two flags name, also with different spellings of its path.
    fn written_twice(&self) -> Option<&PathBuf> {
        let mut names = Vec::new();
        self.files().map(|(path, _)| path).filter(|path| !is_stream(path)).find(|path| {
            let name = whole_name(path);
            let is_known = names.contains(&name);
            names.push(name);
            is_known
        })
    }

    /// Removes the reports that an earlier run has written: if this one fails early, they would pass for its results. Files that are no
    /// reports of this program stay until they are replaced.
    pub(crate) fn discard_earlier(&self) -> Result<(), AppError> {
        for (path, format) in self.files() {
            discard(path, |start| is_report(format, start)).map_err(|error| {
                AppError::outside(format!("cannot remove the earlier {}", path.display())).caused_by(error)
            })?;
        }
        Ok(())
    }

    /// Returns the flags that are given.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &'static str> {
        let given =
            [("--report", !self.reports.is_empty()), ("--summary", self.summary), ("--junit", self.junit.is_some())];
        given.into_iter().filter_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// Prints the summary and writes the files. Returns their names.
    pub(crate) fn write(&self, report: &Report<'_>, location: &str) -> Result<Vec<String>, AppError> {
        if self.summary {
            output::to_stdout(&render(report, SUMMARY, location)?)?;
        }
        let write = |(path, format): (&PathBuf, &'static str)| {
            output::to_file(path, &render(report, format, location)?)?;
            Ok(path.display().to_string())
        };
        // All files: one that cannot be written must not leave the earlier version of another.
        let written: Vec<Result<String, AppError>> = self.files().map(write).collect();
        written.into_iter().collect()
    }
}

/// Path of a file that may not exist yet, without links and relative parts.
fn whole_name(path: &Path) -> PathBuf {
    let in_directory = || {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(fs::canonicalize(parent).ok()?.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(in_directory).unwrap_or_else(|| path.to_owned())
}
