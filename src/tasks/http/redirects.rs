//! Note on redirects that a load did not follow: they are not errors, but rarely the responses that the user wanted.

use super::plan::Load;
use crate::load::outcome::LoadOutcome;

/// Statuses whose `Location` clients follow.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// Returns a note with the next step if at least half of the responses are redirects that were not followed.
pub(super) fn not_followed(load: &Load, outcome: &LoadOutcome) -> Option<String> {
    if load.redirects > 0 || !load.expect.statuses.is_empty() {
        return None;
    }
    let all = outcome.responses();
    let redirects: Vec<(&u16, &u64)> =
        outcome.statuses.iter().filter(|(status, _)| REDIRECTS.contains(status)).collect();
    let count: u64 = redirects.iter().map(|(_, count)| **count).sum();
    let listed: Vec<String> = redirects.iter().map(|(status, count)| format!("status {status} ×{count}")).collect();
    (count > 0 && count * 2 >= all).then(|| {
        format!(
            "{}: {count} of {all} responses are redirects, which are not followed ({}); set `followRedirects: true`, or load the URL that \
             they lead to",
            load.label,
            listed.join(", ")
        )
    })
}
