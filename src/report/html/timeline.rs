//! Loads over time: a chart of the rate and one of the latency per load, from the document's series.
//!
//! Values are drawn as steps, one per interval: an interval without requests is zero in the rate chart and a gap in the latency chart.

use std::fmt::Write;

use serde::Serialize;

use super::axis::{Axis, time_unit};
use super::chart::{Chart, LEFT, LOG_RATIO, Limit, Line, RIGHT, TOP, WIDTH, horizontal};
use super::figure;
use crate::metrics::series::{Point, halved, points};
use crate::model::series::Series;
use crate::model::slo::Bound;
use crate::report::show::{self, rounded, squeezed, value};
use crate::report::view::{LoadReport, ReportView};

/// Height of a chart and bottom of its plot, in user units: lower than a distribution's, because only the shape matters.
const HEIGHT: f64 = 220.0;
const BOTTOM: f64 = 166.0;
/// Maximum intervals; no run leaves more.
const MAX_POINTS: usize = 240;
/// Maximum pauses in a note.
const MAX_PAUSES: usize = 3;
/// Minimum number of requests that would have ended during a pause, at the load's mean rate, for the pause to be noted.
const NOTEWORTHY: f64 = 3.0;

/// A load over time.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Timeline {
    pub number: String,
    pub title: String,
    pub charts: Vec<Chart>,
    /// Legend of each chart.
    pub keys: Vec<Vec<Key>>,
    pub notes: Vec<String>,
}

/// Legend of a line.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Key {
    pub style: usize,
    pub name: &'static str,
}

/// A drawable load.
struct Load<'a> {
    row: &'a LoadReport,
    points: Vec<Point>,
}

/// A line: its name, and its value at an interval.
type Curve = (&'static str, fn(&Point) -> Option<f64>);

const RATES: [Curve; 2] =
    [("requests", |point| Some(rate(point.requests, point))), ("errors", |point| Some(rate(point.errors, point)))];
const LATENCIES: [Curve; 2] = [("p50", |point| point.p50), ("p99", |point| point.p99)];

fn rate(count: u64, point: &Point) -> f64 {
    if point.length > 0.0 { count as f64 / point.length } else { 0.0 }
}

/// Builds the charts of at most `max` loads, grouped by provider. Returns also the number of all.
pub(super) fn timelines(view: &ReportView, max: usize) -> (Vec<Timeline>, usize) {
    let load =
        |row| Some(Load { row, points: drawable(row.load.series.as_ref()?) }).filter(|load| load.points.len() > 1);
    let mut loads: Vec<Load<'_>> = view.load.iter().filter_map(load).collect();
    loads.sort_by(|a, b| a.row.provider.cmp(&b.row.provider));
    let timeline = |(number, load): (usize, &Load<'_>)| {
        // The versions of a provider share a scale to be comparable.
        let peers: Vec<&Load<'_>> = loads.iter().filter(|peer| peer.row.provider == load.row.provider).collect();
        timeline(view, number + 1, load, &peers)
    };
    (loads.iter().take(max).enumerate().map(timeline).collect(), loads.len())
}

fn drawable(series: &Series) -> Vec<Point> {
    let mut series = series.clone();
    while series.requests.len() > MAX_POINTS {
        series = halved(&series);
    }
    points(&series)
}

fn timeline(view: &ReportView, number: usize, load: &Load<'_>, peers: &[&Load<'_>]) -> Timeline {
    let row = load.row;
    let provider = squeezed(&row.provider, 80);
    let is_alone = view.versions.len() == 1;
    let has_errors = load.points.iter().any(|point| point.errors > 0);
    let rates = if has_errors { &RATES[..] } else { &RATES[..1] };
    let key = |(style, (name, _)): (usize, &Curve)| Key { style, name };
    Timeline {
        number: format!("t{number}"),
        title: if is_alone { provider } else { format!("{provider}, {}", squeezed(&row.version, 80)) },
        charts: vec![rate_chart(load, peers, rates), latency_chart(view, load, peers)],
        keys: [rates, &LATENCIES].map(|curves| curves.iter().enumerate().map(key).collect()).into(),
        notes: pauses(&load.points),
    }
}

fn rate_chart(load: &Load<'_>, peers: &[&Load<'_>], curves: &[Curve]) -> Chart {
    let peak = highest(peers, &RATES[..1]);
    let requested = load.row.load.requested_rate.filter(|rate| rate.is_finite() && *rate > 0.0);
    // A changing rate is labelled with its mean.
    let qualifier = if load.row.schedule().is_empty() { "" } else { " on average" };
    let limit =
        |rate: f64| Limit { label: format!("requested {}{qualifier}", rounded(rate)), value: rate, percentile: None };
    let limits: Vec<Limit> = requested.filter(|rate| *rate <= peak * 2.0).map(limit).into_iter().collect();
    let top = limits.iter().map(|limit| limit.value).fold(peak, f64::max);
    let y = Axis::linear((0.0, top * if limits.is_empty() { 1.05 } else { 1.18 }), (BOTTOM, TOP));
    let total: u64 = load.points.iter().fold(0, |sum, point| sum.saturating_add(point.requests));
    let errors: u64 = load.points.iter().fold(0, |sum, point| sum.saturating_add(point.errors));
    let description = format!(
        "{} requests over {} s, {} per second; {} errors.",
        show::thousands(total),
        rounded(length(&load.points)),
        range(&load.points, RATES[0].1, rounded),
        show::thousands(errors)
    );
    let mut chart = chart("rate", "Requests per second", description, load, curves, &limits, &y);
    chart.limits.iter_mut().for_each(|line| line.is_requested = true);
    chart.y_label = "requests/s".to_owned();
    chart
}

fn latency_chart(view: &ReportView, load: &Load<'_>, peers: &[&Load<'_>]) -> Chart {
    let peak = highest(peers, &LATENCIES);
    let limits: Vec<Limit> = limits(view, load.row).into_iter().filter(|limit| limit.value <= peak * 2.0).collect();
    let top = limits.iter().map(|limit| limit.value).fold(peak, f64::max);
    let low = values(peers, &LATENCIES).fold(f64::INFINITY, f64::min);
    let room = if limits.is_empty() { 0.05 } else { 0.18 };
    let y = if low > 0.0 && low.is_finite() && peak / low > LOG_RATIO {
        let low = (low * 0.9).min(top);
        Axis::log((low, top * (top / low).powf(room)), (BOTTOM, TOP))
    } else {
        Axis::linear((0.0, top * (1.0 + room)), (BOTTOM, TOP))
    };
    let ranges = LATENCIES.each_ref().map(|(name, read)| format!("{name} {} ms", range(&load.points, *read, value)));
    let description = format!("{}. Gaps are intervals without timed requests.", ranges.join(", "));
    let mut chart = chart("times", "Latency", description, load, &LATENCIES, &limits, &y);
    chart.y_label = if y.is_log() { "ms, log scale" } else { "ms" }.to_owned();
    chart
}

/// Lists the limits on the drawn percentiles of the load's latency.
fn limits(view: &ReportView, row: &LoadReport) -> Vec<Limit> {
    let latency = format!("{}/latency", row.provider);
    let slos = view.versions.iter().filter(|version| version.name == row.version).flat_map(|version| version.slos());
    let limit = |slo| {
        let aspect = figure::aspect(slo, &latency).filter(|aspect| matches!(*aspect, "p50" | "p99"))?;
        let sign = if slo.bound == Bound::Upper { "≤" } else { "≥" };
        let label = format!("{aspect} {sign} {}", show::short(slo.limit));
        (slo.limit > 0.0).then_some(Limit { label, value: slo.limit, percentile: None })
    };
    slos.filter_map(limit).take(2).collect()
}

fn values<'a>(loads: &'a [&Load<'_>], curves: &'a [Curve]) -> impl Iterator<Item = f64> + 'a {
    let points = loads.iter().flat_map(|load| &load.points);
    points.flat_map(|point| curves.iter().filter_map(|(_, read)| read(point))).filter(|value| value.is_finite())
}

fn highest(loads: &[&Load<'_>], curves: &[Curve]) -> f64 {
    values(loads, curves).fold(0.0, f64::max)
}

fn chart(
    kind: &'static str,
    title: &str,
    description: String,
    load: &Load<'_>,
    curves: &[Curve],
    limits: &[Limit],
    y: &Axis,
) -> Chart {
    let points = &load.points;
    let (unit, scale) = time_unit(length(points));
    let x = Axis::linear((0.0, length(points) / scale), (LEFT, RIGHT));
    let place = |point: &Point| [point.start, point.start + point.length].map(|seconds| x.place(seconds / scale));
    let corners = |(_, read): &Curve| -> Vec<[f64; 2]> {
        let at = |point: &Point| read(point).map(|value| (place(point), y.place(value)));
        points.iter().filter_map(at).flat_map(|([a, b], y)| [[a, y], [(a + b) / 2.0, y], [b, y]]).collect()
    };
    let line = |(style, (_, read)): (usize, &Curve)| {
        let mut path = String::new();
        let mut is_down = false;
        for point in points {
            let Some(value) = read(point) else {
                is_down = false;
                continue;
            };
            let ([from, to], at) = (place(point), y.place(value));
            let _ = if is_down { write!(path, "V{at}H{to}") } else { write!(path, "M{from} {at}H{to}") };
            is_down = true;
        }
        Line { style, path, ..Line::default() }
    };
    let interval = points.first().map_or(0.0, |point| point.length);
    Chart {
        kind,
        title: title.to_owned(),
        description,
        x_label: format!("{unit} since the start, in steps of {} s", rounded(interval)),
        y_label: String::new(),
        x_ticks: x.ticks(48.0),
        y_ticks: y.ticks(22.0),
        plot: [LEFT, TOP, RIGHT, BOTTOM],
        size: [WIDTH, HEIGHT],
        series: curves.iter().enumerate().map(line).filter(|line| !line.path.is_empty()).collect(),
        limits: horizontal(
            &limits.iter().collect::<Vec<_>>(),
            y,
            &curves.iter().map(corners).collect::<Vec<_>>(),
            BOTTOM,
            |_| LEFT,
        ),
    }
}

/// Returns the time from the start to the end of the last interval, in seconds.
fn length(points: &[Point]) -> f64 {
    points.last().map_or(0.0, |last| last.start + last.length)
}

/// Formats the range of a curve: `18.2 to 41.0`.
fn range(points: &[Point], read: fn(&Point) -> Option<f64>, format: fn(f64) -> String) -> String {
    let known = || points.iter().filter_map(read);
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    if low <= high { format!("{} to {}", format(low), format(high)) } else { "unknown".to_owned() }
}

/// Notes the times at which no request ended, although some should have at the load's rate.
fn pauses(points: &[Point]) -> Vec<String> {
    let total: f64 = points.iter().map(|point| point.requests as f64).sum();
    let mean = total / length(points).max(1e-9);
    let mut pauses: Vec<(f64, f64)> = Vec::new();
    let mut is_paused = false;
    for point in points {
        let end = point.start + point.length;
        match pauses.last_mut().filter(|_| is_paused) {
            Some(pause) if point.requests == 0 => pause.1 = end,
            _ if point.requests == 0 => pauses.push((point.start, end)),
            _ => {}
        }
        is_paused = point.requests == 0;
    }
    pauses.retain(|(from, to)| (to - from) * mean >= NOTEWORTHY);
    let listed =
        pauses.iter().take(MAX_PAUSES).map(|(from, to)| format!("from {} s to {} s", rounded(*from), rounded(*to)));
    let mut listed: Vec<String> = listed.collect();
    if pauses.len() > MAX_PAUSES {
        listed.push(format!("and in {} more pauses", pauses.len() - MAX_PAUSES));
    }
    if listed.is_empty() { Vec::new() } else { vec![format!("No request ended {}.", listed.join(", "))] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(second: u32, requests: u64) -> Point {
        let start = f64::from(second);
        Point { start, length: 1.0, requests, errors: 0, p50: None, p99: None }
    }

    #[test]
    fn pauses_are_noted_unless_the_rate_is_too_low_for_them_to_matter() {
        let counts = [100, 0, 0, 100, 0, 100];
        let points: Vec<Point> = (0..).zip(counts).map(|(second, count)| point(second, count)).collect();
        assert_eq!(pauses(&points), ["No request ended from 1 s to 3 s, from 4 s to 5 s."]);
        let slow: Vec<Point> = (0..).zip([1, 0, 0, 1]).map(|(second, count)| point(second, count)).collect();
        assert!(pauses(&slow).is_empty());
        let many: Vec<Point> = (0..20).map(|second| point(second, u64::from(second % 2) * 90)).collect();
        assert!(pauses(&many)[0].ends_with("and in 7 more pauses."), "{:?}", pauses(&many));
    }
}
