//! Metrics of providers: per version the value or why there is none, and how it came about.

use std::collections::BTreeSet;

use serde::Serialize;

use super::state::{State, named, state};
use crate::report::digest::{Digest, ObservationReport, VersionReport};
use crate::report::show::{squeezed, value};

/// A metric that a provider was asked for.
#[derive(Serialize)]
pub(super) struct Asked {
    name: String,
    units: Option<String>,
    description: Option<String>,
    rows: Vec<Row>,
}

/// One version of it.
#[derive(Serialize)]
struct Row {
    version: String,
    state: Option<State>,
    value: Option<String>,
    reason: Option<String>,
    policy: Option<&'static str>,
    query: Option<String>,
    source: Option<String>,
    /// Whether the query is long, and shown on demand.
    folded: bool,
    facts: Vec<String>,
    warnings: Vec<String>,
}

/// Most characters of a query that is shown at once.
const LONG_QUERY: usize = 400;

/// At most `most` metrics, those first that lack a value, and how many there would be.
pub(super) fn asked(digest: &Digest, most: usize) -> (Vec<Asked>, usize) {
    let names: BTreeSet<&String> = digest.versions.iter().flat_map(|version| version.observations.keys()).collect();
    let lacks = |name: &&String| {
        let mut seen = digest.versions.iter().filter_map(|version| version.observations.get(*name));
        seen.any(|seen| seen.no_data.is_some())
    };
    let mut names: Vec<&String> = names.into_iter().collect();
    names.sort_by_key(|name| !lacks(name));
    (names.iter().take(most).map(|name| metric(digest, name)).collect(), names.len())
}

fn metric(digest: &Digest, name: &str) -> Asked {
    let seen = || digest.versions.iter().filter_map(|version| Some((version, version.observations.get(name)?)));
    Asked {
        name: named(name),
        units: seen().find_map(|(_, seen)| seen.units.as_deref()).map(|units| squeezed(units, 20)),
        description: seen().find_map(|(_, seen)| seen.description.clone()),
        rows: seen().map(|(version, seen)| row(version, name, seen)).collect(),
    }
}

fn row(version: &VersionReport, name: &str, seen: &ObservationReport) -> Row {
    let many = version.distributions.get(name).filter(|_| seen.value.is_none() && seen.no_data.is_none());
    let found = match (seen.value, many) {
        (Some(number), _) => Some(value(number)),
        (None, Some(many)) => Some(format!("{} samples", many.count)),
        (None, None) => None,
    };
    let spread = many.map(|many| format!("mean {}, highest {}", value(many.mean), value(many.max)));
    let written = seen.raw.as_ref().map(|raw| format!("as written {raw}"));
    let time = seen.time.map(|time| format!("at {}", time.format("%-d %B %Y, %H:%M:%S UTC")));
    Row {
        version: named(&version.name),
        state: found.is_none().then_some(state("open", "?", "no value")),
        value: found,
        reason: seen.no_data.clone().or(spread),
        policy: seen.policy_words(),
        folded: seen.query.as_ref().is_some_and(|query| query.chars().count() > LONG_QUERY),
        query: seen.query.clone(),
        source: seen.source.clone(),
        facts: seen.answer().into_iter().chain(written).chain(time).collect(),
        warnings: seen.warnings.clone(),
    }
}
