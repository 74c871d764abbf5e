//! SLOs over the newest loops: a table per SLO with a row per loop.

use super::table::Table;
use super::{columns, heading, more, shortened};
use crate::model::slo::Outcome;
use crate::report::show::value_near;
use crate::report::view::{LoopReport, ReportView, Trend};

/// Maximum loops and SLOs.
const MAX_LOOPS: usize = 10;
const MAX_OBJECTIVES: usize = 30;

pub(super) fn section(out: &mut String, view: &ReportView) {
    let objectives = view.trends_by_objective();
    let Some(versions) = objectives.first().map(|trends| trends.len()) else { return };
    heading(out, "Loops: SLOs judged per loop, newest last");
    let mut table = Table::new("SLO", columns(view, "value").into_iter().take(versions).collect());
    for trends in objectives.iter().take(MAX_OBJECTIVES) {
        table.row(shortened(&trends[0].condition), Vec::new());
        let from = view.loops.len().saturating_sub(MAX_LOOPS);
        for (at, row) in view.loops.iter().enumerate().skip(from) {
            let cells = trends.iter().map(|trend| cell(trend, at)).collect();
            table.row(format!("  {}", label(row, view.loops.len() - 1 - at)), cells);
        }
    }
    table.write(out);
    more(out, objectives.len(), MAX_OBJECTIVES);
}

/// Labels a loop as `loop 12, 2025-03-04 10:15`, or by the number of later loops if its own number is unknown.
fn label(row: &LoopReport, after: usize) -> String {
    let number = match (row.number, after) {
        (Some(number), _) => format!("loop {number}"),
        (None, 0) => "newest loop".to_owned(),
        (None, _) => format!("{after} earlier"),
    };
    let start = row.start.map(|start| format!(", {}", start.format("%Y-%m-%d %H:%M:%S"))).unwrap_or_default();
    format!("{number}{start}")
}

/// `63.21, violated`
fn cell(trend: &Trend, at: usize) -> String {
    let value = trend.values.get(at).copied().flatten();
    let text = value.map_or_else(|| "no value".to_owned(), |value| value_near(value, trend.limit));
    match trend.verdicts.get(at).copied().flatten() {
        Some(Outcome::Satisfied) => format!("{text}, satisfied"),
        Some(Outcome::Violated) => format!("{text}, violated"),
        Some(Outcome::Inconclusive) => format!("{text}, inconclusive"),
        None => "-".to_owned(),
    }
}
