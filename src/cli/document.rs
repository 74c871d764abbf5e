//! Flags that select the experiment document.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::app::env::FileStore;
use crate::app::error::AppError;
use crate::model::codec;
use crate::model::document::Experiment;
use crate::ports::{DocumentStore, StoreError};

/// Name of the document in a run directory, as in Iter8.
pub(crate) const FILE_NAME: &str = "experiment.yaml";

/// Size limit of a document on standard input.
const MAX_STDIN_BYTES: u64 = 64 << 20;

/// Run directory.
#[derive(Debug, Args)]
pub(crate) struct RunDirArgs {
    /// Directory of the experiment document, experiment.yaml
    #[arg(long = "runDir", visible_alias = "run-dir", value_name = "DIR", default_value = ".", env = "ITER8_RUNDIR")]
    pub run_dir: PathBuf,
}

impl RunDirArgs {
    /// Path of the document.
    pub(crate) fn path(&self) -> PathBuf {
        if self.is_default() { PathBuf::from(FILE_NAME) } else { self.run_dir.join(FILE_NAME) }
    }

    /// Returns the command that reports on the document.
    pub(crate) fn report_command(&self) -> String {
        if self.is_default() { "iter8 report".to_owned() } else { format!("iter8 report {}", self.path().display()) }
    }

    fn is_default(&self) -> bool {
        self.run_dir == Path::new(".")
    }
}

/// Document to read.
#[derive(Debug, Args)]
pub(crate) struct DocumentArgs {
    /// Experiment document, - for standard input [default: experiment.yaml in the run directory]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    run_dir: RunDirArgs,
}

impl DocumentArgs {
    /// Reads the document.
    pub(crate) async fn load(&self) -> Result<Experiment, StoreError> {
        match &self.file {
            Some(file) if file.as_os_str() == "-" => from_stdin(),
            _ => FileStore::new(self.path()).load().await,
        }
    }

    /// Name of the document in messages.
    pub(crate) fn location(&self) -> String {
        match self.path() {
            path if path.as_os_str() == "-" => "standard input".to_owned(),
            path => path.display().to_string(),
        }
    }

    fn path(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(|| self.run_dir.path())
    }

    /// Returns true if the document can change while an assertion waits.
    pub(crate) fn can_change(&self) -> bool {
        self.path().as_os_str() != "-"
    }
}

fn from_stdin() -> Result<Experiment, StoreError> {
    let location = || "standard input".to_owned();
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(MAX_STDIN_BYTES)
        .read_to_string(&mut text)
        .map_err(|source| StoreError::Unavailable { action: "read", location: location(), source })?;
    codec::experiment_from_yaml(&text).map_err(|source| StoreError::Invalid { location: location(), source })
}

/// Reads a document that must exist.
pub(crate) async fn required(document: &DocumentArgs) -> Result<Experiment, AppError> {
    document.load().await.map_err(AppError::from)
}
