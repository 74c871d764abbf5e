//! The Kubernetes API: finding the cluster as kubectl does, typed errors, retries, server-side apply, and watches.
//!
//! Nothing here knows about experiments.

mod connect;
mod error;
mod objects;
mod retry;
mod retry_after;
mod watch;

pub use connect::{ConnectOptions, Connection, connect, namespace_without_connecting};
pub use watch::{LazyCluster, NoCluster};

pub(crate) use error::Operation;
pub(crate) use objects::{Effect, MANAGER, Named, Object, apply, delete, find, kind_of, labelled};
pub(crate) use retry::{INTERACTIVE, RUN, with_retry};
pub(crate) use watch::Target;
