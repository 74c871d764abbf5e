//! Observed splits of traffic beside the expected ones.

use serde::Serialize;

use super::state::{State, named, state};
use crate::model::split::{Split, SplitVersion};
use crate::report::show::{rounded, thousands};
use crate::report::view::ReportView;

/// A split.
#[derive(Serialize)]
pub(super) struct Splitted {
    metric: String,
    state: State,
    reason: String,
    expected_from: Option<String>,
    confidence: String,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    version: String,
    cells: [String; 4],
}

/// Lists the splits, at most `max` of them.
pub(super) fn splits(view: &ReportView, max: usize) -> Vec<Splitted> {
    view.splits.iter().take(max).map(of).collect()
}

fn of(split: &Split) -> Splitted {
    Splitted {
        metric: named(&split.metric.to_string()),
        state: match split.is_satisfied() {
            true => state("good", "✓", "as expected"),
            false => state("open", "?", "inconclusive"),
        },
        reason: split.reason.clone(),
        expected_from: split.expected_from.clone(),
        confidence: rounded(100.0 * (1.0 - split.significance)),
        rows: split.versions.iter().map(row).collect(),
    }
}

fn row(version: &SplitVersion) -> Row {
    let percent = |percent: Option<f64>| percent.map_or_else(|| "unknown".to_owned(), |it| format!("{}%", rounded(it)));
    let interval = version.interval.map(|[low, high]| format!("{} – {}%", rounded(low), rounded(high)));
    let cells = [
        percent(version.expected),
        percent(version.percent),
        version.observed.map_or_else(|| "unknown".to_owned(), thousands),
        interval.unwrap_or_else(|| "–".to_owned()),
    ];
    Row { version: named(&version.name), cells }
}
