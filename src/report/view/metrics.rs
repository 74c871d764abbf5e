//! Metrics and distributions of one version.

use std::collections::{BTreeMap, BTreeSet};

use super::objectives::Objective;
use super::{DistributionReport, MetricReport};
use crate::metrics::MetricsView;
use crate::model::insights::Insights;
use crate::model::metric::{MetricType, Reading};
use crate::model::metric_name::MetricRef;
use crate::redact::{redact_text, redact_url};

/// Aggregates reported for a metric with many values.
const AGGREGATES: [&str; 5] = ["count", "max", "mean", "min", "stddev"];
/// Percentiles reported for a distribution.
const PERCENTILES: [f64; 6] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9];

/// Reports every metric with a single value, those that SLOs name, and the reasons of distributions that cannot be read.
pub(super) fn of_version(
    insights: &Insights,
    version: usize,
    objectives: &[Objective],
) -> BTreeMap<String, MetricReport> {
    let mut names: BTreeSet<String> = objectives.iter().map(|o| o.metric.to_string()).collect();
    for (name, meta) in &insights.metrics_info {
        match meta.kind {
            MetricType::Counter | MetricType::Gauge => drop(names.insert(name.clone())),
            MetricType::Sample | MetricType::Summary => names.extend(AGGREGATES.iter().map(|a| format!("{name}/{a}"))),
            MetricType::Histogram if MetricsView::new(insights, version).distribution(name).is_ok() => {}
            MetricType::Histogram => drop(names.insert(name.clone())),
        }
    }
    names.into_iter().map(|name| (name.clone(), of_metric(insights, version, &name))).collect()
}

fn of_metric(insights: &Insights, version: usize, name: &str) -> MetricReport {
    let name_ref = MetricRef::from(name);
    let metric = MetricsView::new(insights, version).resolve(&name_ref);
    let (meta, seen) = (metric.meta, metric.observation);
    let (value, no_data) = match metric.reading {
        Reading::Value(value) => (Some(value), None),
        Reading::Missing(missing) => (None, Some(redact_text(&missing.reason))),
    };
    MetricReport {
        value,
        units: units(insights, &name_ref),
        kind: meta.map(|meta| meta.kind),
        description: meta.map(|meta| meta.description.clone()).filter(|text| !text.is_empty()),
        no_data,
        samples: seen.and_then(|seen| seen.samples),
        source: seen
            .and_then(|seen| seen.source.as_deref())
            .or_else(|| load_target(insights, version, name))
            .map(redact_url),
        query: seen.and_then(|seen| seen.query.as_deref()).map(redact_text),
    }
}

/// Returns the target of the load that measured a metric: large documents keep it only there.
fn load_target<'a>(insights: &'a Insights, version: usize, name: &str) -> Option<&'a str> {
    let (provider, _) = name.split_once('/')?;
    insights.load.get(version)?.get(provider).map(|load| load.url.as_str())
}

/// Reports every readable distribution of a version; [`of_version`] reports why the others are not.
pub(super) fn distributions(insights: &Insights, version: usize) -> BTreeMap<String, DistributionReport> {
    let report = |name: String| {
        let distribution = MetricsView::new(insights, version).distribution(&name).ok()??;
        let percentiles = PERCENTILES.iter().map(|p| (format!("p{p}"), distribution.percentile(*p))).collect();
        let units = units(insights, &MetricRef::from(name.as_str()));
        let (count, min, max, mean) =
            (distribution.count(), distribution.min(), distribution.max(), distribution.mean());
        Some((name, DistributionReport { units, count, min, max, mean, percentiles }))
    };
    distributed(insights).into_iter().filter_map(report).collect()
}

/// Lists the metrics that have a distribution in some version.
pub(in crate::report) fn distributed(insights: &Insights) -> BTreeSet<String> {
    let samples =
        insights.metrics_info.iter().filter(|(_, meta)| meta.kind == MetricType::Sample).map(|(name, _)| name);
    let buckets = insights.hist_metric_values.iter().flat_map(BTreeMap::keys);
    let histograms = insights.histograms.iter().flat_map(BTreeMap::keys);
    samples.chain(buckets).chain(histograms).cloned().collect()
}

/// Returns the unit of a metric or of one of its aggregates; counts have none.
pub(super) fn units(insights: &Insights, metric: &MetricRef) -> Option<String> {
    // Units are the same for all versions.
    let units = MetricsView::new(insights, 0).resolve(metric).unit;
    units.filter(|units| !units.is_empty()).map(str::to_owned)
}
