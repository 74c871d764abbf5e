//! The experiment document (`experiment.yaml`): what was asked (`spec`) and what came of it (`result`).
//!
//! One file is input, state and output at once, as in Iter8 v0.13: `assert` and `report` read nothing else.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::duration::GoDuration;
use super::insights::Insights;

/// Version of the `result` part that this program writes. A document that says a higher one is refused, not half-read.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole experiment document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// The tasks, in the order they run.
    pub spec: Vec<TaskSpec>,
    /// What the runs so far produced; absent before the first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ExperimentResult>,
    /// Other keys of the document, such as the `metadata` of later Iter8 versions: kept as they are.
    #[serde(flatten, skip_deserializing)]
    #[schemars(skip)]
    pub unknown: BTreeMap<String, Value>,
}

/// One task of the spec: either a named task with its settings, or a shell script.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskSpec {
    /// Name of the task (`http`, `assess` …); absent for a `run` task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Shell script of a `run` task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The task's settings; the task's own type gives their schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Value>,
    /// Condition over the experiment; the task is skipped when it is false.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Keys that a spec entry does not have. They are kept, so that no rewrite loses what a user wrote; a run refuses them.
    #[serde(flatten, skip_deserializing)]
    #[schemars(skip)]
    pub unknown: BTreeMap<String, Value>,
}

impl TaskSpec {
    /// The keys of a spec entry.
    pub const KEYS: [&'static str; 4] = ["task", "run", "with", "if"];

    /// The task's name: `task`, or `run` for a shell script.
    pub fn name(&self) -> &str {
        self.task.as_deref().unwrap_or("run")
    }
}

/// The outcome of an experiment so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentResult {
    /// Version of this part's format; absent in documents written by Iter8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u32>,
    /// Revision of the experiment within its group (Kubernetes), from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// When the first loop started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<DateTime<Utc>>,
    /// Loops started so far; a run without `--reuseResult` is loop 1.
    pub num_loops: u64,
    /// Tasks of the current loop that are done or skipped.
    pub num_completed_tasks: usize,
    /// Whether a task of the current loop failed.
    pub failure: bool,
    /// Whether a signal ended the run before its tasks were through; what was measured until then is kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// Version of the program that wrote the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iter8_version: Option<String>,
    /// One record per task of the spec, in order, for the current loop; empty in documents written by Iter8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskRecord>,
    /// Metrics, SLOs and verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insights: Option<Insights>,
}

/// What became of one task in the current loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRecord {
    /// The task's name.
    pub task: String,
    /// Where the task stands.
    pub status: TaskStatus,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// How long it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<GoDuration>,
    /// Why it failed, causes included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the task wants readers to know: a skipped condition, a rate that was missed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// Not started yet.
    Planned,
    /// Started, not ended; stays so when the process was killed.
    Running,
    /// Ran to its end.
    Done,
    /// Its condition was false.
    Skipped,
    /// Ended with an error.
    Failed,
    /// A signal ended it; what it had measured is kept.
    Interrupted,
}
