//! The report as CSV: a row per version and SLO, then a row per metric without one.
//!
//! Values are in the document's units and have all their digits. Text that a spreadsheet would execute as a formula starts with an
//! apostrophe.

use std::collections::BTreeSet;

use super::explain::verdict_name;
use super::view::{Comparison, MetricReport, ReportView, SloReport};
use super::{Format, ReportError};
use crate::model::document::Experiment;
use crate::model::slo::Bound;
use crate::model::text::one_line;

pub(super) const FORMAT: Format = Format {
    name: "csv",
    content_type: "text/csv; charset=utf-8",
    extension: "csv",
    summary: "a table: a row per version and SLO or metric",
    is_gate: false,
    is_own: |start| start.starts_with("version,metric,value,units,samples,bound,limit,verdict,"),
    render,
};

const COLUMNS: [&str; 15] = [
    "version",
    "metric",
    "value",
    "units",
    "samples",
    "bound",
    "limit",
    "verdict",
    "interval_low",
    "interval_high",
    "confidence",
    "reference",
    "comparison",
    "reason",
    "description",
];

fn render(_: &Experiment, view: &ReportView) -> Result<String, ReportError> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for version in &view.versions {
        for slo in version.slos() {
            let description = version.metrics.get(&slo.metric).and_then(|metric| metric.description.as_deref());
            writer.write_record(of_slo(&version.name, slo, description))?;
        }
        let with_slo: BTreeSet<&str> = version.slos().map(|slo| slo.metric.as_str()).collect();
        for (name, metric) in version.metrics.iter().filter(|(name, _)| !with_slo.contains(name.as_str())) {
            writer.write_record(of_metric(&version.name, name, metric))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| ::csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn of_slo(version: &str, slo: &SloReport, description: Option<&str>) -> [String; COLUMNS.len()] {
    let [low, high] = slo.interval.unwrap_or_default();
    let bound = match slo.bound {
        Bound::Upper => "upper",
        Bound::Lower => "lower",
    };
    let comparison = slo.comparison.map(|comparison| match comparison {
        Comparison::Ratio => "ratio",
        Comparison::Difference => "difference",
    });
    [
        text(version),
        text(&slo.metric),
        number(slo.value),
        text(slo.units.as_deref().unwrap_or_default()),
        count(slo.samples),
        bound.to_owned(),
        number(Some(slo.limit)),
        verdict_name(slo.verdict).to_owned(),
        number(low),
        number(high),
        number(slo.confidence),
        text(slo.reference.as_deref().unwrap_or_default()),
        comparison.unwrap_or_default().to_owned(),
        text(&slo.reason),
        text(description.unwrap_or_default()),
    ]
}

fn of_metric(version: &str, name: &str, metric: &MetricReport) -> [String; COLUMNS.len()] {
    let mut row = [const { String::new() }; COLUMNS.len()];
    let [version_cell, metric_cell, value, units, samples, .., reason, description] = &mut row;
    *version_cell = text(version);
    *metric_cell = text(name);
    *value = number(metric.value);
    *units = text(metric.units.as_deref().unwrap_or_default());
    *samples = count(metric.samples);
    *reason = text(metric.no_data.as_deref().unwrap_or_default());
    *description = text(metric.description.as_deref().unwrap_or_default());
    row
}

fn count(count: Option<u64>) -> String {
    count.map(|count| count.to_string()).unwrap_or_default()
}

/// Writes a number with all its digits: `0.5`, `1e300`.
fn number(number: Option<f64>) -> String {
    number.map(super::show::short).unwrap_or_default()
}

/// Writes text as one line that spreadsheets do not execute. Full-width signs are included, because spreadsheets convert them.
fn text(text: &str) -> String {
    let line = one_line(text);
    // A leading space would hide the sign from us, but not from a spreadsheet that trims.
    let is_formula = line.trim_start().starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']);
    if is_formula { format!("'{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "＝1", "|x", "%x"] {
            assert!(text(formula).starts_with(['\'', '\\']), "{formula:?}: {}", text(formula));
        }
        assert_eq!(text("http/latency-p99"), "http/latency-p99");
        assert_eq!(text("a\nb"), "a\\nb");
    }

    #[test]
    fn numbers_stay_numbers() {
        assert_eq!([number(Some(-0.5)), number(None), number(Some(1e300))], ["-0.5", "", "1e300"]);
    }
}
