//! Candidates against version 0: a row per metric with the difference and its interval.

use serde::Serialize;

use super::links::Links;
use super::state::{State, named, state};
use crate::model::slo::Outcome;
use crate::report::show::{readable, unit};
use crate::report::view::{ChangeReport, ReportView, common_percent};

/// The table.
#[derive(Serialize)]
pub(super) struct Changes {
    title: String,
    reference: String,
    /// Name of the only candidate; none if there are several.
    candidate: Option<String>,
    has_intervals: bool,
    /// Confidence of all intervals; none if they differ.
    percent: Option<String>,
    rows: Vec<Row>,
    left_out: usize,
}

#[derive(Serialize)]
struct Row {
    metric: String,
    link: Option<String>,
    version: String,
    state: Option<State>,
    before: String,
    after: String,
    change: String,
    interval: String,
    direction: &'static str,
}

/// Builds the table, at most `max` rows; `None` if there is no second version with a value.
pub(super) fn changes(view: &ReportView, links: &Links, max: usize) -> Option<Changes> {
    let reference = named(&view.changes.first()?.reference);
    let mut versions: Vec<&str> = view.changes.iter().map(|change| change.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let percent = common_percent(&view.changes);
    let candidate = match versions.as_slice() {
        [only] => Some(named(only)),
        _ => None,
    };
    Some(Changes {
        title: format!("{} against {reference}", candidate.as_deref().unwrap_or("Versions")),
        reference,
        candidate,
        has_intervals: view.changes.iter().any(|change| change.interval_text().is_some()),
        rows: view.changes.iter().take(max).map(|change| row(change, links, percent.as_deref())).collect(),
        percent,
        left_out: view.changes.len().saturating_sub(max),
    })
}

fn row(change: &ChangeReport, links: &Links, common: Option<&str>) -> Row {
    let units = change.units.as_deref();
    let number = |number: f64| format!("{}{}", readable(number, units), unit(units).replace(' ', "\u{a0}"));
    let none = || "–".to_owned();
    Row {
        metric: named(&change.metric),
        link: links.of(&change.metric),
        version: named(&change.version),
        state: match change.verdict {
            Some(Outcome::Violated) => Some(state("bad", "✗", "violated")),
            Some(Outcome::Inconclusive) => Some(state("open", "?", "inconclusive")),
            Some(Outcome::Satisfied) | None => None,
        },
        before: number(change.reference_value),
        after: number(change.value),
        change: change.change_text().unwrap_or_else(none),
        interval: change.interval_beside(common).unwrap_or_else(none),
        direction: change.direction_text().unwrap_or("–"),
    }
}
