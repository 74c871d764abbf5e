//! Loads at a glance: target, rate, duration, errors and latency, one row per endpoint and version.

use serde::Serialize;

use super::loads;
use super::state::{State, named};
use crate::report::load_figures::{self, LoadFigures, in_order};
use crate::report::show::squeezed;
use crate::report::view::{LoadReport, ReportView};

/// A load.
#[derive(Serialize)]
pub(super) struct Endpoint {
    provider: String,
    version: String,
    target: String,
    /// Remark on a load that was not as requested.
    state: Option<State>,
    rate: String,
    requested: String,
    duration: String,
    requests: String,
    errors: String,
    /// Percentage of requests that failed; empty if none did.
    failed: String,
    latencies: [Latency; 2],
}

/// A percentile, and its change against version 0.
#[derive(Serialize)]
struct Latency {
    label: &'static str,
    value: String,
    change: Option<String>,
}

/// Builds at most `max` rows.
pub(super) fn endpoints(view: &ReportView, max: usize) -> Vec<Endpoint> {
    in_order(view).into_iter().take(max).map(|row| endpoint(view, row)).collect()
}

fn endpoint(view: &ReportView, row: &LoadReport) -> Endpoint {
    let load = &row.load;
    let figures = LoadFigures::of(view, row);
    Endpoint {
        provider: named(&row.provider),
        version: named(&row.version),
        target: format!("{} {}", squeezed(&load.method, 80), squeezed(&load.url, 120)).trim().to_owned(),
        state: Some(loads::state_of(row)).filter(|state| state.class != "good"),
        rate: format!("{}/s", figures.achieved),
        requested: match figures.requested {
            Some(_) if !load.stages.is_empty() => "in stages".to_owned(),
            Some(rate) => format!("of {rate}"),
            None => "no limit".to_owned(),
        },
        duration: figures.duration,
        requests: figures.requests,
        errors: figures.errors,
        failed: figures.failed.unwrap_or_default(),
        latencies: figures.latencies.map(latency),
    }
}

fn latency(latency: load_figures::Latency) -> Latency {
    let text = latency.text().map(|text| text.replace(' ', "\u{a0}"));
    Latency { label: latency.label, value: text.unwrap_or_else(|| "–".to_owned()), change: latency.change }
}
