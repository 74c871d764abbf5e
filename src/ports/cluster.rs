//! Kubernetes clusters.

use std::pin::Pin;

use futures_util::Stream;
use serde_json::Value;

use super::BoxFuture;
use crate::model::object::{ObjectRef, ResourceKind};

/// Stream of the states of one object, the current one first: the object as JSON, `None` while it does not exist.
///
/// It survives restarts of the API server and expired watches. [Unreachable](ClusterErrorKind::Unreachable) errors are yielded and
/// the stream continues; any other error ends it.
pub type ObjectStates<'a> = Pin<Box<dyn Stream<Item = Result<Option<Value>, ClusterError>> + Send + 'a>>;

/// A Kubernetes cluster.
pub trait Cluster: Send + Sync {
    /// Watches one object.
    fn watch<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<ObjectStates<'a>, ClusterError>>;

    /// Creates an object of this kind, such as `Lease`. [`ClusterErrorKind::Conflict`] if it exists.
    fn create<'a>(
        &'a self,
        object: &'a ObjectRef,
        kind: &'a str,
        content: &'a Value,
    ) -> BoxFuture<'a, Result<Value, ClusterError>>;

    /// Changes one object with a JSON merge patch. Returns the changed object; [`ClusterErrorKind::Conflict`] if the patch has a version of the
    /// object that is not the current one.
    fn patch<'a>(&'a self, object: &'a ObjectRef, patch: &'a Value) -> BoxFuture<'a, Result<Value, ClusterError>>;

    /// Reads the OpenAPI document of a type's group and version. Every authenticated user may.
    fn openapi<'a>(&'a self, kind: &'a ResourceKind) -> BoxFuture<'a, Result<Value, ClusterError>> {
        let message = format!("no schema of {kind} is available");
        Box::pin(async { Err(ClusterError::new(ClusterErrorKind::Refused, message)) })
    }
}

/// Kind of a [`ClusterError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterErrorKind {
    /// Invalid flag or kubeconfig: an unknown context, a file that is not YAML.
    Config,
    /// The API server does not exist or does not respond.
    Unreachable,
    /// The credentials are invalid.
    Unauthorized,
    /// The user is not authorized.
    Forbidden,
    /// The object, or its kind, does not exist.
    NotFound,
    /// The object was changed concurrently.
    Conflict,
    /// The API server rejected the request.
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
    /// Hint for the user, if any.
    pub hint: Option<String>,
}

impl ClusterError {
    /// Builds an error without a hint.
    pub fn new(kind: ClusterErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
