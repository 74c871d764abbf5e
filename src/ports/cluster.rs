//! A Kubernetes cluster, as tasks see it.

use std::pin::Pin;

use futures_util::Stream;
use serde_json::Value;

use super::BoxFuture;
use crate::model::object::ObjectRef;

/// The states of one object, the present one first: the object as JSON, or none where it does not exist.
///
/// It goes on through restarts of the API server and expired watches. That the cluster is [unreachable](ClusterErrorKind::Unreachable) is
/// told while it lasts; any other error ends it.
pub type ObjectStates<'a> = Pin<Box<dyn Stream<Item = Result<Option<Value>, ClusterError>> + Send + 'a>>;

/// A cluster.
pub trait Cluster: Send + Sync {
    /// Watches one object.
    fn watch<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<ObjectStates<'a>, ClusterError>>;
}

/// What kept a cluster from doing what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterErrorKind {
    /// A flag or a kubeconfig is not right: the context is not there, a file is not YAML.
    Config,
    /// There is no API server to ask, or it does not answer.
    Unreachable,
    /// The credentials are not accepted.
    Unauthorized,
    /// The credentials are accepted, and may not do this.
    Forbidden,
    /// The object, or its kind, is not there.
    NotFound,
    /// Somebody else wrote the object first.
    Conflict,
    /// The API server does not take what it was sent.
    Refused,
}

/// Why a cluster did not do what was asked. It holds no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ClusterError {
    /// What kind of fault it was.
    pub kind: ClusterErrorKind,
    /// What was tried and why it failed, a lowercase fragment.
    pub message: String,
    /// The next step, where there is one.
    pub hint: Option<String>,
}

impl ClusterError {
    /// An error without a next step.
    pub fn new(kind: ClusterErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same error with a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
