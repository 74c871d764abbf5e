//! Tables of all metrics, and of the distributions that are not drawn.

use std::collections::BTreeSet;

use serde::Serialize;

use super::figure;
use super::state::named;
use crate::model::metric::MSEC;
use crate::report::show::{readable, squeezed, thousands, value};
use crate::report::view::{MetricReport, ReportView, VersionReport};

/// A metric of all versions.
#[derive(Serialize)]
pub(super) struct Metric {
    name: String,
    units: Option<String>,
    cells: Vec<Reading>,
}

#[derive(Serialize)]
struct Reading {
    value: Option<String>,
    reason: Option<String>,
}

/// Key figures of a distribution that is not drawn.
#[derive(Serialize)]
pub(super) struct Distributed {
    name: String,
    units: Option<String>,
    version: String,
    cells: Vec<String>,
}

pub(super) fn metrics(view: &ReportView) -> Vec<Metric> {
    let row = |(name, metric): (&String, &MetricReport)| Metric {
        name: named(name),
        units: metric.units.as_deref().map(of_people),
        cells: view.versions.iter().map(|version| reading(version.metrics.get(name))).collect(),
    };
    view.metrics().into_iter().map(row).collect()
}

fn reading(metric: Option<&MetricReport>) -> Reading {
    Reading {
        value: metric.and_then(|metric| Some(readable(metric.value?, metric.units.as_deref()))),
        reason: metric.and_then(|metric| metric.no_data.clone()),
    }
}

/// Lists the distributions that are not drawn, by metric.
pub(super) fn distributions(view: &ReportView) -> Vec<Distributed> {
    let metrics: BTreeSet<&String> = view.versions.iter().flat_map(|v| v.distributions.keys()).collect();
    let listed = metrics.into_iter().filter(|metric| figure::is_listed(view, metric));
    let of_version = |metric: &String, version: &VersionReport| {
        let distribution = version.distributions.get(metric)?;
        Some(Distributed {
            name: named(metric),
            units: distribution.units.as_deref().map(of_people),
            version: named(&version.name),
            cells: [thousands(distribution.count)].into_iter().chain(version.key_figures(metric)?.map(value)).collect(),
        })
    };
    listed.flat_map(|metric| view.versions.iter().filter_map(move |version| of_version(metric, version))).collect()
}

/// Returns a unit as people write it.
pub(super) fn of_people(units: &str) -> String {
    if units == MSEC { "ms".to_owned() } else { squeezed(units, 20) }
}
