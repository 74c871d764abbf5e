//! Kubernetes: the connection to a cluster, the objects of an experiment, and pods that generate one load together.

mod client;
mod coordination;
mod experiment;

pub use client::{Connection, NoCluster};
pub use coordination::{PodFleet, ShardIndex};

pub(crate) use client::{
    Change, ConnectOptions, DiscoveredTypes, INTERACTIVE, Interruption, LazyCluster, MANAGER, Operation, api_resource,
    changes, connect, discover, is_transient, namespace_without_connecting, retry_after, spaced, with_retry,
};
pub(crate) use experiment::{
    CronJobState, GroupDeletion, GroupState, LatestDocument, Launched, LogLine, MAX_SECRET_BYTES, SecretStore, Stored,
    delete_group, follow_logs, groups, launch, pod_problem, print_logs, run_end,
};
