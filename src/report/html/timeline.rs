//! Loads over time: per endpoint a chart of the latency, one of the rate and one of the errors, each with a line per version.
//!
//! Values are drawn as steps, one per interval: an interval without requests is zero in the rate chart and a gap in the latency chart.

use std::fmt::Write;

use serde::Serialize;

use super::axis::{Axis, time_unit};
use super::chart::{
    Chart, Hover, LEFT, LOG_RATIO, Limit, Line, MAX_HOVERS, RIGHT, TOP, WIDTH, horizontal, named_values,
};
use super::figure::{self, MAX_SERIES};
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
/// Maximum versions whose medians are drawn beside their tails: more lines cannot be told apart.
const MAX_MEDIANS: usize = 3;
/// Maximum requested rates that are drawn.
const MAX_RATES: usize = 3;

/// An endpoint over time.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Timeline {
    pub number: String,
    pub title: String,
    pub charts: Vec<Chart>,
    /// Legend of the versions; empty if there is one.
    pub keys: Vec<Key>,
    pub notes: Vec<String>,
    #[serde(skip)]
    pub provider: String,
}

/// Legend of a version.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Key {
    pub style: usize,
    pub name: String,
}

/// A drawable load.
struct Load<'a> {
    row: &'a LoadReport,
    points: Vec<Point>,
    /// Index of the colour: that of the version among all.
    style: usize,
    /// Name in titles and notes; empty if there is one version.
    name: &'a str,
}

/// Value of a line at an interval.
type Read = fn(&Point) -> Option<f64>;

const REQUESTS: Read = |point| Some(rate(point.requests, point));
const ERRORS: Read = |point| Some(rate(point.errors, point));
const MEDIAN: Read = |point| point.p50;
const TAIL: Read = |point| point.p99;

fn rate(count: u64, point: &Point) -> f64 {
    if point.length > 0.0 { count as f64 / point.length } else { 0.0 }
}

/// Builds the charts of at most `max` endpoints. Returns also the number of all.
pub(super) fn timelines(view: &ReportView, max: usize) -> (Vec<Timeline>, usize) {
    let load = |row: &'_ LoadReport| Some(drawable(row.load.series.as_ref()?)).filter(|points| points.len() > 1);
    let mut providers: Vec<&str> =
        view.load.iter().filter(|row| load(row).is_some()).map(|row| &*row.provider).collect();
    providers.sort_unstable();
    providers.dedup();
    let timeline = |(number, provider): (usize, &&str)| {
        let of_version = |(index, version): (usize, &crate::report::view::VersionReport)| {
            let mut rows = view.load.iter().filter(|row| row.provider == **provider && row.version == version.name);
            let row = rows.next()?;
            let name = if view.versions.len() == 1 { "" } else { row.version.as_str() };
            Some(Load { row, points: load(row)?, style: index, name })
        };
        let loads: Vec<Load<'_>> = view.versions.iter().enumerate().filter_map(of_version).collect();
        timeline(view, number + 1, provider, &loads)
    };
    (providers.iter().take(max).enumerate().map(timeline).collect(), providers.len())
}

fn drawable(series: &Series) -> Vec<Point> {
    let mut series = series.clone();
    while series.requests.len() > MAX_POINTS {
        series = halved(&series);
    }
    points(&series)
}

fn timeline(view: &ReportView, number: usize, provider: &str, loads: &[Load<'_>]) -> Timeline {
    let mut notes: Vec<String> = loads.iter().flat_map(pauses).collect();
    let drawn = &loads[..loads.len().min(MAX_SERIES)];
    if loads.len() > MAX_SERIES {
        notes.push(format!("{MAX_SERIES} of {} versions are drawn.", loads.len()));
    }
    let has_errors = drawn.iter().any(|load| load.points.iter().any(|point| point.errors > 0));
    let mut charts = vec![latency_chart(view, drawn), rate_chart(drawn)];
    charts.extend(has_errors.then(|| error_chart(drawn)));
    // A load all of whose requests failed has no latency.
    charts.retain(|chart| !chart.series.is_empty());
    let key = |load: &Load<'_>| Key { style: load.style % MAX_SERIES, name: squeezed(load.name, 40) };
    Timeline {
        number: format!("t{number}"),
        title: squeezed(provider, 80),
        charts,
        keys: drawn.iter().filter(|load| !load.name.is_empty()).map(key).collect(),
        notes,
        provider: provider.to_owned(),
    }
}

fn rate_chart(loads: &[Load<'_>]) -> Chart {
    let peak = highest(loads, &[REQUESTS]);
    let mut limits: Vec<Limit> = Vec::new();
    for load in loads {
        let requested = load.row.load.requested_rate.filter(|rate| *rate > 0.0 && *rate <= peak * 2.0);
        // A changing rate is labelled with its mean.
        let qualifier = if load.row.schedule().is_empty() { "" } else { " on average" };
        if let Some(rate) =
            requested.filter(|rate| limits.len() < MAX_RATES && !limits.iter().any(|l| l.value == *rate))
        {
            limits.push(Limit {
                label: format!("requested {}{qualifier}", rounded(rate)),
                value: rate,
                percentile: None,
            });
        }
    }
    let top = limits.iter().map(|limit| limit.value).fold(peak, f64::max);
    let y = Axis::linear((0.0, top * if limits.is_empty() { 1.05 } else { 1.18 }), (BOTTOM, TOP));
    let described = |load: &Load<'_>| {
        let sum = |count: fn(&Point) -> u64| load.points.iter().map(count).fold(0, u64::saturating_add);
        format!(
            "{}{} requests over {} s, {} per second; {} errors.",
            prefix(load),
            show::thousands(sum(|point| point.requests)),
            rounded(length(&load.points)),
            range(&load.points, REQUESTS, rounded),
            show::thousands(sum(|point| point.errors))
        )
    };
    let description = loads.iter().map(described).collect::<Vec<_>>().join(" ");
    let mut chart = chart("rate", "Requests per second", description, loads, &[(REQUESTS, "", rounded)], &limits, &y);
    chart.limits.iter_mut().for_each(|line| line.is_requested = true);
    chart.y_label = "requests/s".to_owned();
    chart
}

fn error_chart(loads: &[Load<'_>]) -> Chart {
    let y = Axis::linear((0.0, highest(loads, &[ERRORS]) * 1.05), (BOTTOM, TOP));
    let described = |load: &Load<'_>| format!("{}{} per second.", prefix(load), range(&load.points, ERRORS, rounded));
    let description = loads.iter().map(described).collect::<Vec<_>>().join(" ");
    let mut chart = chart("errors", "Errors per second", description, loads, &[(ERRORS, "", rounded)], &[], &y);
    chart.y_label = "errors/s".to_owned();
    chart
}

fn latency_chart(view: &ReportView, loads: &[Load<'_>]) -> Chart {
    let curves: &[Curve] = match loads.len() <= MAX_MEDIANS {
        true => &[(TAIL, "p99 ", value), (MEDIAN, "p50 ", value)],
        false => &[(TAIL, "p99 ", value)],
    };
    let reads: Vec<Read> = curves.iter().map(|(read, _, _)| *read).collect();
    let peak = highest(loads, &reads);
    let limits: Vec<Limit> = limits(view, loads).into_iter().filter(|limit| limit.value <= peak * 2.0).collect();
    let top = limits.iter().map(|limit| limit.value).fold(peak, f64::max);
    let low = values(loads, &reads).fold(f64::INFINITY, f64::min);
    let room = if limits.is_empty() { 0.05 } else { 0.18 };
    let y = if low > 0.0 && low.is_finite() && peak / low > LOG_RATIO {
        let low = (low * 0.9).min(top);
        Axis::log((low, top * (top / low).powf(room)), (BOTTOM, TOP))
    } else {
        Axis::linear((0.0, top * (1.0 + room)), (BOTTOM, TOP))
    };
    let described = |load: &Load<'_>| {
        let ranges = curves.iter().map(|(read, name, _)| format!("{name}{} ms", range(&load.points, *read, value)));
        format!("{}{}.", prefix(load), ranges.collect::<Vec<_>>().join(", "))
    };
    let mut description = loads.iter().map(described).collect::<Vec<_>>().join(" ");
    description.push_str(" Gaps are intervals without timed requests.");
    let title = if curves.len() == 1 { "Latency: p99" } else { "Latency: p99 (thin: p50)" };
    let mut chart = chart("times", title, description, loads, curves, &limits, &y);
    chart.y_label = if y.is_log() { "ms, log scale" } else { "ms" }.to_owned();
    chart
}

/// Lists the limits on the drawn percentiles of the endpoint's latency.
fn limits(view: &ReportView, loads: &[Load<'_>]) -> Vec<Limit> {
    let mut limits: Vec<Limit> = Vec::new();
    for row in loads.iter().map(|load| load.row) {
        let latency = format!("{}/latency", row.provider);
        let slos =
            view.versions.iter().filter(|version| version.name == row.version).flat_map(|version| version.slos());
        for slo in slos {
            let aspect = figure::aspect(slo, &latency).filter(|aspect| matches!(*aspect, "p50" | "p99"));
            let Some(aspect) = aspect.filter(|_| slo.limit > 0.0 && limits.len() < 2) else { continue };
            let sign = if slo.bound == Bound::Upper { "≤" } else { "≥" };
            let label = format!("{aspect} {sign} {}", show::grouped(&show::short(slo.limit)));
            if !limits.iter().any(|limit| limit.label == label) {
                limits.push(Limit { label, value: slo.limit, percentile: None });
            }
        }
    }
    limits
}

fn values<'a>(loads: &'a [Load<'_>], reads: &'a [Read]) -> impl Iterator<Item = f64> + 'a {
    let points = loads.iter().flat_map(|load| &load.points);
    points.flat_map(|point| reads.iter().filter_map(|read| read(point))).filter(|value| value.is_finite())
}

fn highest(loads: &[Load<'_>], reads: &[Read]) -> f64 {
    values(loads, reads).fold(0.0, f64::max)
}

fn prefix(load: &Load<'_>) -> String {
    if load.name.is_empty() { String::new() } else { format!("{}: ", squeezed(load.name, 24)) }
}

/// A line of every version: its value, the prefix and the format of a value.
type Curve = (Read, &'static str, fn(f64) -> String);

fn chart(
    kind: &'static str,
    title: &str,
    description: String,
    loads: &[Load<'_>],
    curves: &[Curve],
    limits: &[Limit],
    y: &Axis,
) -> Chart {
    let seconds = loads.iter().map(|load| length(&load.points)).fold(0.0, f64::max);
    let (unit, scale) = time_unit(seconds);
    let x = Axis::linear((0.0, seconds / scale), (LEFT, RIGHT));
    let place = |point: &Point| [point.start, point.start + point.length].map(|seconds| x.place(seconds / scale));
    let corners = |load: &Load<'_>, read: Read| -> Vec<[f64; 2]> {
        let at = |point: &Point| read(point).map(|value| (place(point), y.place(value)));
        load.points.iter().filter_map(at).flat_map(|([a, b], y)| [[a, y], [(a + b) / 2.0, y], [b, y]]).collect()
    };
    let line = |load: &Load<'_>, read: Read, is_thin: bool| {
        let mut path = String::new();
        let mut is_down = false;
        for point in &load.points {
            let Some(value) = read(point) else {
                is_down = false;
                continue;
            };
            let ([from, to], at) = (place(point), y.place(value));
            let _ = if is_down { write!(path, "V{at}H{to}") } else { write!(path, "M{from} {at}H{to}") };
            is_down = true;
        }
        Line { style: load.style % MAX_SERIES, is_thin, path, ..Line::default() }
    };
    let lines =
        || curves.iter().enumerate().flat_map(|(at, (read, _, _))| loads.iter().map(move |load| (at, *read, load)));
    let interval = loads.first().and_then(|load| load.points.first()).map_or(0.0, |point| point.length);
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
        series: lines().map(|(at, read, load)| line(load, read, at > 0)).filter(|line| !line.path.is_empty()).collect(),
        limits: horizontal(
            &limits.iter().collect::<Vec<_>>(),
            y,
            &lines().map(|(_, read, load)| corners(load, read)).collect::<Vec<_>>(),
            BOTTOM,
            |_| LEFT,
        ),
        hovers: hovers(loads, curves, place),
    }
}

/// Makes a stripe per interval of the longest load, joined if there are many.
fn hovers(loads: &[Load<'_>], curves: &[Curve], place: impl Fn(&Point) -> [f64; 2]) -> Vec<Hover> {
    let Some(longest) = loads.iter().max_by(|a, b| length(&a.points).total_cmp(&length(&b.points))) else {
        return Vec::new();
    };
    let step = longest.points.len().div_ceil(MAX_HOVERS).max(1);
    let hover = |points: &[Point]| {
        let (first, last) = (points.first()?, points.last()?);
        let at = |load: &&Load<'_>| load.points.iter().find(|point| point.start + point.length > first.start).copied();
        let known = |point: Point| {
            let text = |(read, prefix, format): &Curve| Some(format!("{prefix}{}", format(read(&point)?)));
            curves.iter().filter_map(text).collect::<Vec<_>>().join(" ")
        };
        let values = loads.iter().filter_map(|load| Some((load.name, known(at(&load)?))));
        let title =
            format!("{} s: {}", rounded(first.start), named_values(values.filter(|(_, text)| !text.is_empty())));
        Some(Hover::between(place(first)[0], place(last)[1], title))
    };
    longest.points.chunks(step).filter_map(hover).collect()
}

/// Returns the time from the start to the end of the last interval, in seconds.
fn length(points: &[Point]) -> f64 {
    points.last().map_or(0.0, |last| last.start + last.length)
}

/// Formats the range of a curve: `18.2 to 41.0`.
fn range(points: &[Point], read: Read, format: fn(f64) -> String) -> String {
    let known = || points.iter().filter_map(read);
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    if low <= high { format!("{} to {}", format(low), format(high)) } else { "unknown".to_owned() }
}

/// Notes the times at which no request ended, although some should have at the load's rate.
fn pauses(load: &Load<'_>) -> Option<String> {
    let points = &load.points;
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
    let start = if load.name.is_empty() { "No".to_owned() } else { format!("{}no", prefix(load)) };
    (!listed.is_empty()).then(|| format!("{start} request ended {}.", listed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::load::LoadRecord;

    fn point(second: u32, requests: u64) -> Point {
        let start = f64::from(second);
        Point { start, length: 1.0, requests, errors: 0, p50: None, p99: None }
    }

    fn noted(points: Vec<Point>) -> Option<String> {
        let load = LoadRecord::default();
        let row = LoadReport { version: String::new(), provider: "http".to_owned(), failures: Vec::new(), load };
        pauses(&Load { row: &row, points, style: 0, name: "" })
    }

    #[test]
    fn pauses_are_noted_unless_the_rate_is_too_low_for_them_to_matter() {
        let counts = [100, 0, 0, 100, 0, 100];
        let points: Vec<Point> = (0..).zip(counts).map(|(second, count)| point(second, count)).collect();
        assert_eq!(noted(points).as_deref(), Some("No request ended from 1 s to 3 s, from 4 s to 5 s."));
        let slow: Vec<Point> = (0..).zip([1, 0, 0, 1]).map(|(second, count)| point(second, count)).collect();
        assert_eq!(noted(slow), None);
        let many: Vec<Point> = (0..20).map(|second| point(second, u64::from(second % 2) * 90)).collect();
        assert!(noted(many).is_some_and(|note| note.ends_with("and in 7 more pauses.")));
    }
}
