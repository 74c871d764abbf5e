//! A real Kubernetes on this machine: etcd, an API server with RBAC, the controller manager, kubectl, and a small node whose pods
//! are processes in root directories of their own. It has no scheduler and no network: the node takes every pod, and everything
//! listens on loopback.

mod certificates;
mod container;
mod control_plane;
mod definitions;
mod expired;
mod kubectl;
mod node;
mod pod;
mod process;
mod root_directory;
mod serve_logs;
mod waiting;

use std::sync::OnceLock;
use std::time::Duration;

pub use control_plane::ControlPlane;
pub use node::Node;

/// Longest wait for something that must come. It is long because other tests use the same cores.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Time between two looks at, or tries of, what tells nobody when it is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What the parts run on. It lives as long as the test program, because the shared ones do.
fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// Runs this on the runtime that [`ControlPlane::client`] belongs to.
pub fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// Starts a task on that runtime.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    runtime().spawn(task);
}
