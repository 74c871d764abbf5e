//! Splits of traffic, without secrets.

use crate::model::insights::Insights;
use crate::model::split::Split;
use crate::redact::redact_text;

/// Maximum splits and versions; a document with more is damaged or hostile.
const MAX: usize = 100;

/// Reports the splits of the newest loop.
pub(super) fn of(insights: &Insights) -> Vec<Split> {
    let redacted = |split: &Split| {
        let mut split = Split { reason: redact_text(&split.reason), ..split.clone() };
        split.expected_from = split.expected_from.as_deref().map(redact_text);
        split.versions.truncate(MAX);
        split
    };
    insights.splits.iter().take(MAX).map(redacted).collect()
}
