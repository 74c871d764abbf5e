//! The runtime of the test servers. It outlives every test, because some servers are shared.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// Blocks on a future from a test without a runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// Starts a task that outlives the test.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    runtime().spawn(task);
}
