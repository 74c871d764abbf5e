//! Rendering reports.

use std::path::Path;

use super::error::AppError;
pub(crate) use crate::report::Report;
use crate::report::{FORMATS, METRIC_LABELS, ReportError};

/// Name of the format that takes labels and can be pushed.
pub(crate) const OPENMETRICS: &str = "openmetrics";

/// Names of the report formats, each with one line about it.
pub(crate) fn formats() -> impl Iterator<Item = (&'static str, &'static str)> {
    FORMATS.iter().map(|format| (format.name, format.summary))
}

/// Returns the first format with a file's extension.
pub(crate) fn format_of(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_string_lossy().to_lowercase();
    FORMATS.iter().find(|format| format.extension == extension).map(|format| format.name)
}

/// Extensions of the formats, with their dot.
pub(crate) fn extensions() -> Vec<String> {
    let mut extensions: Vec<String> = FORMATS.iter().map(|format| format!(".{}", format.extension)).collect();
    extensions.sort();
    extensions.dedup();
    extensions
}

/// Returns true for formats from which a pipeline decides.
pub(crate) fn is_gate(format: &str) -> bool {
    crate::report::format(format).is_some_and(|format| format.is_gate)
}

/// Returns true if a file that starts like this is a report in this format. Plain text is not recognized.
pub(crate) fn is_report(format: &str, start: &str) -> bool {
    crate::report::format(format).is_some_and(|format| (format.is_own)(start))
}

/// Renders a report on an experiment; `subject` is its name in errors.
pub(crate) fn render(report: &Report<'_>, format: &str, subject: &str) -> Result<String, AppError> {
    let format = crate::report::format(format).ok_or_else(|| AppError::input("unknown format"))?;
    report.render(format).map_err(|error| unreportable(subject, error))
}

/// Renders the metrics of an experiment, with further labels on every series.
pub(crate) fn render_metrics(
    report: &Report<'_>,
    labels: &[(String, String)],
    subject: &str,
) -> Result<String, AppError> {
    report.openmetrics(labels).map_err(|error| unreportable(subject, error))
}

fn unreportable(subject: &str, error: ReportError) -> AppError {
    AppError::input(format!("cannot report on {subject}")).caused_by(error)
}

/// Parses a label for every series, `NAME=VALUE`.
pub(crate) fn parse_label(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=') else { return Err("expected NAME=VALUE".to_owned()) };
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit());
    if !is_name || name.starts_with("__") {
        return Err(format!(
            "`{name}` is not a valid label name; expected letters, digits and underscores, starting with neither a digit nor `__`"
        ));
    }
    if METRIC_LABELS.contains(&name) {
        return Err(format!("`{name}` is already a label of the metrics; choose another name"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::document::Experiment;

    #[test]
    fn reports_are_recognized_by_their_start() {
        let experiment = Experiment::default();
        let reports: Vec<(&str, String)> =
            formats().map(|(name, _)| (name, render(&Report::of(&experiment), name, "it").unwrap())).collect();
        let recognized = |name: &str| -> Vec<&str> {
            reports.iter().filter(|(_, text)| is_report(name, text)).map(|(other, _)| *other).collect()
        };
        for (name, text) in &reports {
            let expected = if matches!(*name, "text" | "summary" | "github") { vec![] } else { vec![*name] };
            let found: Vec<&str> = recognized(name).into_iter().filter(|other| *other != "github").collect();
            assert_eq!(found, expected, "{text}");
            for other in
                ["", "{\"summary\": 1}", "<testsuites/>", "<!DOCTYPE html>", "### Notes on iter8: x", "version,metric"]
            {
                assert!(!is_report(name, other), "{name}: {other}");
            }
        }
    }

    #[test]
    fn labels_have_names_of_prometheus_that_are_free() {
        let (name, value) = parse_label("experiment=a=b").unwrap();
        assert_eq!((name.as_str(), value.as_str()), ("experiment", "a=b"));
        for wrong in ["experiment", "=x", "1a=x", "a-b=x", "__name__=x", "version=x", "é=x"] {
            assert!(parse_label(wrong).is_err(), "{wrong}");
        }
    }
}
