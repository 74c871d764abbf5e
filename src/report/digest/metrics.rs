//! Metrics and distributions of one version.

use std::collections::{BTreeMap, BTreeSet};

use super::objectives::Objective;
use super::{DistributionReport, MetricReport};
use crate::metrics::reading::reading;
use crate::model::insights::Insights;
use crate::model::metric::{MetricMeta, MetricType, Reading};
use crate::redact::{mask_text, mask_url};
use crate::report::distribution::Distribution;

/// Aggregates shown of a metric made of many values.
const AGGREGATES: [&str; 5] = ["count", "max", "mean", "min", "stddev"];
/// Percentiles given of a distribution.
const PERCENTILES: [f64; 6] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9];

/// Every metric that has one number, and those that objectives name.
pub(super) fn of_version(
    insights: &Insights,
    version: usize,
    objectives: &[Objective],
) -> BTreeMap<String, MetricReport> {
    let mut names: BTreeSet<String> = objectives.iter().map(|o| o.metric.clone()).collect();
    for (name, meta) in &insights.metrics_info {
        match meta.kind {
            MetricType::Counter | MetricType::Gauge => drop(names.insert(name.clone())),
            MetricType::Sample | MetricType::Summary => names.extend(AGGREGATES.iter().map(|a| format!("{name}/{a}"))),
            MetricType::Histogram => {}
        }
    }
    names.into_iter().map(|name| (name.clone(), of_metric(insights, version, &name))).collect()
}

fn of_metric(insights: &Insights, version: usize, name: &str) -> MetricReport {
    let meta = meta(insights, name);
    let observed = insights.observations.get(version).and_then(|o| o.get(name).or_else(|| o.get(base(name))));
    let (value, no_data) = match reading(insights, version, name) {
        Reading::Value(value) if value.is_finite() => (Some(value), None),
        Reading::Value(value) => (None, Some(format!("the value is not a finite number: {value}"))),
        Reading::NoData(reason) => (None, Some(mask_text(&reason))),
    };
    MetricReport {
        value,
        units: units(insights, name),
        kind: meta.map(|m| m.kind),
        description: meta.map(|m| m.description.clone()).filter(|d| !d.is_empty()),
        no_data,
        samples: observed.and_then(|o| o.samples),
        source: observed.and_then(|o| o.source.as_deref()).or_else(|| loaded(insights, version, name)).map(mask_url),
        query: observed.and_then(|o| o.query.as_deref()).map(mask_text),
    }
}

/// The target of the load that measured a metric: large documents say it there alone.
fn loaded<'a>(insights: &'a Insights, version: usize, name: &str) -> Option<&'a str> {
    let (provider, _) = name.split_once('/')?;
    insights.load.get(version)?.get(provider).map(|load| load.url.as_str())
}

/// Every distribution of a version.
pub(super) fn distributions(insights: &Insights, version: usize) -> BTreeMap<String, DistributionReport> {
    let of = |name: String| {
        let found = Distribution::find(insights, version, &name)?;
        let percentiles = PERCENTILES.iter().map(|p| (format!("p{p}"), found.percentile(*p))).collect();
        let units = units(insights, &name);
        let (count, min, max, mean) = (found.count, found.min(), found.max(), found.mean());
        Some((name, DistributionReport { units, count, min, max, mean, percentiles }))
    };
    distributed(insights).into_iter().filter_map(of).collect()
}

/// Names of the metrics that have a distribution in some version.
pub(in crate::report) fn distributed(insights: &Insights) -> BTreeSet<String> {
    let samples =
        insights.metrics_info.iter().filter(|(_, meta)| meta.kind == MetricType::Sample).map(|(name, _)| name);
    let buckets = insights.hist_metric_values.iter().flat_map(BTreeMap::keys);
    let histograms = insights.histograms.iter().flat_map(BTreeMap::keys);
    samples.chain(buckets).chain(histograms).cloned().collect()
}

/// Unit of a metric or of an aggregate of one; counts have none.
pub(super) fn units(insights: &Insights, name: &str) -> Option<String> {
    let is_count = name.ends_with("/count") && !insights.metrics_info.contains_key(name);
    meta(insights, name).filter(|_| !is_count).and_then(|m| m.units.clone()).filter(|units| !units.is_empty())
}

fn meta<'a>(insights: &'a Insights, name: &str) -> Option<&'a MetricMeta> {
    insights.metrics_info.get(name).or_else(|| insights.metrics_info.get(base(name)))
}

/// `grpc/latency` of `grpc/latency/p99`.
fn base(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(base, _)| base)
}
