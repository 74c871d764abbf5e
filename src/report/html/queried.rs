//! Metrics of providers: per version the value, or the reason for a missing one, and its provenance.

use std::collections::BTreeSet;

use serde::Serialize;

use super::metrics::of_people;
use super::state::{State, named, state};
use crate::report::show::{grouped, readable};
use crate::report::view::{ObservationReport, ReportView, VersionReport};

/// A metric that was queried from a provider.
#[derive(Serialize)]
pub(super) struct Queried {
    /// Identity within the page.
    pub id: String,
    /// The metric, not shortened.
    #[serde(skip)]
    pub metric: String,
    name: String,
    units: Option<String>,
    description: Option<String>,
    rows: Vec<Row>,
}

/// The metric of one version.
#[derive(Serialize)]
struct Row {
    version: String,
    state: Option<State>,
    value: Option<String>,
    reason: Option<String>,
    policy: Option<String>,
    query: Option<String>,
    source: Option<String>,
    /// True for a long query, which is shown on demand.
    folded: bool,
    facts: Vec<String>,
    warnings: Vec<String>,
}

/// Maximum characters of a query that is shown at once.
const LONG_QUERY: usize = 400;

/// Returns true if a metric lacks a value, or a provider warned.
pub(super) fn is_remarkable(view: &ReportView) -> bool {
    let mut seen = view.versions.iter().flat_map(|version| version.observations.values());
    seen.any(|seen| seen.no_data.is_some() || !seen.warnings.is_empty())
}

/// Builds at most `max` metrics, those without a value first. Returns also the number of all.
pub(super) fn queried(view: &ReportView, max: usize) -> (Vec<Queried>, usize) {
    let names: BTreeSet<&String> = view.versions.iter().flat_map(|version| version.observations.keys()).collect();
    let lacks = |name: &&String| {
        let mut seen = view.versions.iter().filter_map(|version| version.observations.get(*name));
        seen.any(|seen| seen.no_data.is_some())
    };
    let mut names: Vec<&String> = names.into_iter().collect();
    names.sort_by_key(|name| !lacks(name));
    (names.iter().take(max).enumerate().map(|(at, name)| metric(view, name, at + 1)).collect(), names.len())
}

fn metric(view: &ReportView, name: &str, number: usize) -> Queried {
    let seen = || view.versions.iter().filter_map(|version| Some((version, version.observations.get(name)?)));
    Queried {
        id: format!("q{number}"),
        metric: name.to_owned(),
        name: named(name),
        units: seen().find_map(|(_, seen)| seen.units.as_deref()).map(of_people),
        description: seen().find_map(|(_, seen)| seen.description.clone()),
        rows: seen().map(|(version, seen)| row(version, name, seen)).collect(),
    }
}

fn row(version: &VersionReport, name: &str, seen: &ObservationReport) -> Row {
    let many = version.distributions.get(name).filter(|_| seen.value.is_none() && seen.no_data.is_none());
    let value_text = match (seen.value, many) {
        (Some(number), _) => Some(readable(number, seen.units.as_deref())),
        (None, Some(many)) => Some(format!("{} samples", grouped(&many.count.to_string()))),
        (None, None) => None,
    };
    let spread =
        many.map(|many| format!("mean {}, highest {}", readable(many.mean, Some("")), readable(many.max, Some(""))));
    let raw = seen.raw.as_ref().map(|raw| format!("raw value {raw}"));
    let time = seen.time.map(|time| format!("at {}", time.format("%-d %B %Y, %H:%M:%S UTC")));
    Row {
        version: named(&version.name),
        state: value_text.is_none().then_some(state("open", "?", "no value")),
        value: value_text,
        reason: seen.no_data.clone().or(spread),
        policy: seen.explain_policy().map(|(setting, text)| format!("{setting}: {text}")),
        folded: seen.query.as_ref().is_some_and(|query| query.chars().count() > LONG_QUERY),
        query: seen.query.clone(),
        source: seen.source.clone(),
        facts: seen.response_facts().into_iter().chain(raw).chain(time).collect(),
        warnings: seen.warnings.clone(),
    }
}
