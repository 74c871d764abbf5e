//! Charts of a distribution: the log-percentile curve and the histogram. This computes coordinates; the template draws them.

use std::fmt::Write;

use serde::Serialize;

use super::axis::{Axis, Tick, round};
use crate::metrics::Distribution;
use crate::report::show::{self, squeezed};

/// Size of a chart and edges of its plot, in user units. Text is 12 to 15 units high to be readable on a phone.
pub(super) const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 262.0;
pub(super) const LEFT: f64 = 60.0;
pub(super) const RIGHT: f64 = 446.0;
pub(super) const TOP: f64 = 28.0;
const BOTTOM: f64 = 208.0;
/// Height of a line of labels.
pub(super) const LINE: f64 = 18.0;
/// Upper bound of the mean width of a label's characters.
pub(super) const CHARACTER: f64 = 9.0;
/// Points of a curve, and bounds on the bins of a histogram.
const POINTS: usize = 48;
const MIN_BINS: f64 = 6.0;
const MAX_BINS: f64 = 40.0;
/// Maximum stripes of a chart that show values when the pointer is on them.
pub(super) const MAX_HOVERS: usize = 60;
/// Percentiles with a tick and a marker.
const MARKED: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];
/// Ratio of the highest to the typical value above which the scale is logarithmic.
pub(super) const LOG_RATIO: f64 = 25.0;
/// Maximum limits per chart.
const MAX_LIMITS: usize = 4;

/// A limit to draw.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    /// Such as `p99 ≤ 120`.
    pub label: String,
    pub value: f64,
    /// Percentile that is limited, if any.
    pub percentile: Option<f64>,
}

/// A chart as the template draws it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Chart {
    pub kind: &'static str,
    pub title: String,
    pub description: String,
    pub x_label: String,
    pub y_label: String,
    pub x_ticks: Vec<Tick>,
    pub y_ticks: Vec<Tick>,
    pub plot: [f64; 4],
    pub size: [f64; 2],
    pub series: Vec<Line>,
    pub limits: Vec<LimitLine>,
    pub hovers: Vec<Hover>,
}

/// A stripe of a chart, from top to bottom, that shows its values when the pointer is on it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Hover {
    pub left: f64,
    pub width: f64,
    pub title: String,
}

impl Hover {
    /// Creates a stripe between two positions.
    pub fn between(from: f64, to: f64, title: String) -> Self {
        Self { left: round(from), width: round((to - from).max(0.0)), title }
    }
}

/// Stripes around positions in ascending order: each extends halfway to its neighbours, the outer ones to the edges of the plot.
pub(super) fn stripes(places: &[f64], titles: impl Iterator<Item = String>) -> Vec<Hover> {
    let middle = |at: usize| places.get(at).zip(places.get(at + 1)).map(|(a, b)| (a + b) / 2.0);
    let edge = |at: usize| at.checked_sub(1).and_then(middle).unwrap_or(LEFT);
    let stripe = |(at, title)| Hover::between(edge(at), middle(at).unwrap_or(RIGHT), title);
    titles.take(places.len()).enumerate().map(stripe).collect()
}

/// One curve.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Line {
    /// Index of the colour, dashes and marker.
    pub style: usize,
    /// Drawn thinner than its companion of the same colour.
    pub is_thin: bool,
    pub path: String,
    /// Positions of markers.
    pub marks: Vec<[f64; 2]>,
    /// Positions of rings, around values that violate a limit.
    pub rings: Vec<[f64; 2]>,
    /// Positions of crosses, for missing values.
    pub crosses: Vec<[f64; 2]>,
}

/// A drawn limit.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LimitLine {
    /// `[x1, y1, x2, y2]`
    pub line: [f64; 4],
    /// True for the requested rate, which is drawn like a limit.
    pub is_requested: bool,
    pub label: String,
    /// Position of the label.
    pub at: [f64; 2],
    pub anchor: &'static str,
    /// Position of the limited percentile on the line.
    pub ring: Option<[f64; 2]>,
}

/// Style, name and values of a series.
pub(super) type Series<'a> = (usize, &'a str, &'a Distribution);

fn highest(series: &[Series<'_>], limits: &[Limit]) -> f64 {
    let top = series.iter().map(|(_, _, d)| d.max()).fold(0.0, f64::max);
    // A limit far above the data would flatten the curves.
    let near = limits.iter().map(|l| l.value).filter(|v| *v <= top * 2.0);
    near.fold(top, f64::max)
}

fn is_long_tailed(series: &[Series<'_>]) -> bool {
    let typical = series.iter().map(|(_, _, d)| d.percentile(50.0)).fold(f64::INFINITY, f64::min);
    typical > 0.0 && series.iter().map(|(_, _, d)| d.max()).fold(0.0, f64::max) / typical > LOG_RATIO
}

fn value_axis(series: &[Series<'_>], limits: &[Limit], places: (f64, f64)) -> Axis {
    let low = series.iter().map(|(_, _, d)| d.min()).fold(f64::INFINITY, f64::min).max(0.0);
    let high = highest(series, limits);
    // Space above the highest limit for its label.
    let room = if drawn(series, limits).is_empty() { 0.04 } else { 0.12 };
    if is_long_tailed(series) {
        let low = (low * 0.96).max(high * 1e-6);
        Axis::log((low, high * (high / low).powf(room)), places)
    } else {
        Axis::linear((0.0, high * (1.0 + room)), places)
    }
}

/// Selects the limits within the chart; the caller lists the others in a note.
fn drawn<'a>(series: &[Series<'_>], limits: &'a [Limit]) -> Vec<&'a Limit> {
    let top = highest(series, limits);
    limits.iter().filter(|l| l.value > 0.0 && l.value <= top).take(MAX_LIMITS).collect()
}

/// Lists the labels of the limits outside the charts.
pub(super) fn left_out(series: &[Series<'_>], limits: &[Limit]) -> Vec<String> {
    let drawn: Vec<&str> = drawn(series, limits).into_iter().map(|l| l.label.as_str()).collect();
    limits.iter().map(|l| l.label.clone()).filter(|label| !drawn.contains(&label.as_str())).collect()
}

/// Plots value over percentile, spread as 1/(1-p) so that each nine is as wide as the one before it.
pub(super) fn percentiles(series: &[Series<'_>], limits: &[Limit], unit: &str) -> Chart {
    let nines = |p: f64| -(1.0 - p / 100.0).max(1e-9).log10();
    let most = series.iter().map(|(_, _, d)| d.count()).max().unwrap_or(1) as f64;
    let x = Axis::linear((0.0, most.log10().clamp(2.0, 5.0)), (LEFT, RIGHT));
    // Only a percentile has a place on this chart: the line of a mean would be read as a limit on all of them.
    let limits: Vec<Limit> = limits.iter().filter(|limit| limit.percentile.is_some()).cloned().collect();
    let limits = limits.as_slice();
    let y = value_axis(series, limits, (BOTTOM, TOP));
    let end = |distribution: &Distribution| (distribution.count() as f64).log10().clamp(0.3, 5.0);
    let curve = |(_, _, distribution): &Series<'_>| -> Vec<[f64; 2]> {
        let nines = (0..=POINTS).map(|point| end(distribution) * point as f64 / POINTS as f64);
        nines.map(|n| [x.place(n), y.place(distribution.percentile(100.0 * (1.0 - 10_f64.powf(-n))))]).collect()
    };
    let curves: Vec<Vec<[f64; 2]>> = series.iter().map(curve).collect();
    let line = |((style, _, distribution), curve): (&Series<'_>, &Vec<[f64; 2]>)| {
        let end = end(distribution);
        let mut path = String::new();
        for (point, [x, y]) in curve.iter().enumerate() {
            let _ = write!(path, "{}{x} {y}", if point == 0 { "M" } else { "L" });
        }
        let marked = MARKED.iter().filter(|p| nines(**p) <= end + 1e-9);
        let marks = marked.map(|p| [x.place(nines(*p)), y.place(distribution.percentile(*p))]).collect();
        Line { style: *style, path, marks, ..Line::default() }
    };
    let shown: Vec<f64> = MARKED.into_iter().filter(|p| nines(*p) <= most.log10().clamp(2.0, 5.0) + 1e-9).collect();
    let x_ticks: Vec<Tick> = shown.iter().map(|p| Tick { at: x.place(nines(*p)), label: format!("p{p}") }).collect();
    let places: Vec<f64> = x_ticks.iter().map(|tick| tick.at).collect();
    let title = |p: &f64| {
        let known = series.iter().filter(|(_, _, distribution)| nines(*p) <= end(distribution) + 1e-9);
        let values = known.map(|(_, name, distribution)| (*name, show::value(distribution.percentile(*p))));
        format!("p{p}: {} {unit}", named_values(values))
    };
    let hovers = stripes(&places, shown.iter().map(title));
    Chart {
        kind: "percentiles",
        title: "Percentiles".to_owned(),
        description: described(series, limits, unit),
        x_label: "percentile (log scale)".to_owned(),
        y_label: scaled(unit, &y),
        x_ticks,
        y_ticks: y.ticks(22.0),
        plot: [LEFT, TOP, RIGHT, BOTTOM],
        size: [WIDTH, HEIGHT],
        series: series.iter().zip(&curves).map(line).collect(),
        limits: horizontal(&drawn(series, limits), &y, &curves, BOTTOM, |p| x.place(nines(p))),
        hovers,
    }
}

/// Lists values by name: `v1 22.73, v2 10.46`; a value alone has no name.
pub(super) fn named_values<'a>(values: impl Iterator<Item = (&'a str, String)>) -> String {
    let text =
        |(name, value): (&str, String)| if name.is_empty() { value } else { format!("{} {value}", squeezed(name, 24)) };
    let values: Vec<String> = values.map(text).collect();
    if values.is_empty() { "no value".to_owned() } else { values.join(", ") }
}

fn scaled(unit: &str, axis: &Axis) -> String {
    if axis.is_log() { format!("{unit}, log scale") } else { unit.to_owned() }
}

/// Draws limits as horizontal lines. A label is placed above its line if no curve passes there, else below; close labels are pushed apart.
pub(super) fn horizontal(
    limits: &[&Limit],
    y: &Axis,
    curves: &[Vec<[f64; 2]>],
    bottom: f64,
    place: impl Fn(f64) -> f64,
) -> Vec<LimitLine> {
    let mut order: Vec<&&Limit> = limits.iter().collect();
    order.sort_by(|a, b| b.value.total_cmp(&a.value));
    let mut floor = TOP - 4.0;
    let mut lines = Vec::new();
    for limit in order {
        let at = y.place(limit.value);
        let width = limit.label.chars().count() as f64 * CHARACTER;
        let ring = limit.percentile.map(|p| [place(p), at]);
        // True if no curve and no ring pass through a label that begins at `x`.
        let is_free = |label_at: f64, x: f64| {
            let within = |[px, py]: &[f64; 2]| {
                *px > x - 8.0 && *px < x + width + 8.0 && *py > label_at - LINE && *py < label_at + 8.0
            };
            !curves.iter().flatten().chain(&ring).any(within)
        };
        let above = (at - 5.0).max(floor + LINE).min(bottom - 3.0);
        let below = (at + LINE - 4.0).max(above);
        let is_room_below = below < bottom - 3.0;
        let starts = || (0..20).map(|step| LEFT + 8.0 + f64::from(step) * 18.0).take_while(|x| x + width < RIGHT);
        let free_at = |label_at: f64| starts().find(|x| is_free(label_at, *x)).map(|x| [x, label_at]);
        let free = free_at(above).or_else(|| free_at(below).filter(|_| is_room_below));
        let [x, label_at] = free.unwrap_or([LEFT + 8.0, above]);
        floor = label_at;
        let line = [LEFT, at, RIGHT, at];
        let at = [x, round(label_at)];
        lines.push(LimitLine { line, is_requested: false, label: limit.label.clone(), at, anchor: "start", ring });
    }
    lines
}

/// Plots the share of values per bin; bins are of equal width on the axis.
pub(super) fn histogram(series: &[Series<'_>], limits: &[Limit], unit: &str) -> Chart {
    let limits_drawn = drawn(series, limits);
    let top = TOP + LINE * limits_drawn.len() as f64;
    let low = series.iter().map(|(_, _, d)| d.min()).fold(f64::INFINITY, f64::min).max(0.0);
    let high = highest(series, limits);
    let most = series.iter().map(|(_, _, d)| d.count()).max().unwrap_or(1);
    let (x, edges) = match is_long_tailed(series) {
        true => {
            let x = Axis::log((low * 0.9, high * 1.05), (LEFT, RIGHT));
            let bins = bins(most) as usize;
            let edges: Vec<f64> = (0..=bins).map(|n| x.value(n as f64 / bins as f64)).collect();
            (x, edges)
        }
        false => {
            let top = series.iter().map(|(_, _, d)| d.max()).fold(0.0, f64::max);
            let edges = round_edges(low, top, bins(most));
            let [from, to] = [edges.first(), edges.last()].map(|edge| edge.copied().unwrap_or_default());
            (Axis::linear((from, to.max(high * 1.04)), (LEFT, RIGHT)), edges)
        }
    };
    let shares: Vec<Vec<f64>> = series.iter().map(|(_, _, d)| binned(d, &edges)).collect();
    let peak = shares.iter().flatten().copied().fold(0.0, f64::max);
    let y = Axis::linear((0.0, peak * 1.05), (BOTTOM, top));
    let line = |((style, _, _), shares): (&Series<'_>, &Vec<f64>)| {
        let mut path = format!("M{} {BOTTOM}", x.place(edges[0]));
        for (share, edge) in shares.iter().zip(&edges[1..]) {
            let _ = write!(path, "V{}H{}", y.place(*share), x.place(*edge));
        }
        let _ = write!(path, "V{BOTTOM}");
        // A marker on the peak distinguishes the curves without colour.
        let highest = shares.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(bin, _)| bin);
        let middle = (x.place(edges[highest]) + x.place(edges[highest + 1])) / 2.0;
        Line { style: *style, path, marks: vec![[round(middle), y.place(shares[highest])]], ..Line::default() }
    };
    let title = |bin: usize| {
        let values = series
            .iter()
            .zip(&shares)
            .map(|((_, name, _), shares)| (*name, format!("{} %", show::rounded(shares[bin]))));
        format!("{} – {} {unit}: {}", show::rounded(edges[bin]), show::rounded(edges[bin + 1]), named_values(values))
    };
    let hover = |bin: usize| Hover::between(x.place(edges[bin]), x.place(edges[bin + 1]), title(bin));
    let hovers = (0..edges.len() - 1).map(hover).collect();
    Chart {
        kind: "histogram",
        title: "Histogram".to_owned(),
        description: described(series, limits, unit),
        x_label: scaled(unit, &x),
        y_label: "% of requests".to_owned(),
        x_ticks: x.ticks(48.0),
        y_ticks: y.ticks(22.0),
        plot: [LEFT, TOP, RIGHT, BOTTOM],
        size: [WIDTH, HEIGHT],
        series: series.iter().zip(&shares).map(line).collect(),
        limits: vertical(&limits_drawn, &x),
        hovers,
    }
}

/// Returns the number of bins that fits a number of samples (Rice's rule): more would show noise.
fn bins(samples: u64) -> f64 {
    (2.0 * (samples as f64).cbrt()).ceil().clamp(MIN_BINS, MAX_BINS)
}

/// Places about `bins` edges at round values, as people would: cells of histograms, which are round too, then fall into one bin.
fn round_edges(low: f64, high: f64, bins: f64) -> Vec<f64> {
    let rough = ((high - low) / bins).max(high.abs() * 1e-6).max(1e-9);
    let magnitude = 10_f64.powf(rough.log10().floor());
    let off = |step: &f64| (step / rough).ln().abs();
    let step = [1.0, 2.0, 5.0, 10.0].map(|s| s * magnitude).into_iter().min_by(|a, b| off(a).total_cmp(&off(b)));
    let step = step.unwrap_or(rough);
    let first = (low / step).floor();
    let count = ((high / step).floor() - first + 1.0).clamp(1.0, MAX_BINS * 2.0) as u32;
    (0..=count).map(|n| (first + f64::from(n)) * step).collect()
}

/// Computes the percentage of all values in each bin; a cell that spans bins is split evenly.
fn binned(distribution: &Distribution, edges: &[f64]) -> Vec<f64> {
    let bins = edges.len() - 1;
    let mut shares = vec![0.0; bins];
    let total = distribution.count() as f64 / 100.0;
    for cell in distribution.cells() {
        let percent = cell.count as f64 / total;
        let bin = |value: f64| edges[1..bins].partition_point(|edge| *edge <= value);
        let (first, last) = (bin(cell.lower), bin(cell.upper));
        let width = cell.upper - cell.lower;
        if first == last || width <= 0.0 {
            shares[first] += percent;
            continue;
        }
        for (bin, share) in shares.iter_mut().enumerate().take(last + 1).skip(first) {
            let lower = if bin == first { cell.lower } else { edges[bin] };
            let upper = if bin == last { cell.upper } else { edges[bin + 1] };
            *share += percent * (upper - lower) / width;
        }
    }
    shares
}

/// Draws limits as vertical lines. Each label has a row above the curves, lowest limit first, so that it extends to the right over shorter
/// lines.
fn vertical(limits: &[&Limit], x: &Axis) -> Vec<LimitLine> {
    let mut limits = limits.to_vec();
    limits.sort_by(|a, b| a.value.total_cmp(&b.value));
    let line = |(row, limit): (usize, &&Limit)| {
        let at = x.place(limit.value);
        let y = TOP + LINE * row as f64;
        let width = limit.label.chars().count() as f64 * CHARACTER;
        let (anchor, label_at) = if at + width < WIDTH { ("start", at + 6.0) } else { ("end", at - 6.0) };
        LimitLine {
            line: [at, y, at, BOTTOM],
            is_requested: false,
            label: limit.label.clone(),
            at: [round(label_at), round(y + LINE - 5.0)],
            anchor,
            ring: None,
        }
    };
    limits.iter().enumerate().map(line).collect()
}

fn described(series: &[Series<'_>], limits: &[Limit], unit: &str) -> String {
    let curves = if series.len() == 1 { "1 curve".to_owned() } else { format!("{} curves", series.len()) };
    let limits: Vec<&str> = limits.iter().map(|l| l.label.as_str()).collect();
    let limits = if limits.is_empty() { String::new() } else { format!(" Limits: {}.", limits.join("; ")) };
    let highest = series.iter().map(|(_, _, d)| d.max()).reduce(f64::max).unwrap_or(0.0);
    format!("{curves}, up to {} {unit}; the table has the figures.{limits}", show::value(highest))
}
