//! SLOs over loops: a chart of the value in each loop with its limit, and a table of the newest loops.

use std::fmt::Write;

use serde::Serialize;

use super::axis::{Axis, Tick};
use super::chart::{Chart, LEFT, Limit, Line, MAX_HOVERS, RIGHT, TOP, WIDTH, horizontal, named_values, stripes};
use super::figure::MAX_SERIES;
use super::state::{State, state};
use crate::model::slo::{Bound, Outcome};
use crate::report::explain::typeset;
use crate::report::show::{short, squeezed, value_near};
use crate::report::view::{LoopReport, ReportView, Trend};

/// Height of a chart and bottom of its plot, in user units.
const HEIGHT: f64 = 250.0;
const BOTTOM: f64 = 196.0;
/// Maximum loops that are drawn, drawn with markers, and listed in the table.
const MAX_DRAWN: usize = 200;
const MAX_MARKED: usize = 60;
const MAX_LISTED: usize = 6;
/// Maximum ticks for loops.
const MAX_TICKS: usize = 8;
/// Ratio of the highest to the lowest value above which the scale is logarithmic.
const LOG_RATIO: f64 = 100.0;
/// Values are clamped to this, so that sums of coordinates stay finite.
const HUGE: f64 = 1e300;

/// An SLO over loops.
#[derive(Clone, Serialize)]
pub(super) struct Trended {
    pub number: String,
    pub title: String,
    pub charts: Vec<Chart>,
    #[serde(skip)]
    pub metric: String,
    keys: Vec<Key>,
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// Legend of a line.
#[derive(Clone, Serialize)]
struct Key {
    style: usize,
    name: String,
}

/// A loop in the table.
#[derive(Clone, Serialize)]
struct Row {
    name: String,
    start: Option<String>,
    cells: Vec<Cell>,
}

/// Result of a loop for a version.
#[derive(Clone, Serialize)]
struct Cell {
    state: State,
    value: String,
}

/// Builds at most `max` SLOs, those violated in the newest loop first. Returns also the number of all.
pub(super) fn trends(view: &ReportView, max: usize) -> (Vec<Trended>, usize) {
    let mut objectives = view.trends_by_objective();
    let is_good = |trend: &Trend| trend.verdicts.last() == Some(&Some(Outcome::Satisfied));
    objectives.sort_by_key(|trends| trends.iter().all(is_good));
    let drawn = objectives.iter().take(max).enumerate();
    (drawn.map(|(number, trends)| trended(view, number + 1, trends)).collect(), objectives.len())
}

fn trended(view: &ReportView, number: usize, trends: &[Trend]) -> Trended {
    let first = &trends[0];
    let drawn = &trends[..trends.len().min(MAX_SERIES)];
    let key = |(style, trend): (usize, &Trend)| Key { style, name: squeezed(&trend.version, 24) };
    let mut notes = Vec::new();
    if trends.len() > MAX_SERIES {
        notes.push(format!("{MAX_SERIES} of {} versions are drawn.", trends.len()));
    }
    // Axes without a value say nothing.
    let has_value = drawn.iter().any(|trend| trend.values.iter().any(Option::is_some));
    if view.loops.len() > MAX_DRAWN {
        notes.push(format!("The newest {MAX_DRAWN} of {} loops are drawn.", view.loops.len()));
    }
    Trended {
        number: format!("l{number}"),
        title: typeset(&squeezed(&first.condition.metric, 80), first.bound, first.limit, first.units.as_deref()),
        charts: if has_value { vec![chart(&view.loops, drawn)] } else { Vec::new() },
        metric: first.metric.clone(),
        keys: drawn.iter().enumerate().map(key).collect(),
        rows: rows(&view.loops, drawn),
        notes,
    }
}

fn rows(loops: &[LoopReport], trends: &[Trend]) -> Vec<Row> {
    let row = |(at, row): (usize, &LoopReport)| Row {
        name: name(row, loops.len() - 1 - at),
        start: row.start.map(|start| start.format("%-d %b %H:%M:%S").to_string()),
        cells: trends.iter().map(|trend| cell(trend, at)).collect(),
    };
    loops.iter().enumerate().rev().take(MAX_LISTED).map(row).collect()
}

/// Names a loop by its number, or by the number of later loops if its own is unknown.
fn name(row: &LoopReport, after: usize) -> String {
    match (row.number, after) {
        (Some(number), _) => number.to_string(),
        (None, 0) => "newest".to_owned(),
        (None, _) => format!("{after} earlier"),
    }
}

fn cell(trend: &Trend, at: usize) -> Cell {
    let state = match trend.verdicts.get(at).copied().flatten() {
        Some(Outcome::Satisfied) => state("good", "✓", "satisfied"),
        Some(Outcome::Violated) => state("bad", "✗", "violated"),
        Some(Outcome::Inconclusive) => state("open", "?", "inconclusive"),
        None => state("plain", "–", "unknown"),
    };
    let value = trend.values.get(at).copied().flatten();
    Cell { state, value: value.map_or_else(|| "no value".to_owned(), |value| value_near(value, trend.limit)) }
}

fn chart(loops: &[LoopReport], trends: &[Trend]) -> Chart {
    let from = loops.len().saturating_sub(MAX_DRAWN);
    // Loops that were not assessed leave a gap, if loop numbers are known.
    let at = |(index, row): (usize, &LoopReport)| row.number.unwrap_or(index as u64 + 1) as f64;
    let places: Vec<f64> = loops.iter().enumerate().skip(from).map(at).collect();
    let x = Axis::linear(bounds(&places), (LEFT + 10.0, RIGHT - 6.0));
    let first = &trends[0];
    let sign = if first.bound == Bound::Upper { "≤" } else { "≥" };
    let label = format!("limit {sign} {}", squeezed(&short(first.limit), 16));
    let limit = Limit { label, value: drawable(first.limit), percentile: None };
    let y = value_axis(trends, from, limit.value);
    let known = |trend: &Trend, at: usize| trend.values.get(from + at).copied().flatten();
    let points = |trend: &Trend| -> Vec<Point> {
        let point = |(at, place): (usize, &f64)| Point {
            x: x.place(*place),
            y: known(trend, at).map(|value| y.place(drawable(value))),
            outcome: trend.verdicts.get(from + at).copied().flatten(),
            follows: at > 0 && place - places[at - 1] <= 1.0,
        };
        places.iter().enumerate().map(point).collect()
    };
    let lines: Vec<Vec<Point>> = trends.iter().map(points).collect();
    let curves: Vec<Vec<[f64; 2]>> = lines.iter().map(|points| passed(points)).collect();
    let title = |at: usize| {
        let value = |trend: &'_ Trend| {
            let value = known(trend, at).map_or_else(|| "no value".to_owned(), |value| value_near(value, trend.limit));
            format!("{value} ({})", cell(trend, from + at).state.label)
        };
        let values =
            trends.iter().map(|trend| (if trends.len() == 1 { "" } else { trend.version.as_str() }, value(trend)));
        let place = loops.get(from + at).map(|row| name(row, loops.len() - 1 - from - at)).unwrap_or_default();
        format!("loop {place}: {}", named_values(values))
    };
    let at: Vec<f64> = places.iter().map(|place| x.place(*place)).collect();
    let hovers = if at.len() <= MAX_HOVERS { stripes(&at, (0..at.len()).map(title)) } else { Vec::new() };
    Chart {
        kind: "trend",
        title: "Value per loop".to_owned(),
        description: described(trends, places.len(), &limit.label),
        x_label: if loops.iter().all(|row| row.number.is_some()) { "loop" } else { "loop, from the first recorded" }
            .into(),
        y_label: unit(first, &y),
        x_ticks: loop_ticks(&places, &x),
        y_ticks: y.ticks(22.0),
        plot: [LEFT, TOP, RIGHT, BOTTOM],
        size: [WIDTH, HEIGHT],
        series: lines.iter().enumerate().map(|(style, points)| line(style, points)).collect(),
        limits: horizontal(&[&limit], &y, &curves, BOTTOM, |_| LEFT),
        hovers,
    }
}

/// A drawn loop.
struct Point {
    x: f64,
    y: Option<f64>,
    outcome: Option<Outcome>,
    /// True if its predecessor was assessed, too.
    follows: bool,
}

/// Samples the path of a line: its points, and some between them.
fn passed(points: &[Point]) -> Vec<[f64; 2]> {
    let mut places: Vec<[f64; 2]> = Vec::new();
    for point in points {
        let Some(y) = point.y else { continue };
        if let Some([from_x, from_y]) = places.last().copied() {
            let between = |part: u32| {
                let share = f64::from(part) / 8.0;
                [from_x + (point.x - from_x) * share, from_y + (y - from_y) * share]
            };
            places.extend((1..8).map(between));
        }
        places.push([point.x, y]);
    }
    places
}

fn line(style: usize, points: &[Point]) -> Line {
    let mut path = String::new();
    let mut is_down = false;
    for point in points {
        if let Some(y) = point.y {
            let _ = write!(path, "{}{} {y}", if is_down && point.follows { "L" } else { "M" }, point.x);
        }
        is_down = point.y.is_some();
    }
    let violated = |point: &&Point| point.outcome == Some(Outcome::Violated);
    let is_open = |point: &&Point| point.outcome.is_some() && point.y.is_none();
    let place = |point: &Point| point.y.map(|y| [point.x, y]);
    let is_marked = |point: &&Point| points.len() <= MAX_MARKED || violated(point);
    Line {
        style,
        is_thin: false,
        path,
        marks: points.iter().filter(is_marked).filter_map(place).collect(),
        rings: points.iter().filter(violated).filter_map(place).collect(),
        // Stacked by version.
        crosses: points.iter().filter(is_open).map(|point| [point.x, BOTTOM - 7.0 - 10.0 * style as f64]).collect(),
    }
}

fn drawable(value: f64) -> f64 {
    if value.is_nan() || value.abs() < 1.0 / HUGE { 0.0 } else { value.clamp(-HUGE, HUGE) }
}

fn bounds(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    (low, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// Creates an axis from 0, unless that would flatten the curve, with space for the limit's label.
fn value_axis(trends: &[Trend], from: usize, limit: f64) -> Axis {
    let values = trends.iter().flat_map(|trend| trend.values.iter().skip(from)).flatten().map(|value| drawable(*value));
    let (low, high) = bounds(&values.chain([limit]).collect::<Vec<_>>());
    if low > 0.0 && high / low > LOG_RATIO {
        return Axis::log((low * 0.8, high * (high / low).powf(0.15)), (BOTTOM, TOP));
    }
    let low = if low >= 0.0 && low <= high * 0.7 { 0.0 } else { low };
    let span = if high > low { high - low } else { high.abs().max(1.0) };
    let foot = if low == 0.0 { 0.0 } else { low - span * 0.12 };
    Axis::linear((foot, high + span * 0.18), (BOTTOM, TOP))
}

/// Places ticks at whole loops, at most [`MAX_TICKS`], and fewer if their numbers are long.
fn loop_ticks(places: &[f64], x: &Axis) -> Vec<Tick> {
    let (first, last) = bounds(places);
    let width = squeezed(&short(last), 8).chars().count() * 12 + 16;
    let max = ((RIGHT - LEFT) as usize / width).clamp(1, MAX_TICKS);
    let step = ((last - first) / max as f64).ceil().max(1.0);
    let at = (0..=max).map(|tick| first + tick as f64 * step).filter(|at| *at <= last);
    at.map(|at| Tick { at: x.place(at), label: squeezed(&short(at), 8) }).collect()
}

fn unit(trend: &Trend, y: &Axis) -> String {
    let unit = match trend.units.as_deref() {
        Some("msec") => "ms".to_owned(),
        Some(units) => squeezed(units, 16),
        None => "value".to_owned(),
    };
    if y.is_log() { format!("{unit}, log scale") } else { unit }
}

fn described(trends: &[Trend], loops: usize, limit: &str) -> String {
    let of_version = |trend: &Trend| {
        let count = |outcome: Outcome| trend.verdicts.iter().flatten().filter(|known| **known == outcome).count();
        let [good, bad] = [Outcome::Satisfied, Outcome::Violated].map(count);
        let name = if trends.len() == 1 { String::new() } else { format!("{}: ", squeezed(&trend.version, 24)) };
        format!("{name}{good} satisfied, {bad} violated")
    };
    let versions: Vec<String> = trends.iter().map(of_version).collect();
    format!("{loops} loops, {limit}. {}. The table lists the newest.", versions.join("; "))
}
