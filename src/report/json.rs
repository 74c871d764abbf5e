//! The report as JSON: the serialized [`ReportView`], made for queries with jq.
//!
//! Every key is always present, `null` if unknown, except that entries of `load` omit empty fields, as the document does. Lists keep the
//! order of the spec and of the versions; maps are sorted by key. Examples:
//!
//! ```text
//! jq -e '.summary.outcome == "satisfied"'
//! jq -r '.verdicts[] | select(.verdict != "satisfied") | "\(.version): \(.condition): \(.reason)"'
//! jq '.versions[1].metrics["http/latency-p99"].value'
//! jq '[.load[].dropped] | add'
//! ```
//!
//! Keys may be added; those of [`ReportView`] are not renamed.

use super::view::ReportView;
use super::{Format, ReportError};
use crate::model::document::Experiment;
use crate::model::text::printable_json;

pub(super) const FORMAT: Format = Format {
    name: "json",
    content_type: "application/json",
    extension: "json",
    summary: "the insights as one JSON object, stable for jq",
    is_gate: false,
    is_own: |start| start.starts_with("{\n  \"summary\": {\n    \"outcome\": "),
    render,
};

fn render(_: &Experiment, view: &ReportView) -> Result<String, ReportError> {
    let mut text = printable_json(&serde_json::to_string_pretty(view)?);
    text.push('\n');
    Ok(text)
}
