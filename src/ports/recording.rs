//! Recordings of runs, and their replay.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Clock, Web};
use crate::model::contribution::TaskOutcome;
use crate::model::document::TaskSpec;

/// A recording that is written or replayed. Responses and times are recorded behind [`Web`] and [`Clock`]. Tasks that do more than
/// send such requests (load, scripts) are recorded by their outcome.
pub trait Recording: Web + Clock {
    /// Starts the run; `tasks` are those that are recorded by their outcome. A replay fails if they are not the recorded ones.
    fn start(&self, tasks: &[RecordedTask]) -> Result<(), RecordingError>;

    /// Returns true if nothing is measured.
    fn is_replay(&self) -> bool;

    /// Ends the run. Returns the requests that a replay did not find in its recording.
    fn finish(&self) -> Result<Vec<String>, RecordingError>;

    /// Starts a task that is recorded by its outcome. A replay returns that outcome. A recorder returns `None`, and records no
    /// responses and times until [`Recording::keep`].
    fn begin(&self, index: usize, task: &str) -> Option<TaskOutcome>;

    /// Records the outcome of the task that began.
    fn keep(&self, index: usize, task: &str, outcome: &TaskOutcome);
}

/// A task that is recorded by its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedTask {
    /// Position in the spec, from 1.
    pub number: usize,
    /// Its settings, without secrets and without its condition.
    #[serde(flatten)]
    pub spec: TaskSpec,
}

/// Failure to write or replay a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The loop was already recorded.
    #[error("{} already exists; recordings are never overwritten", .path.display())]
    Taken {
        /// Folder of the loop.
        path: PathBuf,
    },
    /// There is no recording of this loop.
    #[error("no recording at {}", .path.display())]
    Missing {
        /// Folder of the loop.
        path: PathBuf,
    },
    /// A file does not belong to a recording.
    #[error("{} cannot be replayed by this version of iter8: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Problem found in it.
        reason: String,
    },
    /// The settings of the run are not the recorded ones.
    #[error("{} was recorded with other settings: {differences}", .path.display())]
    Differs {
        /// Folder of the loop.
        path: PathBuf,
        /// Settings with both values.
        differences: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}", .path.display())]
    Unavailable {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Error of the file system.
        #[source]
        source: io::Error,
    },
}
