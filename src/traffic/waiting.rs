//! Waits for a target: reasons to wait, and their end.

use std::time::Duration;

use tokio::time::Instant;

use super::error::{TrafficError, TrafficErrorKind};
use super::target::{Say, Target};

/// Reason to wait before anything was read.
pub(super) const UNREAD: &str = "it could not be read";

/// Reports a reason to wait, unless it was the last one reported.
pub(super) fn wait_for(reason: &str, waiting_for: &mut String, say: Say<'_>) {
    if waiting_for != reason {
        say(reason);
        *waiting_for = reason.to_owned();
    }
}

/// End of a wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) end: Instant,
    /// Time from its start, for messages.
    timeout: Duration,
}

impl Deadline {
    /// Starts a wait of this length.
    pub(super) fn after(timeout: Duration) -> Self {
        Self { end: Instant::now() + timeout, timeout }
    }

    /// Builds the error of a change that did not take effect in time, with the last reason to wait.
    pub(super) fn error(self, target: &dyn Target, waiting_for: &str) -> TrafficError {
        let (name, shown, timeout) = (target.describe(), target.argument(), self.timeout);
        TrafficError::new(
            TrafficErrorKind::Timeout,
            format!("{name} did not reach the requested traffic within {timeout:?}: {waiting_for}"),
            format!(
                "`iter8 k rollout status {shown}` shows its state; to wait longer, raise --timeout, or `rollout.timeout` of a rollout in steps"
            ),
        )
    }
}
