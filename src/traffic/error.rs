//! Failures to move traffic.

use crate::ports::cluster::ClusterError;

/// Failure to move traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficError {
    /// Kind of the failure.
    pub(crate) kind: TrafficErrorKind,
    /// Failure, with the name of the target: a lowercase fragment.
    pub(crate) message: String,
    /// Hint for the user.
    pub(crate) hint: Option<String>,
}

/// Kind of a [`TrafficError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficErrorKind {
    /// The change would have no effect, or a different one than requested. Nothing was changed.
    Refused,
    /// The target does not exist.
    Absent,
    /// Others changed the target, so the change cannot take effect any more.
    Lost,
    /// The change did not take effect in time.
    Timeout,
    /// Another rollout moves the traffic of the target.
    Claimed,
    /// The flags or the kubeconfig are invalid.
    Config,
    /// The cluster cannot be reached or denies access.
    Cluster,
}

impl TrafficError {
    /// Builds an error with a hint.
    pub(crate) fn new(kind: TrafficErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: Some(hint.into()) }
    }
}

impl From<ClusterError> for TrafficError {
    fn from(error: ClusterError) -> Self {
        use crate::ports::cluster::ClusterErrorKind;
        let kind = match error.kind {
            ClusterErrorKind::Config => TrafficErrorKind::Config,
            _ => TrafficErrorKind::Cluster,
        };
        Self { kind, message: error.message, hint: error.hint }
    }
}
