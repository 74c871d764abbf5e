//! Figures: the selection of distributions for each chart, and the table beside it.

use serde::Serialize;

use super::chart::{self, Chart, Limit};
use crate::metrics::{Distribution, MetricsView};
use crate::model::insights::Insights;
use crate::model::slo::Bound;
use crate::report::show::{self, squeezed};
use crate::report::view::{ReportView, SloReport, VersionReport};

/// Maximum curves per chart, so that each has its own colour, dashes and marker.
pub(super) const MAX_SERIES: usize = 6;

/// A figure: two charts of the same distributions, and their percentiles as a table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    pub number: usize,
    pub title: String,
    pub charts: Vec<Chart>,
    /// Unit of counting: `Requests`.
    pub counted: String,
    pub unit: String,
    pub rows: Vec<Row>,
    pub notes: Vec<String>,
    /// Metrics that are drawn.
    #[serde(skip)]
    pub metrics: Vec<String>,
}

/// Key figures of one curve.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub style: usize,
    pub name: String,
    pub count: String,
    pub cells: Vec<String>,
}

/// Plan of one figure: a title and, per curve, its name, version and metric.
struct Plan {
    title: String,
    curves: Vec<(String, usize, String)>,
    has_limit: bool,
}

/// Distributions that explain a latency: drawn if an SLO limits them, else listed as numbers only.
const EXPLAINING: [&str; 4] = ["service-time", "success-latency", "first-byte", "connect"];

/// Returns true for a distribution that is listed as numbers, not drawn.
pub(super) fn is_listed(view: &ReportView, metric: &str) -> bool {
    let kind = metric.rsplit_once('/').map_or(metric, |(_, kind)| kind);
    EXPLAINING.contains(&kind) && !is_limited(view, metric)
}

fn is_limited(view: &ReportView, metric: &str) -> bool {
    view.versions.iter().any(|v| v.slos().any(|slo| aspect(slo, metric).is_some()))
}

/// Builds at most `max` figures, those with limits first. Returns also the number of all.
pub(super) fn figures(insights: &Insights, view: &ReportView, max: usize) -> (Vec<Figure>, usize) {
    let mut plans = plans(view);
    // Limited metrics first, then the latency that users notice.
    plans.sort_by_key(|plan| (!plan.has_limit, !plan.curves.iter().any(|(_, _, metric)| metric.ends_with("/latency"))));
    let count = plans.len();
    let drawn = plans.into_iter().take(max).enumerate();
    (drawn.filter_map(|(number, plan)| figure(insights, view, number + 1, &plan)).collect(), count)
}

fn plans(view: &ReportView) -> Vec<Plan> {
    let mut metrics: Vec<&String> = view.versions.iter().flat_map(|v| v.distributions.keys()).collect();
    metrics.sort();
    metrics.dedup();
    metrics.retain(|metric| !is_listed(view, metric));
    let limited = |metric: &str| is_limited(view, metric);
    if let ([_], [_, _, ..]) = (view.versions.as_slice(), metrics.as_slice()) {
        // With one version and several endpoints, the endpoints are compared by metric.
        let mut kinds: std::collections::BTreeMap<&str, Vec<&String>> = std::collections::BTreeMap::new();
        for metric in metrics {
            kinds.entry(metric.rsplit_once('/').map_or("", |(_, kind)| kind)).or_default().push(metric);
        }
        let plan = |(kind, metrics): (&str, &[&String])| Plan {
            title: if let [only] = metrics { (*only).clone() } else { format!("{kind} by endpoint") },
            has_limit: metrics.iter().any(|m| limited(m)),
            curves: metrics
                .iter()
                .map(|m| (m.rsplit_once('/').map_or(m.as_str(), |(p, _)| p).to_owned(), 0, (*m).clone()))
                .collect(),
        };
        return kinds
            .iter()
            .flat_map(|(kind, all)| all.chunks(MAX_SERIES).map(move |some| plan((kind, some))))
            .collect();
    }
    let plan = |metric: &String| {
        let versions = view.versions.iter().enumerate().filter(|(_, v)| v.distributions.contains_key(metric));
        let provider = || metric.rsplit_once('/').map_or(metric.as_str(), |(provider, _)| provider).to_owned();
        // A version alone may have no name.
        let name = |v: &VersionReport| if view.versions.len() == 1 { provider() } else { v.name.clone() };
        let curves = versions.map(|(index, v)| (name(v), index, metric.clone())).collect();
        Plan { title: metric.clone(), curves, has_limit: limited(metric) }
    };
    metrics.into_iter().map(plan).collect()
}

/// Returns the aspect of a distribution that an SLO limits: `mean` or `p99` of `http/latency-mean`, `grpc/latency/p99`. Limits relative to
/// another version have no place on its axis.
pub(super) fn aspect<'a>(slo: &'a SloReport, metric: &str) -> Option<&'a str> {
    if slo.comparison.is_some() {
        return None;
    }
    let aspect = slo.metric.strip_prefix(metric)?.strip_prefix(['-', '/'])?;
    let is_value = matches!(aspect, "mean" | "min" | "max") || percentile(aspect).is_some();
    is_value.then_some(aspect)
}

fn percentile(aspect: &str) -> Option<f64> {
    aspect.strip_prefix('p')?.parse().ok().filter(|p| (0.0..=100.0).contains(p))
}

fn limits(view: &ReportView, plan: &Plan) -> Vec<Limit> {
    let several = plan.curves.iter().any(|(_, _, metric)| *metric != plan.curves[0].2);
    let mut limits: Vec<Limit> = Vec::new();
    for (name, version, metric) in &plan.curves {
        for slo in view.versions[*version].slos() {
            let Some(aspect) = aspect(slo, metric) else { continue };
            let sign = if slo.bound == Bound::Upper { "≤" } else { "≥" };
            let owner = if several { format!("{} ", squeezed(name, 14)) } else { String::new() };
            let label = format!("{owner}{aspect} {sign} {}", show::grouped(&show::short(slo.limit)));
            if !limits.iter().any(|l| l.label == label) {
                limits.push(Limit { label, value: slo.limit, percentile: percentile(aspect) });
            }
        }
    }
    limits
}

/// Names the unit of counting of a distribution.
fn counted(view: &ReportView, metric: &str) -> &'static str {
    if view.versions.iter().any(|version| version.observations.contains_key(metric)) {
        return "samples";
    }
    match metric.rsplit_once('/').map_or(metric, |(_, kind)| kind) {
        "connect" => "connections",
        "between-messages" => "pauses",
        _ => "requests",
    }
}

fn figure(insights: &Insights, view: &ReportView, number: usize, plan: &Plan) -> Option<Figure> {
    let mut curves = Vec::new();
    for (style, (name, version, metric)) in plan.curves.iter().take(MAX_SERIES).enumerate() {
        // Those that cannot be read are among the unavailable values, with the reason.
        if let Ok(Some(distribution)) = MetricsView::new(insights, *version).distribution(metric) {
            curves.push((style, name.clone(), distribution));
        }
    }
    let (_, version, metric) = plan.curves.first()?;
    let units = view.versions[*version].distributions.get(metric)?.units.as_deref();
    let unit = match units {
        Some("msec") => "ms",
        Some(units) => units,
        None => "value",
    };
    let limits = limits(view, plan);
    // Axes without a curve say nothing; the metric is among the unavailable ones.
    if curves.iter().all(|(_, _, distribution)| distribution.count() == 0) {
        return None;
    }
    let is_alone = plan.curves.len() == 1;
    let series: Vec<_> =
        curves.iter().map(|(style, name, d)| (*style, if is_alone { "" } else { name.as_str() }, d)).collect();
    let mut notes = Vec::new();
    let left_out = chart::left_out(&series, &limits);
    if !left_out.is_empty() {
        notes.push(format!("Off the chart: {}.", left_out.join("; ")));
    }
    if plan.curves.len() > MAX_SERIES {
        notes.push(format!("{} of {} versions are drawn.", MAX_SERIES, plan.curves.len()));
    }
    let row = |(style, name, d): &(usize, String, Distribution)| {
        let cells = [50.0, 90.0, 95.0, 99.0, 99.9].map(|p| d.percentile(p)).into_iter().chain([d.max()]);
        Row {
            style: *style,
            name: name.clone(),
            count: show::thousands(d.count()),
            cells: cells.map(|value| show::readable(value, Some(unit))).collect(),
        }
    };
    let mut charts = vec![
        chart::percentiles(&series, &limits, &squeezed(unit, 16)),
        chart::histogram(&series, &limits, &squeezed(unit, 16)),
    ];
    let counted = counted(view, metric);
    for label in charts.iter_mut().flat_map(|chart| [&mut chart.x_label, &mut chart.y_label]) {
        *label = label.replace("requests", counted);
    }
    Some(Figure {
        number,
        title: squeezed(&plan.title, 80),
        charts,
        counted: format!("{}{}", counted[..1].to_uppercase(), &counted[1..]),
        unit: squeezed(unit, 16),
        rows: curves.iter().map(row).collect(),
        notes,
        metrics: plan.curves.iter().map(|(_, _, metric)| metric.clone()).collect(),
    })
}
