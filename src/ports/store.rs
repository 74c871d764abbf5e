//! Storage of experiment documents.

use super::BoxFuture;
use super::cluster::ClusterError;
use crate::model::document::Experiment;

/// Storage of one experiment document.
pub trait DocumentStore: Send + Sync {
    /// Location of the document, for messages.
    fn location(&self) -> String;

    /// Names the experiment for others that share its objects: the same for each run of the experiment, and different for every other.
    fn owner(&self) -> String {
        self.location()
    }

    /// Reads the document.
    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>>;

    /// Replaces the document atomically.
    fn save<'a>(&'a self, experiment: &'a Experiment) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Failure to read or write a document. Locations are for messages.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no document.
    #[error("no experiment document at {location}")]
    Missing {
        /// Expected location.
        location: String,
    },
    /// The document is not an experiment document that this program can read.
    #[error("the experiment document at {location} is not valid")]
    Invalid {
        /// Location of the document.
        location: String,
        /// Mistake in the document.
        #[source]
        source: crate::model::codec::DocumentError,
    },
    /// The file system denies access.
    #[error("cannot {action} {location}")]
    Unavailable {
        /// `read` or `write`.
        action: &'static str,
        /// Location of the document.
        location: String,
        /// Error of the file system.
        #[source]
        source: std::io::Error,
    },
    /// The cluster that stores the document denies access.
    #[error("cannot {action} {location}")]
    Cluster {
        /// `read`, `write` or `launch`.
        action: &'static str,
        /// Location of the document, or name of the launched object.
        location: String,
        /// Error of the cluster.
        #[source]
        source: ClusterError,
    },
    /// The document no longer belongs to this run: it was deleted, replaced by a later launch, or written by another run. Nothing
    /// is overwritten.
    #[error("{location} no longer belongs to this run: {reason}")]
    Lost {
        /// Location of the document.
        location: String,
        /// Event that took it away.
        reason: String,
    },
    /// Another program changed the document during the run. Nothing is overwritten.
    #[error("{location} was {change} by another program during the run; nothing was overwritten")]
    Changed {
        /// Location of the document.
        location: String,
        /// `created` or `changed`.
        change: &'static str,
    },
    /// The document exceeds the size limit of its store, even without its optional parts.
    #[error("{location} cannot hold the document: {reason}")]
    TooLarge {
        /// Location of the document.
        location: String,
        /// Its size and the limit.
        reason: String,
    },
}
