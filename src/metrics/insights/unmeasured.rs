//! What earlier loops measured of a provider and this one did not: it has no data, as an old value is no news.

use std::collections::{BTreeMap, BTreeSet};

use super::{NOT_MEASURED, forget, slot};
use crate::metrics::reading::MetricName;
use crate::model::contribution::Contribution;
use crate::model::insights::{Insights, Observation};

/// Takes the metrics of the contribution's providers that it does not have for what they are: not measured. A provider is measured
/// once in a loop, so nothing else of it is to come.
pub(super) fn hide(insights: &mut Insights, contribution: &Contribution) {
    let providers = contribution.providers();
    for (version, metrics) in contribution.versions.iter().enumerate() {
        let fresh: BTreeSet<String> = metrics.metrics.keys().map(|key| spelled(key)).collect();
        for key in kept(insights, version) {
            let is_of_provider = key.split_once('/').is_some_and(|(provider, _)| providers.contains(provider));
            // A document of Iter8 may spell a percentile otherwise.
            if is_of_provider && !fresh.contains(&spelled(&key)) {
                hide_one(insights, version, &key, &fresh);
            }
        }
    }
}

fn hide_one(insights: &mut Insights, version: usize, key: &str, fresh: &BTreeSet<String>) {
    forget(&mut insights.hist_metric_values, version, key);
    forget(&mut insights.histograms, version, key);
    let distribution = key.parse::<MetricName>().ok().and_then(|name| name.distribution());
    if distribution.is_some_and(|(base, _)| fresh.contains(&base)) {
        // A percentile of a distribution that was measured is read from that.
        forget(&mut insights.non_hist_metric_values, version, key);
        forget(&mut insights.observations, version, key);
        return;
    }
    let observation = Observation { no_data: Some(NOT_MEASURED.to_owned()), ..Observation::default() };
    let versions = insights.num_versions;
    slot(&mut insights.observations, version, versions).insert(key.to_owned(), observation);
}

/// The metrics that the document has something of for a version.
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

/// A metric's key in its shortest spelling.
fn spelled(key: &str) -> String {
    key.parse::<MetricName>().map_or_else(|_| key.to_owned(), |name| name.key())
}
