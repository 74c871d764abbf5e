//! Events of a run.

use std::time::Duration;

use crate::model::document::TaskStatus;

/// Receives the events of a run.
pub trait Observer: Send + Sync {
    /// Handles an event. Must not block.
    fn observe(&self, event: Event);
}

/// An event of a run. Indices of tasks count from 0.
#[derive(Clone, Debug)]
pub enum Event {
    /// A loop starts.
    RunStarted {
        /// Number of the loop, from 1.
        loop_number: u64,
        /// Number of tasks in the spec.
        tasks: usize,
    },
    /// A task starts.
    TaskStarted {
        /// Index of the task.
        index: usize,
        /// Name of the task.
        task: String,
    },
    /// A log line: script output, a note.
    TaskLog {
        /// Index of the task.
        index: usize,
        /// The line, without its line feed.
        line: String,
    },
    /// Progress of a load.
    Load {
        /// Provider and version, such as `http-get` or `http (v2)`.
        name: String,
        /// Its progress.
        progress: LoadProgress,
    },
    /// A task ended.
    TaskEnded {
        /// Index of the task.
        index: usize,
        /// Name of the task.
        task: String,
        /// Its final status.
        status: TaskStatus,
        /// Wall-clock duration.
        duration: Duration,
        /// Its notes; the error of a failed task.
        notes: Vec<String>,
    },
}

/// Progress of a load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadProgress {
    /// Completed requests.
    pub done: u64,
    /// Planned requests, if known.
    pub total: Option<u64>,
    /// Time since the start.
    pub elapsed: Duration,
    /// Planned duration; `None` if only the number of requests ends the load.
    pub planned: Option<Duration>,
    /// True if only time ends the load, so that `total` does not measure its progress.
    pub is_timed: bool,
    /// Errors so far.
    pub errors: u64,
    /// Median latency so far, in milliseconds; `None` before the first response.
    pub p50_ms: Option<f64>,
    /// 99th percentile so far, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Statistics of the latency that were asked for, in milliseconds; empty before the first response.
    pub statistics: Vec<f64>,
    /// SLOs on the load, by its values so far, violated ones first.
    pub slos: Vec<SloProgress>,
    /// Number of SLOs on the load that `slos` leaves out.
    pub more_slos: usize,
    /// Shares of the versions so far; empty unless responses are attributed to versions.
    pub split: String,
    /// Evidence on the objectives that end the load; empty if none do.
    pub evidence: String,
    /// True in the last report of this load.
    pub ended: bool,
}

/// An SLO while its load runs.
#[derive(Clone, Debug, PartialEq)]
pub struct SloProgress {
    /// The metric, with its value so far and the limit: `http/latency-p99 4.43 ms <= 60 ms`.
    pub text: String,
    /// True if the value so far satisfies it; `None` before there is one, or if the verdict needs more than this value.
    pub holds: Option<bool>,
}
