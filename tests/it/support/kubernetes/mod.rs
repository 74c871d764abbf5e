//! A real Kubernetes on this machine: etcd, an API server with RBAC, the controller manager, kubectl, and a small node whose pods
//! are processes in root directories of their own. It has no scheduler and no network: the node takes every pod, and everything
//! but KServe's webhooks listens on loopback.

mod certificates;
mod container;
mod control_plane;
mod definitions;
mod expired;
mod istiod;
mod kserve;
mod kubectl;
mod node;
mod pod;
mod process;
mod root_directory;
mod serve_logs;
mod waiting;

use std::time::Duration;

pub use control_plane::{ControlPlane, free_port};
pub use kserve::{Gateway, KServe, Model, Outcome, accepted};
pub use node::Node;
pub use process::{Program, last_words};

/// Longest wait for something that must come. It is long because other tests use the same cores.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// Polling interval.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);
