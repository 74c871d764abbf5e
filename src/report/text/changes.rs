//! Candidates against version 0: the metrics with SLOs, the error rates, and the median and tail of latencies.

use super::table::Table;
use super::{MAX_NAME, MAX_VERSION, heading, interval::plain, more};
use crate::model::text::one_line;
use crate::report::show::{readable, squeezed};
use crate::report::view::{ChangeReport, ReportView, common_percent};

/// Maximum rows.
const MAX_ROWS: usize = 60;
/// Ends of the names of metrics that are listed without an SLO.
const LISTED: [&str; 5] = ["/error-rate", "latency-p50", "latency/p50", "latency-p99", "latency/p99"];

pub(super) fn section(out: &mut String, view: &ReportView) {
    let of_provider = |change: &ChangeReport| view.versions.iter().any(|v| v.observations.contains_key(&change.metric));
    let is_listed = |change: &&ChangeReport| {
        change.verdict.is_some() || LISTED.iter().any(|end| change.metric.ends_with(end)) || of_provider(change)
    };
    let changes: Vec<&ChangeReport> = view.changes.iter().filter(is_listed).collect();
    let Some(first) = changes.first() else { return };
    let version = |name: &str| squeezed(&one_line(name), MAX_VERSION);
    let is_alone = changes.iter().all(|change| change.version == first.version);
    let reference = version(&first.reference);
    let candidate = if is_alone { version(&first.version) } else { "versions".to_owned() };
    heading(out, &format!("Change of {candidate} against {reference}"));
    let percent = common_percent(changes.iter().copied());
    let interval = percent.as_ref().map_or_else(|| "interval".to_owned(), |percent| format!("{percent} interval"));
    let value = if is_alone { candidate } else { "value".to_owned() };
    let mut table = Table::new("Metric", vec![reference, value, "change".to_owned(), interval]);
    for change in changes.iter().take(MAX_ROWS) {
        table.row(
            label(change, (!is_alone).then(|| version(&change.version))),
            cells(change, percent.as_deref()).to_vec(),
        );
    }
    table.write(out);
    more(out, changes.len(), MAX_ROWS);
}

fn label(change: &ChangeReport, version: Option<String>) -> String {
    let units = change.units.as_ref().map(|units| format!(" ({})", squeezed(&one_line(units), 20))).unwrap_or_default();
    let version = version.map(|version| format!(", {version}")).unwrap_or_default();
    format!("{}{units}{version}", squeezed(&one_line(&change.metric), MAX_NAME))
}

fn cells(change: &ChangeReport, common: Option<&str>) -> [String; 4] {
    let units = change.units.as_deref();
    let text = |text: Option<String>| text.map_or_else(|| "-".to_owned(), |text| plain(&text));
    let interval = match (change.interval_beside(common), change.direction) {
        (Some(interval), Some(_)) => Some(format!("{interval}: {}", change.direction_text().unwrap_or_default())),
        (interval, _) => interval,
    };
    [readable(change.reference_value, units), readable(change.value, units), text(change.change_text()), text(interval)]
}
