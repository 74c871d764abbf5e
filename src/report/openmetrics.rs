//! The report as OpenMetrics text, for node_exporter's textfile collector and a Pushgateway.
//!
//! All metrics are gauges without timestamps: only those are valid in OpenMetrics and in the older Prometheus text format alike, which
//! both of these read. Durations are in seconds. Only the newest run is included, so the series of a version end when the version is
//! gone.

mod families;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::gate::Gate;
use super::view::ReportView;
use super::{Format, ReportError};
use crate::model::document::Experiment;

pub(super) const FORMAT: Format = Format {
    name: "openmetrics",
    content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    extension: "prom",
    summary: "metrics for node_exporter's textfile collector; --push for a Pushgateway",
    is_gate: true,
    is_own: |start| start.starts_with("# HELP iter8_passed "),
    render: |experiment, view| with_labels(experiment, view, &[]),
};

/// Prefix of all names.
const PREFIX: &str = "iter8";

/// Names of the labels that series have.
pub(super) const LABELS: &[&str] = &[
    "version",
    "metric",
    "slo",
    "verdict",
    "outcome",
    "unit",
    "percentile",
    "load",
    "status",
    "cause",
    "program_version",
    "end",
    "le",
];

/// Renders a document. `labels` are added to every series.
pub(super) fn with_labels(
    experiment: &Experiment,
    view: &ReportView,
    labels: &[(String, String)],
) -> Result<String, ReportError> {
    let families = families::of(view, &Gate::of(experiment, view));
    let labels = labels.iter().map(|(name, value)| (Cow::from(name.clone()), Cow::from(value.clone())));
    let mut registry = Registry::with_prefix_and_labels(PREFIX, labels);
    registry.register_collector(Box::new(Families(families)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// A metric with its series.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    series: Vec<Series>,
}

/// Labels and value of a series.
#[derive(Debug)]
struct Series {
    labels: Vec<(&'static str, String)>,
    value: f64,
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in &self.0 {
            // Parsers reject the whole text if two series have the same labels. Only a hostile document has such series.
            let mut known = BTreeSet::new();
            let series = family.series.iter().filter(|series| series.value.is_finite());
            let mut series = series.filter(|series| known.insert(&series.labels)).peekable();
            if series.peek().is_none() {
                continue;
            }
            let unit = family.unit.as_ref();
            let mut metric = encoder.encode_descriptor(family.name, family.help, unit, MetricType::Gauge)?;
            for Series { labels, value } in series {
                metric.encode_family(labels)?.encode_gauge(value)?;
            }
        }
        Ok(())
    }
}
