//! Kinds of comparison with version 0.

use serde::Serialize;

use crate::model::metric_name::{Aggregation, MetricName, MetricRef};
use crate::slo::load_validity::named_statistic;

/// Value that is compared with a limit relative to version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Comparison {
    /// The candidate's value minus that of version 0.
    Difference,
    /// The candidate's value divided by that of version 0.
    Ratio,
}

impl Comparison {
    /// Returns the value of equal metrics.
    pub(crate) fn no_difference(self) -> f64 {
        match self {
            Self::Difference => 0.0,
            Self::Ratio => 1.0,
        }
    }
}

/// Returns how a metric is compared with that of version 0: rates by their difference, percentiles and means by their ratio. `None` for
/// other metrics: the ratio of extremes or deviations says little, and counts depend on the load.
pub(crate) fn comparison(metric: &MetricRef) -> Option<Comparison> {
    let name = metric.name().ok()?;
    if name.aggregation.is_none() && is_error_rate(name) {
        return Some(Comparison::Difference);
    }
    match name.distribution().or_else(|| named_statistic(name))? {
        (_, Aggregation::Mean) => Some(Comparison::Ratio),
        (_, Aggregation::Percentile(p)) if p > 0.0 && p < 100.0 => Some(Comparison::Ratio),
        _ => None,
    }
}

/// Returns true for the share of errors of a load or a provider.
pub(crate) fn is_error_rate(name: &MetricName) -> bool {
    name.metric == "error-rate"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_compared_by_difference_and_latencies_by_ratio() {
        use Comparison::{Difference, Ratio};
        let cases = [
            ("http/error-rate", Some(Difference)),
            ("istio/error-rate", Some(Difference)),
            ("http/latency-p95", Some(Ratio)),
            ("http/latency/p99.9", Some(Ratio)),
            ("grpc/first-message/mean", Some(Ratio)),
            ("http/latency-mean", Some(Ratio)),
            ("istio/latency-p50", Some(Ratio)),
            ("http/latency-p100", None),
            ("http/latency-p0", None),
            ("http/latency-max", None),
            ("http/latency-stddev", None),
            ("http/error-count", None),
            ("http/latency/count", None),
            ("prom/accuracy", None),
            ("malformed", None),
        ];
        for (metric, expected) in cases {
            assert_eq!(comparison(&metric.into()), expected, "{metric}");
        }
    }
}
