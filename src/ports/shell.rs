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

/// Receives the output of a script.
pub trait ScriptLog: Send + Sync {
    /// Handles a line, without its line feed.
    fn line(&self, line: &str);

    /// Redacts the start of a line that is too long to be passed as a whole.
    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }

    /// Returns the length of the longest secret, of which such a start may contain a part, in bytes.
    fn longest_secret(&self) -> usize {
        0
    }
}

impl<F: Fn(&str) + Send + Sync> ScriptLog for F {
    fn line(&self, line: &str) {
        self(line);
    }
}

/// Runs shell scripts.
pub trait Shell: Send + Sync {
    /// Runs `script` for at most `timeout`, passing each line of output to `log`. Kills it when `stop` is cancelled.
    fn run<'a>(
        &'a self,
        script: &'a str,
        timeout: Duration,
        log: &'a dyn ScriptLog,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, std::io::Result<ScriptEnd>>;
}
