//! Context of the page's template: formatted strings and numbers, bounded in number.

use serde::Serialize;

use super::banner::{self, Banner};
use super::changes::{self, Changes};
use super::figure::{self, Figure};
use super::links::Links;
use super::loads::{self, Load};
use super::metrics::{self, Distributed, Metric};
use super::overview::{self, Endpoint};
use super::queried::{self, Queried};
use super::rollout::{self, Rollout};
use super::slos::{self, Slo};
use super::splits::{self, Splitted};
use super::state::named;
use super::tasks::{self, Task};
use super::timeline::{self, Timeline};
use super::trend::{self, Trended};
use crate::model::document::Experiment;
use crate::report::view::ReportView;

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
    banner: Banner,
    facts: Vec<String>,
    rollout: Option<Rollout>,
    rollout_left_out: usize,
    versions: Vec<String>,
    endpoints: Vec<Endpoint>,
    endpoints_left_out: usize,
    slos: Vec<Slo>,
    has_intervals: bool,
    /// Columns of an explanation in the table of SLOs.
    note_columns: usize,
    slos_left_out: usize,
    /// Number of those that are left out and not satisfied.
    slos_left_out_open: usize,
    caveats: Vec<String>,
    rewards: Vec<String>,
    changes: Option<Changes>,
    splits: Vec<Splitted>,
    splits_left_out: usize,
    trends: Vec<Trended>,
    trends_left_out: usize,
    queried: Vec<Queried>,
    queried_left_out: usize,
    is_queried_open: bool,
    figures: Vec<Figure>,
    figures_left_out: usize,
    distributions: Vec<Distributed>,
    distributions_left_out: usize,
    timelines: Vec<Timeline>,
    timelines_left_out: usize,
    has_failures: bool,
    load_columns: Vec<&'static str>,
    loads: Vec<Load>,
    loads_left_out: usize,
    /// Names of the loads whose responses are attributed to versions.
    attributed: String,
    is_tasks_open: bool,
    tasks: Vec<Task>,
    tasks_left_out: usize,
    metrics: Vec<Metric>,
    metrics_left_out: usize,
}

/// Maximum endpoints above the fold.
const MAX_ENDPOINTS: usize = 40;

/// Builds the page of a document.
pub(super) fn of(experiment: &Experiment, view: &ReportView, bounds: &Bounds) -> Page {
    let insights = experiment.result.as_ref().and_then(|r| r.insights.as_ref());
    let (figures, planned) = insights.map(|i| figure::figures(i, view, bounds.figures)).unwrap_or_default();
    let columns = view.versions.len().max(1);
    let metrics = metrics::metrics(view);
    let distributions = metrics::distributions(view);
    let (trends, trends_total) = trend::trends(view, bounds.figures);
    let (queried, queried_total) = queried::queried(view, (bounds.rows / 6 / columns).max(4));
    let (timelines, timelines_total) = timeline::timelines(view, bounds.figures);
    let splits = splits::splits(view, bounds.figures);
    let rows = |divisor: usize| (bounds.rows / divisor).max(8);
    let links = links(&figures, &timelines, &queried, &trends);
    let (slos, slos_left_out, slos_left_out_open) = slos::slos(view, &links, rows(3));
    let endpoints = overview::endpoints(view, rows(10).min(MAX_ENDPOINTS));
    Page {
        banner: banner::banner(experiment, view),
        facts: facts(view),
        rollout: view.rollout.as_ref().map(|report| rollout::rollout(report, &view.tasks, rows(6))),
        rollout_left_out: view.rollout.as_ref().map_or(0, |report| report.steps.len().saturating_sub(rows(6))),
        versions: view.versions.iter().map(|v| named(&v.name)).collect(),
        endpoints_left_out: view.load.len().saturating_sub(endpoints.len()),
        endpoints,
        note_columns: 4 + usize::from(columns > 1) + usize::from(slos.iter().any(Slo::has_interval)),
        has_intervals: slos.iter().any(Slo::has_interval),
        slos,
        slos_left_out,
        slos_left_out_open,
        caveats: view.caveats.clone(),
        rewards: view.rewards.iter().take(rows(1)).map(|reward| reward.reason.clone()).collect(),
        changes: changes::changes(view, &links, rows(10)),
        splits_left_out: view.splits.len().saturating_sub(splits.len()),
        splits,
        trends_left_out: trends_total.saturating_sub(trends.len()),
        trends,
        queried_left_out: queried_total.saturating_sub(queried.len()),
        queried,
        is_queried_open: queried::is_remarkable(view),
        figures_left_out: planned.saturating_sub(figures.len()),
        figures,
        distributions_left_out: distributions.len().saturating_sub(rows(8)),
        distributions: distributions.into_iter().take(rows(8)).collect(),
        timelines_left_out: timelines_total.saturating_sub(timelines.len()),
        timelines,
        has_failures: loads::has_failures(&view.load),
        load_columns: loads::columns(&view.load),
        loads_left_out: view.load.len().saturating_sub(rows(5)),
        loads: loads::rows(&view.load, rows(5)),
        attributed: loads::attributed(&view.load, rows(5)),
        is_tasks_open: tasks::is_remarkable(&view.tasks),
        tasks_left_out: view.tasks.len().saturating_sub(rows(3)),
        tasks: tasks::tasks(&view.tasks).into_iter().take(rows(3)).collect(),
        metrics_left_out: metrics.len().saturating_sub(rows(1) * 2 / columns),
        metrics: metrics.into_iter().take(rows(1) * 2 / columns).collect(),
    }
}

/// Links metrics to what shows them: the loops if there are several, the percentiles, the load over time, the provider's response.
fn links(figures: &[Figure], timelines: &[Timeline], queried: &[Queried], trends: &[Trended]) -> Links {
    let mut links = Links::default();
    for trend in trends {
        links.metric(&trend.metric, format!("f{}", trend.number));
    }
    for metric in queried {
        links.metric(&metric.metric, metric.id.clone());
    }
    for figure in figures {
        figure.metrics.iter().for_each(|metric| links.distribution(metric, format!("f{}", figure.number)));
    }
    for timeline in timelines {
        links.provider(&timeline.provider, format!("f{}", timeline.number));
    }
    links
}

/// Lists what identifies the run: start, loops, revision and program.
fn facts(view: &ReportView) -> Vec<String> {
    let summary = &view.summary;
    let start = summary.start_time.map(|t| t.format("%-d %B %Y, %H:%M:%S UTC").to_string());
    let loops = match summary.loops_text() {
        _ if summary.loops <= 1 && summary.loops == summary.completed_loops => None,
        text if text.contains("loop") => Some(text),
        text => Some(format!("{text} loops")),
    };
    let done = (summary.completed_tasks < summary.tasks && start.is_some())
        .then(|| format!("{} of {} tasks completed", summary.completed_tasks, summary.tasks));
    let facts = [
        Some(start.unwrap_or_else(|| "Not started".to_owned())),
        loops,
        done,
        summary.replayed.then(|| "replayed from a recording".to_owned()),
        summary.revision.map(|revision| format!("revision {revision}")),
        summary.version.as_deref().map(|version| format!("iter8 {}", named(version))),
    ];
    facts.into_iter().flatten().collect()
}
