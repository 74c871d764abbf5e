//! Comparison of two documents as text and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::show::{clipped, squeezed};
use super::text::table::{Table, wrapped};
use crate::model::readable::{confidence, show};
use crate::model::slo::Outcome;
use crate::model::text::{one_line, printable_json, without_commands};
use crate::redact::redact_text;
use crate::slo::compare::{Change, Compared, ComparedMetric};
use crate::slo::comparison::Comparison;

/// Columns at which prose wraps.
const WIDTH: usize = 78;
/// Maximum characters of a metric, a location and a reason.
const MAX_NAME: usize = 60;
const MAX_LOCATION: usize = 200;
const MAX_TEXT: usize = 2_000;
/// Maximum rows and verdicts.
const MAX_ROWS: usize = 200;

/// Renders a comparison as plain ASCII text.
pub(crate) fn text(compared: &Compared, [a, b]: &[String; 2]) -> String {
    let mut out = String::new();
    let _ =
        writeln!(out, "  A: {}\n  B: {}\n", clipped(&one_line(a), MAX_LOCATION), clipped(&one_line(b), MAX_LOCATION));
    let titles = ["A", "B", "B against A", "at least", "at most", "B is"].map(str::to_owned);
    let mut table = Table::new("Metric", titles.to_vec());
    for row in compared.metrics.iter().take(MAX_ROWS) {
        table.row(label(row), cells(row).to_vec());
        if let Some(reason) = &row.reason {
            table.note(&redact_text(reason));
        }
    }
    if !compared.metrics.is_empty() {
        table.write(&mut out);
    }
    more(&mut out, compared.metrics.len());
    out.push('\n');
    for difference in compared.differences.iter().take(MAX_ROWS) {
        prose(&mut out, "  ! ", &redact_text(difference));
    }
    let level = confidence(compared.confidence);
    let note = format!(
        "`at least` and `at most` each hold with {level} confidence. A and B were measured one after another: what changed in between \
         counts as difference."
    );
    prose(&mut out, "  ", &note);
    if !compared.verdicts.is_empty() {
        out.push('\n');
    }
    for verdict in compared.verdicts.iter().take(MAX_ROWS) {
        prose(&mut out, &format!("  {:<13} ", word(verdict.verdict)), &redact_text(&verdict.reason));
    }
    more(&mut out, compared.verdicts.len());
    without_commands(&out, "\\u{3a}:")
}

/// Renders a comparison as JSON.
pub(crate) fn json(compared: &Compared, [a, b]: &[String; 2]) -> Result<String, serde_json::Error> {
    let mut value = json!({"a": a, "b": b});
    if let (Value::Object(map), Value::Object(fields)) = (&mut value, serde_json::to_value(compared)?) {
        map.extend(fields);
    }
    Ok(printable_json(&serde_json::to_string_pretty(&value)?) + "\n")
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Satisfied => "satisfied",
        Outcome::Violated => "violated",
        Outcome::Inconclusive => "inconclusive",
    }
}

fn label(row: &ComparedMetric) -> String {
    let units = row.units.as_ref().map(|units| format!(" ({})", squeezed(&one_line(units), 20))).unwrap_or_default();
    format!("{}{units}", squeezed(&one_line(&row.metric), MAX_NAME))
}

fn cells(row: &ComparedMetric) -> [String; 6] {
    let none = || "-".to_owned();
    let plain = |value: Option<f64>| value.map_or_else(none, show);
    let compared = |value: Option<f64>| match (value, row.comparison) {
        (None, _) => none(),
        (Some(ratio), Comparison::Ratio) => format!("x {}", show(ratio)),
        (Some(difference), Comparison::Difference) if difference > 0.0 => format!("+{}", show(difference)),
        (Some(difference), Comparison::Difference) => show(difference),
    };
    let [low, high] = row.interval.unwrap_or_default();
    let is = match row.change {
        Some(Change::Higher) => "higher",
        Some(Change::Lower) => "lower",
        None if row.interval.is_some() => "no clear difference",
        None => "-",
    };
    [plain(row.a), plain(row.b), compared(row.value), compared(low), compared(high), is.to_owned()]
}

fn prose(out: &mut String, first: &str, text: &str) {
    let indent = " ".repeat(first.chars().count());
    let mut lead = first;
    for line in wrapped(&clipped(&one_line(text), MAX_TEXT), WIDTH.saturating_sub(indent.len())) {
        let _ = writeln!(out, "{}", format!("{lead}{line}").trim_end());
        lead = &indent;
    }
}

fn more(out: &mut String, count: usize) {
    if count > MAX_ROWS {
        let _ = writeln!(out, "  ... and {} more", count - MAX_ROWS);
    }
}
