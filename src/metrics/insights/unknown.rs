//! Responses of unknown origin: a version after the compared ones, as of the newest loop.
//!
//! It comes and goes, so it must not count as a compared version: their number and their indices are the same in all loops and tasks.

use std::collections::BTreeMap;

use super::add_version;
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::model::insights::Insights;
use crate::model::split::UNKNOWN;

/// Replaces what earlier loops measured of the contribution's providers for responses of unknown origin.
pub(super) fn replace(insights: &mut Insights, contribution: &Contribution) {
    // A document may say anything.
    insights.unknown_version = insights.unknown_version.filter(|version| *version == insights.num_versions);
    if let Some(version) = insights.unknown_version {
        let providers = contribution.providers();
        let is_other = |key: &str| !providers.contains(key.split_once('/').map_or(key, |(provider, _)| provider));
        retain(&mut insights.non_hist_metric_values, version, is_other);
        retain(&mut insights.hist_metric_values, version, is_other);
        retain(&mut insights.summary_metric_values, version, is_other);
        retain(&mut insights.histograms, version, is_other);
        retain(&mut insights.observations, version, is_other);
        retain(&mut insights.load, version, is_other);
    }
    if let Some(metrics) = &contribution.unknown {
        let version = insights.num_versions;
        insights.unknown_version = Some(version);
        add_version(insights, version, &VersionMetrics { name: Some(UNKNOWN.to_owned()), ..metrics.clone() });
    }
    if let Some(version) = insights.unknown_version.filter(|version| is_empty(&insights.load, *version)) {
        insights.unknown_version = None;
        insights.version_names.truncate(version);
        insights.non_hist_metric_values.truncate(version);
        insights.hist_metric_values.truncate(version);
        insights.summary_metric_values.truncate(version);
        insights.histograms.truncate(version);
        insights.observations.truncate(version);
        insights.load.truncate(version);
    }
}

fn retain<T>(list: &mut [BTreeMap<String, T>], version: usize, keep: impl Fn(&str) -> bool) {
    if let Some(map) = list.get_mut(version) {
        map.retain(|key, _| keep(key));
    }
}

fn is_empty<T>(list: &[BTreeMap<String, T>], version: usize) -> bool {
    list.get(version).is_none_or(BTreeMap::is_empty)
}
