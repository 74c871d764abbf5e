//! Kinds of metrics, and values that may be missing with a reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::missing::Missing;

/// Unit of every latency metric, as in Iter8.
pub const MSEC: &str = "msec";

/// Kind of metric: Iter8's five types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MetricType {
    /// Count over one loop.
    Counter,
    /// Value that may rise and fall.
    #[default]
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// Individual values.
    Sample,
    /// Count, sum, minimum, maximum and sum of squares.
    Summary,
}

/// Description of a metric, for all versions.
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

/// Value of a metric for one version, or the reason for a missing one.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A finite number.
    Value(f64),
    /// Cause and reason of the missing value.
    Missing(Missing),
}
