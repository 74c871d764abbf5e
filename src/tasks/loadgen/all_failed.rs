//! The note on a load without a single success.

use crate::load::outcome::LoadOutcome;

/// Returns a note with the next step if every request of a load failed, though the service responded. `status` describes a status.
pub(in crate::tasks) fn all_failed(
    label: &str,
    outcome: &LoadOutcome,
    status: impl Fn(u16) -> String,
    advice: &str,
) -> Option<String> {
    let counts = &outcome.counts;
    // Failures without a response have notes of their own.
    let is_total = counts.requests > 0 && counts.errors == counts.requests && outcome.responses() == counts.requests;
    let listed: Vec<String> =
        outcome.statuses.iter().map(|(code, count)| format!("{} ×{count}", status(*code))).collect();
    let reasons = if listed.is_empty() { String::new() } else { format!(": {}", listed.join(", ")) };
    is_total.then(|| format!("{label}: all {} requests failed{reasons}; {advice}", counts.requests))
}
