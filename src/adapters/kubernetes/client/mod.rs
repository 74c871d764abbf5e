//! The Kubernetes API: finding the cluster as kubectl does, typed errors, retries, server-side apply, and watches.
//!
//! Nothing here knows about experiments.

mod access;
mod cluster;
mod collection;
mod connect;
mod discovery;
mod error;
mod kubeconfig;
mod objects;
mod retry;
mod transport;
mod watch;
mod watch_spacing;

pub(crate) use cluster::api_resource;
pub use cluster::{LazyCluster, NoCluster};
pub use connect::{ConnectOptions, Connection, connect, namespace_without_connecting};

pub(crate) use access::{Access, is_allowed, missing, rules};
pub(crate) use collection::{Change, Interruption, changes};
pub(crate) use discovery::{DiscoveredTypes, discover};
pub(crate) use error::{Operation, is_transient, retry_after};
pub(crate) use objects::{
    Deletion, Effect, MANAGER, Object, apply, delete, find, kind_of, list, list_labelled, list_metadata,
};
pub(crate) use retry::{INTERACTIVE, RUN, with_retry};
pub(crate) use watch::states_of;
pub(crate) use watch_spacing::spaced;
