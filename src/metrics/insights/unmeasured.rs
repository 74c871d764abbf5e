//! Metrics that earlier loops measured and this one did not: they have no data, because an old value says nothing about this loop.

use std::collections::{BTreeMap, BTreeSet};

use super::{forget, slot};
use crate::metrics::missing;
use crate::model::contribution::Contribution;
use crate::model::insights::Insights;
use crate::model::metric_name::MetricName;

/// Marks the other metrics of the contribution's providers as not measured. A provider is measured once per loop, so no more of its
/// metrics will follow.
pub(super) fn mark(insights: &mut Insights, contribution: &Contribution) {
    let providers = contribution.providers();
    for (version, metrics) in contribution.versions.iter().enumerate() {
        let fresh: BTreeSet<String> = metrics.metrics.keys().map(|key| canonical(key)).collect();
        for key in kept(insights, version) {
            let is_of_provider = key.split_once('/').is_some_and(|(provider, _)| providers.contains(provider));
            // Iter8's documents may spell a percentile differently.
            if is_of_provider && !fresh.contains(&canonical(&key)) {
                mark_one(insights, version, &key, &fresh);
            }
        }
    }
}

fn mark_one(insights: &mut Insights, version: usize, key: &str, fresh: &BTreeSet<String>) {
    forget(&mut insights.hist_metric_values, version, key);
    forget(&mut insights.histograms, version, key);
    let distribution = key.parse::<MetricName>().ok().and_then(|name| name.distribution());
    if distribution.is_some_and(|(base, _)| fresh.contains(&base)) {
        // A percentile of a measured distribution is read from that.
        forget(&mut insights.non_hist_metric_values, version, key);
        forget(&mut insights.observations, version, key);
        return;
    }
    let versions = insights.num_versions;
    slot(&mut insights.observations, version, versions).insert(key.to_owned(), missing::not_measured());
}

/// Lists the metrics of a version for which the document has any entry.
fn kept(insights: &Insights, version: usize) -> BTreeSet<String> {
    fn keys<T>(list: &[BTreeMap<String, T>], version: usize) -> impl Iterator<Item = String> {
        list.get(version).into_iter().flat_map(|map| map.keys().cloned())
    }
    keys(&insights.non_hist_metric_values, version)
        .chain(keys(&insights.hist_metric_values, version))
        .chain(keys(&insights.summary_metric_values, version))
        .chain(keys(&insights.histograms, version))
        .chain(keys(&insights.observations, version))
        .collect()
}

/// Returns a metric's key in its shortest spelling.
fn canonical(key: &str) -> String {
    key.parse::<MetricName>().map_or_else(|_| key.to_owned(), |name| name.key())
}
