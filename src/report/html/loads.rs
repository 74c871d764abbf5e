//! Tables of loads: requested and achieved rates, responses and errors.

use std::collections::BTreeSet;

use serde::Serialize;

use super::state::{State, named, state};
use crate::metrics::split;
use crate::model::load::LoadRecord;
use crate::report::show::{bytes, grouped, percentage, rounded, squeezed, status_name, thousands, value};
use crate::report::view::LoadReport;
use crate::slo::load_validity::{is_disturbed, is_missed};

/// Rows of one load.
#[derive(Serialize)]
pub(super) struct Load {
    provider: String,
    version: String,
    target: String,
    schedule: String,
    /// Sentence on the early end of the load.
    stopped: Option<String>,
    state: State,
    /// Pairs of title and figure.
    cells: Vec<[String; 2]>,
    failed: String,
    failures: Vec<Share>,
    failures_left_out: usize,
    responses: Vec<Share>,
}

/// A count and its percentage, drawn as a bar.
#[derive(Serialize)]
struct Share {
    name: String,
    count: String,
    percent: f64,
    percent_text: String,
    /// Drawn as an error.
    is_bad: bool,
}

/// A column: its title and its optional cell for a load.
type Column = (&'static str, fn(&LoadRecord) -> Option<String>);

const COLUMNS: [Column; 12] = [
    ("Requested", |load| Some(load.requested_rate.map_or_else(|| "max".to_owned(), |rate| grouped(&rounded(rate))))),
    ("Achieved", |load| Some(grouped(&rounded(load.achieved_rate)))),
    ("Requests", |load| Some(thousands(load.counts.requests))),
    ("Share", |load| {
        let whole = load.version_from.as_ref()?;
        Some(split::share(load.counts.requests, whole.counts.requests).replace(' ', "\u{a0}"))
    }),
    ("Errors", |load| Some(thousands(load.counts.errors))),
    ("Late", |load| Some(thousands(load.counts.late))),
    ("Dropped", |load| Some(thousands(load.counts.dropped))),
    ("Resent", |load| (load.counts.resent > 0).then(|| thousands(load.counts.resent))),
    ("Lateness", |load| load.lateness.map(|l| format!("{} / {}", value(l.p50), value(l.p99)))),
    ("Bytes", |load| {
        Some(format!(
            "{} / {}",
            load.traffic.bytes_sent.map_or_else(|| "–".to_owned(), joined_bytes),
            joined_bytes(load.traffic.bytes_received)
        ))
    }),
    ("Messages", |load| {
        let counts = [load.traffic.messages_sent, load.traffic.messages_received];
        let text = counts.map(|count| count.map_or_else(|| "–".to_owned(), thousands)).join(" / ");
        counts.iter().any(Option::is_some).then_some(text)
    }),
    ("Pods", |load| {
        let shards = load.shards.as_ref()?;
        let missing = shards.missing.len() as u64;
        Some(format!("{} of {}", shards.count.saturating_sub(missing), shards.count))
    }),
];

/// Formats bytes with a non-breaking space before the unit.
fn joined_bytes(number: u64) -> String {
    bytes(number).replace(' ', "\u{a0}")
}

/// Selects the columns in which some load has a cell.
fn used_columns(loads: &[LoadReport]) -> Vec<Column> {
    COLUMNS.into_iter().filter(|(_, cell)| loads.iter().any(|row| cell(&row.load).is_some())).collect()
}

/// Lists the titles of the used columns.
pub(super) fn columns(loads: &[LoadReport]) -> Vec<&'static str> {
    used_columns(loads).into_iter().map(|(title, _)| title).collect()
}

/// Builds the rows of at most `max` loads.
pub(super) fn rows(loads: &[LoadReport], max: usize) -> Vec<Load> {
    let columns = used_columns(loads);
    loads.iter().take(max).map(|row| load(row, &columns)).collect()
}

/// Lists the loads of the first `max` rows whose responses are attributed to versions.
pub(super) fn attributed(loads: &[LoadReport], max: usize) -> String {
    let rows = loads.iter().take(max).filter(|row| row.load.version_from.is_some());
    let names: BTreeSet<String> = rows.map(|row| named(&row.provider)).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// Tells if a load was as requested, and why not.
pub(super) fn state_of(row: &LoadReport) -> State {
    let load = &row.load;
    let requests = load.whole_counts().requests;
    let is_behind = load.counts.dropped > 0
        || load
            .requested_rate
            .is_some_and(|requested| is_missed(requested, load.achieved_rate, requests, load.duration.0));
    let is_disturbed = is_disturbed(&load.counts);
    let has_gap = load.shards.as_ref().is_some_and(|shards| !shards.missing.is_empty());
    if row.is_failed() {
        state("bad", "✗", "all requests failed")
    } else if load.interrupted {
        state("open", "!", "interrupted")
    } else if has_gap {
        state("open", "!", "pods missing")
    } else if is_behind {
        state("open", "!", "below the requested rate")
    } else if is_disturbed {
        state("open", "!", "delayed by the load generator")
    } else {
        state("good", "✓", "as requested")
    }
}

/// Returns true if a request of any load failed.
pub(super) fn has_failures(loads: &[LoadReport]) -> bool {
    loads.iter().any(|row| row.load.counts.errors > 0)
}

fn load(row: &LoadReport, columns: &[Column]) -> Load {
    let load = &row.load;
    let share = |name: String, count: u64, is_bad: bool| {
        let percent = 100.0 * count as f64 / load.counts.requests.max(1) as f64;
        let percent_text = percentage(percent);
        Share {
            name,
            count: thousands(count),
            percent: (percent.clamp(0.0, 100.0) * 10.0).round() / 10.0,
            percent_text,
            is_bad,
        }
    };
    let mut responses: Vec<_> =
        load.statuses.iter().map(|(status, count)| (status_name(&row.provider, *status), *count)).collect();
    let failures = &row.failures;
    responses.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let left_out = responses.len().saturating_sub(8) + failures.len().saturating_sub(8);
    let is_error = |status: &str| failures.iter().any(|failure| failure.name.strip_prefix("status ") == Some(status));
    Load {
        provider: named(&row.provider),
        version: named(&row.version),
        target: format!("{} {}", squeezed(&load.method, 80), load.url).trim().to_owned(),
        schedule: squeezed(&row.schedule(), 200),
        stopped: row.stopped().map(|text| text.replace("<=", "≤")),
        state: state_of(row),
        cells: columns
            .iter()
            .map(|(title, cell)| [(*title).to_owned(), cell(load).unwrap_or_else(|| "–".to_owned())])
            .collect(),
        failed: row.failed(8),
        failures: failures
            .iter()
            .take(8)
            .map(|failure| share(squeezed(&failure.name, 30), failure.count, true))
            .collect(),
        failures_left_out: left_out,
        responses: responses
            .into_iter()
            .take(8)
            .map(|(name, count)| {
                let is_bad = is_error(&name);
                share(name, count, is_bad)
            })
            .collect(),
    }
}
