//! The report as plain text: the verdict and the loads at a glance, then Iter8's three sections, whose lines people grep, with an
//! explanation of what is not satisfied. Figures that explain a latency are in the other formats.
//!
//! Our own text is plain ASCII without colour, in aligned columns. Prose wraps at 78 columns; tables of up to three versions fit 80.

mod changes;
mod interval;
mod loads;
mod loops;
mod observations;
mod rollout;
mod splits;
pub(in crate::report) mod table;

use std::collections::BTreeSet;
use std::fmt::Write;

use table::Table;

use super::explain::by_urgency;
use super::gate::{Gate, outcome_name};
use super::show::{clipped, elapsed, squeezed, value};
use super::view::{Comparison, Condition, Overall, ReportView, SloReport, Summary, TaskReport};
use super::{Format, ReportError};
use crate::model::document::{Experiment, TaskStatus};
use crate::model::slo::Outcome;
use crate::model::text::{one_line, without_commands};

pub(super) const FORMAT: Format = Format {
    name: "text",
    content_type: "text/plain; charset=utf-8",
    extension: "txt",
    summary: "plain text for terminals and logs",
    is_gate: false,
    is_own: |_| false,
    render,
};

/// Columns at which prose wraps.
const WIDTH: usize = 78;
/// Maximum characters of a metric, a version and other text from the document.
const MAX_NAME: usize = 60;
const MAX_VERSION: usize = 24;
const MAX_TEXT: usize = 2_000;
/// Maximum reasons per list.
const MAX_REASONS: usize = 200;

fn render(experiment: &Experiment, view: &ReportView) -> Result<String, ReportError> {
    let mut out = String::new();
    verdict(&mut out, experiment, view);
    loads::section(&mut out, view);
    summary(&mut out, view);
    rollout::section(&mut out, view);
    tasks(&mut out, &view.tasks);
    slos(&mut out, view);
    verdicts(&mut out, view);
    rewards(&mut out, view);
    splits::section(&mut out, view);
    loops::section(&mut out, view);
    changes::section(&mut out, view);
    metrics(&mut out, view);
    distributions(&mut out, view);
    observations::section(&mut out, view);
    // The first column of a table, or a wrapped line, may start with a command to a CI system.
    Ok(without_commands(&out, "\\u{3a}:"))
}

/// Writes the verdict in one sentence, as `assert` explains it.
fn verdict(out: &mut String, experiment: &Experiment, view: &ReportView) {
    let sentence = interval::plain(&Gate::of(experiment, view).sentence).replace('→', "->");
    // Documents of Iter8 have booleans instead of verdicts, which the sentence does not count.
    let counts = view.summary.verdicts;
    let is_of_iter8 = counts.unassessed < counts.total() && sentence.starts_with("SLOs: not assessed");
    let sentence = match view.summary.outcome {
        _ if is_of_iter8 => format!("SLOs: {}", outcome_of_tasks(&view.summary)),
        Overall::Satisfied | Overall::Violated | Overall::Inconclusive | Overall::Unassessed => sentence,
        outcome => format!("{}: {sentence}", outcome_name(outcome)),
    };
    prose(out, "", &sentence);
}

fn heading(out: &mut String, title: &str) {
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}{title}:\n{}\n", "*".repeat(title.len() + 1));
}

/// Writes wrapped text from the document, the first line after `first` and the others indented below it.
fn prose(out: &mut String, first: &str, text: &str) {
    let width = first.chars().count();
    let indent = " ".repeat(width);
    let mut lead = first;
    for line in table::wrapped(&clipped(&one_line(text), MAX_TEXT), WIDTH.saturating_sub(width)) {
        let _ = writeln!(out, "{}", format!("{lead}{line}").trim_end());
        lead = &indent;
    }
}

fn summary(out: &mut String, view: &ReportView) {
    let summary = &view.summary;
    heading(out, "Experiment summary");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name}: {value}");
    };
    line("Experiment completed", &summary.completed.to_string());
    line("No task failures", &(!summary.failure).to_string());
    line("Total number of tasks", &summary.tasks.to_string());
    line("Number of completed tasks", &summary.completed_tasks.to_string());
    line("Number of completed loops", &summary.completed_loops.to_string());
    if summary.loops != summary.completed_loops {
        line("Loops", &summary.loops_text());
    }
    if summary.interrupted {
        line("Interrupted", "true");
    }
    if summary.replayed {
        line("Replayed", "from a recording, not measured by this run");
    }
    line("Outcome", &outcome(view));
    if let Some(start) = summary.start_time {
        line("Started", &start.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    }
    if let Some(revision) = summary.revision {
        line("Revision", &revision.to_string());
    }
    if let Some(version) = &summary.version {
        line("Written by", &format!("iter8 {}", clipped(&one_line(version), MAX_NAME)));
    }
    if let Some(contradiction) = &summary.contradiction {
        prose(out, "  Contradiction: ", contradiction);
    }
}

fn outcome(view: &ReportView) -> String {
    let text = outcome_of_tasks(&view.summary);
    match (&view.rollout, view.summary.outcome) {
        // The rollout is the reason, not the tasks or the verdicts of its newest loop.
        (Some(rollout), Overall::Inconclusive) => format!("inconclusive (rollout {})", rollout.phase),
        (Some(rollout), Overall::Incomplete) => format!("incomplete (rollout {})", rollout.phase),
        (Some(rollout), _) => format!("{text}; rollout {}", rollout.phase),
        (None, _) => text,
    }
}

fn outcome_of_tasks(summary: &Summary) -> String {
    use Overall::{Failed, Incomplete, Inconclusive, Interrupted, Invalid, Satisfied, Unassessed, Violated};
    let counts = summary.verdicts;
    let open = counts.inconclusive + counts.unassessed;
    let share = |count: usize, verdict: &str| format!("{count} of {} verdicts {verdict}", counts.total());
    match summary.outcome {
        Satisfied => format!("satisfied ({})", share(counts.satisfied, "satisfied")),
        Violated if open > 0 => format!("violated ({}, {open} inconclusive)", share(counts.violated, "violated")),
        Violated => format!("violated ({})", share(counts.violated, "violated")),
        Inconclusive if open == 0 => "inconclusive (split of the traffic)".to_owned(),
        Inconclusive => format!("inconclusive ({})", share(open, "inconclusive")),
        Unassessed => "completed (no SLOs were assessed)".to_owned(),
        Failed => "failed (a task failed)".to_owned(),
        Interrupted => "interrupted (results are partial)".to_owned(),
        Incomplete => "incomplete (some tasks have not finished)".to_owned(),
        Invalid => "invalid (the document contradicts itself or its spec)".to_owned(),
    }
}

/// Names the status of a task.
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
    // Tasks that ended well have nothing to say.
    let is_quiet =
        |task: &TaskReport| matches!(task.status, TaskStatus::Done | TaskStatus::Skipped) && task.notes.is_empty();
    if tasks.iter().all(is_quiet) {
        return;
    }
    heading(out, "Tasks");
    for (index, task) in tasks.iter().enumerate() {
        let duration = task.seconds.map(elapsed).unwrap_or_default();
        let name = squeezed(&one_line(&task.task), 20);
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

/// Titles the columns of versions: by name, or by one word if there is only one version.
fn columns(view: &ReportView, alone: &str) -> Vec<String> {
    match view.versions.as_slice() {
        [_] => vec![alone.to_owned()],
        versions => versions.iter().map(|v| squeezed(&one_line(&v.name), MAX_VERSION)).collect(),
    }
}

fn slos(out: &mut String, view: &ReportView) {
    let objectives = view.objectives();
    if objectives.is_empty() {
        return;
    }
    heading(out, "Whether or not service level objectives (SLOs) are satisfied");
    let judged =
        || view.versions.iter().zip(columns(view, "Satisfied")).filter(|(version, _)| !version.slos.is_empty());
    let mut table = Table::new("SLO Conditions", judged().map(|(_, title)| title).collect());
    // The first word is Iter8's.
    let cell = |slo: &SloReport| match slo.verdict {
        Some(Outcome::Satisfied) => "true",
        Some(Outcome::Violated) => "false",
        Some(Outcome::Inconclusive) => "false (inconclusive)",
        None => "not assessed",
    };
    for (row, slo) in objectives.into_iter().enumerate() {
        let cells = judged().map(|(version, _)| match version.slos.get(row) {
            Some(Some(slo)) => cell(slo).to_owned(),
            _ => "baseline".to_owned(),
        });
        table.row(shortened(&slo.condition), cells.collect());
    }
    table.write(out);
}

/// Shortens the metric of a condition, so that its limit stays visible.
fn shortened(condition: &Condition) -> String {
    let Condition { before, metric, after, .. } = condition;
    format!("{before}{}{}", squeezed(&one_line(metric), MAX_NAME), squeezed(&one_line(after), 40))
}

/// Explains the verdicts that are not satisfied, violated ones first, and shows the intervals of the others.
fn verdicts(out: &mut String, view: &ReportView) {
    if view.summary.verdicts.total() == view.summary.verdicts.unassessed {
        return;
    }
    // The table has all that there is to say about a value within its limit.
    let is_plain = |slo: &SloReport| {
        slo.verdict == Some(Outcome::Satisfied) && slo.percent().is_none() && slo.value.is_some_and(f64::is_finite)
    };
    let listed: Vec<_> = by_urgency(&view.verdicts).into_iter().filter(|verdict| !is_plain(&verdict.slo)).collect();
    if listed.is_empty() {
        return;
    }
    heading(out, "SLO verdicts and their reasons");
    let is_alone = view.versions.len() == 1;
    for verdict in listed.iter().take(MAX_REASONS) {
        let slo = &verdict.slo;
        let word = match slo.verdict {
            Some(Outcome::Satisfied) => "satisfied",
            Some(Outcome::Violated) => "violated",
            Some(Outcome::Inconclusive) => "inconclusive",
            None => "not assessed",
        };
        let version =
            if is_alone { String::new() } else { format!("{}: ", squeezed(&one_line(&verdict.version), MAX_VERSION)) };
        let noun = match slo.comparison {
            None => "value",
            Some(Comparison::Ratio) => "ratio",
            Some(Comparison::Difference) => "difference",
        };
        let value = slo.value_text().map(|text| format!("{noun} {}", text.trim_start_matches("×\u{a0}")));
        let value = value.unwrap_or_else(|| "no value".to_owned());
        let _ = writeln!(out, "  {word:<13} {version}{} | {value}", shortened(&slo.condition));
        let reason = slo.readable_reason();
        let reason = if slo.confidence.is_some() { interval::plain(&reason) } else { reason };
        prose(out, &" ".repeat(16), &reason);
        interval::lines(out, view, slo);
    }
    more(out, listed.len(), MAX_REASONS);
    interval::caveats(out, view);
}

fn rewards(out: &mut String, view: &ReportView) {
    if view.rewards.is_empty() {
        return;
    }
    heading(out, "Rewards: the best of the satisfied versions");
    for reward in view.rewards.iter().take(MAX_REASONS) {
        let best: Vec<String> = reward.best.iter().map(|name| squeezed(&one_line(name), MAX_VERSION)).collect();
        let best = if best.is_empty() { "none".to_owned() } else { best.join(" or ") };
        let _ = writeln!(out, "  {best}");
        prose(out, "      ", &reward.reason);
    }
    more(out, view.rewards.len(), MAX_REASONS);
}

fn more(out: &mut String, count: usize, listed: usize) {
    if count > listed {
        let _ = writeln!(out, "  ... and {} more", count - listed);
    }
}

fn metrics(out: &mut String, view: &ReportView) {
    let metrics = view.metrics();
    if metrics.is_empty() {
        return;
    }
    heading(out, "Latest observed values for metrics");
    let mut table = Table::new("Metric", columns(view, "value"));
    let mut missing = Vec::new();
    for (name, metric) in metrics.into_iter().filter(|(name, _)| !is_listed_below(view, name)) {
        let units = metric.units.as_ref().map(|u| format!(" ({})", squeezed(&one_line(u), 20))).unwrap_or_default();
        let label = squeezed(&one_line(name), MAX_NAME);
        let mut cells = Vec::new();
        for (version, metric) in view.versions.iter().map(|v| (v, v.metrics.get(name))) {
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
    heading(out, "Unavailable values");
    for (metric, version, reason) in missing.iter().take(MAX_REASONS) {
        let version = if view.versions.len() == 1 {
            String::new()
        } else {
            format!(", {}", squeezed(&one_line(version), MAX_VERSION))
        };
        let _ = writeln!(out, "  {metric}{version}");
        prose(out, "      ", reason);
    }
    more(out, missing.len(), MAX_REASONS);
}

/// Returns true for a figure of the service time that no SLO names. The distributions below cover it, and ten lines per endpoint would
/// bury the metrics that Iter8 lists here.
fn is_listed_below(view: &ReportView, name: &str) -> bool {
    const KIND: &str = "/service-time";
    let Some((provider, _)) = name.split_once(&format!("{KIND}-")) else { return false };
    let distribution = format!("{provider}{KIND}");
    view.versions.iter().any(|v| v.distributions.contains_key(&distribution))
        && !view.versions.iter().flat_map(|v| v.slos()).any(|slo| slo.metric == name)
}

/// Distributions that explain a latency; the HTML report has them.
const EXPLAINING: [&str; 4] = ["service-time", "success-latency", "first-byte", "connect"];

/// Writes the key figures of the distributions that no single metrics show; with several versions, each has a line below the metric.
fn distributions(out: &mut String, view: &ReportView) {
    let mut metrics: BTreeSet<&String> = view.versions.iter().flat_map(|v| v.distributions.keys()).collect();
    let slos = || view.versions.iter().flat_map(|version| version.slos());
    let is_limited = |metric: &str| slos().any(|slo| slo.metric.starts_with(metric));
    let is_explaining = |metric: &str| EXPLAINING.iter().any(|kind| metric.ends_with(&format!("/{kind}")));
    let is_listed = |metric: &str| view.versions.iter().any(|v| v.metrics.contains_key(&format!("{metric}-p99")));
    let is_of_load = |metric: &str| view.load.iter().any(|row| metric.strip_prefix(&*row.provider) == Some("/latency"));
    metrics
        .retain(|metric| !is_listed(metric) && !is_of_load(metric) && (!is_explaining(metric) || is_limited(metric)));
    if metrics.is_empty() {
        return;
    }
    heading(out, "Distributions");
    let mut table = Table::new("Metric", ["mean", "p50", "p95", "p99", "max"].map(str::to_owned).to_vec());
    for metric in metrics {
        let figures: Vec<_> = view.versions.iter().filter_map(|v| Some((v, v.key_figures(metric)?))).collect();
        let units = figures.iter().find_map(|(v, _)| v.distributions.get(metric)?.units.as_ref());
        let units = units.map(|u| format!(" ({})", squeezed(&one_line(u), 20))).unwrap_or_default();
        let label = format!("{}{units}", squeezed(&one_line(metric), MAX_NAME));
        let is_alone = view.versions.len() == 1;
        if !is_alone {
            table.row(label.clone(), Vec::new());
        }
        for (version, numbers) in figures {
            let first =
                if is_alone { label.clone() } else { format!("  {}", squeezed(&one_line(&version.name), MAX_VERSION)) };
            table.row(first, numbers.map(value).to_vec());
        }
    }
    table.write(out);
}
