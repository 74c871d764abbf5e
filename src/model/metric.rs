//! Metrics: what they are called, what kind they are, and a value that may be missing with a reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Unit of every latency metric, as in Iter8.
pub const MSEC: &str = "msec";

/// What kind of metric it is; Iter8's five types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MetricType {
    /// A count over one loop.
    Counter,
    /// A level that may rise and fall.
    #[default]
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// Single values, kept as such.
    Sample,
    /// Count, sum, minimum, maximum and sum of squares.
    Summary,
}

/// What the document says of a metric, whatever the version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricMeta {
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// Unit of the values, such as `msec`; absent for plain numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// Kind of the metric.
    #[serde(default, rename = "type")]
    pub kind: MetricType,
}

/// What an objective on a metric becomes where the metric is absent: the provider was asked, and has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoDataPolicy {
    /// It is violated.
    Fail,
    /// It is satisfied.
    Pass,
    /// It is left open.
    Inconclusive,
    /// The value is taken to be zero.
    Zero,
}

/// A metric's value for one version: a number, or the reason why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The value.
    Value(f64),
    /// There is no value; the text says why.
    NoData(String),
}
