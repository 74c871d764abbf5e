//! Errors as the user sees them: `error:`, one `caused by:` per link, and a `hint:` when there is a next step.

use std::error::Error;

use super::exit::Exit;
use crate::pipeline::PipelineError;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::ports::{RecordingError, StoreError};
use crate::tasks::TaskError;
use crate::values::input::InputError;

/// An error with its exit code.
#[derive(Debug)]
pub struct CliError {
    exit: Exit,
    pub(super) message: String,
    pub(super) causes: Vec<String>,
    pub(super) hint: Option<String>,
}

impl CliError {
    /// An error without causes.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Bad input.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, message)
    }

    /// The same error with a cause, and the cause's own causes.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Error + 'static) -> Self {
        self.causes.push(cause.to_string());
        let mut source = cause.source();
        while let Some(cause) = source {
            self.causes.push(cause.to_string());
            source = cause.source();
        }
        // A transparent wrapper repeats its cause.
        self.causes.dedup();
        self
    }

    /// The same error with a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Bad input found in the values.
    pub fn in_values(error: InputError) -> Self {
        let hint = error.hint.clone();
        Self { hint, ..Self::input("the values are not valid").caused_by(error) }
    }

    /// Bad input found in an experiment document.
    pub fn in_document(location: &str, error: InputError) -> Self {
        let hint = error.hint.clone();
        Self { hint, ..Self::input(format!("{location} is not valid")).caused_by(error) }
    }

    /// An error and what caused it.
    pub fn chain(exit: Exit, error: impl Error + 'static, hint: Option<&str>) -> Self {
        let mut links = Self::new(exit, String::new()).caused_by(error).causes.into_iter();
        let message = links.next().unwrap_or_default();
        Self { exit, message, causes: links.collect(), hint: hint.map(str::to_owned) }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let (exit, hint) = match &error {
            StoreError::Missing { .. } => {
                (Exit::BadInput, Some("make one with `iter8 run --set …`, or name its directory with --runDir"))
            }
            StoreError::Invalid { .. } => (Exit::BadInput, None),
            StoreError::Unavailable { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                (Exit::OutsideWorld, Some("make its directory first, with mkdir -p"))
            }
            StoreError::Cluster { source, .. } => return Self::in_cluster(&error, source.clone()),
            StoreError::Unavailable { .. } | StoreError::Lost { .. } => (Exit::OutsideWorld, None),
            StoreError::TooLarge { .. } => {
                (Exit::OutsideWorld, Some("measure fewer endpoints, versions or percentiles in one experiment"))
            }
        };
        Self::chain(exit, error, hint)
    }
}

impl From<RecordingError> for CliError {
    fn from(error: RecordingError) -> Self {
        let (exit, hint) = match &error {
            RecordingError::Taken { .. } => (Exit::BadInput, Some("give another directory, or remove what is there")),
            RecordingError::Missing { .. } => {
                (Exit::BadInput, Some("make one with `iter8 run --record DIR`; each loop of --reuseResult has its own"))
            }
            RecordingError::Damaged { .. } => (Exit::BadInput, Some("record again, into another directory")),
            RecordingError::Unavailable { .. } => (Exit::OutsideWorld, None),
        };
        Self::chain(exit, error, hint)
    }
}

impl From<ClusterError> for CliError {
    fn from(error: ClusterError) -> Self {
        let exit = match error.kind {
            ClusterErrorKind::Config => Exit::BadInput,
            _ => Exit::OutsideWorld,
        };
        Self { hint: error.hint, ..Self::new(exit, error.message) }
    }
}

impl CliError {
    /// What a cluster did not do, with what was to be done by it.
    fn in_cluster(error: &StoreError, source: ClusterError) -> Self {
        let Self { exit, message, hint, .. } = Self::from(source);
        Self { exit, message: error.to_string(), causes: vec![message], hint }
    }

    /// The error of a run; `location` is the document's.
    pub fn from_run(error: PipelineError, location: &str) -> Self {
        match error {
            PipelineError::Input(error) => Self::in_document(location, error),
            PipelineError::Store(error) => Self::from(error),
            error @ PipelineError::Fleet(_) => Self::chain(Exit::OutsideWorld, error, None),
            error @ PipelineError::Task { source: TaskError::Interrupted, .. } => {
                Self::chain(Exit::Interrupted, error, None)
            }
            PipelineError::Task { source: TaskError::Input(ref input), .. } => {
                let hint = input.hint.clone();
                Self { hint, ..Self::new(Exit::TaskFailed, error.to_string()).caused_by(input.clone()) }
            }
            PipelineError::Task { source: TaskError::Failed { ref message, ref hint, .. }, .. } => Self {
                exit: Exit::TaskFailed,
                message: error.to_string(),
                causes: vec![message.clone()],
                hint: hint.clone(),
            },
        }
    }
}
