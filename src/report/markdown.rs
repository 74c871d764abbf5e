//! The report as Markdown for comments on pull requests and for GitHub's step summary: the verdict, then what explains it.
//!
//! The text stays below [`MAX_BYTES`], which fits a comment on GitHub. If rows are left out, it says how many.

mod escape;

use std::fmt::Write;

use super::explain::{by_urgency, name, verdict_name};
use super::gate::{Decision, Gate, outcome_name};
use super::load_figures::{Latency, LoadFigures, in_order};
use super::show::{squeezed, thousands};
use super::view::{
    ChangeReport, LoadReport, Overall, ReportView, SloReport, TaskReport, Trend, VersionVerdict, common_percent,
};
use super::{Format, ReportError};
use crate::model::document::{Experiment, TaskStatus};
use crate::model::slo::{Bound, Outcome};
use crate::model::text::prefix;
use escape::{code, text};

pub(super) const FORMAT: Format = Format {
    name: "markdown",
    content_type: "text/markdown; charset=utf-8",
    extension: "md",
    summary: "Markdown for comments on pull requests",
    is_gate: true,
    is_own: |start| ICONS.iter().any(|icon| start.starts_with(&format!("### {icon} iter8: "))),
    render,
};

/// Signs of the headline, by which the report is recognized.
const ICONS: [&str; 4] = ["⚪", "✅", "⚠️", "❌"];

/// Maximum bytes of the report; GitHub accepts 65,536 characters.
const MAX_BYTES: usize = 60_000;
/// Sizes of the report at the ends of its lists: failed tasks, SLOs, reasons and loads.
const FAILURES_END: usize = 15_000;
const SLOS_END: usize = 30_000;
const REASONS_END: usize = 45_000;
const LOADS_END: usize = MAX_BYTES - 2_000;
/// Maximum characters of a name in a table, of a version in a title, and of a reason.
const MAX_NAME: usize = 80;
const MAX_VERSION: usize = 40;
const MAX_TEXT: usize = 500;
/// Maximum loads, and kinds of failures of each.
const MAX_LOADS: usize = 40;
const MAX_CAUSES: usize = 3;

fn render(experiment: &Experiment, view: &ReportView) -> Result<String, ReportError> {
    let gate = Gate::of(experiment, view);
    let mut out = String::new();
    headline(&mut out, view, &gate);
    failures(&mut out, view, &gate);
    slos(&mut out, view);
    reasons(&mut out, view);
    loads(&mut out, view);
    footer(&mut out, view);
    Ok(out)
}

fn headline(out: &mut String, view: &ReportView, gate: &Gate) {
    let [unassessed, passed, inconclusive, failed] = ICONS;
    let icon = match gate.decision {
        Decision::Passed if view.summary.outcome == Overall::Unassessed => unassessed,
        Decision::Passed => passed,
        Decision::Inconclusive => inconclusive,
        Decision::Failed => failed,
    };
    let word = outcome_name(view.summary.outcome);
    let sentence = text(prefix(&gate.sentence, MAX_TEXT));
    let _ = writeln!(out, "### {icon} iter8: {word}\n\n{sentence}");
    if view.summary.replayed {
        out.push_str("\nThese results were replayed from a recording.\n");
    }
}

/// Writes lines up to a size of the report. Returns the number of those that are left.
fn lines(out: &mut String, end: usize, all: impl ExactSizeIterator<Item = String>) -> usize {
    let mut left = all.len();
    for line in all {
        if out.len() + line.len() > end {
            break;
        }
        out.push_str(&line);
        left -= 1;
    }
    left
}

/// Writes the errors of failed tasks, except the headline's reason.
fn failures(out: &mut String, view: &ReportView, gate: &Gate) {
    let failed = |task: &&TaskReport| {
        task.status == TaskStatus::Failed && task.error.as_ref().is_some_and(|error| !gate.has_reason(error))
    };
    let failed: Vec<&TaskReport> = view.tasks.iter().filter(failed).collect();
    let line = |task: &&TaskReport| {
        let error = text(prefix(task.error.as_deref().unwrap_or_default(), MAX_TEXT));
        format!("\nTask {} failed: {error}\n", code(&shortened(&task.task)))
    };
    match lines(out, FAILURES_END, failed.iter().map(line)) {
        0 => {}
        left => out.push_str(&format!("\n{} more tasks failed.\n", thousands(left as u64))),
    }
}

/// Writes a row per SLO and version, the violated ones first.
fn slos(out: &mut String, view: &ReportView) {
    if view.verdicts.is_empty() {
        return;
    }
    let has_versions = view.versions.len() > 1;
    let has_loops = !view.trends.is_empty();
    let baseline = view.versions.first().map(|version| text(&squeezed(&version.name, MAX_VERSION)));
    let mut titles = vec!["verdict".to_owned(), "SLO".to_owned()];
    titles.extend(has_versions.then(|| "version".to_owned()));
    titles.extend(["limit", "value", "interval"].map(str::to_owned));
    let common = common_percent(&view.changes);
    titles.extend(baseline.filter(|_| has_versions).map(|baseline| format!("Δ against {baseline}")));
    titles.extend(has_loops.then(|| "loops satisfied".to_owned()));
    let _ = writeln!(out, "\n| {} |\n|{}", titles.join(" | "), "---|".repeat(titles.len()));
    let row = |verdict: &VersionVerdict| {
        let slo = &verdict.slo;
        let mut cells = vec![
            format!("{} {}", icon(slo.verdict), verdict_name(slo.verdict)),
            code(&squeezed(&slo.metric, MAX_NAME)),
        ];
        cells.extend(has_versions.then(|| code(&squeezed(&verdict.version, MAX_VERSION))));
        cells.push(limit(slo));
        cells.push(slo.value_with_unit().map_or_else(none, |value| text(&value)));
        cells.push(interval(slo));
        cells.extend(has_versions.then(|| delta(view, verdict, common.as_deref()).unwrap_or_else(none)));
        cells.extend(has_loops.then(|| satisfied_loops(view, verdict).unwrap_or_else(none)));
        format!("| {} |\n", cells.join(" | "))
    };
    match lines(out, SLOS_END, by_urgency(&view.verdicts).into_iter().map(row)) {
        0 => {}
        left => out.push_str(&format!("\n{} more SLOs are not listed.\n", thousands(left as u64))),
    }
    if has_versions {
        out.push_str(&format!("\nΔ is the change of the measured value{}.\n", note(view)));
    }
}

fn none() -> String {
    "–".to_owned()
}

fn icon(verdict: Option<Outcome>) -> &'static str {
    match verdict {
        Some(Outcome::Satisfied) => "✅",
        Some(Outcome::Violated) => "❌",
        Some(Outcome::Inconclusive) | None => "⚠️",
    }
}

fn limit(slo: &SloReport) -> String {
    let sign = match slo.bound {
        Bound::Upper => "≤",
        Bound::Lower => "≥",
    };
    let reference = slo.reference.as_deref().map(|name| format!(" against {}", squeezed(name, MAX_VERSION)));
    format!("{sign} {}", text(&format!("{}{}", slo.limit_with_unit(), reference.unwrap_or_default())))
}

fn interval(slo: &SloReport) -> String {
    let Some(interval) = slo.interval_with_unit() else { return none() };
    let confidence = slo.percent().map(|percent| format!(" ({percent})")).unwrap_or_default();
    text(&format!("{interval}{confidence}"))
}

/// Describes the change of a version's value against version 0, with its interval; `None` if the SLO is relative to it anyway. If all
/// intervals have the same confidence, `common`, it is not repeated beside each.
fn delta(view: &ReportView, verdict: &VersionVerdict, common: Option<&str>) -> Option<String> {
    let slo = Some(&verdict.slo).filter(|slo| slo.comparison.is_none())?;
    let is_its = |change: &&ChangeReport| change.version == verdict.version && change.metric == slo.metric;
    let change = view.changes.iter().find(is_its)?;
    let interval = change.interval_beside(common).map(|interval| format!(" ({interval})")).unwrap_or_default();
    Some(text(&format!("{}{interval}", change.change_text()?).replace('\u{a0}', " ")))
}

/// Describes the intervals of the changes.
fn note(view: &ReportView) -> String {
    let has_intervals = view.changes.iter().any(|change| change.interval_text().is_some());
    match common_percent(&view.changes) {
        _ if !has_intervals => ", without an interval, so small changes may be due to chance".to_owned(),
        Some(percent) => format!(
            ", with its interval if there is one, each end with {percent} confidence; without one, it may be due to chance"
        ),
        None => ", with its interval if there is one, each end with the confidence beside it; without one, it may be due to chance".to_owned(),
    }
}

/// Counts the loops in which an SLO was satisfied: `3 of 5`.
fn satisfied_loops(view: &ReportView, verdict: &VersionVerdict) -> Option<String> {
    let is_same = |trend: &&Trend| trend.version == verdict.version && trend.condition == verdict.slo.condition;
    let trend = view.trends.iter().find(is_same)?;
    let satisfied = trend.verdicts.iter().filter(|verdict| **verdict == Some(Outcome::Satisfied)).count();
    Some(format!("{satisfied} of {}", trend.verdicts.len()))
}

/// Lists the reasons of verdicts that are not satisfied.
fn reasons(out: &mut String, view: &ReportView) {
    let open = by_urgency(&view.verdicts);
    let open: Vec<_> = open.into_iter().filter(|verdict| verdict.slo.verdict != Some(Outcome::Satisfied)).collect();
    if !open.is_empty() {
        out.push('\n');
    }
    let line = |verdict: &VersionVerdict| {
        let slo = &verdict.slo;
        let version = match view.versions.len() {
            0 | 1 => String::new(),
            _ => format!("{}: ", code(&squeezed(&verdict.version, MAX_VERSION))),
        };
        let reason = text(prefix(&slo.reason_line(), MAX_TEXT));
        let needs = slo.needs_text().map(|needs| format!("; needs {}", text(&needs))).unwrap_or_default();
        format!("- {} {version}{}: {reason}{needs}\n", icon(slo.verdict), code(&shortened(&slo.metric)))
    };
    match lines(out, REASONS_END, open.into_iter().map(line)) {
        0 => {}
        left => out.push_str(&format!("- {} more reasons are in the other reports\n", thousands(left as u64))),
    }
}

fn loads(out: &mut String, view: &ReportView) {
    if view.load.is_empty() {
        return;
    }
    out.push_str("\n| load | requests per second | requests | failed | p50 | p99 |\n|---|---|---|---|---|---|\n");
    let line = |row: &&LoadReport| {
        let figures = LoadFigures::of(view, row);
        let achieved = figures.achieved;
        let rate = figures.requested.map(|rate| format!("{achieved} of {rate}")).unwrap_or(achieved);
        let failed = match row.load.counts.errors {
            0 => "0".to_owned(),
            _ => text(prefix(&row.failed(MAX_CAUSES), MAX_NAME)),
        };
        let [p50, p99] = figures.latencies.map(latency);
        let label = load_label(view, row);
        format!("| {label} | {rate} | {} | {failed} | {p50} | {p99} |\n", figures.requests)
    };
    let listed = view.load.len().min(MAX_LOADS);
    match lines(out, LOADS_END, in_order(view).iter().take(listed).map(line)) + view.load.len() - listed {
        0 => {}
        left => out.push_str(&format!("\n{} more loads are not listed.\n", thousands(left as u64))),
    }
}

fn load_label(view: &ReportView, row: &LoadReport) -> String {
    let provider = code(&shortened(&row.provider));
    match view.versions.len() {
        0 | 1 => provider,
        _ => format!("{provider}, {}", code(&squeezed(&row.version, MAX_VERSION))),
    }
}

/// Formats a percentile and its change: `20.2 ms (+4.1 %)`.
fn latency(latency: Latency) -> String {
    let Some(value) = latency.text() else { return none() };
    let change = latency.change.map(|change| format!(" ({change})")).unwrap_or_default();
    text(&format!("{value}{change}").replace('\u{a0}', " "))
}

fn footer(out: &mut String, view: &ReportView) {
    let mut facts = Vec::new();
    if view.summary.loops > 1 {
        let text = view.summary.loops_text();
        facts.push(if text.contains("run") { text } else { format!("{text} loops") });
    }
    facts.extend(view.summary.start_time.map(|start| start.format("started %Y-%m-%d %H:%M:%S UTC").to_string()));
    facts.extend(view.summary.version.as_deref().map(|version| text(&format!("iter8 {}", squeezed(version, 20)))));
    if !facts.is_empty() {
        let _ = writeln!(out, "\n<sub>{}</sub>", facts.join(" · "));
    }
}

/// Shortens a name to fit a cell.
fn shortened(text: &str) -> String {
    name(&squeezed(text, MAX_NAME))
}
