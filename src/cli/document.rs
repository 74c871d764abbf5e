//! Flags that select the experiment document.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::app::env::FileStore;
use crate::app::env::file_store::{is_stream, parse, read_document};
use crate::app::error::AppError;
use crate::model::document::Experiment;
use crate::ports::{DocumentStore, StoreError};

/// Name of the document in a run directory, as in Iter8.
pub(crate) const FILE_NAME: &str = "experiment.yaml";

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
            Some(file) => read(file).await,
            None => FileStore::new(self.path()).load().await,
        }
    }

    /// Returns the store of the document, and its directory; `None` if it is a stream, to which nothing can be saved.
    pub(crate) fn store(&self) -> Option<(FileStore, PathBuf)> {
        let path = self.path();
        if path.as_os_str() == "-" || is_stream(&path) {
            return None;
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
        Some((FileStore::new(path), directory))
    }

    /// Name of the document in messages.
    pub(crate) fn location(&self) -> String {
        location(&self.path())
    }

    fn path(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(|| self.run_dir.path())
    }

    /// Returns true if the document can change while an assertion waits.
    pub(crate) fn can_change(&self) -> bool {
        self.path().as_os_str() != "-"
    }
}

/// Reads a document from a file, a pipe, or standard input (`-`).
pub(crate) async fn read(path: &Path) -> Result<Experiment, StoreError> {
    if path.as_os_str() == "-" {
        return parsed(read_document(std::io::stdin().lock()), path);
    }
    if is_stream(path) {
        // Process substitution in a shell. Waits for the writer.
        return parsed(File::open(path).and_then(read_document), path);
    }
    FileStore::new(path).load().await
}

/// Name of a document in messages.
pub(crate) fn location(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

fn parsed(content: std::io::Result<Vec<u8>>, path: &Path) -> Result<Experiment, StoreError> {
    let location = || location(path);
    let content = content.map_err(|source| StoreError::Unavailable { action: "read", location: location(), source })?;
    parse(content).map_err(|source| StoreError::Invalid { location: location(), source })
}

/// Reads a document that must exist.
pub(crate) async fn required(document: &DocumentArgs) -> Result<Experiment, AppError> {
    document.load().await.map_err(AppError::from)
}
