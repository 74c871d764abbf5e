//! Kubernetes clusters.

use std::pin::Pin;

use futures_util::Stream;
use serde_json::Value;

use super::BoxFuture;
use crate::model::object::ObjectRef;

/// Stream of the states of one object, the current one first: the object as JSON, `None` while it does not exist.
///
/// It survives restarts of the API server and expired watches. [Unreachable](ClusterErrorKind::Unreachable) errors are yielded, and the
/// stream goes on; any other error ends it.
pub type ObjectStates<'a> = Pin<Box<dyn Stream<Item = Result<Option<Value>, ClusterError>> + Send + 'a>>;

/// A Kubernetes cluster.
pub trait Cluster: Send + Sync {
    /// Watches one object.
    fn watch<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<ObjectStates<'a>, ClusterError>>;
}

/// Kind of a [`ClusterError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterErrorKind {
    /// A flag or kubeconfig is wrong: an unknown context, a file that is not YAML.
    Config,
    /// There is no API server, or it does not respond.
    Unreachable,
    /// The credentials are invalid.
    Unauthorized,
    /// The user is not authorized.
    Forbidden,
    /// The object, or its kind, does not exist.
    NotFound,
    /// The object was changed concurrently.
    Conflict,
    /// The API server rejects the request.
    Refused,
}

/// Failed request to a cluster. Holds no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ClusterError {
    /// Kind of the error.
    pub kind: ClusterErrorKind,
    /// Attempted operation and reason: a lowercase fragment.
    pub message: String,
    /// Next step, if there is one.
    pub hint: Option<String>,
}

impl ClusterError {
    /// An error without a next step.
    pub fn new(kind: ClusterErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Adds a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
