//! Errors as shown to users: the failure, its causes, and a hint.

use std::error::Error;

use crate::model::codec::DocumentError;
use crate::pipeline::PipelineError;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::ports::{RecordingError, StoreError};
use crate::tasks::TaskError;
use crate::traffic::TrafficError;
use crate::traffic::error::TrafficErrorKind;
use crate::values::input::{InputError, InputErrors};

/// Kind of an error; each has its own exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// Invalid flags, values, experiment or template.
    BadInput,
    /// A task failed while running.
    TaskFailed,
    /// A store, cluster, URL or file system is unreachable or forbidden.
    OutsideWorld,
}

/// An error with its causes.
#[derive(Debug)]
pub(crate) struct AppError {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    /// Mistakes in the input, if there are several; a single one is in `causes`.
    pub(crate) mistakes: Vec<InputError>,
}

impl AppError {
    /// Builds an error about invalid input.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadInput, message)
    }

    /// Builds an error about a store, cluster, URL or file system.
    pub(crate) fn outside(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::OutsideWorld, message)
    }

    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hint: None, mistakes: Vec::new() }
    }

    /// Adds a cause, and the cause's own causes.
    #[must_use]
    pub(crate) fn caused_by(mut self, cause: impl Error + 'static) -> Self {
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

    /// Adds a hint.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Builds an error about the values.
    pub(crate) fn in_values(errors: impl Into<InputErrors>) -> Self {
        Self::input("the values are not valid").with_mistakes(errors.into())
    }

    /// Builds an error about an experiment document.
    pub(crate) fn in_document(location: &str, errors: impl Into<InputErrors>) -> Self {
        Self::input(format!("{location} is not valid")).with_mistakes(errors.into())
    }

    /// Builds an error about a flag.
    pub(crate) fn in_flag(error: InputError) -> Self {
        Self { hint: error.hint.clone(), ..Self::input(error.to_string()) }
    }

    fn with_mistakes(self, errors: InputErrors) -> Self {
        let mut mistakes = errors.into_vec();
        match mistakes.pop() {
            Some(mistake) if mistakes.is_empty() => {
                let hint = mistake.hint.clone();
                Self { hint, ..self.caused_by(mistake) }
            }
            last => Self { mistakes: mistakes.into_iter().chain(last).collect(), ..self },
        }
    }

    /// Builds an error from `error` and its causes.
    fn chain(kind: ErrorKind, error: impl Error + 'static, hint: Option<&str>) -> Self {
        let mut links = Self::new(kind, String::new()).caused_by(error).causes.into_iter();
        let message = links.next().unwrap_or_default();
        Self { causes: links.collect(), hint: hint.map(str::to_owned), ..Self::new(kind, message) }
    }

    /// Builds the error of a run; `location` is that of the document.
    pub(crate) fn from_run(error: PipelineError, location: &str) -> Self {
        match error {
            PipelineError::Input(errors) => Self::in_document(location, errors),
            PipelineError::Store(error) => Self::from(error),
            PipelineError::Traffic(error) => Self::from(error),
            error @ PipelineError::Fleet(_) => Self::chain(ErrorKind::OutsideWorld, error, None),
            PipelineError::Task { ref source, .. } => {
                let (cause, hint) = match source {
                    TaskError::Input(input) => (input.to_string(), input.hint.clone()),
                    TaskError::Failed { message, hint, .. } => (message.clone(), hint.clone()),
                    TaskError::Interrupted => (source.to_string(), None),
                };
                Self { causes: vec![cause], hint, ..Self::new(ErrorKind::TaskFailed, error.to_string()) }
            }
        }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        let (kind, hint) = match &error {
            StoreError::Missing { .. } => {
                (ErrorKind::BadInput, Some("create one with `iter8 run --set …`, or check the path"))
            }
            StoreError::Invalid { source: DocumentError::Values, .. } => {
                (ErrorKind::BadInput, Some("read values with -f: iter8 validate -f FILE, or iter8 run -f FILE"))
            }
            StoreError::Invalid { .. } => (ErrorKind::BadInput, None),
            StoreError::Unavailable { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                (ErrorKind::OutsideWorld, Some("create its directory first with `mkdir -p`"))
            }
            StoreError::Cluster { source, .. } => {
                let Self { kind, message, hint, .. } = Self::from(source.clone());
                return Self { causes: vec![message], hint, ..Self::new(kind, error.to_string()) };
            }
            StoreError::Changed { .. } => (
                ErrorKind::OutsideWorld,
                Some("run the experiment again without other programs that write there, or choose another --runDir"),
            ),
            StoreError::Unavailable { .. } | StoreError::Lost { .. } => (ErrorKind::OutsideWorld, None),
            StoreError::TooLarge { .. } => {
                (ErrorKind::OutsideWorld, Some("measure fewer endpoints, versions or percentiles in one experiment"))
            }
        };
        Self::chain(kind, error, hint)
    }
}

impl From<RecordingError> for AppError {
    fn from(error: RecordingError) -> Self {
        let (kind, hint) = match &error {
            RecordingError::Taken { .. } => {
                (ErrorKind::BadInput, Some("use another directory, or remove the existing recording"))
            }
            RecordingError::Missing { .. } => (
                ErrorKind::BadInput,
                Some("create one with `iter8 run --record DIR`; each loop of --reuseResult has its own"),
            ),
            RecordingError::Differs { .. } => {
                (ErrorKind::BadInput, Some("replay with the recorded settings, or record again into another directory"))
            }
            RecordingError::Damaged { .. } => (ErrorKind::BadInput, Some("record again into another directory")),
            RecordingError::Unavailable { .. } => (ErrorKind::OutsideWorld, None),
        };
        Self::chain(kind, error, hint)
    }
}

impl From<ClusterError> for AppError {
    fn from(error: ClusterError) -> Self {
        let kind = match error.kind {
            ClusterErrorKind::Config => ErrorKind::BadInput,
            _ => ErrorKind::OutsideWorld,
        };
        Self { hint: error.hint, ..Self::new(kind, error.message) }
    }
}

impl From<TrafficError> for AppError {
    fn from(error: TrafficError) -> Self {
        let kind = match error.kind {
            TrafficErrorKind::Refused | TrafficErrorKind::Absent | TrafficErrorKind::Config => ErrorKind::BadInput,
            TrafficErrorKind::Lost
            | TrafficErrorKind::Timeout
            | TrafficErrorKind::Claimed
            | TrafficErrorKind::Cluster => ErrorKind::OutsideWorld,
        };
        Self { hint: error.hint, ..Self::new(kind, error.message) }
    }
}
