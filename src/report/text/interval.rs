//! Intervals of verdicts with confidence, as bars of characters and in numbers.

use std::fmt::Write;

use super::prose;
use crate::report::interval::{Bar, Scale, contradicts};
use crate::report::view::{ReportView, SloReport};

/// Columns before a bar, below the verdict's reason.
const INDENT: usize = 16;
/// Characters of a bar, which fits 60 columns.
const CELLS: usize = 42;

/// Writes the interval below a verdict; nothing without a confidence.
pub(super) fn lines(out: &mut String, view: &ReportView, slo: &SloReport) {
    let Some(confidence) = slo.percent() else { return };
    let indent = " ".repeat(INDENT);
    if let Some(bar) = scale(view, slo).and_then(|scale| Bar::of(slo, scale, CELLS, 1)) {
        let _ = writeln!(out, "{indent}{}", drawn(&bar));
    }
    let mut line = |text: String| prose(out, &indent, &plain(&text));
    if let Some(interval) = slo.interval_text() {
        let remark = if contradicts(slo) { ", which does not fit the verdict" } else { "" };
        line(format!("interval {interval} ({confidence} confidence){remark}"));
    }
    if let Some(samples) = slo.effective_text() {
        line(format!("effective samples {samples}"));
    }
    if let Some(needs) = slo.needs_text() {
        line(format!("needs {needs}"));
    }
}

/// Replaces typographic signs.
pub(super) fn plain(text: &str) -> String {
    text.replace('×', "x").replace('≤', "<=").replace('≥', ">=").replace(['−', '–'], "-").replace('\u{a0}', " ")
}

/// Returns the scale of the verdicts on one SLO, the same for all versions.
fn scale(view: &ReportView, slo: &SloReport) -> Option<Scale> {
    let row = view.versions.iter().find_map(|v| v.slos.iter().position(|other| is_same(other.as_ref(), slo)))?;
    Scale::of(view.versions.iter().filter_map(|version| version.slos.get(row)?.as_ref()))
}

fn is_same(other: Option<&SloReport>, slo: &SloReport) -> bool {
    other.is_some_and(|other| other.condition == slo.condition && other.bound == slo.bound)
}

/// Draws a bar such as `.....[===o===]......|........`.
fn drawn(bar: &Bar) -> String {
    let mut cells = ['.'; CELLS];
    let mut mark = |at: usize, sign: char| {
        if let Some(cell) = cells.get_mut(at) {
            *cell = sign;
        }
    };
    for at in bar.low.at..=bar.high.at {
        mark(at, '=');
    }
    if let Some(value) = bar.value {
        mark(value, 'o');
    }
    mark(bar.low.at, if bar.low.is_open { '<' } else { '[' });
    mark(bar.high.at, if bar.high.is_open { '>' } else { ']' });
    mark(bar.limit, '|');
    cells.iter().collect()
}

/// Writes the limits of the method, and the signs of the bars.
pub(super) fn caveats(out: &mut String, view: &ReportView) {
    if view.caveats.is_empty() {
        return;
    }
    let legend = "Bars show the interval [=====], the value o and the limit |; < and > mark ends that go on.";
    out.push('\n');
    for sentence in [legend].into_iter().chain(view.caveats.iter().map(String::as_str)) {
        prose(out, "  ", sentence);
    }
}
