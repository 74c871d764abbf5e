//! Context of the page's template: formatted strings and numbers, bounded in number.

use std::collections::BTreeSet;

use serde::Serialize;

use super::figure::{self, Figure};
use super::interval::{self, Drawn};
use super::loads::{self, Load};
use super::queried::{self, Queried};
use super::rollout::{self, Rollout};
use super::splits::{self, Splitted};
use super::state::{State, named, state};
use super::timeline::{self, Timeline};
use super::trend::{self, Trended};
use crate::model::document::{Experiment, TaskStatus};
use crate::model::slo::Outcome;
use crate::model::split::UNKNOWN;
use crate::redact::redact_text;
use crate::report::interval::Scale;
use crate::report::show::{rounded, squeezed, thousands, value};
use crate::report::text;
use crate::report::view::{Condition, LoadReport, Overall, ReportView, SloReport, TaskReport, VersionReport};
use crate::slo::assertion::{AssertCondition, judge};

/// Bounds on the size of a page.
pub(super) struct Bounds {
    /// Maximum characters of a string.
    pub text: usize,
    /// Maximum characters of the spec.
    pub spec: usize,
    rows: usize,
    figures: usize,
}

impl Bounds {
    /// Returns the default bounds, halved `times` times.
    pub fn halved(times: u32) -> Self {
        Self { text: (400 >> times).max(40), rows: 600 >> times, figures: 12 >> times, spec: 40_000 >> times }
    }
}

/// Context of the template.
#[derive(Serialize)]
pub(super) struct Page {
    state: State,
    sentence: String,
    rollout: Option<Rollout>,
    rollout_left_out: usize,
    checks: Vec<Check>,
    facts: Vec<[String; 2]>,
    started: Option<String>,
    version: Option<String>,
    versions: Vec<String>,
    objectives: Vec<Objective>,
    objectives_left_out: usize,
    caveats: Vec<String>,
    rewards: Vec<String>,
    splits: Vec<Splitted>,
    splits_left_out: usize,
    trends: Vec<Trended>,
    trends_left_out: usize,
    queried: Vec<Queried>,
    queried_left_out: usize,
    figures: Vec<Figure>,
    figures_left_out: usize,
    distributions: Vec<Distributed>,
    distributions_left_out: usize,
    timelines: Vec<Timeline>,
    timelines_left_out: usize,
    load_columns: Vec<&'static str>,
    loads: Vec<Load>,
    loads_left_out: usize,
    /// Names of the loads whose responses are attributed to versions.
    attributed: String,
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
    bar: Option<Drawn>,
    /// Interval, effective samples and further requests.
    facts: Vec<String>,
}

/// Key figures of a distribution that is not drawn.
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
    /// Start and length of the bar, in percent.
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

/// Builds the page of a document.
pub(super) fn of(experiment: &Experiment, view: &ReportView, bounds: &Bounds) -> Page {
    let insights = experiment.result.as_ref().and_then(|r| r.insights.as_ref());
    let (figures, planned) = insights.map(|i| figure::figures(i, view, bounds.figures)).unwrap_or_default();
    let columns = view.versions.len().max(1);
    let objectives = objectives(view);
    let metrics = metrics(view);
    let distributions = distributions(view);
    let (trends, trends_total) = trend::trends(view, bounds.figures);
    let (queried, queried_total) = queried::queried(view, (bounds.rows / 6 / columns).max(4));
    let (timelines, timelines_total) = timeline::timelines(view, bounds.figures);
    let splits = splits::splits(view, bounds.figures);
    let rows = |divisor: usize| (bounds.rows / divisor).max(8);
    let summary = &view.summary;
    Page {
        state: overall(view),
        sentence: sentence(view),
        rollout: view.rollout.as_ref().map(|report| rollout::rollout(report, &view.tasks, rows(6))),
        rollout_left_out: view.rollout.as_ref().map_or(0, |report| report.steps.len().saturating_sub(rows(6))),
        checks: checks(experiment, view),
        facts: facts(view),
        started: summary.start_time.map(|t| t.format("%-d %B %Y, %H:%M:%S UTC").to_string()),
        version: summary.version.as_deref().map(named),
        versions: view.versions.iter().map(|v| named(&v.name)).collect(),
        objectives_left_out: objectives.len().saturating_sub(rows(columns * 2)),
        objectives: objectives.into_iter().take(rows(columns * 2)).collect(),
        caveats: view.caveats.clone(),
        rewards: view.rewards.iter().take(rows(1)).map(|reward| reward.reason.clone()).collect(),
        splits_left_out: view.splits.len().saturating_sub(splits.len()),
        splits,
        trends_left_out: trends_total.saturating_sub(trends.len()),
        trends,
        queried_left_out: queried_total.saturating_sub(queried.len()),
        queried,
        figures_left_out: planned.saturating_sub(figures.len()),
        figures,
        distributions_left_out: distributions.len().saturating_sub(rows(8)),
        distributions: distributions.into_iter().take(rows(8)).collect(),
        timelines_left_out: timelines_total.saturating_sub(timelines.len()),
        timelines,
        load_columns: loads::columns(&view.load),
        loads_left_out: view.load.len().saturating_sub(rows(5)),
        loads: loads::rows(&view.load, rows(5)),
        attributed: loads::attributed(&view.load, rows(5)),
        tasks_left_out: view.tasks.len().saturating_sub(rows(3)),
        tasks: tasks(&view.tasks).into_iter().take(rows(3)).collect(),
        metrics_left_out: metrics.len().saturating_sub(rows(1) * 2 / columns),
        metrics: metrics.into_iter().take(rows(1) * 2 / columns).collect(),
    }
}

fn overall(view: &ReportView) -> State {
    let outcome = view.summary.outcome;
    if let Some(state) = view.rollout.as_ref().and_then(|report| rollout::overall(report, outcome)) {
        return state;
    }
    match outcome {
        Overall::Satisfied => state("good", "✓", "All objectives are satisfied"),
        Overall::Violated => state("bad", "✗", "Objectives are violated"),
        Overall::Inconclusive => state("open", "?", "Inconclusive"),
        Overall::Unassessed => state("plain", "–", "Completed; no objectives were assessed"),
        Overall::Failed => state("bad", "✗", "The experiment failed"),
        Overall::Interrupted => state("open", "!", "Interrupted; results are partial"),
        Overall::Incomplete => state("plain", "…", "Some tasks have not finished"),
        Overall::Invalid => state("bad", "✗", "The document contradicts itself or its spec"),
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

/// Details the outcome: the state of a rollout, verdicts per version, or the task that failed.
fn sentence(view: &ReportView) -> String {
    if let Some(contradiction) = &view.summary.contradiction {
        return format!("Run the experiment again: {contradiction}.");
    }
    let verdicts = verdicts(view);
    match &view.rollout {
        Some(report) if view.summary.outcome == Overall::Satisfied => {
            format!("{}. {verdicts}", rollout::sentence(report))
        }
        // The reason names the task that failed, if one did.
        Some(report) => format!("{}.", rollout::sentence(report)),
        None => verdicts,
    }
}

/// Counts the verdicts per version, or names the task that failed.
fn verdicts(view: &ReportView) -> String {
    if view.summary.failure
        && let Some(task) = view.tasks.iter().find(|t| t.status == TaskStatus::Failed)
    {
        let reason = task.error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
        return format!("Task {} failed{reason}", named(&task.task));
    }
    let of_version = |v: &VersionReport| {
        let count = |verdict| v.slos().filter(|slo| slo.verdict == verdict).count();
        let total = v.slos().count();
        let name = if view.versions.len() == 1 { String::new() } else { format!("{}: ", named(&v.name)) };
        let mut parts = vec![format!("{} of {total} satisfied", count(Some(Outcome::Satisfied)))];
        let others = [
            (count(Some(Outcome::Violated)), "violated"),
            (count(Some(Outcome::Inconclusive)), "inconclusive"),
            (count(None), "not assessed"),
        ];
        parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, verdict)| format!("{n} {verdict}")));
        format!("{name}{}", parts.join(", "))
    };
    let versions: Vec<String> =
        view.versions.iter().filter(|v| v.slos().next().is_some()).take(6).map(of_version).collect();
    if versions.is_empty() { String::new() } else { format!("{}.", versions.join("; ")) }
}

fn checks(experiment: &Experiment, view: &ReportView) -> Vec<Check> {
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
            condition != AssertCondition::NoFailure && view.summary.verdicts.violated == 0 && !view.summary.failure;
        let state = match judged.holds {
            true => state("good", "✓", yes),
            false if is_open => state("open", "?", no),
            false => state("bad", "✗", no),
        };
        // The banner has the state of a rollout already.
        let phase = view.rollout.as_ref().filter(|report| report.sentence == redact_text(&judged.sentence));
        Check { state, sentence: phase.map_or(judged.sentence, |report| report.phase.to_string()) }
    };
    conditions.map(check).into()
}

fn facts(view: &ReportView) -> Vec<[String; 2]> {
    let summary = &view.summary;
    let sum = |count: fn(&LoadReport) -> u64| view.load.iter().map(count).fold(0_u64, u64::saturating_add);
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
    fact("Tasks completed", format!("{} / {}", summary.completed_tasks, summary.tasks));
    // Requests of unknown origin are shown beside the versions, and are none.
    let is_unknown = |row: &LoadReport| row.load.version_from.is_some() && row.version == UNKNOWN;
    let versions = view.versions.len().saturating_sub(usize::from(view.load.iter().any(is_unknown)));
    if versions > 1 {
        fact("Versions", versions.to_string());
    }
    fact("Loops", summary.loops_text());
    if summary.replayed {
        fact("Replayed", "from a recording".to_owned());
    }
    if let Some(revision) = summary.revision {
        fact("Revision", revision.to_string());
    }
    facts
}

/// Lists the SLOs, those that do not hold first, else in the document's order.
fn objectives(view: &ReportView) -> Vec<Objective> {
    let verdict = |slo: &SloReport, number: String, scale: Option<Scale>| Verdict {
        state: outcome(slo.verdict),
        value: slo.value_text(),
        limit: slo.limit_text(),
        reason: slo.reason.clone(),
        bar: scale.and_then(|scale| interval::drawn(slo, scale, number)),
        facts: [
            interval::described(slo),
            slo.effective_text().map(|text| format!("effective samples {text}")),
            slo.needs_text().map(|text| format!("needs {text}")),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    let baseline = || Verdict {
        state: state("plain", "–", "baseline"),
        value: None,
        limit: String::new(),
        reason: String::new(),
        bar: None,
        facts: Vec::new(),
    };
    let row = |(row, slo): (usize, &SloReport)| {
        let versions = || view.versions.iter().filter(|version| !version.slos.is_empty());
        let scale = Scale::of(versions().filter_map(|version| version.slos.get(row)?.as_ref()));
        let cell = |(column, version): (usize, &VersionReport)| match version.slos.get(row) {
            Some(Some(slo)) => verdict(slo, format!("v{row}-{column}"), scale),
            _ => baseline(),
        };
        Objective { condition: condition(slo), cells: versions().enumerate().map(cell).collect() }
    };
    let mut rows: Vec<Objective> = view.objectives().into_iter().enumerate().map(row).collect();
    rows.sort_by_key(|objective| {
        objective.cells.iter().all(|cell| cell.state.class == "good" || cell.limit.is_empty())
    });
    rows
}

/// Formats a condition as the other formats do, with its metric shortened and typographic signs.
fn condition(slo: &SloReport) -> String {
    let Condition { before, metric, after, .. } = slo.condition.typeset();
    format!("{before}{}{}", named(&metric), squeezed(&after, 40))
}

/// Lists the distributions that are not drawn, by metric.
fn distributions(view: &ReportView) -> Vec<Distributed> {
    let metrics: BTreeSet<&String> = view.versions.iter().flat_map(|v| v.distributions.keys()).collect();
    let listed = metrics.into_iter().filter(|metric| figure::is_listed(view, metric));
    let of_version = |metric: &String, version: &VersionReport| {
        let distribution = version.distributions.get(metric)?;
        Some(Distributed {
            name: named(metric),
            units: distribution.units.as_ref().map(|units| squeezed(units, 20)),
            version: named(&version.name),
            cells: [thousands(distribution.count)].into_iter().chain(version.key_figures(metric)?.map(value)).collect(),
        })
    };
    listed.flat_map(|metric| view.versions.iter().filter_map(move |version| of_version(metric, version))).collect()
}

fn tasks(tasks: &[TaskReport]) -> Vec<Task> {
    let millis = |t: chrono::DateTime<chrono::Utc>| t.timestamp_millis() as f64;
    let end = |t: &TaskReport| t.start.map(|start| millis(start) + t.seconds.unwrap_or(0.0) * 1000.0);
    let first = tasks.iter().filter_map(|t| t.start).map(millis).fold(f64::INFINITY, f64::min);
    let last = tasks.iter().filter_map(end).fold(f64::NEG_INFINITY, f64::max);
    let span = (last - first).max(1.0);
    let percent = |ms: f64| ((ms / span * 100.0).clamp(0.0, 100.0) * 10.0).round() / 10.0;
    let task = |t: &TaskReport| Task {
        name: named(&t.task),
        state: status(t.status),
        condition: t.condition.clone(),
        start: t.start.map(|s| format!("+{} s", rounded((millis(s) - first) / 1000.0))),
        duration: t.duration.map(|d| d.to_string()),
        bar: t.start.filter(|_| t.status != TaskStatus::Skipped).map(|start| {
            let from = percent(millis(start) - first).min(99.2);
            // Long enough to be visible, and within the track.
            [from, percent(t.seconds.unwrap_or(0.0) * 1000.0).max(0.8).min(100.0 - from)]
        }),
        error: t.error.clone(),
        notes: t.notes.clone(),
    };
    tasks.iter().map(task).collect()
}

fn metrics(view: &ReportView) -> Vec<Metric> {
    let row = |(name, metric): (&String, &crate::report::view::MetricReport)| Metric {
        name: named(name),
        units: metric.units.as_ref().map(|units| squeezed(units, 20)),
        cells: view
            .versions
            .iter()
            .map(|v| v.metrics.get(name))
            .map(|m| Reading { value: m.and_then(|m| m.value).map(value), reason: m.and_then(|m| m.no_data.clone()) })
            .collect(),
    };
    view.metrics().into_iter().map(row).collect()
}
