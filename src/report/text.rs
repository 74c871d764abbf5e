//! The report as plain text: Iter8's three sections, whose lines people grep, then what Iter8 did not say.
//!
//! Plain ASCII as far as it is ours, no colour, aligned columns. Prose wraps at 78 columns; tables of up to three versions fit 80.

mod loops;
mod observations;
mod table;

use std::collections::BTreeSet;
use std::fmt::Write;

use table::Table;

use super::digest::{self, Digest, LoadReport, SloReport, Summary, TaskReport};
use super::show::{bytes, clipped, rounded, squeezed, status_name, value, value_beside, visible};
use super::{Format, ReportError};
use crate::model::counts::Counts;
use crate::model::document::{Experiment, TaskStatus};
use crate::model::load::LoadRecord;
use crate::model::slo::Outcome;
use crate::slo::load_validity::{gap, lateness};

pub(super) const FORMAT: Format = Format {
    name: "text",
    content_type: "text/plain; charset=utf-8",
    extension: "txt",
    summary: "plain text for terminals and logs",
    render,
};

/// Where prose wraps.
const WIDTH: usize = 78;
/// Longest metric, version and other foreign text.
const MAX_NAME: usize = 60;
const MAX_VERSION: usize = 24;
const MAX_TEXT: usize = 2_000;
/// Most statuses or causes in one line, and most reasons in a list.
const MAX_CAUSES: usize = 8;
const MAX_REASONS: usize = 200;

fn render(experiment: &Experiment) -> Result<String, ReportError> {
    let digest = digest::of(experiment);
    let mut out = String::new();
    summary(&mut out, &digest.summary);
    tasks(&mut out, &digest.tasks);
    slos(&mut out, &digest);
    verdicts(&mut out, &digest);
    loops::section(&mut out, &digest);
    metrics(&mut out, &digest);
    observations::section(&mut out, &digest);
    distributions(&mut out, &digest);
    loads(&mut out, &digest);
    Ok(out)
}

fn heading(out: &mut String, title: &str) {
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}{title}:\n{}\n", "*".repeat(title.len() + 1));
}

/// One foreign text on its lines, wrapped, the first after `first`, the others below it.
fn prose(out: &mut String, first: &str, text: &str) {
    let indent = " ".repeat(first.len());
    let mut lead = first;
    for line in table::wrapped(&clipped(&visible(text), MAX_TEXT), WIDTH - first.len()) {
        let _ = writeln!(out, "{}", format!("{lead}{line}").trim_end());
        lead = &indent;
    }
}

fn summary(out: &mut String, summary: &Summary) {
    heading(out, "Experiment summary");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name}: {value}");
    };
    line("Experiment completed", &summary.completed.to_string());
    line("No task failures", &(!summary.failure).to_string());
    line("Total number of tasks", &summary.tasks.to_string());
    line("Number of completed tasks", &summary.completed_tasks.to_string());
    // A loop that runs, failed or was interrupted is not completed.
    let loops = summary.loops.saturating_sub(u64::from(!summary.completed));
    line("Number of completed loops", &loops.to_string());
    if summary.interrupted {
        line("Interrupted", "true");
    }
    line("Outcome", &outcome(summary));
    if let Some(start) = summary.start_time {
        line("Started", &start.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    }
    if let Some(revision) = summary.revision {
        line("Revision", &revision.to_string());
    }
    if let Some(version) = &summary.version {
        line("Written by", &format!("iter8 {}", clipped(&visible(version), MAX_NAME)));
    }
}

fn outcome(summary: &Summary) -> String {
    use digest::Overall::{Failed, Incomplete, Inconclusive, Interrupted, Satisfied, Unassessed, Violated};
    let counts = summary.verdicts;
    let open = counts.inconclusive + counts.unassessed;
    let of = |count: usize, what: &str| format!("{count} of {} verdicts {what}", counts.total());
    match summary.outcome {
        Satisfied => format!("satisfied ({})", of(counts.satisfied, "satisfied")),
        Violated if open > 0 => format!("violated ({}, {open} inconclusive)", of(counts.violated, "violated")),
        Violated => format!("violated ({})", of(counts.violated, "violated")),
        Inconclusive => format!("inconclusive ({})", of(open, "open")),
        Unassessed => "completed (no SLOs were assessed)".to_owned(),
        Failed => "failed (a task failed)".to_owned(),
        Interrupted => "interrupted (results are partial)".to_owned(),
        Incomplete => "incomplete (not all tasks are through)".to_owned(),
    }
}

/// The word for where a task stands.
pub(super) fn status(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Planned => "planned",
        TaskStatus::Running => "running",
        TaskStatus::Done => "done",
        TaskStatus::Skipped => "skipped",
        TaskStatus::Failed => "failed",
        TaskStatus::Interrupted => "interrupted",
    }
}

fn tasks(out: &mut String, tasks: &[TaskReport]) {
    if tasks.is_empty() {
        return;
    }
    heading(out, "Tasks");
    for (index, task) in tasks.iter().enumerate() {
        let duration = task.duration.map(|d| d.to_string().replace('µ', "u")).unwrap_or_default();
        let name = squeezed(&visible(&task.task), 20);
        let _ = writeln!(
            out,
            "{}",
            format!("  {}. {name:<16} {:<12}{duration}", index + 1, status(task.status)).trim_end()
        );
        if let Some(error) = &task.error {
            prose(out, "       error: ", error);
        }
        for note in &task.notes {
            prose(out, "       note: ", note);
        }
    }
}

/// The columns for versions: their names, or one word when there is one version.
fn columns(digest: &Digest, alone: &str) -> Vec<String> {
    match digest.versions.as_slice() {
        [_] => vec![alone.to_owned()],
        versions => versions.iter().map(|v| squeezed(&visible(&v.name), MAX_VERSION)).collect(),
    }
}

fn slos(out: &mut String, digest: &Digest) {
    let Some(first) = digest.versions.first().filter(|v| !v.slos.is_empty()) else { return };
    heading(out, "Whether or not service level objectives (SLOs) are satisfied");
    let mut table = Table::new("SLO Conditions", columns(digest, "Satisfied"));
    for (row, slo) in first.slos.iter().enumerate() {
        let cell = |slo: &SloReport| slo.satisfied.map_or_else(|| "not assessed".to_owned(), |s| s.to_string());
        let cells = digest.versions.iter().filter_map(|v| v.slos.get(row)).map(cell).collect();
        table.row(condition(slo), cells);
    }
    table.write(out);
}

/// The condition with its metric squeezed, so that the limit stays.
fn condition(slo: &SloReport) -> String {
    let rest = slo.condition.strip_prefix(&slo.metric).unwrap_or_default();
    format!("{}{}", squeezed(&visible(&slo.metric), MAX_NAME), squeezed(&visible(rest), 40))
}

fn verdicts(out: &mut String, digest: &Digest) {
    if digest.summary.verdicts.total() == digest.summary.verdicts.unassessed {
        return;
    }
    heading(out, "SLO verdicts and their reasons");
    let is_alone = digest.versions.len() == 1;
    for verdict in digest.verdicts.iter().take(MAX_REASONS) {
        let slo = &verdict.slo;
        let word = match slo.verdict {
            Some(Outcome::Satisfied) => "satisfied",
            Some(Outcome::Violated) => "VIOLATED",
            Some(Outcome::Inconclusive) => "INCONCLUSIVE",
            None => "not assessed",
        };
        let version =
            if is_alone { String::new() } else { format!("{}: ", squeezed(&visible(&verdict.version), MAX_VERSION)) };
        let found =
            slo.value.map_or_else(|| "no value".to_owned(), |v| format!("value {}", value_beside(v, slo.limit)));
        let _ = writeln!(out, "  {word:<13} {version}{} | {found}", condition(slo));
        prose(out, &" ".repeat(16), &slo.reason);
    }
    more(out, digest.verdicts.len(), MAX_REASONS);
}

fn more(out: &mut String, count: usize, shown: usize) {
    if count > shown {
        let _ = writeln!(out, "  ... and {} more", count - shown);
    }
}

fn metrics(out: &mut String, digest: &Digest) {
    let Some(first) = digest.versions.first().filter(|v| !v.metrics.is_empty()) else { return };
    heading(out, "Latest observed values for metrics");
    let mut table = Table::new("Metric", columns(digest, "value"));
    let mut missing = Vec::new();
    for (name, metric) in first.metrics.iter().filter(|(name, _)| !is_told_below(digest, name)) {
        let units = metric.units.as_ref().map(|u| format!(" ({})", squeezed(&visible(u), 20))).unwrap_or_default();
        let label = squeezed(&visible(name), MAX_NAME);
        let found = digest.versions.iter().map(|v| (v, v.metrics.get(name)));
        let mut cells = Vec::new();
        for (version, metric) in found {
            cells.push(metric.and_then(|m| m.value).map_or_else(|| "unavailable".to_owned(), value));
            if let Some(reason) = metric.and_then(|m| m.no_data.as_ref()) {
                missing.push((label.clone(), &version.name, reason));
            }
        }
        table.row(format!("{label}{units}"), cells);
    }
    table.write(out);
    if missing.is_empty() {
        return;
    }
    heading(out, "Why values are unavailable");
    for (metric, version, reason) in missing.iter().take(MAX_REASONS) {
        let version = if digest.versions.len() == 1 {
            String::new()
        } else {
            format!(", {}", squeezed(&visible(version), MAX_VERSION))
        };
        let _ = writeln!(out, "  {metric}{version}");
        prose(out, "      ", reason);
    }
    more(out, missing.len(), MAX_REASONS);
}

/// Whether a metric is one number of the service time that no objective is about: the distributions below say enough of it, and
/// with ten numbers for each endpoint it would bury what Iter8 lists here.
fn is_told_below(digest: &Digest, name: &str) -> bool {
    const KIND: &str = "/service-time";
    let Some((provider, _)) = name.split_once(&format!("{KIND}-")) else { return false };
    let distribution = format!("{provider}{KIND}");
    digest.versions.iter().any(|v| v.distributions.contains_key(&distribution))
        && !digest.versions.iter().flat_map(|v| &v.slos).any(|slo| slo.metric == name)
}

/// Every distribution in a few numbers; where there are several versions, each has a line below the metric.
fn distributions(out: &mut String, digest: &Digest) {
    let metrics: BTreeSet<&String> = digest.versions.iter().flat_map(|v| v.distributions.keys()).collect();
    if metrics.is_empty() {
        return;
    }
    heading(out, "Distributions");
    let mut table = Table::new("Metric", ["mean", "p50", "p95", "p99", "max"].map(str::to_owned).to_vec());
    for metric in metrics {
        let found: Vec<_> = digest.versions.iter().filter_map(|v| Some((v, v.few(metric)?))).collect();
        let units = found.iter().find_map(|(v, _)| v.distributions.get(metric)?.units.as_ref());
        let units = units.map(|u| format!(" ({})", squeezed(&visible(u), 20))).unwrap_or_default();
        let label = format!("{}{units}", squeezed(&visible(metric), MAX_NAME));
        let is_alone = digest.versions.len() == 1;
        if !is_alone {
            table.row(label.clone(), Vec::new());
        }
        for (version, numbers) in found {
            let first =
                if is_alone { label.clone() } else { format!("  {}", squeezed(&visible(&version.name), MAX_VERSION)) };
            table.row(first, numbers.map(value).to_vec());
        }
    }
    table.write(out);
}

fn loads(out: &mut String, digest: &Digest) {
    let loads = &digest.load;
    if loads.is_empty() {
        return;
    }
    let name = |load: &LoadReport| {
        let provider = squeezed(&visible(&load.provider), 30);
        if digest.versions.len() == 1 {
            provider
        } else {
            format!("{provider}, {}", squeezed(&visible(&load.version), MAX_VERSION))
        }
    };
    heading(out, "Load: rates in requests per second");
    let titles = ["asked", "achieved", "requests", "errors", "late", "dropped"];
    let mut table = Table::new("Load", titles.map(str::to_owned).to_vec());
    for row in loads {
        let load = &row.load;
        let asked = load.asked_rate.map_or_else(|| "max".to_owned(), rounded);
        let Counts { requests, errors, late, dropped, .. } = load.counts;
        let counts = [requests, errors, late, dropped].map(|n| n.to_string());
        table.row(name(row), [asked, rounded(load.achieved_rate)].into_iter().chain(counts).collect());
    }
    table.write(out);
    for (row, schedule) in loads.iter().map(|row| (row, row.schedule())).filter(|(_, schedule)| !schedule.is_empty()) {
        prose(out, &format!("  {}: ", name(row)), &schedule);
    }
    for row in loads.iter().filter(|row| row.load.interrupted) {
        let _ = writeln!(out, "  {} was interrupted", name(row));
    }
    for row in loads {
        for told in row.load.shards.iter().flat_map(|shards| [gap(shards), lateness(shards)]).flatten() {
            prose(out, &format!("  {}: ", name(row)), &told);
        }
    }

    traffic(out, loads, name);

    heading(out, "Answers by status, and failures by cause");
    for row in loads {
        let statuses = most_frequent(row.load.statuses.iter().map(|(s, n)| (status_name(&row.provider, *s), *n)));
        let causes = most_frequent(row.load.causes.iter().map(|(cause, n)| (squeezed(&visible(cause), 30), *n)));
        let _ = writeln!(out, "  {}", name(row));
        prose(out, "      status ", &statuses);
        prose(out, "      cause  ", &causes);
    }
}

/// How late requests were sent, and what went over the wire; what no load tells has no column.
fn traffic(out: &mut String, loads: &[LoadReport], name: impl Fn(&LoadReport) -> String) {
    type Column = (&'static str, fn(&LoadRecord) -> Option<String>);
    const COLUMNS: [Column; 7] = [
        ("late p50", |load| load.lateness.map(|l| value(l.p50))),
        ("late p99", |load| load.lateness.map(|l| value(l.p99))),
        ("late max", |load| load.lateness.map(|l| value(l.max))),
        ("sent", |load| load.traffic.bytes_sent.map(bytes)),
        ("received", |load| Some(bytes(load.traffic.bytes_received))),
        ("msgs sent", |load| load.traffic.messages_sent.map(|n| n.to_string())),
        ("msgs received", |load| load.traffic.messages_received.map(|n| n.to_string())),
    ];
    let told: Vec<Column> =
        COLUMNS.into_iter().filter(|(_, of)| loads.iter().any(|row| of(&row.load).is_some())).collect();
    let has_lateness = loads.iter().any(|row| row.load.lateness.is_some());
    heading(out, if has_lateness { "Load: how late requests were sent (msec), and traffic" } else { "Load: traffic" });
    let mut table = Table::new("Load", told.iter().map(|(title, _)| (*title).to_owned()).collect());
    for row in loads {
        let cell = |(_, of): &Column| of(&row.load).unwrap_or_else(|| "-".to_owned());
        table.row(name(row), told.iter().map(cell).collect());
    }
    table.write(out);
}

/// `503: 12, timeout: 3`: the most frequent first, `none` when there is nothing.
fn most_frequent(counts: impl Iterator<Item = (String, u64)>) -> String {
    let mut counts: Vec<(String, u64)> = counts.collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rest = counts.len().saturating_sub(MAX_CAUSES);
    let mut shown: Vec<String> = counts.iter().take(MAX_CAUSES).map(|(what, n)| format!("{what}: {n}")).collect();
    if rest > 0 {
        shown.push(format!("{rest} more"));
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}
