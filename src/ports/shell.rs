//! Shell scripts.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::BoxFuture;

/// End of a shell script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    /// It exited with this code.
    Exited(i32),
    /// It was killed by this signal.
    Killed(i32),
    /// It was killed at its timeout, with its children.
    TimedOut,
    /// It was killed because the run was interrupted.
    Interrupted,
}

/// Runs shell scripts.
pub trait Shell: Send + Sync {
    /// Runs `script` for at most `timeout`, passing each line of output to `line`. Kills it when `stop` is cancelled.
    fn run<'a>(
        &'a self,
        script: &'a str,
        timeout: Duration,
        line: &'a (dyn Fn(&str) + Send + Sync),
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, std::io::Result<ScriptEnd>>;
}
