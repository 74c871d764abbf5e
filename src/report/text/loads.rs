//! Loads at a glance: a row each, and remarks on those that were not as requested.

use super::table::Table;
use super::{MAX_VERSION, heading, more, prose};
use crate::model::counts::Counts;
use crate::model::text::one_line;
use crate::report::load_figures::{Latency, LoadFigures, in_order};
use crate::report::show::{squeezed, thousands};
use crate::report::view::{LoadReport, ReportView};
use crate::slo::load_validity::{gap, is_disturbed, lateness};

/// Maximum loads, and causes of failures of each.
const MAX_LOADS: usize = 100;
const MAX_CAUSES: usize = 8;

pub(super) fn section(out: &mut String, view: &ReportView) {
    if view.load.is_empty() {
        return;
    }
    let loads = in_order(view);
    heading(out, "Load: achieved/requested rate per second, latency in ms");
    let has = |count: fn(&Counts) -> u64| loads.iter().any(|row| count(&row.load.counts) > 0);
    let (has_dropped, has_resent) = (has(|counts| counts.dropped), has(|counts| counts.resent));
    let mut titles = vec!["rate", "time", "requests", "failed"];
    titles.extend(has_dropped.then_some("dropped"));
    titles.extend(has_resent.then_some("resent"));
    titles.extend(["p50", "p99"]);
    let mut table = Table::new("Load", titles.into_iter().map(str::to_owned).collect());
    for row in loads.iter().take(MAX_LOADS) {
        let figures = LoadFigures::of(view, row);
        let achieved = figures.achieved;
        let rate = figures.requested.map(|rate| format!("{achieved}/{rate}"));
        let Counts { dropped, resent, .. } = row.load.counts;
        let mut cells = vec![rate.unwrap_or(achieved), figures.duration, figures.requests, figures.errors];
        let counts = [has_dropped.then_some(dropped), has_resent.then_some(resent)];
        cells.extend(counts.into_iter().flatten().map(thousands));
        let number = |latency: Latency| latency.value.map_or_else(|| "-".to_owned(), |value| value.number);
        cells.extend(figures.latencies.map(number));
        table.row(name(view, row), cells);
    }
    table.write(out);
    more(out, loads.len(), MAX_LOADS);
    remarks(out, view, &loads[..loads.len().min(MAX_LOADS)]);
}

fn name(view: &ReportView, load: &LoadReport) -> String {
    let provider = squeezed(&one_line(&load.provider), 30);
    match view.versions.len() {
        1 => provider,
        _ => format!("{provider}, {}", squeezed(&one_line(&load.version), MAX_VERSION)),
    }
}

fn remarks(out: &mut String, view: &ReportView, loads: &[&LoadReport]) {
    let mut remark = |row: &LoadReport, text: &str| prose(out, &format!("  {}: ", name(view, row)), text);
    for row in loads.iter().filter(|row| row.load.counts.errors > 0) {
        remark(row, &row.failed(MAX_CAUSES));
    }
    for (row, schedule) in loads.iter().map(|row| (row, row.schedule())).filter(|(_, schedule)| !schedule.is_empty()) {
        remark(row, &schedule);
    }
    for row in loads.iter().filter(|row| row.load.interrupted) {
        remark(row, "interrupted");
    }
    for row in loads.iter().filter(|row| row.load.aborted) {
        remark(row, "aborted because all of its first requests failed");
    }
    for (row, stopped) in loads.iter().filter_map(|row| Some((row, row.stopped()?))) {
        remark(row, &stopped);
    }
    for row in loads.iter().filter(|row| is_disturbed(&row.load.counts)) {
        let Counts { own_late, requests, .. } = row.load.counts;
        let [own_late, requests] = [own_late, requests].map(thousands);
        remark(row, &format!("{own_late} of {requests} requests were sent late although a connection was free"));
    }
    for row in loads {
        for text in row.load.shards.iter().flat_map(|shards| [gap(shards), lateness(shards)]).flatten() {
            remark(row, &text);
        }
    }
    for (provider, split) in view.splits() {
        let label = format!("  {}: ", squeezed(&one_line(provider), 30));
        prose(out, &label, &split.replace('–', "-"));
        prose(out, &label, "requests and failures are per version; the other figures are those of the whole load");
    }
}
