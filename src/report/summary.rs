//! The report in a few lines: the verdict, then target, rate, latency and errors of each load, and one line per SLO.

use std::fmt::Write;

use super::explain::{by_urgency, verdict_name};
use super::load_figures::{Latency, LoadFigures, in_order};
use super::view::{LoadReport, ReportView, SloReport};
use super::{Format, ReportError};
use crate::model::document::Experiment;
use crate::model::slo::Outcome;
use crate::model::text::{one_line, truncate};
use crate::redact::redact_text;
use crate::slo::summary::{beside_limit, overall_verdict};

pub(super) const FORMAT: Format = Format {
    name: "summary",
    content_type: "text/plain; charset=utf-8",
    extension: "txt",
    summary: "a few lines of plain text: the verdict, each load and each SLO",
    is_gate: false,
    is_own: |_| false,
    render,
};

/// Maximum loads, and maximum characters of a target or a reason.
const MAX_LOADS: usize = 20;
const MAX_TEXT: usize = 200;

fn render(experiment: &Experiment, view: &ReportView) -> Result<String, ReportError> {
    let mut out = format!("{}\n", one_line(&redact_text(&overall_verdict(experiment).to_string())));
    let loads = in_order(view);
    for row in loads.iter().take(MAX_LOADS) {
        describe_load(&mut out, view, row);
    }
    if let Some(more) = loads.len().checked_sub(MAX_LOADS).filter(|more| *more > 0) {
        let _ = writeln!(out, "and {more} more loads");
    }
    let has_versions = view.versions.len() > 1;
    for verdict in by_urgency(&view.verdicts) {
        let version = if has_versions { format!("{}: ", verdict.version) } else { String::new() };
        let line = format!("{:<14}{version}{}", verdict_name(verdict.slo.verdict), describe_slo(&verdict.slo));
        let _ = writeln!(out, "{}", one_line(&line));
    }
    Ok(out)
}

fn describe_load(out: &mut String, view: &ReportView, row: &LoadReport) {
    let figures = LoadFigures::of(view, row);
    let mut line = |text: String| {
        let _ = writeln!(out, "{}", one_line(&text.replace('\u{a0}', " ")));
    };
    let version = if view.versions.len() > 1 { format!(" ({})", row.version) } else { String::new() };
    let name = redact_text(&format!("{}{version}", row.provider));
    line(format!("{name}: {}", truncate(&row.load.url, MAX_TEXT)));
    let requested = figures.requested.map_or_else(|| "max".to_owned(), |rate| format!("{rate}/s"));
    line(format!("  rate        {requested} requested, {}/s achieved, in {}", figures.achieved, figures.duration));
    let percentile = |latency: &Latency| {
        let change = latency.change_in_words.as_ref().map(|change| format!(" {change}")).unwrap_or_default();
        Some(format!("{} {}{change}", latency.label, latency.text()?))
    };
    let latency: Vec<String> = figures.latencies.iter().filter_map(percentile).collect();
    if !latency.is_empty() {
        line(format!("  latency     {}", latency.join(", ")));
    }
    let failed = figures.failed.as_deref().unwrap_or("0 %");
    line(format!("  errors      {} of {} ({failed})", figures.errors, figures.requests));
}

/// Describes an SLO: `http/latency-p99 20.20 ms > 2 ms`, or its reason if numbers alone do not explain it.
fn describe_slo(slo: &SloReport) -> String {
    let holds = slo.value.map(|value| slo.bound.admits(value, slo.limit));
    let is_plain = slo.reference.is_none()
        && matches!(
            (slo.verdict, holds),
            (Some(Outcome::Satisfied), Some(true)) | (Some(Outcome::Violated), Some(false))
        );
    match slo.value.filter(|_| is_plain) {
        Some(value) => format!("{} {}", slo.metric, beside_limit(value, slo.bound, slo.limit, slo.units.as_deref())),
        None => format!("{}: {}", slo.metric, truncate(&slo.reason, MAX_TEXT)),
    }
}
