//! Lists of metrics for users: what the tasks will measure, with any percentile of a distribution as one name.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Measured;
use crate::metrics::catalog::MetricNames;
use crate::model::metric::{MetricMeta, MetricType};
use crate::model::metric_name::split_percentile;
use crate::values::slo_text::short_names;

/// Ways to read a distribution, as the last part of a metric's name.
pub(crate) const AGGREGATIONS: [&str; 6] = ["pX", "mean", "stddev", "min", "max", "count"];

/// Percentiles that are suggested and completed; any other one works, too.
const PERCENTILES: [&str; 4] = ["p50", "p90", "p95", "p99"];

/// Metrics by the task that measures them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct MetricList {
    /// Names of the versions, if several are measured; `null` for one without a name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) versions: Vec<Option<String>>,
    pub(crate) metrics: Vec<ListedMetric>,
    /// Providers whose metrics are known only after the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown: Vec<UnknownProvider>,
}

/// One metric, or all percentiles of one distribution.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct ListedMetric {
    /// Complete name; `pX` stands for any percentile.
    pub(crate) name: String,
    /// Names in `--slo`, if it is a metric of the load.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) short: Vec<&'static str>,
    /// Task that measures it.
    pub(crate) task: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) units: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: MetricType,
    pub(crate) description: String,
    /// Last parts of the name of which one is required; empty for a metric with one value.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) aggregations: &'static [&'static str],
}

impl ListedMetric {
    /// Returns its name, with the usual percentiles if it has any.
    pub(crate) fn names(&self) -> Vec<String> {
        let (base, separator) = match (self.name.strip_suffix("-pX"), self.aggregations) {
            (Some(base), _) => (base, "-"),
            (None, []) => return vec![self.name.clone()],
            (None, _) => (self.name.as_str(), "/"),
        };
        PERCENTILES.map(|percentile| format!("{base}{separator}{percentile}")).into()
    }
}

/// A provider whose metrics are known only after the run.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct UnknownProvider {
    pub(crate) provider: String,
    pub(crate) task: String,
}

impl MetricList {
    /// Adds what a task measures for one provider.
    pub(crate) fn add(&mut self, task: &str, measured: Measured) {
        let Measured { provider, metrics, versions } = measured;
        if versions.len() > self.versions.len().max(1) {
            self.versions = versions;
        }
        match metrics {
            MetricNames::Unknown => {
                let unknown = UnknownProvider { provider, task: task.to_owned() };
                if !self.unknown.contains(&unknown) {
                    self.unknown.push(unknown);
                }
            }
            MetricNames::Known { scalars, distributions } => {
                for metric in listed(task, &provider, &scalars, &distributions) {
                    // Every version has the same metrics.
                    if !self.metrics.iter().any(|known| known.name == metric.name) {
                        self.metrics.push(metric);
                    }
                }
            }
        }
    }
}

/// Lists the metrics of one provider: numbers first, then distributions.
fn listed(
    task: &str,
    provider: &str,
    scalars: &BTreeMap<String, MetricMeta>,
    distributions: &BTreeMap<String, MetricMeta>,
) -> Vec<ListedMetric> {
    let metric = |name: &str, meta: &MetricMeta, aggregations: &'static [&'static str]| ListedMetric {
        name: format!("{provider}/{name}"),
        short: short_names(provider, name),
        task: task.to_owned(),
        units: meta.units.clone(),
        kind: meta.kind,
        description: meta.description.clone(),
        aggregations,
    };
    let mut list = Vec::<ListedMetric>::new();
    for (name, meta) in scalars {
        // Any percentile of a distribution can be read.
        match split_percentile(name).filter(|(base, _)| distributions.contains_key(*base)) {
            Some((base, _)) => {
                let name = format!("{base}-pX");
                let description = any_percentile(&meta.description);
                let of_all = ListedMetric { description, ..metric(&name, meta, &[]) };
                if !list.iter().any(|known| known.name == of_all.name) {
                    list.push(of_all);
                }
            }
            None => list.push(metric(name, meta, &[])),
        }
    }
    list.extend(distributions.iter().map(|(name, meta)| metric(name, meta, &AGGREGATIONS)));
    list
}

/// Replaces the number in the description of a percentile.
pub(crate) fn any_percentile(description: &str) -> String {
    match description.strip_prefix("percentile ").and_then(|rest| rest.split_once(' ')) {
        Some((_, rest)) => format!("percentile X {rest}"),
        None => description.to_owned(),
    }
}
