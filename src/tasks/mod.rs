//! Tasks: one module each, and one registry.
//!
//! A task is parsed from the `with` of its spec entry, checked before anything runs, and run. It never edits the document: it
//! returns a [`Contribution`], which the pipeline merges. The unknown-task message and the JSON Schema are derived
//! from the registry.

pub mod assess;
mod client_certificate;
mod credentials;
pub mod custommetrics;
pub(crate) mod fetch;
mod fields;
pub mod grpc;
pub mod http;
mod listed_object;
mod loadgen;
pub(crate) mod metric_list;
pub mod notify;
pub mod permissions;
pub mod ready;
pub mod registry;
pub(crate) mod rollout;
pub mod run;
mod schedule;
mod schema_fragments;
mod secret_source;
pub mod split;
mod text_source;

use std::collections::BTreeSet;

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use self::permissions::PermissionValues;
use crate::metrics::catalog::MetricNames;
use crate::model::contribution::{Contribution, TaskFailure, TaskOutcome};
use crate::model::document::{Experiment, TaskSpec};
use crate::model::insights::Insights;
use crate::model::metric_name::MetricRef;
use crate::model::object::Permission;
use crate::model::objectives::Objectives;
use crate::model::reward::Rewards;
use crate::ports::fleet::{Fleet, FleetError};
use crate::ports::{BoxFuture, Env, Event, Files};
use crate::redact::{RequestSecrets, redact_task_with};
use crate::values::input::InputError;

/// Context of a running task.
pub struct TaskContext<'a> {
    /// Index of the task in the spec, from 0.
    pub index: usize,
    /// The current document: contributions of earlier tasks are merged.
    pub experiment: &'a Experiment,
    /// Providers that this loop has measured so far.
    pub measured: &'a BTreeSet<String>,
    /// Objectives that a later task of the loop judges; a load records what their verdicts need.
    pub objectives: Option<&'a Objectives>,
    /// Multiple of the loads that their values ask for; above 1 in an analysis that is repeated with more requests.
    pub times: f64,
    /// Secrets of the spec, and those that tasks have sent.
    pub secrets: &'a RequestSecrets,
    /// Access to the outside world.
    pub env: &'a Env<'a>,
}

impl TaskContext<'_> {
    /// Returns the experiment as others may see it: without secrets, and without what identifies its values.
    pub(crate) fn shareable_experiment(&self) -> Experiment {
        let mut experiment = self.experiment.clone();
        experiment.spec = experiment.spec.iter().map(|task| redact_task_with(task, self.secrets)).collect();
        if let Some(result) = &mut experiment.result {
            result.values_digest = None;
        }
        experiment
    }

    /// Logs a line without the known secrets.
    pub(crate) fn log(&self, line: &str) {
        self.env.observer.observe(Event::TaskLog { index: self.index, line: self.secrets.redact(line) });
    }

    /// Waits for `work`, and gives up when the run is interrupted.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, TaskError> {
        tokio::select! {
            biased;
            () = self.env.stop.cancelled() => Err(TaskError::Interrupted),
            done = work => Ok(done),
        }
    }
}

/// Reason a task did not complete.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The run was interrupted before the task had anything to contribute.
    #[error("interrupted")]
    Interrupted,
    /// Invalid input, found before the run or when a file or variable was read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The task was attempted and failed.
    #[error("{message}")]
    Failed {
        /// Lowercase fragment with target and operation.
        message: String,
        /// Hint for the user, if any.
        hint: Option<String>,
        /// Measurements made before the failure, which the document keeps.
        partial: Option<Box<Contribution>>,
    },
}

impl TaskError {
    /// Builds a failure without partial results.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: None, partial: None }
    }

    /// Sets the next step.
    pub(crate) fn with_hint(self, next: Option<String>) -> Self {
        match self {
            Self::Failed { message, partial, .. } => Self::Failed { message, hint: next, partial },
            other => other,
        }
    }

    /// Replaces its texts.
    pub(crate) fn map_text(self, replace: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Interrupted => Self::Interrupted,
            Self::Input(InputError { path, message, hint, .. }) => {
                let error = InputError::new(path, replace(&message));
                Self::Input(hint.iter().fold(error, |error, hint| error.with_hint(replace(hint))))
            }
            Self::Failed { message, hint, partial } => {
                Self::Failed { message: replace(&message), hint: hint.as_deref().map(replace), partial }
            }
        }
    }
}

impl From<&Result<Contribution, TaskError>> for TaskOutcome {
    fn from(end: &Result<Contribution, TaskError>) -> Self {
        match end {
            Ok(contribution) => Self::Done(contribution.clone()),
            Err(TaskError::Interrupted) => Self::Done(Contribution::interrupted()),
            Err(TaskError::Input(error)) => {
                Self::Failed(TaskFailure { message: error.to_string(), hint: error.hint.clone(), partial: None })
            }
            Err(TaskError::Failed { message, hint, partial }) => Self::Failed(TaskFailure {
                message: message.clone(),
                hint: hint.clone(),
                partial: partial.as_deref().cloned(),
            }),
        }
    }
}

impl From<TaskOutcome> for Result<Contribution, TaskError> {
    fn from(outcome: TaskOutcome) -> Self {
        match outcome {
            TaskOutcome::Done(contribution) => Ok(contribution),
            TaskOutcome::Failed(TaskFailure { message, hint, partial }) => {
                Err(TaskError::Failed { message, hint, partial: partial.map(Box::new) })
            }
        }
    }
}

/// Scope of a task's recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recorded {
    /// Its received responses and clock readings; a replay runs the task with these.
    #[default]
    Responses,
    /// Its outcome, because the task does more than exchange single responses. A replay does not run it.
    Outcome,
}

/// Reaction of a task to an interruption of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStop {
    /// The pipeline drops it, because it has nothing to keep or clean up.
    #[default]
    Drop,
    /// It observes `cx.env.stop` and returns its measurements so far within the pipeline's grace period.
    Finish,
}

/// Reaction of a task to the failure of an earlier load, which is a result like any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterFailedLoad {
    /// It does not run.
    #[default]
    Stop,
    /// It runs if it has a condition, because the user decides when.
    RunIfConditional,
    /// It runs.
    Run,
}

/// Facts about a parsed task that are known before it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFacts {
    /// Providers of its metrics (`http`, `http-NAME`); a loop measures each once.
    pub providers: Vec<String>,
    /// Number of measured versions; `None` if it measures nothing.
    pub versions: Option<usize>,
    /// True if it selects the version of each request itself, so that its counts do not show how a router splits the traffic.
    pub selects_versions: bool,
    /// Access needed in the cluster.
    pub permissions: Vec<Permission>,
    /// Scope of its recording.
    pub recorded: Recorded,
    /// Its reaction to an interruption.
    pub on_stop: OnStop,
    /// Its reaction to an earlier load that failed.
    pub after_failed_load: AfterFailedLoad,
    /// True if it may write files that later tasks read.
    pub writes_files: bool,
    /// Memory of its connections and requests in flight, in bytes per pod.
    pub memory: u64,
}

/// Metrics of one provider that a task will measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// First part of their names.
    pub provider: String,
    /// The rest of their names.
    pub metrics: MetricNames,
    /// Names of the measured versions, in order; `None` for a version without a name.
    pub versions: Vec<Option<String>>,
}

/// A parsed task, ready to run.
pub trait Task: Send + Sync {
    /// Returns the facts known before it runs.
    fn facts(&self) -> TaskFacts;

    /// Returns the metrics that it will measure, as far as they are known before it runs. Opens no connection.
    fn measures(&self, files: &dyn Files) -> Vec<Measured> {
        let _ = files;
        Vec::new()
    }

    /// Returns warnings about settings that are valid and probably not meant. The task notes them when it runs.
    fn warnings(&self, files: &dyn Files) -> Vec<String> {
        let _ = files;
        Vec::new()
    }

    /// Returns the secrets that it will send and that its spec does not show by their names, as far as they are known before it runs.
    fn secrets(&self, files: &dyn Files) -> Vec<String> {
        let _ = files;
        Vec::new()
    }

    /// Returns the objectives that it judges.
    fn judges(&self) -> Option<&Objectives> {
        None
    }

    /// Returns the metrics by which it finds the best version.
    fn rewards(&self) -> Option<&Rewards> {
        None
    }

    /// Returns the metric whose counts it compares among versions, which an earlier task of the loop must measure.
    fn counts(&self) -> Option<&MetricRef> {
        None
    }

    /// Returns the number of versions among which it expects traffic, if known.
    fn expected_versions(&self) -> Option<usize> {
        None
    }

    /// Returns true if its verdicts also rest on earlier loops.
    fn judges_several_loops(&self) -> bool {
        false
    }

    /// Rejects a task that does not fit the objectives that a later task judges.
    fn check_objectives(&self, objectives: Option<&Objectives>) -> Result<(), InputError> {
        let _ = objectives;
        Ok(())
    }

    /// Rejects a task that needs a single pod, if there are several.
    fn check_pods(&self, pods: u32) -> Result<(), InputError> {
        let _ = pods;
        Ok(())
    }

    /// Returns its load, if several pods can share it.
    fn as_load(&self) -> Option<&dyn SharedLoad> {
        None
    }

    /// Returns its rollout in steps, which the pipeline drives.
    fn as_rollout(&self) -> Option<&rollout::Rollout> {
        None
    }

    /// Rejects a task that does not fit the earlier result to which the run adds a loop.
    fn check_earlier(&self, insights: &Insights) -> Result<(), InputError> {
        let _ = insights;
        Ok(())
    }

    /// Finds mistakes before any task runs: unreadable files, missing variables. Opens no connection.
    fn check(&self, files: &dyn Files) -> Result<(), InputError> {
        let _ = files;
        Ok(())
    }

    /// Runs the task to its end; see [`OnStop`] for interruptions. With a fleet, the workers run their parts of a shared load.
    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>>;
}

/// Returns the objectives that the first task after `index` judges with a confidence, or else without one: a confidence needs what the load
/// counts for it.
pub(crate) fn objectives_after(tasks: &[Box<dyn Task>], index: usize) -> Option<&Objectives> {
    let all = || tasks.iter().skip(index + 1).filter_map(|task| task.judges());
    all().find(|objectives| objectives.confidence.is_some()).or_else(|| all().next())
}

/// A task whose load several pods can share.
pub trait SharedLoad: Send + Sync {
    /// Runs this pod's share of the load, and reports its measurements or its failure to the coordinator. Ends early when
    /// `cx.env.stop` is cancelled or the coordinator restarts.
    fn run_share<'a>(&'a self, cx: &'a TaskContext<'a>, fleet: &'a dyn Fleet) -> BoxFuture<'a, Result<(), FleetError>>;
}

/// A row of the registry.
pub struct TaskKind {
    /// Name of the task in a spec.
    pub name: &'static str,
    /// Names in the `tasks` value; each is also the key of its values.
    pub value_names: &'static [&'static str],
    /// Summary for help and manual, in one line.
    pub summary: &'static str,
    /// Builds spec entries from the values with this key; paths of errors start below the key.
    pub from_values: fn(name: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError>,
    /// Parses a spec entry; paths of errors start below the entry (`with.url`).
    pub parse: fn(&TaskSpec) -> Result<Box<dyn Task>, InputError>,
    /// JSON Schema of `with`.
    pub with_schema: fn(&mut SchemaGenerator) -> Schema,
    /// JSON Schema of the values with this key.
    pub values_schema: fn(name: &str, &mut SchemaGenerator) -> Schema,
    /// Values that name objects to which it needs access; `None` if it needs none.
    pub permissions: Option<fn() -> PermissionValues>,
}
