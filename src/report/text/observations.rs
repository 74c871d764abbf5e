//! Provenance of metrics from providers: one `key: value` per line, made for grep.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{MAX_NAME, MAX_REASONS, MAX_VERSION, heading, more, prose};
use crate::model::text::{one_line, printable};
use crate::report::show::{clipped, squeezed, value};
use crate::report::view::{ObservationReport, ReportView, VersionReport};

/// Columns at which queries wrap, and maximum characters of one.
const CODE_WIDTH: usize = 160;
const MAX_CODE: usize = 4_000;
/// Longer queries are truncated if the metric has a value; failed queries are shown in full because they get debugged.
const LONG_QUERY: usize = 400;

pub(super) fn section(out: &mut String, view: &ReportView) {
    let mut names: BTreeSet<&String> = view.versions.iter().flat_map(|version| version.observations.keys()).collect();
    // The HTML report has the sources of those that are as they should be.
    let is_remarkable = |seen: &ObservationReport| seen.no_data.is_some() || !seen.warnings.is_empty();
    names.retain(|name| view.versions.iter().filter_map(|version| version.observations.get(*name)).any(is_remarkable));
    if names.is_empty() {
        return;
    }
    heading(out, "Custom metrics without a value, or with a warning: their sources");
    for name in names.iter().take(MAX_REASONS) {
        let seen: Vec<(&VersionReport, &ObservationReport)> =
            view.versions.iter().filter_map(|version| Some((version, version.observations.get(*name)?))).collect();
        let units = seen.iter().find_map(|(_, seen)| seen.units.as_ref());
        let units = units.map(|units| format!(" ({})", squeezed(&one_line(units), 20))).unwrap_or_default();
        let _ = writeln!(out, "  {}{units}", squeezed(&one_line(name), MAX_NAME));
        for (version, seen) in seen {
            let label = match view.versions.len() {
                1 => "value".to_owned(),
                _ => squeezed(&one_line(&version.name), MAX_VERSION),
            };
            let _ = writeln!(out, "    {label}: {}", value_text(version, name, seen));
            lines(out, seen);
        }
    }
    more(out, names.len(), MAX_REASONS);
}

fn value_text(version: &VersionReport, name: &str, seen: &ObservationReport) -> String {
    match (seen.value, version.distributions.get(name)) {
        (Some(number), _) => value(number),
        (None, Some(many)) if seen.no_data.is_none() => {
            let [mean, max] = [many.mean, many.max].map(value);
            format!("{} samples, mean {mean}, max {max}", many.count)
        }
        _ => "no value".to_owned(),
    }
}

fn lines(out: &mut String, seen: &ObservationReport) {
    let mut line = |key: &str, text: &str| prose(out, &format!("      {key:<10}"), text);
    if let Some(reason) = &seen.no_data {
        line("reason:", reason);
    }
    if let Some((setting, text)) = seen.explain_policy() {
        line(&format!("{setting}:"), text);
    }
    let raw = seen.raw.as_ref().map(|raw| format!("raw value {raw}"));
    let time = seen.time.map(|time| format!("at {}", time.format("%Y-%m-%d %H:%M:%S UTC")));
    let facts: Vec<String> = seen.response_facts().into_iter().chain(raw).chain(time).collect();
    if !facts.is_empty() {
        line("response:", &facts.join(", "));
    }
    for warning in &seen.warnings {
        line("warning:", warning);
    }
    if let Some(source) = &seen.source {
        code(out, "source:", source);
    }
    match &seen.query {
        Some(query) if seen.no_data.is_none() && query.chars().count() > LONG_QUERY => {
            let words: Vec<&str> = query.split_whitespace().collect();
            code(out, "query:", &clipped(&words.join(" "), LONG_QUERY));
        }
        Some(query) => code(out, "query:", query),
        None => {}
    }
}

/// Writes text that is copied rather than read: keeps its lines, and wraps only very long ones.
fn code(out: &mut String, key: &str, text: &str) {
    let mut lead = format!("      {key:<10}");
    let indent = " ".repeat(lead.len());
    for line in clipped(&printable(text), MAX_CODE).lines() {
        let line: Vec<char> = line.trim_end().chars().collect();
        for part in line.chunks(CODE_WIDTH) {
            let _ = writeln!(out, "{lead}{}", part.iter().collect::<String>());
            lead.clone_from(&indent);
        }
    }
}
