//! Kubernetes: the connection to a cluster, the objects of an experiment, and pods that generate one load together.

mod client;
mod coordination;
mod experiment;

pub use client::{ConnectOptions, Connection, LazyCluster, NoCluster, connect, namespace_without_connecting};
pub use coordination::{PodFleet, ShardIndex};
pub use experiment::{
    GroupState, Launched, LogLine, MAX_SECRET_BYTES, RunEnded, SecretStore, Stored, delete_group, follow_logs, groups,
    launch, pod_problem, run_end,
};
