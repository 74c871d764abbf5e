//! One file per task, one registry.
//!
//! A task is parsed from the `with` of its spec entry, checked before anything runs, and run. It never edits the document: it
//! returns a [`Contribution`], which the pipeline merges. Help, the unknown-task message, the JSON Schema and README's task table
//! derive from the registry.

pub mod assess;
mod credentials;
pub mod custommetrics;
pub mod grpc;
pub mod http;
mod load;
pub mod notify;
pub mod ready;
pub mod registry;
pub mod resolve;
pub mod run;
mod schedule;
mod shape;
mod text_source;
pub mod watched;

use std::collections::BTreeSet;

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use self::watched::WatchedValues;
use crate::model::contribution::{Contribution, TaskFailure, TaskOutcome};
use crate::model::document::{Experiment, TaskSpec};
use crate::model::insights::Insights;
use crate::model::object::ObjectRef;
use crate::ports::fleet::{Fleet, FleetError};
use crate::ports::{BoxFuture, Env, Files};
use crate::values::input::InputError;

/// What a running task may use.
pub struct TaskContext<'a> {
    /// Index of the task in the spec, from 0.
    pub index: usize,
    /// The document as it stands: the earlier tasks' contributions are merged.
    pub experiment: &'a Experiment,
    /// Providers that this loop has measured so far.
    pub measured: &'a BTreeSet<String>,
    /// The outside world.
    pub env: &'a Env<'a>,
}

/// Why a task did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// What the user wrote can't work: found before the run, or when a file or variable turned out wrong.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It was tried and failed.
    #[error("{message}")]
    Failed {
        /// What failed and why, naming target and act: a lowercase fragment.
        message: String,
        /// The next step, where there is one.
        hint: Option<String>,
        /// What it measured nevertheless, to be kept in the document.
        partial: Option<Box<Contribution>>,
    },
}

impl TaskError {
    /// A failure without partial results.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: None, partial: None }
    }
}

impl From<&Result<Contribution, TaskError>> for TaskOutcome {
    fn from(end: &Result<Contribution, TaskError>) -> Self {
        match end {
            Ok(contribution) => Self::Done(contribution.clone()),
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

/// What a recording keeps of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The answers it gets and the times it reads: in a replay it runs over these.
    Answers,
    /// Its outcome: it does what is not a single answer, and does not run in a replay.
    Outcome,
}

/// What a task will measure, as far as that is known before it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Providers of its metrics (`http`, `http-NAME`); a loop measures each once.
    pub providers: Vec<String>,
    /// For how many versions; `None` for a task that measures nothing.
    pub versions: Option<usize>,
}

/// A parsed task, ready to run.
pub trait Task: Send + Sync {
    /// What it will measure.
    fn measures(&self) -> Measures {
        Measures::default()
    }

    /// Finds what does not fit the result that the run adds a loop to.
    fn check_earlier(&self, insights: &Insights) -> Result<(), InputError> {
        let _ = insights;
        Ok(())
    }

    /// Finds what can be found wrong before any task runs: unreadable files, missing variables. Opens no connection.
    fn check(&self, files: &dyn Files) -> Result<(), InputError> {
        let _ = files;
        Ok(())
    }

    /// The object of the cluster that it waits for, where it does.
    fn watches(&self) -> Option<&ObjectRef> {
        None
    }

    /// What a recording keeps of it.
    fn recorded(&self) -> Recorded {
        Recorded::Answers
    }

    /// Whether it makes load that several machines can share.
    fn is_shared(&self) -> bool {
        false
    }

    /// Makes this machine's part of the load of a task that is shared, and hands it in to the coordinator: what it measures, and
    /// why it failed if it did. Ends early with `cx.env.stop`, or when the fleet recalls this machine.
    fn assist<'a>(&'a self, cx: &'a TaskContext<'a>, fleet: &'a dyn Fleet) -> BoxFuture<'a, Result<(), FleetError>> {
        let _ = (cx, fleet);
        Box::pin(async { Ok(()) })
    }

    /// Runs the task to its end, or until `cx.env.stop`. With a fleet, other machines make their parts of its load.
    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>>;
}

/// One row of the registry.
pub struct TaskKind {
    /// The task's name in a spec.
    pub name: &'static str,
    /// The names in the `tasks` value that become this task; each names the map that holds its values.
    pub value_names: &'static [&'static str],
    /// One line for help and README.
    pub summary: &'static str,
    /// Makes spec entries of the map of values of this name; the paths of its errors start below that name.
    pub from_values: fn(name: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError>,
    /// Parses a spec entry; the paths of its errors start below the entry (`with.url`).
    pub parse: fn(&TaskSpec) -> Result<Box<dyn Task>, InputError>,
    /// JSON Schema of `with`.
    pub with_schema: fn(&mut SchemaGenerator) -> Schema,
    /// JSON Schema of the map of values of this name.
    pub values_schema: fn(name: &str, &mut SchemaGenerator) -> Schema,
    /// Which of its values name objects that it waits for; none where none do.
    pub watched: Option<fn() -> WatchedValues>,
}
