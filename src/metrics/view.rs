//! The one lookup of a metric in a document: value, unit, kind, number of samples, and provenance.

use std::collections::BTreeMap;

use suggest::did_you_mean;

use super::distribution::Distribution;
use super::histogram;
use super::missing::Recorded;
use crate::model::insights::{Insights, Observation};
use crate::model::metric::{MetricMeta, MetricType, Reading};
use crate::model::metric_name::{Aggregation, MetricName, MetricRef, split_percentile};
use crate::model::missing::Missing;
use crate::model::readable::show;

/// Metrics of one version of a document.
#[derive(Clone, Copy, Debug)]
pub struct MetricsView<'a> {
    insights: &'a Insights,
    version: usize,
}

/// Everything that a document says about a metric of one version.
#[derive(Clone, Debug)]
pub struct Metric<'a> {
    /// Newest value, or the reason why there is none.
    pub reading: Reading,
    /// Kind, unit and description; `None` for a percentile or aggregation that was never written down by itself.
    pub meta: Option<&'a MetricMeta>,
    /// Unit of the value; `None` for plain numbers and for counts.
    pub unit: Option<&'a str>,
    /// Number of observations that the value rests on, if known.
    pub samples: Option<u64>,
    /// Provenance of the newest value.
    pub observation: Option<&'a Observation>,
    /// Provenance of the distribution that the metric is a percentile of.
    distribution: Option<&'a Observation>,
}

impl<'a> Metric<'a> {
    /// Returns the kind of the metric, if the document knows it.
    pub fn kind(&self) -> Option<MetricType> {
        self.meta.map(|meta| meta.kind)
    }

    /// Returns true if the document records how the metric was measured. Iter8's documents never do.
    pub fn is_observed(&self) -> bool {
        self.observation.or(self.distribution).is_some()
    }

    /// Returns why the metric was not measured, if its provider said so. With a policy of zero there is a value nevertheless.
    pub(crate) fn recorded(&self) -> Option<Recorded> {
        self.observation.or(self.distribution).and_then(Recorded::of)
    }
}

/// Source of a metric's value.
enum Source<'a> {
    /// One value per loop, the newest last.
    Scalar(&'a [f64]),
    /// An aggregation of many values, or the reason why it cannot be computed.
    Many(Aggregation, Result<Distribution, String>),
    /// No value, for this reason: the name does not fit the kind of metric, or its distribution was not measured.
    Unavailable(Missing),
    Missing,
}

impl<'a> MetricsView<'a> {
    /// Creates the view of a version, from 0. A version that does not exist has no metrics.
    pub fn new(insights: &'a Insights, version: usize) -> Self {
        Self { insights, version }
    }

    /// Looks up a metric by the name that a document gives; a malformed name has no value.
    pub fn resolve(&self, name: &MetricRef) -> Metric<'a> {
        let error = match name.name() {
            Ok(name) => return self.get(name),
            Err(error) => error,
        };
        // Do not fall back to a metric with a similar name: its `noData: pass` would satisfy an SLO on this one.
        let reading = Reading::Missing(Missing::undefined(error.to_string()));
        Metric { reading, meta: None, unit: None, samples: None, observation: None, distribution: None }
    }

    /// Looks up a metric.
    pub fn get(&self, name: &MetricName) -> Metric<'a> {
        let key = name.key();
        let base = name.distribution().map(|(base, _)| base);
        let meta = |key: &str| find(&self.insights.metrics_info, key);
        let (exact, observation) = (meta(&key), self.observation(&key));
        let unit = exact.or_else(|| meta(base.as_deref()?)).and_then(|meta| meta.units.as_deref());
        let source = self.source(name, &key);
        Metric {
            samples: observation.and_then(|seen| seen.samples).or_else(|| self.samples(name, &source)),
            reading: self.reading(name, source, observation),
            meta: exact,
            unit: unit.filter(|_| name.aggregation != Some(Aggregation::Count)),
            observation,
            distribution: base.and_then(|base| self.observation(&base)),
        }
    }

    /// Returns the values of a metric with one value per loop, the newest last; `None` if the newest loop has none. Metrics with many
    /// values have no history.
    pub fn history(&self, name: &MetricName) -> Vec<Option<f64>> {
        let key = name.key();
        let is_many = find(&self.insights.metrics_info, &key).is_some_and(|meta| has_many_values(meta.kind));
        if name.aggregation.is_some() || is_many {
            return Vec::new();
        }
        let values = self.scalars(&key).unwrap_or_default();
        let mut values: Vec<Option<f64>> = values.iter().map(|value| Some(*value).filter(|v| v.is_finite())).collect();
        let is_missing = || matches!(self.get(name).reading, Reading::Missing(_));
        if values.last().is_some_and(Option::is_some) && is_missing() {
            values.push(None);
        }
        values
    }

    /// Returns the newest distribution of a metric, by its key; `None` if the document has none with percentiles. The error is the reason
    /// why it cannot be read.
    pub(crate) fn distribution(&self, key: &str) -> Result<Option<Distribution>, String> {
        let distribution = self.samples_of(key).map(Ok).or_else(|| self.counted(key)).transpose()?;
        Ok(distribution.filter(|distribution| distribution.count() > 0))
    }

    fn reading(&self, name: &MetricName, source: Source<'_>, observation: Option<&Observation>) -> Reading {
        if let Some(recorded) = observation.and_then(Recorded::of).filter(|recorded| !recorded.is_zero()) {
            // The list of values may still end with an earlier loop's.
            return Reading::Missing(recorded.missing);
        }
        let undefined = |reason: String| Reading::Missing(Missing::undefined(reason));
        let value = match source {
            Source::Scalar(values) => values.last().copied(),
            Source::Many(aggregation, Ok(distribution)) => match distribution.aggregate(aggregation) {
                Some(value) => Some(value),
                None if aggregation == Aggregation::StdDev && distribution.count() == 1 => {
                    return undefined(format!("`{}` has only one value, which has no deviation", base_key(name)));
                }
                None => return undefined(format!("`{}` has no values", base_key(name))),
            },
            Source::Unavailable(missing) => return Reading::Missing(missing),
            Source::Many(_, Err(reason)) => return undefined(reason),
            Source::Missing => None,
        };
        match value {
            Some(value) if value.is_finite() => Reading::Value(value),
            Some(value) => undefined(format!("the value of `{name}` in the document is {}", show(value))),
            None => undefined(self.why_missing(name)),
        }
    }

    fn source(&self, name: &MetricName, key: &str) -> Source<'a> {
        if let Some(aggregation) = name.aggregation {
            return self.aggregated(key, aggregation);
        }
        // The exact key: a percentile under another spelling is a single number.
        let kind = self.insights.metrics_info.get(key).map(|meta| meta.kind);
        if kind.is_some_and(has_many_values) && self.has_values(key) {
            let many = || needs_aggregation(key);
            return Source::Unavailable(Missing::undefined(self.distribution(key).err().unwrap_or_else(many)));
        }
        if let Some(values) = self.scalars(key).filter(|values| !values.is_empty()) {
            return Source::Scalar(values);
        }
        let Some((base, aggregation)) = name.distribution() else { return Source::Missing };
        match self.observation(&base).and_then(Recorded::of) {
            Some(recorded) => Source::Unavailable(recorded.missing),
            None => self.aggregated(&base, aggregation),
        }
    }

    fn aggregated(&self, key: &str, aggregation: Aggregation) -> Source<'a> {
        let is_scalar = self.scalars(key).is_some() && self.kind_of_list(key) != MetricType::Sample;
        if is_scalar {
            return Source::Unavailable(Missing::undefined(needs_no_aggregation(key, aggregation)));
        }
        let is_summary = self.scalars(key).is_none() && self.newest_summary(key).is_some();
        if is_summary && matches!(aggregation, Aggregation::Percentile(_)) {
            let reason = format!("`{key}` is a summary, which has no percentiles: use mean, stddev, min, max or count");
            return Source::Unavailable(Missing::undefined(reason));
        }
        let rejected = |distribution: &Distribution| {
            let what = if self.scalars(key).is_some() { "a sample" } else { "a bucket" };
            distribution.has_rejected().then(|| format!("{what} of `{key}` in the document is not a number"))
        };
        match self.many(key) {
            None => Source::Missing,
            Some(Ok(distribution)) => match rejected(&distribution) {
                Some(reason) => Source::Many(aggregation, Err(reason)),
                None => Source::Many(aggregation, Ok(distribution)),
            },
            Some(Err(reason)) => Source::Many(aggregation, Err(reason)),
        }
    }

    /// Values of a metric that has many: samples, else a summary, else a histogram, else Iter8's buckets.
    fn many(&self, key: &str) -> Option<Result<Distribution, String>> {
        if let Some(samples) = self.samples_of(key) {
            return Some(Ok(samples));
        }
        if let Some(summary) = self.newest_summary(key) {
            let parts: Result<[f64; 5], _> = summary.try_into();
            let wrong_length = |_| format!("the summary of `{key}` in the document does not have five numbers");
            return Some(parts.map(Distribution::of_summary).map_err(wrong_length));
        }
        self.counted(key)
    }

    fn samples_of(&self, key: &str) -> Option<Distribution> {
        let samples = self.scalars(key).filter(|_| self.kind_of_list(key) == MetricType::Sample)?;
        Some(Distribution::of_samples(samples))
    }

    /// Values as numbers per range: a histogram, else Iter8's buckets.
    fn counted(&self, key: &str) -> Option<Result<Distribution, String>> {
        if let Some(encoded) = self.at(&self.insights.histograms, key) {
            // Buckets of the same values are no substitute: they would change the verdict unnoticed.
            let unreadable = |error| format!("the histogram of `{key}` in the document cannot be read: {error}");
            return Some(histogram::decode(encoded).map(Distribution::of_histogram).map_err(unreadable));
        }
        self.at(&self.insights.hist_metric_values, key).map(|buckets| Ok(Distribution::of_buckets(buckets)))
    }

    fn samples(&self, name: &MetricName, source: &Source<'_>) -> Option<u64> {
        match source {
            Source::Many(_, Ok(distribution)) => Some(distribution.count()),
            Source::Scalar(_) => self.requests(name),
            _ => None,
        }
    }

    /// Iter8's documents do not record samples; its load metrics rest on the requests of the same load.
    fn requests(&self, name: &MetricName) -> Option<u64> {
        let is_of_load = name.metric.starts_with("latency-") || name.metric == "error-rate";
        let count = self.scalars(&format!("{}/request-count", name.provider)).filter(|_| is_of_load)?.last()?;
        (*count >= 0.0 && count.is_finite()).then_some(*count as u64)
    }

    /// Explains why a metric that the document does not have for this version has no value.
    fn why_missing(&self, name: &MetricName) -> String {
        let key = name.key();
        if self.insights.metrics_info.contains_key(&key) {
            return format!("`{name}` was not measured for this version");
        }
        let known = self.known_keys();
        if known.iter().any(|known| *known == key || is_spelling_of(known, &key)) {
            return format!("`{name}` was not measured for this version");
        }
        if let Some(suggestion) = did_you_mean(&key, known.iter().copied()) {
            return format!("`{name}` was not measured; {suggestion}");
        }
        let prefix = format!("{}/", name.provider);
        let same_provider: Vec<&str> = known.iter().filter_map(|known| known.strip_prefix(&prefix)).collect();
        if same_provider.is_empty() {
            return format!("`{name}` was not measured");
        }
        let mut listed = same_provider.iter().take(MAX_LISTED).copied().collect::<Vec<_>>().join(", ");
        if same_provider.len() > MAX_LISTED {
            listed.push_str(&format!(" and {} more", same_provider.len() - MAX_LISTED));
        }
        format!("provider `{}` has no metric `{}`; known metrics: {listed}", name.provider, name.metric)
    }

    fn known_keys(&self) -> Vec<&'a str> {
        let scalars = self.insights.non_hist_metric_values.get(self.version);
        let mut known: Vec<&str> = self.insights.metrics_info.keys().map(String::as_str).collect();
        known.extend(scalars.into_iter().flat_map(BTreeMap::keys).map(String::as_str));
        known.sort_unstable();
        known.dedup();
        // A damaged document may have thousands; its suggestions need not be perfect.
        known.truncate(MAX_KNOWN);
        known
    }

    fn has_values(&self, key: &str) -> bool {
        self.scalars(key).is_some()
            || self.at(&self.insights.summary_metric_values, key).is_some()
            || self.at(&self.insights.hist_metric_values, key).is_some()
            || self.at(&self.insights.histograms, key).is_some()
    }

    fn kind_of_list(&self, key: &str) -> MetricType {
        self.insights.metrics_info.get(key).map_or(MetricType::Sample, |meta| meta.kind)
    }

    fn scalars(&self, key: &str) -> Option<&'a [f64]> {
        self.at(&self.insights.non_hist_metric_values, key).map(Vec::as_slice)
    }

    fn newest_summary(&self, key: &str) -> Option<&'a [f64]> {
        self.at(&self.insights.summary_metric_values, key).map(Vec::as_slice)
    }

    fn observation(&self, key: &str) -> Option<&'a Observation> {
        self.at(&self.insights.observations, key)
    }

    fn at<T>(&self, versions: &'a [BTreeMap<String, T>], key: &str) -> Option<&'a T> {
        find(versions.get(self.version)?, key)
    }
}

/// Maximum names that are considered for a suggestion, and that are listed.
const MAX_KNOWN: usize = 1_000;
const MAX_LISTED: usize = 8;

/// Message for a metric with many values that is named without an aggregation.
pub(super) fn needs_aggregation(key: &str) -> String {
    format!("`{key}` has many values: name an aggregation, such as `{key}/mean` or `{key}/p99`")
}

/// Message for an aggregation of a metric with one value.
pub(super) fn needs_no_aggregation(key: &str, aggregation: Aggregation) -> String {
    format!("`{key}` is a single number: leave out `/{aggregation}`")
}

fn has_many_values(kind: MetricType) -> bool {
    matches!(kind, MetricType::Sample | MetricType::Summary | MetricType::Histogram)
}

/// Key of the values that a name is about: `http/latency` of `http/latency-p99` and of `http/latency/p99`.
fn base_key(name: &MetricName) -> String {
    name.distribution().map_or_else(|| name.key(), |(base, _)| base)
}

/// Finds an entry by key; documents of Iter8 may spell a percentile differently.
fn find<'a, T>(map: &'a BTreeMap<String, T>, key: &str) -> Option<&'a T> {
    let other_spelling = || {
        split_percentile(key)?;
        let mut percentiles = map.iter().filter(|(name, _)| split_percentile(name).is_some());
        percentiles.find(|(name, _)| is_spelling_of(name, key)).map(|(_, value)| value)
    };
    map.get(key).or_else(other_spelling)
}

fn is_spelling_of(name: &str, key: &str) -> bool {
    name.parse::<MetricName>().is_ok_and(|name| name.key() == key)
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
