//! The experiment document (`experiment.yaml`): its `spec` and its `result`.
//!
//! One file is input, state and output, as in Iter8 v0.13: `assert` and `report` read nothing else.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::duration::GoDuration;
use super::insights::Insights;
use super::rollout::RolloutRecord;

/// Version of the `result` that this program writes. A document with a higher one is rejected, not read in part.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole experiment document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// The tasks, in the order they run.
    pub spec: Vec<TaskSpec>,
    /// Result of the runs so far; absent before the first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ExperimentResult>,
    /// Other keys of the document, such as the `metadata` of later Iter8 versions; preserved.
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
    /// Settings of the task; the schema depends on the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Value>,
    /// Condition over the experiment; the task is skipped if it is false.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Unknown keys. They are preserved when the document is rewritten, and rejected by a run.
    #[serde(flatten, skip_deserializing)]
    #[schemars(skip)]
    pub unknown: BTreeMap<String, Value>,
}

impl TaskSpec {
    /// Keys of a spec entry.
    pub const KEYS: [&'static str; 4] = ["task", "run", "with", "if"];

    /// Returns the task's name: `task`, or `run` for a shell script.
    pub fn name(&self) -> &str {
        self.task.as_deref().unwrap_or("run")
    }
}

/// Result of an experiment so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentResult {
    /// Version of the result's format; absent in documents written by Iter8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u32>,
    /// Revision of the experiment within its group (Kubernetes), from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Digest of the values that this result was measured with (Kubernetes), with a key that only the experiment's Secret has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_digest: Option<String>,
    /// Digest of the tasks that measure in the newest loop, without their secrets; absent in documents written by Iter8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_digest: Option<String>,
    /// Start of the first loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<DateTime<Utc>>,
    /// Loops started so far; a run without `--reuseResult` is loop 1.
    pub num_loops: u64,
    /// Loops whose tasks all finished; absent in documents written by Iter8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_completed_loops: Option<u64>,
    /// Tasks of the current loop that are done or skipped.
    pub num_completed_tasks: usize,
    /// True if a task of the current loop failed.
    pub failure: bool,
    /// True if a signal ended the run before its tasks finished; measurements until then are kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// True if a loop was replayed from a recording, and not measured.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// Version of the program that wrote the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iter8_version: Option<String>,
    /// One record per task of the spec, in order, for the current loop; empty in documents written by Iter8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskRecord>,
    /// Rollout in steps, if the spec has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutRecord>,
    /// Metrics, SLOs and verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insights: Option<Insights>,
}

impl ExperimentResult {
    /// Returns true if this program wrote the result: it has a record per task, and a verdict per SLO and version.
    pub(crate) fn has_records(&self) -> bool {
        let has_verdicts = || self.insights.as_ref().is_some_and(|insights| !insights.verdicts.is_empty());
        let has_counters = self.schema_version.is_some() || self.num_completed_loops.is_some();
        has_counters || !self.tasks.is_empty() || has_verdicts()
    }
}

impl Experiment {
    /// Returns the rollout in steps, if there is one.
    pub fn rollout(&self) -> Option<&RolloutRecord> {
        self.result.as_ref().and_then(|result| result.rollout.as_ref())
    }

    /// Returns the number of loops whose tasks all finished. Documents of Iter8 do not count them: all loops but an unfinished newest one.
    pub fn completed_loops(&self) -> u64 {
        let Some(result) = &self.result else { return 0 };
        let is_unfinished = result.interrupted || result.failure || result.num_completed_tasks < self.spec.len();
        let known = result.num_completed_loops;
        known.unwrap_or_else(|| result.num_loops.saturating_sub(u64::from(is_unfinished)))
    }
}

/// Record of one task in the current loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRecord {
    /// The task's name.
    pub task: String,
    /// Status of the task.
    pub status: TaskStatus,
    /// Start of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// Duration of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<GoDuration>,
    /// Error, including its causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Remarks of the task, such as a skipped condition or a missed rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Status of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// Not started yet.
    Planned,
    /// Started, not finished; also if the process was killed.
    Running,
    /// Finished.
    Done,
    /// Skipped, because its condition was false.
    Skipped,
    /// Failed with an error.
    Failed,
    /// Ended by a signal; its measurements are kept.
    Interrupted,
}
