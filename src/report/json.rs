//! The report as JSON: the [`Digest`](super::digest::Digest), made to be asked by jq.
//!
//! Every key is always there, with `null` for what is not known, except that entries of `load` leave out what is empty, as the document
//! does. Lists keep the spec's and the versions' order, maps are sorted by key. What may be asked, for example:
//!
//! ```text
//! jq -e '.summary.outcome == "satisfied"'
//! jq -r '.verdicts[] | select(.verdict != "satisfied") | "\(.version): \(.condition): \(.reason)"'
//! jq '.versions[1].metrics["http/latency-p99"].value'
//! jq '[.load[].dropped] | add'
//! ```
//!
//! Keys may be added; those documented in [`digest`](super::digest) are not renamed.

use super::{Format, ReportError, digest};
use crate::model::document::Experiment;

pub(super) const FORMAT: Format = Format {
    name: "json",
    content_type: "application/json",
    extension: "json",
    summary: "the insights as one JSON object, stable for jq",
    render,
};

fn render(experiment: &Experiment) -> Result<String, ReportError> {
    let mut text = serde_json::to_string_pretty(&digest::of(experiment))?;
    text.push('\n');
    Ok(text)
}
