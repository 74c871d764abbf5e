//! Metric names, and looking up a metric's value in a document.
//!
//! A name is read once into a [`MetricName`], which knows only one spelling of each percentile: `http/latency-p50.0` and
//! `http/latency-p50` are the same metric, whichever of the two a document or an objective uses.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{histogram, histogram::Histogram};
use crate::metrics::statistics::{Aggregation, of_buckets, of_histogram, of_samples, of_summary, percentile};
use crate::model::insights::{Insights, Observation};
use crate::model::metric::{MetricType, NoDataPolicy, Reading};
use crate::model::readable::show;
use suggest::nearest;

/// `provider/metric`, or `provider/metric/aggregation` for metrics of many values.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricName {
    /// Who measures it: `http`, `http-NAME`, or the name of a metrics template.
    pub provider: String,
    /// The metric, percentiles in their shortest spelling.
    pub metric: String,
    /// How many values become one.
    pub aggregation: Option<Aggregation>,
}

/// Why a text is not a metric name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricNameError {
    /// Not two or three parts, or one is empty.
    #[error(
        "`{0}` is not a metric name; expected `provider/metric`, such as `http/latency-mean`, or `provider/metric/aggregation`"
    )]
    Shape(String),
    /// The third part is no aggregation.
    #[error(
        "`{aggregation}` in `{name}` is not an aggregation; expected one of mean, stddev, min, max, count, or pX with X from 0 to 100"
    )]
    Aggregation {
        /// The whole name.
        name: String,
        /// Its third part.
        aggregation: String,
    },
    /// The name ends like a percentile that there can't be.
    #[error("`{0}` names a percentile outside 0 to 100")]
    Percentile(String),
}

impl FromStr for MetricName {
    type Err = MetricNameError;

    fn from_str(text: &str) -> Result<Self, MetricNameError> {
        let shape = || MetricNameError::Shape(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty() || part.trim() != *part) {
            return Err(shape());
        }
        let (provider, metric, aggregation) = match parts[..] {
            [provider, metric] => (provider, metric, None),
            [provider, metric, last] => {
                let error = || MetricNameError::Aggregation { name: text.to_owned(), aggregation: last.to_owned() };
                (provider, metric, Some(Aggregation::parse(last).ok_or_else(error)?))
            }
            _ => return Err(shape()),
        };
        let metric = match split_percentile(metric) {
            Some((base, p)) => format!("{base}-{}", histogram::percentile_name(p)),
            None if beyond_percentiles(metric) => return Err(MetricNameError::Percentile(text.to_owned())),
            None => metric.to_owned(),
        };
        Ok(Self { provider: provider.to_owned(), metric, aggregation })
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.metric)?;
        self.aggregation.map_or(Ok(()), |aggregation| write!(f, "/{aggregation}"))
    }
}

impl MetricName {
    /// The name without its aggregation: the key of the document's maps.
    pub fn key(&self) -> String {
        format!("{}/{}", self.provider, self.metric)
    }

    /// For `http/latency-p99`: the key of the distribution `http/latency` and the percentile.
    pub(super) fn distribution(&self) -> Option<(String, Aggregation)> {
        match self.aggregation {
            Some(aggregation) => Some((self.key(), aggregation)),
            None => {
                let (base, p) = split_percentile(&self.metric)?;
                Some((format!("{}/{base}", self.provider), Aggregation::Percentile(p)))
            }
        }
    }
}

/// `latency-p99.9` as `latency` and 99.9.
fn split_percentile(metric: &str) -> Option<(&str, f64)> {
    let (base, last) = metric.rsplit_once('-')?;
    percentile(last).filter(|_| !base.is_empty()).map(|p| (base, p))
}

/// `latency-p101`: a percentile by its looks, and there is none.
fn beyond_percentiles(metric: &str) -> bool {
    let number = metric.rsplit_once("latency-p").map(|(_, number)| number);
    number.and_then(|number| number.parse::<f64>().ok()).is_some_and(|p| !(0.0..=100.0).contains(&p))
}

/// The newest value of metric `name` for `version` (from 0), or why there is none.
pub fn reading(insights: &Insights, version: usize, name: &str) -> Reading {
    match name.parse::<MetricName>() {
        Ok(name) => look_up(insights, version, &name),
        Err(error) => Reading::NoData(error.to_string()),
    }
}

fn look_up(insights: &Insights, version: usize, name: &MetricName) -> Reading {
    let key = name.key();
    let absent = |seen: &&Observation| seen.policy != Some(NoDataPolicy::Zero);
    let seen = observed(insights, version, &key).filter(absent);
    if let Some(reason) = seen.and_then(|seen| seen.no_data.as_deref()) {
        // The lists may still end with an earlier loop's value: the newest loop has none.
        return Reading::NoData(reason.to_owned());
    }
    let found = match name.aggregation {
        None => scalar(insights, version, name, &key),
        Some(aggregation) => aggregate(insights, version, &key, aggregation),
    };
    match found {
        Some(Ok(value)) if value.is_finite() => Reading::Value(value),
        Some(Ok(value)) => Reading::NoData(format!("the value of `{name}` in the document is {}", show(value))),
        Some(Err(reason)) => Reading::NoData(reason),
        None => Reading::NoData(missing(insights, version, name)),
    }
}

/// A single number, or a percentile of the distribution that the name ends in.
fn scalar(insights: &Insights, version: usize, name: &MetricName, key: &str) -> Option<Result<f64, String>> {
    let kind = insights.metrics_info.get(key).map(|meta| meta.kind);
    let many = matches!(kind, Some(MetricType::Sample | MetricType::Summary | MetricType::Histogram));
    if many && has_many(insights, version, key) {
        let reason = format!("`{key}` has many values: name an aggregation, such as `{key}/mean` or `{key}/p99`");
        return Some(Err(reason));
    }
    if let Some(value) = at(&insights.non_hist_metric_values, version, key).and_then(|values| values.last()) {
        return Some(Ok(*value));
    }
    let (base, aggregation) = name.distribution()?;
    match observed(insights, version, &base).and_then(|observation| observation.no_data.clone()) {
        Some(reason) => Some(Err(reason)),
        None => aggregate(insights, version, &base, aggregation),
    }
}

fn has_many(insights: &Insights, version: usize, key: &str) -> bool {
    at(&insights.non_hist_metric_values, version, key).is_some()
        || at(&insights.summary_metric_values, version, key).is_some()
        || at(&insights.hist_metric_values, version, key).is_some()
        || at(&insights.histograms, version, key).is_some()
}

/// One number of many: samples, else a summary, else a distribution.
fn aggregate(insights: &Insights, version: usize, key: &str, aggregation: Aggregation) -> Option<Result<f64, String>> {
    let nothing = || format!("`{key}` has no values");
    if let Some(samples) = at(&insights.non_hist_metric_values, version, key) {
        let kind = insights.metrics_info.get(key).map_or(MetricType::Sample, |meta| meta.kind);
        if kind != MetricType::Sample {
            return Some(Err(format!("`{key}` is a single number: leave out `/{aggregation}`")));
        }
        if samples.iter().any(|sample| !sample.is_finite()) {
            return Some(Err(format!("a sample of `{key}` in the document is not a number")));
        }
        return Some(of_samples(samples, aggregation).ok_or_else(nothing));
    }
    if let Some(summary) = at(&insights.summary_metric_values, version, key).and_then(|loops| loops.last()) {
        if let Aggregation::Percentile(_) = aggregation {
            return Some(Err(format!(
                "`{key}` is a summary, which has no percentiles: use mean, stddev, min, max or count"
            )));
        }
        let parts: Result<[f64; 5], _> = summary.as_slice().try_into();
        let shape = || format!("the summary of `{key}` in the document does not have its five parts");
        return Some(parts.map_err(|_| shape()).and_then(|parts| of_summary(parts, aggregation).ok_or_else(nothing)));
    }
    match decoded(insights, version, key) {
        Some(Ok(histogram)) => Some(of_histogram(&histogram, aggregation).ok_or_else(nothing)),
        other => match at(&insights.hist_metric_values, version, key) {
            Some(buckets) => Some(of_buckets(buckets, aggregation).ok_or_else(nothing)),
            None => other.map(|_| Err(format!("the histogram of `{key}` in the document can't be read"))),
        },
    }
}

fn decoded(insights: &Insights, version: usize, key: &str) -> Option<Result<Histogram, histogram::HistogramError>> {
    at(&insights.histograms, version, key).map(histogram::decode)
}

/// The values of a metric that is a single number, one per loop, the newest last: `None` where the newest loop has none. Empty for
/// metrics of many values.
pub fn history(insights: &Insights, version: usize, name: &str) -> Vec<Option<f64>> {
    let Ok(name) = name.parse::<MetricName>() else { return Vec::new() };
    let key = name.key();
    let is_many = meta_key(insights, &key)
        .and_then(|key| insights.metrics_info.get(key))
        .is_some_and(|meta| matches!(meta.kind, MetricType::Sample | MetricType::Summary | MetricType::Histogram));
    if name.aggregation.is_some() || is_many {
        return Vec::new();
    }
    let values = at(&insights.non_hist_metric_values, version, &key).map(Vec::as_slice).unwrap_or_default();
    let mut values: Vec<Option<f64>> = values.iter().map(|value| Some(*value).filter(|v| v.is_finite())).collect();
    if matches!(look_up(insights, version, &name), Reading::NoData(_)) && values.last().is_some_and(Option::is_some) {
        values.push(None);
    }
    values
}

/// How many observations the newest value rests on, where the document knows.
pub fn samples(insights: &Insights, version: usize, name: &str) -> Option<u64> {
    let name: MetricName = name.parse().ok()?;
    let key = name.key();
    if let Some(samples) = observed(insights, version, &key).and_then(|observation| observation.samples) {
        return Some(samples);
    }
    let count_of = |key: &str| match aggregate(insights, version, key, Aggregation::Count) {
        Some(Ok(count)) if count >= 0.0 => Some(count as u64),
        _ => None,
    };
    if name.aggregation.is_some() {
        return count_of(&key);
    }
    if at(&insights.non_hist_metric_values, version, &key).is_none() {
        return name.distribution().and_then(|(base, _)| count_of(&base));
    }
    // Iter8's documents do not say; its load metrics rest on the requests of the same load.
    let rests_on_requests = name.metric.starts_with("latency-") || name.metric == "error-rate";
    let requests = format!("{}/request-count", name.provider);
    let count = at(&insights.non_hist_metric_values, version, &requests).filter(|_| rests_on_requests)?.last()?;
    (*count >= 0.0 && count.is_finite()).then_some(*count as u64)
}

/// The unit of the metric's value; `None` for plain numbers and for counts of values.
pub fn units<'a>(insights: &'a Insights, name: &str) -> Option<&'a str> {
    let name: MetricName = name.parse().ok()?;
    if name.aggregation == Some(Aggregation::Count) {
        return None;
    }
    let own = meta_key(insights, &name.key());
    let key = own.or_else(|| meta_key(insights, &name.distribution()?.0))?;
    insights.metrics_info.get(key)?.units.as_deref()
}

/// Kind of the metric, where the document knows it.
pub fn kind(insights: &Insights, name: &str) -> Option<MetricType> {
    let name: MetricName = name.parse().ok()?;
    insights.metrics_info.get(meta_key(insights, &name.key())?).map(|meta| meta.kind)
}

fn meta_key<'a>(insights: &'a Insights, key: &str) -> Option<&'a str> {
    find(&insights.metrics_info, key).map(|(found, _)| found)
}

/// Why a metric has no value of its own, and what its objectives become then, where that was said. With
/// [`NoDataPolicy::Zero`] zero stands in for it.
pub fn absence<'a>(insights: &'a Insights, version: usize, name: &str) -> Option<(NoDataPolicy, &'a str)> {
    let name: MetricName = name.parse().ok()?;
    let own = observed(insights, version, &name.key());
    let seen = own.or_else(|| observed(insights, version, &name.distribution()?.0))?;
    Some((seen.policy?, seen.no_data.as_deref()?))
}

/// Whether the document tells how a metric, or the distribution that it is a percentile of, was measured. Iter8's never do.
pub fn is_observed(insights: &Insights, version: usize, name: &str) -> bool {
    let Ok(name) = name.parse::<MetricName>() else { return false };
    let of_distribution = || name.distribution().is_some_and(|(base, _)| observed(insights, version, &base).is_some());
    observed(insights, version, &name.key()).is_some() || of_distribution()
}

fn observed<'a>(insights: &'a Insights, version: usize, key: &str) -> Option<&'a Observation> {
    at(&insights.observations, version, key)
}

fn at<'a, T>(versions: &'a [BTreeMap<String, T>], version: usize, key: &str) -> Option<&'a T> {
    find(versions.get(version)?, key).map(|(_, value)| value)
}

/// The entry whose name is `key`, in whichever spelling it has.
fn find<'a, T>(map: &'a BTreeMap<String, T>, key: &str) -> Option<(&'a str, &'a T)> {
    let exact = map.get_key_value(key);
    // Only percentiles have several spellings.
    let spellings = || split_percentile(key).map(|_| map.iter());
    let other = || spellings()?.find(|(name, _)| split_percentile(name).is_some() && same(name, key));
    exact.or_else(other).map(|(name, value)| (name.as_str(), value))
}

fn same(name: &str, key: &str) -> bool {
    name.parse::<MetricName>().is_ok_and(|name| name.key() == key)
}

/// Most names that are compared with one that is missing.
const MAX_KNOWN: usize = 1_000;

/// Why a metric that is nowhere in the document's version has no value.
fn missing(insights: &Insights, version: usize, name: &MetricName) -> String {
    let key = name.key();
    if insights.metrics_info.contains_key(&key) {
        return format!("`{name}` was not measured for this version");
    }
    let mut known: Vec<&str> = insights.metrics_info.keys().map(String::as_str).collect();
    known.extend(
        insights.non_hist_metric_values.get(version).into_iter().flat_map(|map| map.keys()).map(String::as_str),
    );
    known.sort_unstable();
    known.dedup();
    // What is suggested need not be the best of a damaged document's thousands.
    known.truncate(MAX_KNOWN);
    if known.iter().any(|name| *name == key || same(name, &key)) {
        return format!("`{name}` was not measured for this version");
    }
    if let Some(candidate) = nearest(&key, known.iter().copied()) {
        return format!("`{name}` was not measured; did you mean `{candidate}`?");
    }
    let prefix = format!("{}/", name.provider);
    let own: Vec<&str> = known.iter().filter_map(|known| known.strip_prefix(&prefix)).collect();
    if own.is_empty() {
        return format!("`{name}` was not measured");
    }
    let mut listed = own.iter().take(8).copied().collect::<Vec<_>>().join(", ");
    if own.len() > 8 {
        listed.push_str(&format!(" and {} more", own.len() - 8));
    }
    format!("no metric `{}` of provider `{}`; known: {listed}", name.metric, name.provider)
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
