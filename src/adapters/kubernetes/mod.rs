//! A cluster, through its API server: finding it as kubectl does, watching objects, keeping documents in Secrets, launching,
//! deleting, logs.

mod connect;
mod fault;
mod fleet;
mod groups;
mod launch;
mod logs;
mod objects;
mod ownership;
mod remove;
mod retry;
mod retry_after;
mod secret_data;
mod secret_store;
mod watch;

pub use connect::{ConnectOptions, Connection, connect, namespace_without_connecting};
pub use fleet::{PodFleet, Seat};
pub use groups::{GroupState, RunEnded, groups, run_is_over};
pub use launch::{Launched, launch};
pub use logs::{LogLine, follow_logs, what_holds_the_pod};
pub use remove::delete_group;
pub use secret_data::MAX_SECRET_BYTES;
pub use secret_store::{SecretStore, Stored};
pub use watch::{LazyCluster, NoCluster};
