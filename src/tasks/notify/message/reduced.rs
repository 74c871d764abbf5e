//! The experiment in a report: Iter8's keys, and less of it if a receiver accepts less.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::document::Experiment;
use crate::model::insights::Insights;
use crate::model::metric::MetricType;
use crate::model::metric_name::MetricName;

/// Extent of the experiment in a report, the largest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Everything that Iter8 would send.
    Whole,
    /// Without histograms.
    Values,
    /// Without samples and the values of earlier loops, too.
    NewestValues,
    /// Only the metrics that objectives name.
    Objectives,
    /// No experiment.
    Nothing,
}

impl Extent {
    pub const ALL: [Self; 5] = [Self::Whole, Self::Values, Self::NewestValues, Self::Objectives, Self::Nothing];

    /// Names the omitted parts.
    pub fn omits(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Values => Some("histograms"),
            Self::NewestValues => Some("histograms, samples and values of earlier loops"),
            Self::Objectives => Some("the metrics that have no SLO"),
            Self::Nothing => Some("the experiment"),
        }
    }
}

/// Metrics of a load that Iter8 has; latencies have several names.
const METRICS: [&str; 4] = ["request-count", "error-count", "error-rate", "latency"];

/// Returns the experiment with the keys that Iter8 has, the task records and the verdicts.
pub fn reduced(experiment: &Experiment, extent: Extent) -> Experiment {
    let mut reduced = experiment.clone();
    let Some(result) = reduced.result.as_mut() else { return reduced };
    result.schema_version = None;
    result.num_completed_loops = None;
    let Some(insights) = result.insights.as_mut() else { return reduced };
    if extent >= Extent::Values {
        insights.hist_metric_values.clear();
    }
    if extent >= Extent::NewestValues {
        let is_sample = |key: &str| insights.metrics_info.get(key).is_some_and(|meta| meta.kind == MetricType::Sample);
        for values in &mut insights.non_hist_metric_values {
            values.retain(|key, _| !is_sample(key));
            values.values_mut().for_each(|values| drop(values.drain(..values.len().saturating_sub(1))));
        }
    }
    let is_kept = kept(insights, extent);
    insights.metrics_info.retain(|key, _| is_kept(key));
    insights.non_hist_metric_values.iter_mut().for_each(|values| values.retain(|key, _| is_kept(key)));
    insights.hist_metric_values.iter_mut().for_each(|values| values.retain(|key, _| is_kept(key)));
    insights.summary_metric_values.iter_mut().for_each(|values| values.retain(|key, _| is_kept(key)));
    insights.histograms.clear();
    insights.observations.clear();
    insights.load.clear();
    insights.loops.clear();
    reduced
}

/// Returns the test for metrics that are kept.
fn kept(insights: &Insights, extent: Extent) -> impl Fn(&str) -> bool + use<> {
    let slos = insights.slos.iter().flat_map(|slos| slos.upper.iter().chain(&slos.lower));
    let slos = slos.chain(insights.relative.iter().flat_map(|relative| &relative.upper));
    let objectives: BTreeSet<String> = slos.filter_map(|slo| slo.metric.name().ok()).flat_map(keys).collect();
    let loads: BTreeSet<String> = insights.load.iter().flat_map(BTreeMap::keys).cloned().collect();
    move |key| {
        let Some((provider, metric)) = key.split_once('/') else { return extent != Extent::Objectives };
        let is_of_iter8 = METRICS.contains(&metric) || metric.starts_with("latency-") || !loads.contains(provider);
        objectives.contains(key) || (is_of_iter8 && extent != Extent::Objectives)
    }
}

/// Keys of the values that a metric is read from: its own and, for a percentile, that of its distribution.
fn keys(name: &MetricName) -> impl Iterator<Item = String> + use<> {
    [name.key()].into_iter().chain(name.distribution().map(|(key, _)| key))
}
