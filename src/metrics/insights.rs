//! Merges a task's contribution into the document's insights, within bounds.
//!
//! A document must fit a Kubernetes Secret (1 MiB) with 20 endpoints, 5 versions and 1,000 loops, so each part that could grow has a
//! budget for the whole document: [`MAX_LOOP_VALUES`], [`MAX_SAMPLES`], [`MAX_HISTOGRAM_BYTES`], [`MAX_UNDELAYED_BYTES`],
//! [`MAX_BUCKETS`], [`MAX_SERIES_POINTS`], [`MAX_SERIES_COUNTS`], [`MAX_TEXT_BYTES`], and the bounds of [`loop_records`]. The newest loop is always kept; the oldest loops' values
//! are dropped first, then resolution.

mod fold;
mod unknown;
mod unmeasured;

use std::collections::BTreeMap;

pub use self::fold::fold_oldest;
use super::{histogram, loop_records, missing, series};
use crate::model::contribution::{Contribution, Measurement, Values, VersionMetrics};
use crate::model::histogram::EncodedHistogram;
use crate::model::insights::{HistogramBucket, Insights, Observation, VersionName};
use crate::model::load::LoadRecord;
use crate::model::metric::MetricType;
use crate::model::missing::{ErrorKind, Missing};
use crate::model::series::Series;

/// Maximum values of all loops and metrics; each metric keeps its newest value regardless.
pub const MAX_LOOP_VALUES: usize = 4_000;
/// Maximum samples; beyond it, long lists keep evenly spaced ranks, including the smallest and the largest.
pub const MAX_SAMPLES: usize = 4_000;
/// Maximum bytes of encoded histograms; beyond it, large ones are reduced to 2 significant digits, then to 1.
pub const MAX_HISTOGRAM_BYTES: usize = 240 * 1024;
/// Maximum bytes of encoded histograms of loads without the load generator's delays; beyond it, the largest are dropped.
pub const MAX_UNDELAYED_BYTES: usize = 48 * 1024;
/// Maximum of Iter8's buckets; beyond it, neighbours are merged.
pub const MAX_BUCKETS: usize = 2_000;
/// Maximum points of load series; beyond it, neighbours in long ones are merged, which makes their percentiles upper bounds.
pub const MAX_SERIES_POINTS: usize = 2_400;
/// Minimum intervals of a series that verdicts with confidence rest on: with fewer, dependence between requests cannot be estimated.
pub const MIN_INTERVALS: usize = 30;
/// Maximum counts over limits in series; beyond it, intervals are merged, then columns dropped.
pub const MAX_SERIES_COUNTS: usize = 24_000;
/// Maximum bytes of sources, queries and reasons in observations; beyond it, long ones are truncated.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Contribution that does not fit the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Two tasks, or two loops, measure different numbers of versions.
    #[error(
        "this task measures {task} version(s), but the document compares {document}: all tasks of an experiment must measure the same versions"
    )]
    Versions {
        /// Versions of the contribution.
        task: usize,
        /// Versions of the document.
        document: usize,
    },
}

/// Adds a task's contribution. Changes nothing on error.
pub fn merge(insights: &mut Insights, contribution: &Contribution) -> Result<(), MergeError> {
    let (task, document) = (contribution.versions.len(), compared_versions(insights));
    if task > 0 && document > 0 && task != document {
        return Err(MergeError::Versions { task, document });
    }
    if task > 0 {
        insights.num_versions = task;
        // Iter8 needs all three to add a loop.
        grow(&mut insights.non_hist_metric_values, task);
        grow(&mut insights.hist_metric_values, task);
        grow(&mut insights.summary_metric_values, task);
        for (version, metrics) in contribution.versions.iter().enumerate() {
            add_version(insights, version, metrics);
        }
        unmeasured::mark(insights, contribution);
        unknown::replace(insights, contribution);
        limit_loop_values(insights);
        limit_samples(insights);
        limit_histograms(&mut insights.histograms);
        limit_buckets(&mut insights.hist_metric_values);
        limit_series(&mut insights.load);
        limit_undelayed(&mut insights.load);
        limit_texts(insights);
    }
    if let Some(assessment) = &contribution.assessment {
        insights.slos = Some(assessment.limits.clone());
        insights.relative = (!assessment.relative.upper.is_empty()).then(|| assessment.relative.clone());
        insights.slos_satisfied = Some(assessment.satisfied.clone());
        insights.verdicts = assessment.verdicts.clone();
        insights.rewards = (!assessment.rewards.is_empty()).then(|| assessment.rewards.clone());
        insights.rewards_winners = assessment.rewards_winners.clone();
        insights.reward_verdicts = assessment.reward_verdicts.clone();
        if let Some(record) = &assessment.record {
            loop_records::keep(&mut insights.loops, record);
        }
    }
    insights.splits.extend(contribution.split.clone());
    Ok(())
}

/// Returns the number of versions that the document compares; 0 as long as nothing was measured.
fn compared_versions(insights: &Insights) -> usize {
    // The lists are longer than the number of compared versions.
    if insights.unknown_version.is_some() && insights.num_versions > 0 {
        return insights.num_versions;
    }
    let lists = [
        insights.non_hist_metric_values.len(),
        insights.hist_metric_values.len(),
        insights.summary_metric_values.len(),
        insights.histograms.len(),
    ];
    // A document may state a number before it has metrics; only measured versions bind later tasks.
    lists.into_iter().max().filter(|longest| *longest > 0).map_or(0, |longest| longest.max(insights.num_versions))
}

fn add_version(insights: &mut Insights, version: usize, metrics: &VersionMetrics) {
    if let Some(name) = &metrics.name {
        let names = &mut insights.version_names;
        names.resize_with(insights.num_versions.max(version + 1).max(names.len()), VersionName::default);
        names[version].version = name.clone();
    }
    for (key, measurement) in &metrics.metrics {
        add_metric(insights, version, key, measurement);
    }
    let versions = insights.num_versions;
    for (provider, record) in &metrics.load {
        slot(&mut insights.load, version, versions).insert(provider.clone(), record.clone());
    }
}

fn add_metric(insights: &mut Insights, version: usize, key: &str, measurement: &Measurement) {
    let versions = insights.num_versions;
    let earlier = insights.metrics_info.insert(key.to_owned(), measurement.meta.clone());
    let missing = match &measurement.values {
        Values::Scalar(value) if value.is_finite() => {
            let values =
                slot(&mut insights.non_hist_metric_values, version, versions).entry(key.to_owned()).or_default();
            if earlier.is_some_and(|meta| meta.kind == MetricType::Sample) {
                values.clear(); // samples of one loop, not values of several
            }
            values.push(*value);
            None
        }
        // JSON cannot represent these: they would be read back as null.
        Values::Scalar(value) if value.is_nan() => Some(Missing::nothing_to_count("measured as NaN")),
        Values::Scalar(value) => Some(Missing::error(ErrorKind::Value, format!("measured as {value}"))),
        Values::Distribution { buckets, histogram } => {
            // An Iter8 document may hold the same metric as samples.
            forget(&mut insights.non_hist_metric_values, version, key);
            if buckets.is_empty() {
                // Metrics that Iter8 did not have are kept only as histograms.
                forget(&mut insights.hist_metric_values, version, key);
            } else {
                slot(&mut insights.hist_metric_values, version, versions).insert(key.to_owned(), buckets.clone());
            }
            slot(&mut insights.histograms, version, versions).insert(key.to_owned(), histogram.clone());
            None
        }
        Values::Samples(samples) => {
            let finite: Vec<f64> = samples.iter().copied().filter(|sample| sample.is_finite()).collect();
            let none = || Missing::error(ErrorKind::Value, "none of the samples is a number");
            let missing = finite.is_empty().then(none);
            forget(&mut insights.non_hist_metric_values, version, key);
            if !finite.is_empty() {
                slot(&mut insights.non_hist_metric_values, version, versions).insert(key.to_owned(), finite);
            }
            missing
        }
        Values::NoData(missing) => Some(missing.clone()),
    };
    if missing.is_some() {
        // Distributions are those of the newest loop. The list of values stays; `noData` marks that the newest loop has none.
        forget(&mut insights.hist_metric_values, version, key);
        forget(&mut insights.histograms, version, key);
    }
    match missing::observation(measurement.observation.as_ref(), missing) {
        Some(observation) => {
            slot(&mut insights.observations, version, versions).insert(key.to_owned(), observation);
        }
        None => forget(&mut insights.observations, version, key),
    }
}

/// Returns the map of one version, growing the list to all versions.
fn slot<T>(list: &mut Vec<BTreeMap<String, T>>, version: usize, versions: usize) -> &mut BTreeMap<String, T> {
    grow(list, versions.max(version + 1));
    &mut list[version]
}

fn grow<T>(list: &mut Vec<BTreeMap<String, T>>, length: usize) {
    list.resize_with(length.max(list.len()), BTreeMap::new);
}

fn forget<T>(list: &mut [BTreeMap<String, T>], version: usize, key: &str) {
    if let Some(map) = list.get_mut(version) {
        map.remove(key);
    }
}

fn limit_loop_values(insights: &mut Insights) {
    let infos = &insights.metrics_info;
    let samples = |key: &str| infos.get(key).is_some_and(|meta| meta.kind == MetricType::Sample);
    let lists = insights.non_hist_metric_values.iter_mut().flatten();
    let mut series: Vec<&mut Vec<f64>> = lists.filter(|(key, _)| !samples(key)).map(|(_, values)| values).collect();
    let total: usize = series.iter().map(|values| values.len()).sum();
    if total > MAX_LOOP_VALUES {
        let keep = (MAX_LOOP_VALUES / series.len()).max(1);
        for values in &mut series {
            values.drain(..values.len().saturating_sub(keep));
        }
    }
}

fn limit_samples(insights: &mut Insights) {
    let infos = &insights.metrics_info;
    let samples = |key: &str| infos.get(key).is_some_and(|meta| meta.kind == MetricType::Sample);
    let lists = insights.non_hist_metric_values.iter_mut().flatten();
    let mut all: Vec<&mut Vec<f64>> = lists.filter(|(key, _)| samples(key)).map(|(_, values)| values).collect();
    if all.iter().map(|values| values.len()).sum::<usize>() > MAX_SAMPLES {
        let share = (MAX_SAMPLES / all.len()).max(2);
        for values in all.iter_mut().filter(|values| values.len() > share) {
            values.sort_by(f64::total_cmp);
            let last = values.len() - 1;
            **values = (0..share).map(|rank| values[rank * last / (share - 1)]).collect();
        }
    }
}

fn limit_histograms(versions: &mut [BTreeMap<String, EncodedHistogram>]) {
    for digits in [2, 1] {
        let mut all: Vec<&mut EncodedHistogram> = versions.iter_mut().flat_map(BTreeMap::values_mut).collect();
        if all.iter().map(|encoded| encoded.data.len()).sum::<usize>() <= MAX_HISTOGRAM_BYTES {
            return;
        }
        let share = MAX_HISTOGRAM_BYTES / all.len();
        for encoded in all.iter_mut().filter(|encoded| encoded.data.len() > share) {
            // One that cannot be read stays as it is: lookups state the reason.
            let coarser = histogram::decode(encoded).map(|fine| histogram::coarser(&fine, digits));
            if let Ok(coarser) = coarser.and_then(|coarser| histogram::encode(&coarser)) {
                **encoded = coarser;
            }
        }
    }
}

fn limit_buckets(versions: &mut [BTreeMap<String, Vec<HistogramBucket>>]) {
    let mut all: Vec<&mut Vec<HistogramBucket>> = versions.iter_mut().flat_map(BTreeMap::values_mut).collect();
    if all.iter().map(|buckets| buckets.len()).sum::<usize>() <= MAX_BUCKETS {
        return;
    }
    let share = (MAX_BUCKETS / all.len()).max(1);
    for buckets in &mut all {
        let group = buckets.len().div_ceil(share).max(1);
        **buckets = buckets.chunks(group).filter_map(merge_buckets).collect();
    }
}

/// Merges neighbouring buckets.
fn merge_buckets(group: &[HistogramBucket]) -> Option<HistogramBucket> {
    let (first, last) = (group.first()?, group.last()?);
    let count = group.iter().fold(0_u64, |sum, bucket| sum.saturating_add(bucket.count));
    Some(HistogramBucket { lower: first.lower, upper: last.upper, count })
}

fn limit_series(versions: &mut [BTreeMap<String, LoadRecord>]) {
    let loads = versions.iter_mut().flat_map(BTreeMap::values_mut);
    let mut all: Vec<&mut Series> = loads.filter_map(|load| load.series.as_mut()).collect();
    while all.iter().map(|series| series.requests.len()).sum::<usize>() > MAX_SERIES_POINTS {
        let share = (MAX_SERIES_POINTS / all.len()).max(1);
        let mut is_smaller = false;
        for series in all.iter_mut().filter(|series| series.requests.len() > share) {
            let half = series::halved(series);
            if series.sum.is_empty() || half.requests.len() >= MIN_INTERVALS {
                **series = half;
                is_smaller = true;
            }
        }
        if !is_smaller {
            break;
        }
    }
    limit_counts(&mut all);
}

/// Halves the series with the most counts over limits, then drops the columns that are needed least.
fn limit_counts(all: &mut [&mut Series]) {
    let counts = |series: &Series| series.over.iter().map(|over| over.counts.len()).sum::<usize>();
    let mut total: usize = all.iter().map(|series| counts(series)).sum();
    while total > MAX_SERIES_COUNTS {
        let share = MAX_SERIES_COUNTS / all.len().max(1);
        let before = total;
        for series in all.iter_mut().filter(|series| counts(series) > share) {
            let half = series::halved(series);
            if half.requests.len() >= MIN_INTERVALS {
                **series = half;
            } else if let Some(least) = series::least_needed(&series.over) {
                series.over.remove(least);
            }
        }
        total = all.iter().map(|series| counts(series)).sum();
        if total == before {
            return;
        }
    }
}

/// Drops the largest distributions without the load generator's delays; an SLO that needs one of those keeps its verdict.
fn limit_undelayed(versions: &mut [BTreeMap<String, LoadRecord>]) {
    let loads = versions.iter_mut().flat_map(BTreeMap::values_mut);
    let mut all: Vec<_> = loads.map(|load| &mut load.undelayed).filter(|undelayed| !undelayed.is_empty()).collect();
    let bytes =
        |undelayed: &BTreeMap<String, EncodedHistogram>| undelayed.values().map(|it| it.data.len()).sum::<usize>();
    all.sort_by_key(|undelayed| bytes(undelayed));
    let mut total = 0;
    for undelayed in all {
        total += bytes(undelayed);
        if total > MAX_UNDELAYED_BYTES {
            undelayed.clear();
        }
    }
}

/// Removes sources that the loads repeat, then truncates long strings.
fn limit_texts(insights: &mut Insights) {
    if text_bytes(&insights.observations) <= MAX_TEXT_BYTES {
        return;
    }
    for (observations, loads) in insights.observations.iter_mut().zip(&insights.load) {
        for (key, seen) in observations {
            let load = key.split_once('/').and_then(|(provider, _)| loads.get(provider));
            if load.is_some_and(|load| seen.source.as_ref() == Some(&load.url)) {
                seen.source = None;
            }
        }
    }
    if text_bytes(&insights.observations) > MAX_TEXT_BYTES {
        truncate_texts(insights.observations.iter_mut().flat_map(BTreeMap::values_mut));
    }
}

fn text_bytes(versions: &[BTreeMap<String, Observation>]) -> usize {
    let texts = |seen: &Observation| {
        let single = [&seen.source, &seen.query, &seen.raw, &seen.no_data].into_iter().flatten().map(String::len);
        single.chain(seen.warnings.iter().map(String::len)).sum::<usize>()
    };
    versions.iter().flat_map(BTreeMap::values).map(texts).sum()
}

fn truncate_texts<'a>(all: impl Iterator<Item = &'a mut Observation>) {
    let of_one = |seen: &'a mut Observation| {
        let single = [&mut seen.source, &mut seen.query, &mut seen.raw, &mut seen.no_data];
        single.into_iter().flatten().chain(&mut seen.warnings)
    };
    let mut texts: Vec<&mut String> = all.flat_map(of_one).collect();
    let share = (MAX_TEXT_BYTES / texts.len().max(1)).max(40);
    for text in texts.iter_mut().filter(|text| text.len() > share) {
        // At a character boundary, with space for the ellipsis.
        let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= share - '…'.len_utf8()).last();
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
}

#[cfg(test)]
#[path = "insights_tests.rs"]
mod tests;
