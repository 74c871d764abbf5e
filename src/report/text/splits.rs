//! Observed splits of traffic beside the expected ones: a table per split.

use std::fmt::Write;

use super::table::Table;
use super::{MAX_NAME, MAX_REASONS, MAX_VERSION, heading, more, prose};
use crate::model::split::{Split, SplitVersion};
use crate::model::text::one_line;
use crate::report::show::{rounded, squeezed};
use crate::report::view::ReportView;

pub(super) fn section(out: &mut String, view: &ReportView) {
    if view.splits.is_empty() {
        return;
    }
    heading(out, "Split of the traffic");
    for split in view.splits.iter().take(MAX_REASONS) {
        let word = if split.is_satisfied() { "as expected" } else { "inconclusive" };
        let responses = split.responses.map(|responses| format!(" | {responses} responses")).unwrap_or_default();
        let _ = writeln!(out, "  {word:<13} {}{responses}", squeezed(&one_line(&split.metric.to_string()), MAX_NAME));
        prose(out, &" ".repeat(16), &split.reason);
        if let Some(object) = &split.expected_from {
            prose(out, &" ".repeat(16), &format!("expected shares: {object}"));
        }
        let _ = writeln!(out);
        table(split).write(out);
    }
    more(out, view.splits.len(), MAX_REASONS);
}

fn table(split: &Split) -> Table {
    let confidence = format!("{}% interval", rounded(100.0 * (1.0 - split.significance)));
    let titles = ["expected", "observed", "responses", confidence.as_str()].map(str::to_owned).to_vec();
    let mut table = Table::new("Version", titles);
    for version in &split.versions {
        table.row(squeezed(&one_line(&version.name), MAX_VERSION), cells(version).to_vec());
    }
    table
}

fn cells(version: &SplitVersion) -> [String; 4] {
    let percent = |percent: Option<f64>| percent.map_or_else(|| "unknown".to_owned(), |it| format!("{}%", rounded(it)));
    let interval = version.interval.map(|[low, high]| format!("{}% to {}%", rounded(low), rounded(high)));
    let count = version.observed.map(|count| count.to_string());
    [
        percent(version.expected),
        percent(version.percent),
        count.unwrap_or_else(|| "unknown".to_owned()),
        interval.unwrap_or_default(),
    ]
}
