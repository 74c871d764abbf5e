//! Metrics of a load: names, units and descriptions. The same table is measured, checked before the run, and listed for users.

use std::collections::BTreeMap;

use crate::load::histograms::HistogramKind;
use crate::metrics::catalog::MetricNames;
use crate::metrics::histogram::{Histogram, max_ms, mean_ms, min_ms, percentile_ms, percentile_name, stddev_ms};
use crate::model::metric::{MSEC, MetricMeta, MetricType};

/// A metric that is a plain number.
pub(super) struct PlainMetric {
    /// Name, without its provider.
    pub(super) name: &'static str,
    description: &'static str,
    kind: MetricType,
}

pub(super) const REQUEST_COUNT: PlainMetric =
    PlainMetric { name: "request-count", description: "number of requests sent", kind: MetricType::Counter };
pub(super) const ERROR_COUNT: PlainMetric =
    PlainMetric { name: "error-count", description: "number of requests that failed", kind: MetricType::Counter };
pub(super) const ERROR_RATE: PlainMetric =
    PlainMetric { name: "error-rate", description: "fraction of requests that failed", kind: MetricType::Gauge };
/// Share of a version, if responses are attributed.
pub(super) const SPLIT: PlainMetric = PlainMetric {
    name: "split",
    description: "fraction of all requests that this version responded to",
    kind: MetricType::Gauge,
};

impl PlainMetric {
    pub(super) fn meta(&self) -> MetricMeta {
        MetricMeta { description: self.description.to_owned(), units: None, kind: self.kind }
    }
}

/// One measured distribution.
pub(in crate::tasks) struct Distribution<'a> {
    /// Name of the metric, without its provider.
    pub(in crate::tasks) name: &'static str,
    /// Description of the measured quantity.
    pub(in crate::tasks) quantity: &'static str,
    pub(in crate::tasks) of: HistogramKind,
    /// Type of the metric in the document.
    pub(in crate::tasks) kind: MetricType,
    /// Scalar metrics derived from it.
    pub(in crate::tasks) scalars: Scalars<'a>,
}

/// Scalar metrics of a distribution: `latency-mean`, `latency-p99` …
#[derive(Clone, Copy)]
pub(in crate::tasks) enum Scalars<'a> {
    /// None; the distribution is read with an aggregation, such as `latency/p99`.
    None,
    /// The given percentiles.
    Percentiles(&'a [f64]),
    /// Mean, standard deviation, minimum, maximum, and the given percentiles.
    All(&'a [f64]),
}

/// A number derived from a distribution.
#[derive(Clone, Copy)]
pub(super) enum Statistic {
    Mean,
    Stddev,
    Min,
    Max,
    Percentile(f64),
}

impl Distribution<'_> {
    /// Description of the distribution itself.
    pub(super) fn meta(&self) -> MetricMeta {
        self.described("distribution", self.kind)
    }

    /// Scalar metrics derived from it: names without the provider, descriptions and statistics.
    pub(super) fn derived(&self) -> Vec<(String, MetricMeta, Statistic)> {
        let moments = [Statistic::Mean, Statistic::Stddev, Statistic::Min, Statistic::Max];
        let (moments, percentiles): (&[Statistic], &[f64]) = match self.scalars {
            Scalars::None => (&[], &[]),
            Scalars::Percentiles(percentiles) => (&[], percentiles),
            Scalars::All(percentiles) => (&moments, percentiles),
        };
        let percentiles = percentiles.iter().map(|p| Statistic::Percentile(*p));
        let metric = |statistic: Statistic| {
            let name = format!("{}-{}", self.name, statistic.name());
            (name, self.described(&statistic.description(), MetricType::Gauge), statistic)
        };
        moments.iter().copied().chain(percentiles).map(metric).collect()
    }

    fn described(&self, what: &str, kind: MetricType) -> MetricMeta {
        let description = format!("{what} of the {}", self.quantity);
        MetricMeta { description, units: Some(MSEC.to_owned()), kind }
    }
}

impl Statistic {
    fn name(self) -> String {
        match self {
            Self::Mean => "mean".to_owned(),
            Self::Stddev => "stddev".to_owned(),
            Self::Min => "min".to_owned(),
            Self::Max => "max".to_owned(),
            Self::Percentile(p) => percentile_name(p),
        }
    }

    fn description(self) -> String {
        match self {
            Self::Mean => "mean".to_owned(),
            Self::Stddev => "standard deviation".to_owned(),
            Self::Min => "minimum".to_owned(),
            Self::Max => "maximum".to_owned(),
            Self::Percentile(p) => format!("percentile {p}"),
        }
    }

    /// Value in msec; meaningless if the histogram is empty.
    pub(super) fn value(self, histogram: &Histogram) -> f64 {
        match self {
            Self::Mean => mean_ms(histogram),
            Self::Stddev => stddev_ms(histogram),
            Self::Min => min_ms(histogram),
            Self::Max => max_ms(histogram),
            Self::Percentile(p) => percentile_ms(histogram, p),
        }
    }
}

/// Returns the metrics that [`super::measure::add`] derives from these distributions, and from the attribution of responses to
/// versions if there is one.
pub(in crate::tasks) fn planned(distributions: &[Distribution<'_>], is_attributed: bool) -> MetricNames {
    let plain = [REQUEST_COUNT, ERROR_COUNT, ERROR_RATE].into_iter().chain(is_attributed.then_some(SPLIT));
    let mut scalars: BTreeMap<String, MetricMeta> =
        plain.map(|metric| (metric.name.to_owned(), metric.meta())).collect();
    for distribution in distributions {
        scalars.extend(distribution.derived().into_iter().map(|(name, meta, _)| (name, meta)));
    }
    let distributions = distributions.iter().map(|distribution| (distribution.name.to_owned(), distribution.meta()));
    MetricNames::Known { scalars, distributions: distributions.collect() }
}
