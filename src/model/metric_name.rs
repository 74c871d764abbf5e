//! Metric names, parsed when a spec or a document is read.
//!
//! A [`MetricName`] knows one spelling of each percentile: `http/latency-p50.0` and `http/latency-p50` are the same metric. A
//! [`MetricRef`] remembers the original spelling beside it, because documents keep what the user wrote.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `provider/metric`, or `provider/metric/aggregation` for metrics with many values.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricName {
    /// Source of the metric: `http`, `http-NAME`, or the name of a metrics template.
    pub provider: String,
    /// The metric; percentiles in their shortest spelling.
    pub metric: String,
    /// Reduction of many values to one.
    pub aggregation: Option<Aggregation>,
}

/// Reason why a string is not a metric name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricNameError {
    /// Not two or three parts, or an empty part.
    #[error(
        "`{0}` is not a metric name; expected `provider/metric`, such as `http/latency-mean`, or `provider/metric/aggregation`"
    )]
    Shape(String),
    /// The third part is not an aggregation.
    #[error(
        "`{aggregation}` in `{name}` is not an aggregation; expected one of mean, stddev, min, max, count, or pX with X from 0 to 100"
    )]
    Aggregation {
        /// The whole name.
        name: String,
        /// Its third part.
        aggregation: String,
    },
    /// The name ends in a percentile that does not exist.
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
            Some((base, p)) => format!("{base}-{}", Aggregation::Percentile(p)),
            None if is_impossible_percentile(metric) => return Err(MetricNameError::Percentile(text.to_owned())),
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
    /// Returns the name without its aggregation: the key of the document's maps.
    pub fn key(&self) -> String {
        format!("{}/{}", self.provider, self.metric)
    }

    /// Returns true for a metric of `http`, `grpc` or one of their endpoints.
    pub(crate) fn is_of_load(&self) -> bool {
        let is_of =
            |task| self.provider.strip_prefix(task).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with('-'));
        ["http", "grpc"].into_iter().any(is_of)
    }

    /// Splits a percentile into the key of its distribution and the aggregation: `http/latency` and p99 for `http/latency-p99`.
    pub(crate) fn distribution(&self) -> Option<(String, Aggregation)> {
        match self.aggregation {
            Some(aggregation) => Some((self.key(), aggregation)),
            None => {
                let (base, p) = split_percentile(&self.metric)?;
                Some((format!("{}/{base}", self.provider), Aggregation::Percentile(p)))
            }
        }
    }
}

/// Splits `latency-p99.9` into `latency` and 99.9.
pub(crate) fn split_percentile(metric: &str) -> Option<(&str, f64)> {
    let (base, last) = metric.rsplit_once('-')?;
    percentile(last).filter(|_| !base.is_empty()).map(|p| (base, p))
}

/// Recognizes `latency-p101`, which looks like a percentile.
fn is_impossible_percentile(metric: &str) -> bool {
    let number = metric.rsplit_once("latency-p").map(|(_, number)| number);
    number.and_then(|number| number.parse::<f64>().ok()).is_some_and(|p| !(0.0..=100.0).contains(&p))
}

/// Reduction of many values to one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregation {
    /// Arithmetic mean.
    Mean,
    /// Standard deviation.
    StdDev,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Number of values.
    Count,
    /// Smallest value that this percentage (0 to 100) of all values do not exceed.
    Percentile(f64),
}

impl Aggregation {
    /// Spellings of all aggregations, percentiles as `pX`.
    pub const NAMES: [&'static str; 6] = ["mean", "stddev", "min", "max", "count", "pX"];

    /// Parses `mean`, `p99.9` and so on.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "mean" => Self::Mean,
            "stddev" => Self::StdDev,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            _ => Self::Percentile(percentile(text)?),
        })
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::StdDev => "stddev",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Percentile(p) => return write!(f, "p{p}"),
        })
    }
}

/// Parses the percentage in `p99.9`, `p95.0` or `p'90'`.
pub(crate) fn percentile(text: &str) -> Option<f64> {
    let number = text.strip_prefix('p')?.trim_matches(['\'', '"']);
    let is_plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let p = number.parse().ok().filter(|_| is_plain)?;
    (0.0..=100.0).contains(&p).then_some(p)
}

/// Metric name as a spec or a document spells it. A malformed one is kept with its error, so that every document can be read.
#[derive(Clone, Debug)]
pub struct MetricRef {
    text: String,
    name: Result<MetricName, MetricNameError>,
}

impl MetricRef {
    /// Returns the original spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the parsed name.
    pub fn name(&self) -> Result<&MetricName, &MetricNameError> {
        self.name.as_ref()
    }
}

impl<T: Into<String>> From<T> for MetricRef {
    fn from(text: T) -> Self {
        let text = text.into();
        Self { name: text.parse(), text }
    }
}

/// Writes the shortest spelling, as all messages and reports do.
impl fmt::Display for MetricRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Ok(name) => name.fmt(f),
            Err(_) => f.write_str(&self.text),
        }
    }
}

impl PartialEq for MetricRef {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Serialize for MetricRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MetricRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl JsonSchema for MetricRef {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_have_one_spelling_whoever_measures_them() {
        let cases = [
            ("http/latency-mean", "http/latency-mean"),
            ("http-get/latency-p95.0", "http-get/latency-p95"),
            ("http/latency-p99.90", "http/latency-p99.9"),
            ("kserve-prometheus/latency-p'90'", "kserve-prometheus/latency-p90"),
            ("grpc/latency/p50.0", "grpc/latency/p50"),
            ("grpc/latency/stddev", "grpc/latency/stddev"),
            ("prom/group-prod", "prom/group-prod"),
            ("prom/step-p", "prom/step-p"),
        ];
        for (text, spelled) in cases {
            let name: MetricName = text.parse().unwrap();
            assert_eq!(name.to_string(), spelled);
            assert_eq!(name.to_string().parse::<MetricName>().unwrap(), name);
        }
    }

    #[test]
    fn malformed_names_say_what_was_expected() {
        for text in
            ["", "latency", "/latency", "http/", "http//p99", "a/b/mean/d", " http/latency", "http/latency /mean"]
        {
            let error = text.parse::<MetricName>().unwrap_err().to_string();
            assert!(error.contains("expected `provider/metric`"), "{error}");
        }
        let error = "grpc/latency/median".parse::<MetricName>().unwrap_err().to_string();
        assert!(
            error.starts_with("`median` in `grpc/latency/median` is not an aggregation; expected one of mean"),
            "{error}"
        );
        let error = "http/latency-p101".parse::<MetricName>().unwrap_err().to_string();
        assert_eq!(error, "`http/latency-p101` names a percentile outside 0 to 100");
    }

    #[test]
    fn aggregations_are_spelled_as_they_are_read() {
        for (text, spelled) in [
            ("mean", "mean"),
            ("stddev", "stddev"),
            ("count", "count"),
            ("p95.0", "p95"),
            ("p'90'", "p90"),
            ("p99.9", "p99.9"),
        ] {
            assert_eq!(Aggregation::parse(text).unwrap().to_string(), spelled);
        }
        for text in ["", "p", "p101", "p-1", "pinf", "p1e1", "pNaN", "median", "P99"] {
            assert_eq!(Aggregation::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_reference_keeps_its_spelling_and_malformed_ones_are_read() {
        for text in ["http/latency-p50.0", "not a name"] {
            let reference: MetricRef = serde_json::from_value(text.into()).unwrap();
            assert_eq!(serde_json::to_value(&reference).unwrap(), text);
            assert_eq!(reference.name().is_ok(), text.contains('/'));
        }
    }
}
