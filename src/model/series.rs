//! A load over time, in columns with one entry per interval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::duration::GoDuration;

/// A load over time: one entry per interval in every column, starting when the first request was due.
///
/// A request counts in the interval in which it *ended*. An interval in which none ended has 0, so a stall is visible.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Series {
    /// Length of an interval: a second, or a power of two of them for long loads.
    pub interval: GoDuration,
    /// Length of the last interval, if it differs: shorter because the load ended in it, or longer by a short rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<GoDuration>,
    /// Requests that ended in the interval, errors included.
    #[serde(serialize_with = "on_one_line")]
    pub requests: Vec<u64>,
    /// Errors among the requests.
    #[serde(serialize_with = "on_one_line")]
    pub errors: Vec<u64>,
    /// Median of their latencies in msec, to three significant digits; null if none was timed. If neighbouring intervals of a large
    /// document were joined, the larger one of theirs: an upper bound.
    #[serde(serialize_with = "on_one_line")]
    pub p50: Vec<Option<f64>>,
    /// 99th percentile of their latencies, like `p50`.
    #[serde(serialize_with = "on_one_line")]
    pub p99: Vec<Option<f64>>,
    /// Requests with a latency; absent if they are `requests`, and in loads without a confidence.
    #[serde(serialize_with = "on_one_line", skip_serializing_if = "Vec::is_empty")]
    pub timed: Vec<u64>,
    /// Sum of their latencies in µs; absent in loads without a confidence.
    #[serde(serialize_with = "on_one_line", skip_serializing_if = "Vec::is_empty")]
    pub sum: Vec<u64>,
    /// Requests over some limits; absent in loads without a confidence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<Over>,
}

/// Requests of each interval with a latency over a limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Over {
    /// The limit in msec.
    pub limit: f64,
    /// Percentile of the whole load at this limit; absent for the limit of an SLO. 50, 90 and 99, and for each SLO the percentile at the
    /// geometric mean of the median and the SLO's limit, if that is above 90. Such counts are those of the series' histograms (two significant
    /// digits); those of an SLO's limit are exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentile: Option<f64>,
    /// Requests over the limit.
    #[serde(serialize_with = "on_one_line")]
    pub counts: Vec<u64>,
}

/// `[1, 2, 3]` also in YAML, where every entry would otherwise take a line.
pub(super) fn on_one_line<S: Serializer, T: Serialize>(column: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serde_saphyr::FlowSeq(column).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec::{to_yaml, value_from_yaml};

    #[test]
    fn a_series_takes_one_line_per_column_and_reads_back_the_same() {
        let series = Series {
            interval: GoDuration(std::time::Duration::from_secs(1)),
            last: None,
            requests: vec![12, 0, u64::MAX],
            errors: vec![0, 0, 1],
            p50: vec![Some(3.2), None, Some(1e7)],
            p99: vec![Some(12.0), None, Some(0.001)],
            ..Series::default()
        };
        let yaml = to_yaml(&series).unwrap();
        assert_eq!(yaml.lines().count(), 5, "{yaml}");
        let read: Series = serde_json::from_value(value_from_yaml(&yaml).unwrap()).unwrap();
        assert_eq!(read, series);
        let json = serde_json::to_string(&series).unwrap();
        assert_eq!(serde_json::from_str::<Series>(&json).unwrap(), series);
    }
}
