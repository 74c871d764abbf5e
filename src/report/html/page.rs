//! What the page's template is given: texts and numbers as they are shown, in bounded number.

use std::collections::BTreeSet;

use serde::Serialize;

use super::asked::{self, Asked};
use super::figure::{self, Figure};
use super::loads::{self, Load};
use super::state::{State, named, state};
use super::timeline::{self, Timeline};
use super::trend::{self, Trended};
use crate::model::document::{Experiment, TaskStatus};
use crate::model::slo::Outcome;
use crate::report::digest::{Digest, LoadReport, Overall, SloReport, TaskReport, VersionReport};
use crate::report::show::{rounded, short, squeezed, thousands, value, value_beside};
use crate::report::text;
use crate::slo::assertion::{AssertCondition, judge};

/// How much of a document is shown.
pub(super) struct Bounds {
    /// Longest text, in characters.
    pub text: usize,
    /// Longest spec, in characters.
    pub spec: usize,
    rows: usize,
    figures: usize,
}

impl Bounds {
    /// The bounds, halved so many times.
    pub fn halved(times: u32) -> Self {
        Self { text: (400 >> times).max(40), rows: 600 >> times, figures: 12 >> times, spec: 40_000 >> times }
    }
}

/// The page.
#[derive(Serialize)]
pub(super) struct Page {
    state: State,
    sentence: String,
    checks: Vec<Check>,
    facts: Vec<[String; 2]>,
    started: Option<String>,
    version: Option<String>,
    versions: Vec<String>,
    objectives: Vec<Objective>,
    objectives_left_out: usize,
    trends: Vec<Trended>,
    trends_left_out: usize,
    asked: Vec<Asked>,
    asked_left_out: usize,
    figures: Vec<Figure>,
    figures_left_out: usize,
    distributions: Vec<Distributed>,
    distributions_left_out: usize,
    timelines: Vec<Timeline>,
    timelines_left_out: usize,
    load_columns: Vec<&'static str>,
    loads: Vec<Load>,
    loads_left_out: usize,
    tasks: Vec<Task>,
    tasks_left_out: usize,
    metrics: Vec<Metric>,
    metrics_left_out: usize,
}

#[derive(Serialize)]
struct Check {
    state: State,
    sentence: String,
}

#[derive(Serialize)]
struct Objective {
    condition: String,
    cells: Vec<Verdict>,
}

#[derive(Serialize)]
struct Verdict {
    state: State,
    value: Option<String>,
    limit: String,
    reason: String,
    interval: Option<String>,
}

/// A distribution that is not drawn, in a few numbers.
#[derive(Serialize)]
struct Distributed {
    name: String,
    units: Option<String>,
    version: String,
    cells: Vec<String>,
}

#[derive(Serialize)]
struct Task {
    name: String,
    state: State,
    condition: Option<String>,
    start: Option<String>,
    duration: Option<String>,
    /// Where the bar starts and how long it is, in percent.
    bar: Option<[f64; 2]>,
    error: Option<String>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Metric {
    name: String,
    units: Option<String>,
    cells: Vec<Reading>,
}

#[derive(Serialize)]
struct Reading {
    value: Option<String>,
    reason: Option<String>,
}

/// The page of a document.
pub(super) fn of(experiment: &Experiment, digest: &Digest, bounds: &Bounds) -> Page {
    let insights = experiment.result.as_ref().and_then(|r| r.insights.as_ref());
    let (figures, planned) = insights.map(|i| figure::figures(i, digest, bounds.figures)).unwrap_or_default();
    let columns = digest.versions.len().max(1);
    let objectives = objectives(digest);
    let metrics = metrics(digest);
    let distributions = distributions(digest);
    let (trends, over_loops) = trend::trends(digest, bounds.figures);
    let (asked, of_providers) = asked::asked(digest, (bounds.rows / 6 / columns).max(4));
    let (timelines, over_time) = timeline::timelines(digest, bounds.figures);
    let rows = |of: usize| (bounds.rows / of).max(8);
    let summary = &digest.summary;
    Page {
        state: overall(summary.outcome),
        sentence: sentence(digest),
        checks: checks(experiment, digest),
        facts: facts(digest),
        started: summary.start_time.map(|t| t.format("%-d %B %Y, %H:%M:%S UTC").to_string()),
        version: summary.version.as_deref().map(named),
        versions: digest.versions.iter().map(|v| named(&v.name)).collect(),
        objectives_left_out: objectives.len().saturating_sub(rows(columns * 2)),
        objectives: objectives.into_iter().take(rows(columns * 2)).collect(),
        trends_left_out: over_loops.saturating_sub(trends.len()),
        trends,
        asked_left_out: of_providers.saturating_sub(asked.len()),
        asked,
        figures_left_out: planned.saturating_sub(figures.len()),
        figures,
        distributions_left_out: distributions.len().saturating_sub(rows(8)),
        distributions: distributions.into_iter().take(rows(8)).collect(),
        timelines_left_out: over_time.saturating_sub(timelines.len()),
        timelines,
        load_columns: loads::columns(&digest.load),
        loads_left_out: digest.load.len().saturating_sub(rows(5)),
        loads: loads::rows(&digest.load, rows(5)),
        tasks_left_out: digest.tasks.len().saturating_sub(rows(3)),
        tasks: tasks(&digest.tasks).into_iter().take(rows(3)).collect(),
        metrics_left_out: metrics.len().saturating_sub(rows(1) * 2 / columns),
        metrics: metrics.into_iter().take(rows(1) * 2 / columns).collect(),
    }
}

fn overall(overall: Overall) -> State {
    match overall {
        Overall::Satisfied => state("good", "✓", "All objectives are satisfied"),
        Overall::Violated => state("bad", "✗", "Objectives are violated"),
        Overall::Inconclusive => state("open", "?", "Inconclusive"),
        Overall::Unassessed => state("plain", "–", "Completed; no objectives were assessed"),
        Overall::Failed => state("bad", "✗", "The experiment failed"),
        Overall::Interrupted => state("open", "!", "Interrupted; results are partial"),
        Overall::Incomplete => state("plain", "…", "Not all tasks are through"),
    }
}

fn outcome(outcome: Option<Outcome>) -> State {
    match outcome {
        Some(Outcome::Satisfied) => state("good", "✓", "satisfied"),
        Some(Outcome::Violated) => state("bad", "✗", "violated"),
        Some(Outcome::Inconclusive) => state("open", "?", "inconclusive"),
        None => state("plain", "–", "not assessed"),
    }
}

fn status(status: TaskStatus) -> State {
    match status {
        TaskStatus::Done => state("good", "✓", text::status(status)),
        TaskStatus::Failed => state("bad", "✗", text::status(status)),
        TaskStatus::Interrupted => state("open", "!", text::status(status)),
        TaskStatus::Running => state("plain", "…", text::status(status)),
        TaskStatus::Planned | TaskStatus::Skipped => state("plain", "–", text::status(status)),
    }
}

/// What the reader wants to know next to the one word: which version, how many.
fn sentence(digest: &Digest) -> String {
    if digest.summary.failure
        && let Some(task) = digest.tasks.iter().find(|t| t.status == TaskStatus::Failed)
    {
        let why = task.error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
        return format!("Task {} failed{why}", named(&task.task));
    }
    let of_version = |v: &VersionReport| {
        let count = |verdict| v.slos.iter().filter(|slo| slo.verdict == verdict).count();
        let total = v.slos.len();
        let name = if digest.versions.len() == 1 { String::new() } else { format!("{}: ", named(&v.name)) };
        let mut parts = vec![format!("{} of {total} satisfied", count(Some(Outcome::Satisfied)))];
        let others = [
            (count(Some(Outcome::Violated)), "violated"),
            (count(Some(Outcome::Inconclusive)), "inconclusive"),
            (count(None), "not assessed"),
        ];
        parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        format!("{name}{}", parts.join(", "))
    };
    let versions: Vec<String> = digest.versions.iter().filter(|v| !v.slos.is_empty()).take(6).map(of_version).collect();
    if versions.is_empty() { String::new() } else { format!("{}.", versions.join("; ")) }
}

fn checks(experiment: &Experiment, digest: &Digest) -> Vec<Check> {
    let insights = experiment.result.as_ref().and_then(|result| result.insights.as_ref());
    let assessed = insights.is_some_and(|insights| insights.slos_satisfied.is_some());
    let conditions = [
        (AssertCondition::Completed, "Completed", "Not completed"),
        (AssertCondition::NoFailure, "No task failed", "A task failed"),
        (
            AssertCondition::Slos,
            "Objectives satisfied",
            if assessed { "Objectives not satisfied" } else { "Objectives not assessed" },
        ),
    ];
    let check = |(condition, yes, no): (AssertCondition, &'static str, &'static str)| {
        let judged = judge(experiment, condition);
        let is_open =
            condition != AssertCondition::NoFailure && digest.summary.verdicts.violated == 0 && !digest.summary.failure;
        let state = match judged.holds {
            true => state("good", "✓", yes),
            false if is_open => state("open", "?", no),
            false => state("bad", "✗", no),
        };
        Check { state, sentence: judged.sentence }
    };
    conditions.map(check).into()
}

fn facts(digest: &Digest) -> Vec<[String; 2]> {
    let summary = &digest.summary;
    let sum = |of: fn(&LoadReport) -> u64| digest.load.iter().map(of).fold(0_u64, u64::saturating_add);
    let (requests, errors) = (sum(|l| l.load.counts.requests), sum(|l| l.load.counts.errors));
    let mut facts = Vec::new();
    let mut fact = |name: &str, text: String| facts.push([name.to_owned(), text]);
    if summary.verdicts.total() > 0 {
        fact("Verdicts satisfied", format!("{} / {}", summary.verdicts.satisfied, summary.verdicts.total()));
    }
    if requests > 0 {
        fact("Requests", thousands(requests));
        fact("Errors", format!("{} ({}%)", thousands(errors), rounded(100.0 * errors as f64 / requests as f64)));
    }
    fact("Tasks through", format!("{} / {}", summary.completed_tasks, summary.tasks));
    if digest.versions.len() > 1 {
        fact("Versions", digest.versions.len().to_string());
    }
    fact("Loops", summary.loops.to_string());
    if let Some(revision) = summary.revision {
        fact("Revision", revision.to_string());
    }
    facts
}

/// Objectives; those that do not hold first, else in the document's order.
fn objectives(digest: &Digest) -> Vec<Objective> {
    let Some(first) = digest.versions.first() else { return Vec::new() };
    let verdict = |slo: &SloReport| Verdict {
        state: outcome(slo.verdict),
        value: slo.value.map(|v| value_beside(v, slo.limit)),
        limit: short(slo.limit),
        reason: slo.reason.clone(),
        interval: slo.interval.map(|[low, high]| {
            let confidence =
                slo.confidence.map(|c| format!(" ({}% confidence)", rounded(c * 100.0))).unwrap_or_default();
            format!("{} – {}{confidence}", value(low), value(high))
        }),
    };
    let row = |(row, slo): (usize, &SloReport)| Objective {
        condition: condition(slo),
        cells: digest.versions.iter().filter_map(|v| v.slos.get(row)).map(verdict).collect(),
    };
    let mut rows: Vec<Objective> = first.slos.iter().enumerate().map(row).collect();
    rows.sort_by_key(|objective| objective.cells.iter().all(|cell| cell.state.class == "good"));
    rows
}

/// The condition as the other formats have it, with its metric squeezed and proper signs.
fn condition(slo: &SloReport) -> String {
    let rest = slo.condition.strip_prefix(&slo.metric).unwrap_or_default();
    format!("{}{}", named(&slo.metric), squeezed(&rest.replace("<=", "≤").replace(">=", "≥"), 40))
}

/// The distributions that are only told, metric by metric.
fn distributions(digest: &Digest) -> Vec<Distributed> {
    let metrics: BTreeSet<&String> = digest.versions.iter().flat_map(|v| v.distributions.keys()).collect();
    let told = metrics.into_iter().filter(|metric| figure::is_told(digest, metric));
    let of_version = |metric: &String, version: &VersionReport| {
        let found = version.distributions.get(metric)?;
        Some(Distributed {
            name: named(metric),
            units: found.units.as_ref().map(|units| squeezed(units, 20)),
            version: named(&version.name),
            cells: [thousands(found.count)].into_iter().chain(version.few(metric)?.map(value)).collect(),
        })
    };
    told.flat_map(|metric| digest.versions.iter().filter_map(move |version| of_version(metric, version))).collect()
}

fn tasks(tasks: &[TaskReport]) -> Vec<Task> {
    let millis = |t: chrono::DateTime<chrono::Utc>| t.timestamp_millis() as f64;
    let end = |t: &TaskReport| t.start.map(|start| millis(start) + t.seconds.unwrap_or(0.0) * 1000.0);
    let first = tasks.iter().filter_map(|t| t.start).map(millis).fold(f64::INFINITY, f64::min);
    let last = tasks.iter().filter_map(end).fold(f64::NEG_INFINITY, f64::max);
    let span = (last - first).max(1.0);
    let percent = |ms: f64| ((ms / span * 100.0).clamp(0.0, 100.0) * 10.0).round() / 10.0;
    let of = |t: &TaskReport| Task {
        name: named(&t.task),
        state: status(t.status),
        condition: t.condition.clone(),
        start: t.start.map(|s| format!("+{} s", rounded((millis(s) - first) / 1000.0))),
        duration: t.duration.map(|d| d.to_string()),
        bar: t.start.filter(|_| t.status != TaskStatus::Skipped).map(|start| {
            let from = percent(millis(start) - first).min(99.2);
            // A bar that can be seen, within the track.
            [from, percent(t.seconds.unwrap_or(0.0) * 1000.0).max(0.8).min(100.0 - from)]
        }),
        error: t.error.clone(),
        notes: t.notes.clone(),
    };
    tasks.iter().map(of).collect()
}

fn metrics(digest: &Digest) -> Vec<Metric> {
    let Some(first) = digest.versions.first() else { return Vec::new() };
    let row = |(name, metric): (&String, &crate::report::digest::MetricReport)| Metric {
        name: named(name),
        units: metric.units.as_ref().map(|units| squeezed(units, 20)),
        cells: digest
            .versions
            .iter()
            .map(|v| v.metrics.get(name))
            .map(|m| Reading { value: m.and_then(|m| m.value).map(value), reason: m.and_then(|m| m.no_data.clone()) })
            .collect(),
    };
    first.metrics.iter().map(row).collect()
}
