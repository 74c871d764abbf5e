//! Recordings of runs: what the outside world answered, in files that people can read, so that the run can be repeated without it.
//!
//! ```text
//! DIR/loop-1/recording.json                               what this is
//!            clock.txt                                    what the clock showed, one reading per line
//!            answer-0001-get-prometheus-api-v1-query.json one request and its answer
//!            task-1-http.json                             the outcome of a task that does more than ask
//! ```
//!
//! An answer is found by what was asked (method, URL, headers, body), which of those who asked it this is, and how often that one asked
//! before. Askers are counted in the order of their first requests. After the last answer to an asker, a replay lets nobody ask again.
//! The clock gives its readings in their order.
//!
//! Secrets are not in these files: what looks like a secret in a request is hidden, and so is in an answer what was sent as one. Nor does
//! a replay need them: [`ReplayFiles`] stands in for tokens and passwords that are not at hand.

mod exchange;
mod files;
mod folder;
mod recorder;
mod replay;

use std::io;
use std::path::PathBuf;

pub use files::ReplayFiles;
pub use recorder::Recorder;
pub use replay::Replay;

/// Why a recording can't be made or replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The loop was recorded there before.
    #[error("{} exists already, and a recording is never overwritten", .path.display())]
    Taken {
        /// The folder of the loop.
        path: PathBuf,
    },
    /// There is no recording of this loop.
    #[error("there is no recording at {}", .path.display())]
    Missing {
        /// The folder of the loop.
        path: PathBuf,
    },
    /// A file is not what a recording has there.
    #[error("{} is not part of a recording that this version of iter8 can replay: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file can't be read or written.
    #[error("cannot {action} {}", .path.display())]
    Unavailable {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}
