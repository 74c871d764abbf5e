//! Reports of reasons to wait.

use super::target::Say;

/// Reports a reason to wait, unless it was the last one reported.
pub(super) fn wait_for(reason: &str, waiting_for: &mut String, say: Say<'_>) {
    if waiting_for != reason {
        say(reason);
        *waiting_for = reason.to_owned();
    }
}
