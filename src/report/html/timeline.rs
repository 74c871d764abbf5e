//! Loads over time: per load a chart of its rate and one of its latency, from the series that the document keeps.
//!
//! Values are drawn as steps, one per interval: an interval without a request falls to zero in the one chart and is a gap in the other.

use std::fmt::Write;

use serde::Serialize;

use super::axis::Axis;
use super::chart::{Chart, LEFT, LOG_RATIO, Limit, Line, RIGHT, TOP, WIDTH, horizontal};
use super::figure;
use crate::metrics::series::{Point, halved, points};
use crate::model::series::Series;
use crate::model::slo::Bound;
use crate::report::digest::{Digest, LoadReport};
use crate::report::show::{self, rounded, squeezed, value};

/// Height of a chart and of the foot of its plot, in user units: lower than a distribution's, as the shape matters most.
const HEIGHT: f64 = 220.0;
const BOTTOM: f64 = 166.0;
/// Most intervals that are drawn; a run leaves no more.
const MAX_POINTS: usize = 240;
/// Most pauses that are told.
const MAX_PAUSES: usize = 3;
/// A pause is told if so many requests would have ended in it at the load's mean rate.
const TELLING: f64 = 3.0;

/// A load over time.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Timeline {
    pub number: String,
    pub title: String,
    pub charts: Vec<Chart>,
    /// Per chart, what its lines are.
    pub keys: Vec<Vec<Key>>,
    pub notes: Vec<String>,
}

/// What a line is.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Key {
    pub style: usize,
    pub name: &'static str,
}

/// A load that can be drawn.
struct Load<'a> {
    row: &'a LoadReport,
    points: Vec<Point>,
}

/// A line: its name, and its value in each interval.
type Curve = (&'static str, fn(&Point) -> Option<f64>);

const RATES: [Curve; 2] =
    [("requests", |point| Some(rate(point.requests, point))), ("errors", |point| Some(rate(point.errors, point)))];
const LATENCIES: [Curve; 2] = [("p50", |point| point.p50), ("p99", |point| point.p99)];

fn rate(count: u64, point: &Point) -> f64 {
    if point.length > 0.0 { count as f64 / point.length } else { 0.0 }
}

/// At most `most` loads, the versions of each provider next to one another, and how many there would be.
pub(super) fn timelines(digest: &Digest, most: usize) -> (Vec<Timeline>, usize) {
    let load =
        |row| Some(Load { row, points: drawable(row.load.series.as_ref()?) }).filter(|load| load.points.len() > 1);
    let mut loads: Vec<Load<'_>> = digest.load.iter().filter_map(load).collect();
    loads.sort_by(|a, b| a.row.provider.cmp(&b.row.provider));
    let timeline = |(number, load): (usize, &Load<'_>)| {
        // The versions of a provider have one scale, so that they can be compared.
        let peers: Vec<&Load<'_>> = loads.iter().filter(|peer| peer.row.provider == load.row.provider).collect();
        timeline(digest, number + 1, load, &peers)
    };
    (loads.iter().take(most).enumerate().map(timeline).collect(), loads.len())
}

fn drawable(series: &Series) -> Vec<Point> {
    let mut series = series.clone();
    while series.requests.len() > MAX_POINTS {
        series = halved(&series);
    }
    points(&series)
}

fn timeline(digest: &Digest, number: usize, load: &Load<'_>, peers: &[&Load<'_>]) -> Timeline {
    let row = load.row;
    let provider = squeezed(&row.provider, 80);
    let is_alone = digest.versions.len() == 1;
    let has_errors = load.points.iter().any(|point| point.errors > 0);
    let rates = if has_errors { &RATES[..] } else { &RATES[..1] };
    let key = |(style, (name, _)): (usize, &Curve)| Key { style, name };
    Timeline {
        number: format!("t{number}"),
        title: if is_alone { provider } else { format!("{provider}, {}", squeezed(&row.version, 80)) },
        charts: vec![rate_chart(load, peers, rates), latency_chart(digest, load, peers)],
        keys: [rates, &LATENCIES].map(|curves| curves.iter().enumerate().map(key).collect()).into(),
        notes: pauses(&load.points),
    }
}

fn rate_chart(load: &Load<'_>, peers: &[&Load<'_>], curves: &[Curve]) -> Chart {
    let peak = highest(peers, &RATES[..1]);
    let asked = load.row.load.asked_rate.filter(|asked| asked.is_finite() && *asked > 0.0);
    // What changes over time is told as its mean.
    let how = if load.row.schedule().is_empty() { "" } else { " on average" };
    let limit = |asked: f64| Limit { label: format!("asked {}{how}", rounded(asked)), value: asked, percentile: None };
    let limits: Vec<Limit> = asked.filter(|asked| *asked <= peak * 2.0).map(limit).into_iter().collect();
    let top = limits.iter().map(|limit| limit.value).fold(peak, f64::max);
    let y = Axis::linear((0.0, top * if limits.is_empty() { 1.05 } else { 1.18 }), (BOTTOM, TOP));
    let total: u64 = load.points.iter().fold(0, |sum, point| sum.saturating_add(point.requests));
    let errors: u64 = load.points.iter().fold(0, |sum, point| sum.saturating_add(point.errors));
    let told = format!(
        "{} requests over {} s, {} per second; {} errors.",
        show::thousands(total),
        rounded(length(&load.points)),
        range(&load.points, RATES[0].1, rounded),
        show::thousands(errors)
    );
    let mut chart = chart("rate", "Requests per second", told, load, curves, &limits, &y);
    chart.limits.iter_mut().for_each(|line| line.is_asked = true);
    chart.y_label = "requests/s".to_owned();
    chart
}

fn latency_chart(digest: &Digest, load: &Load<'_>, peers: &[&Load<'_>]) -> Chart {
    let peak = highest(peers, &LATENCIES);
    let limits: Vec<Limit> = limits(digest, load.row).into_iter().filter(|limit| limit.value <= peak * 2.0).collect();
    let top = limits.iter().map(|limit| limit.value).fold(peak, f64::max);
    let low = values(peers, &LATENCIES).fold(f64::INFINITY, f64::min);
    let room = if limits.is_empty() { 0.05 } else { 0.18 };
    let y = if low > 0.0 && low.is_finite() && peak / low > LOG_RATIO {
        let low = (low * 0.9).min(top);
        Axis::log((low, top * (top / low).powf(room)), (BOTTOM, TOP))
    } else {
        Axis::linear((0.0, top * (1.0 + room)), (BOTTOM, TOP))
    };
    let told = |(name, of): &Curve| format!("{name} {} ms", range(&load.points, *of, value));
    let told = format!("{}. Gaps are intervals in which nothing was timed.", LATENCIES.each_ref().map(told).join(", "));
    let mut chart = chart("times", "Latency", told, load, &LATENCIES, &limits, &y);
    chart.y_label = if y.is_log() { "ms, log scale" } else { "ms" }.to_owned();
    chart
}

/// Limits on what is drawn: on the median and the 99th percentile of the load's latency.
fn limits(digest: &Digest, row: &LoadReport) -> Vec<Limit> {
    let latency = format!("{}/latency", row.provider);
    let slos = digest.versions.iter().filter(|version| version.name == row.version).flat_map(|version| &version.slos);
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
    points.flat_map(|point| curves.iter().filter_map(|(_, of)| of(point))).filter(|value| value.is_finite())
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
    let (unit, scale) = match length(points) {
        seconds if seconds <= 300.0 => ("seconds", 1.0),
        seconds if seconds <= 10_800.0 => ("minutes", 60.0),
        _ => ("hours", 3600.0),
    };
    let x = Axis::linear((0.0, length(points) / scale), (LEFT, RIGHT));
    let place = |point: &Point| [point.start, point.start + point.length].map(|seconds| x.place(seconds / scale));
    let corners = |(_, of): &Curve| -> Vec<[f64; 2]> {
        let at = |point: &Point| of(point).map(|value| (place(point), y.place(value)));
        points.iter().filter_map(at).flat_map(|([a, b], y)| [[a, y], [(a + b) / 2.0, y], [b, y]]).collect()
    };
    let line = |(style, (_, of)): (usize, &Curve)| {
        let mut path = String::new();
        let mut is_down = false;
        for point in points {
            let Some(value) = of(point) else {
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

/// From the start to the end of the last interval, in seconds.
fn length(points: &[Point]) -> f64 {
    points.last().map_or(0.0, |last| last.start + last.length)
}

/// `18.2 to 41.0`
fn range(points: &[Point], of: fn(&Point) -> Option<f64>, shown: fn(f64) -> String) -> String {
    let known = || points.iter().filter_map(of);
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    if low <= high { format!("{} to {}", shown(low), shown(high)) } else { "unknown".to_owned() }
}

/// What a reader must not overlook: when no request ended, though at the load's rate some would have.
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
    pauses.retain(|(from, to)| (to - from) * mean >= TELLING);
    let told =
        pauses.iter().take(MAX_PAUSES).map(|(from, to)| format!("from {} s to {} s", rounded(*from), rounded(*to)));
    let mut told: Vec<String> = told.collect();
    if pauses.len() > MAX_PAUSES {
        told.push(format!("and in {} more pauses", pauses.len() - MAX_PAUSES));
    }
    if told.is_empty() { Vec::new() } else { vec![format!("No request ended {}.", told.join(", "))] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(second: u32, requests: u64) -> Point {
        let start = f64::from(second);
        Point { start, length: 1.0, requests, errors: 0, p50: None, p99: None }
    }

    #[test]
    fn pauses_are_told_unless_the_rate_is_so_low_that_they_mean_nothing() {
        let counts = [100, 0, 0, 100, 0, 100];
        let points: Vec<Point> = (0..).zip(counts).map(|(second, count)| point(second, count)).collect();
        assert_eq!(pauses(&points), ["No request ended from 1 s to 3 s, from 4 s to 5 s."]);
        let slow: Vec<Point> = (0..).zip([1, 0, 0, 1]).map(|(second, count)| point(second, count)).collect();
        assert!(pauses(&slow).is_empty());
        let many: Vec<Point> = (0..20).map(|second| point(second, u64::from(second % 2) * 90)).collect();
        assert!(pauses(&many)[0].ends_with("and in 7 more pauses."), "{:?}", pauses(&many));
    }
}
