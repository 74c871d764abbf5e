//! Lists metrics: all that tasks can measure, or those that some values will.

use std::collections::BTreeMap;

use serde_json::json;
use suggest::did_you_mean;

use super::error::AppError;
use super::resolve::{Resolved, spec_from_values};
use crate::adapters::files::LocalFiles;
use crate::model::metric_name::{MetricName, MetricNameError, split_percentile};
use crate::ports::Files;
use crate::tasks::custommetrics::builtin_templates;
use crate::tasks::metric_list::any_percentile;

pub(crate) use crate::tasks::metric_list::{ListedMetric, MetricList};

/// Lists all metrics that tasks can measure, with the percentiles that users choose as `pX`.
pub(crate) fn all() -> Result<MetricList, AppError> {
    let templates: BTreeMap<&str, String> = builtin_templates().map(|name| (name, format!("builtin:{name}"))).collect();
    let versions = json!({"header": "x-version", "versions": ["v1", "v2"]});
    let examples = json!({
        "tasks": ["http", "grpc", "custommetrics"],
        "http": {"url": "http://localhost", "versionFrom": versions},
        "grpc": {"host": "localhost:80", "call": "package.Service/Method", "versionFrom": versions},
        "custommetrics": {"templates": templates, "values": {"labels": {"app": "shop"}, "latencyPercentiles": [99]}},
    });
    let list = of_values(&spec_from_values(&examples).map_err(AppError::in_values)?, &LocalFiles);
    let metrics = list.metrics.into_iter().map(|metric| match split_percentile(&metric.name) {
        Some((base, _)) => {
            ListedMetric { name: format!("{base}-pX"), description: any_percentile(&metric.description), ..metric }
        }
        None => metric,
    });
    Ok(MetricList { versions: Vec::new(), metrics: metrics.collect(), ..list })
}

/// Lists the metrics that these values will measure. Opens no connection.
pub(crate) fn of_values(resolved: &Resolved, files: &dyn Files) -> MetricList {
    let mut list = MetricList::default();
    for (task, spec) in resolved.tasks().iter().zip(&resolved.spec) {
        for measured in task.measures(files) {
            list.add(spec.name(), measured);
        }
    }
    list
}

/// Finds a metric by its complete name, which may name a percentile, an aggregation, or an endpoint.
pub(crate) fn find<'a>(list: &'a MetricList, name: &str) -> Result<&'a ListedMetric, AppError> {
    let parsed: MetricName = name.parse().map_err(|error: MetricNameError| AppError::input(error.to_string()))?;
    let provider = match parsed.provider.split_once('-') {
        Some((task @ ("http" | "grpc"), _)) => task,
        _ => &parsed.provider,
    };
    let metric = match split_percentile(&parsed.metric) {
        Some((base, _)) => format!("{base}-pX"),
        None => parsed.metric.clone(),
    };
    let names = [format!("{provider}/{metric}"), format!("{provider}/{}", metric.trim_end_matches("-pX"))];
    let found = names.iter().find_map(|name| list.metrics.iter().find(|known| known.name == *name));
    found.ok_or_else(|| {
        let known: Vec<String> = list.metrics.iter().flat_map(ListedMetric::names).collect();
        let known = known.iter().map(String::as_str);
        let hint = did_you_mean(name, known).unwrap_or_else(|| "list all names with `iter8 metrics`".to_owned());
        AppError::input(format!("unknown metric `{name}`")).with_hint(hint)
    })
}
