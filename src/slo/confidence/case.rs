//! The metric of a verdict, and the values behind it.

use super::words::Scale;
use crate::metrics::histogram::{self, Histogram};
use crate::metrics::{Distribution, MetricsView};
use crate::model::insights::{HistogramBucket, Insights};
use crate::model::load::LoadRecord;
use crate::model::metric::MetricType;
use crate::model::metric_name::{Aggregation, MetricName};
use crate::model::objectives::Confidence;
use crate::model::slo::{Bound, Verdict};
use crate::slo::load_validity::named_statistic;

/// Largest relative difference between a value and that of its distribution. They differ by the rounding of cells.
const MAX_DIFFERENCE: f64 = 0.01;

/// A verdict that is judged with a confidence.
pub(super) struct Case<'a> {
    pub insights: &'a Insights,
    pub version: usize,
    pub name: &'a MetricName,
    /// The metric as messages spell it.
    pub metric: String,
    pub bound: Bound,
    pub limit: f64,
    pub value: f64,
    pub unit: Option<&'a str>,
    pub load: Option<&'a LoadRecord>,
    /// Error of each one-sided claim.
    pub alpha: f64,
    pub is_strict: bool,
    /// Reason of the rule without a confidence. The one with a confidence says how many samples there are.
    pub point_reason: &'a str,
    /// True if the rule without a confidence is satisfied.
    pub is_within: bool,
}

/// Values of a metric that has many.
pub(super) enum Values<'a> {
    /// Latencies in µs.
    Histogram(Histogram),
    /// Buckets with their edges.
    Buckets(&'a [HistogramBucket]),
    /// Single values in the order of time.
    Samples(&'a [f64]),
    /// Count, sum, minimum, maximum and sum of squares.
    Summary([f64; 5]),
}

impl<'a> Case<'a> {
    /// Prepares a verdict that its value has decided; `None` if its metric has no valid name.
    pub fn new(insights: &'a Insights, verdict: &'a Verdict, confidence: &Confidence) -> Option<Self> {
        let name = verdict.metric.name().ok()?;
        let load = insights.load.get(verdict.version).and_then(|loads| loads.get(&name.provider));
        let metric = MetricsView::new(insights, verdict.version).get(name);
        let value = verdict.value?;
        let count = verdict.samples.map(|count| format!(" (n = {count})")).unwrap_or_default();
        Some(Self {
            insights,
            version: verdict.version,
            name,
            metric: verdict.metric.to_string(),
            bound: verdict.bound,
            limit: verdict.limit,
            value,
            unit: metric.unit,
            load,
            alpha: alpha(insights, verdict.version, confidence),
            is_strict: confidence.is_strict,
            point_reason: verdict.reason.strip_suffix(&count).unwrap_or(&verdict.reason),
            is_within: verdict.bound.admits(value, verdict.limit),
        })
    }

    /// Returns true for a count, which is what it is.
    pub fn is_count(&self) -> bool {
        let kind = MetricsView::new(self.insights, self.version).get(self.name).kind();
        kind == Some(MetricType::Counter) || matches!(self.name.metric.as_str(), "request-count" | "error-count")
    }

    /// Returns the key of the metric's values, its aggregation and the values, if the document has them, and if the judged value is theirs.
    pub fn values(&self) -> Option<(String, Aggregation, Values<'a>)> {
        let (key, aggregation) = self.distribution()?;
        let values = values(self.insights, self.version, &key)?;
        values.fit(aggregation, self.value).then_some((key, aggregation, values))
    }

    /// Returns the key of the distribution that the metric is a statistic of, and its aggregation; `None` if it is another metric.
    pub fn distribution(&self) -> Option<(String, Aggregation)> {
        self.name.distribution().or_else(|| named_statistic(self.name))
    }

    /// Returns true if `key` is the distribution whose counts the series of the load has.
    pub fn is_latency(&self, key: &str) -> bool {
        self.load.is_some() && key.split_once('/') == Some((self.name.provider.as_str(), "latency"))
    }

    /// Word for the observations.
    pub fn noun(&self) -> &'static str {
        if self.load.is_some() { "requests" } else { "samples" }
    }

    /// Observations per second, if known.
    pub fn rate(&self, total: f64) -> Option<f64> {
        let seconds = self.load?.duration.0.as_secs_f64();
        Some(total / seconds).filter(|rate| rate.is_finite() && *rate > 0.0)
    }

    /// Form of the values in sentences.
    pub fn scale(&self) -> Scale<'a> {
        Scale::Unit(self.unit)
    }
}

/// Error of each claim on a version: half of it is spent on the looks at a load that may end with its verdict, whether it did or not. Such a
/// load ends the measurements of other providers, too.
pub(super) fn alpha(insights: &Insights, version: usize, confidence: &Confidence) -> f64 {
    let alpha = 1.0 - confidence.level;
    let has_looks = loads(insights, version).any(|load| load.until_verdict || load.stopped.is_some());
    if has_looks { alpha / 2.0 } else { alpha }
}

/// Loads of a version.
pub(super) fn loads(insights: &Insights, version: usize) -> impl Iterator<Item = &LoadRecord> {
    insights.load.get(version).into_iter().flat_map(|loads| loads.values())
}

/// Looks up the values of a metric by its key; `None` if there are none that can be read.
pub(super) fn values<'a>(insights: &'a Insights, version: usize, key: &str) -> Option<Values<'a>> {
    let kind = insights.metrics_info.get(key).map(|meta| meta.kind);
    let samples = insights.non_hist_metric_values.get(version).and_then(|values| values.get(key));
    if let Some(samples) = samples.filter(|_| matches!(kind, Some(MetricType::Sample) | None)) {
        let is_sound = !samples.is_empty() && samples.iter().all(|sample| sample.is_finite());
        return is_sound.then_some(Values::Samples(samples));
    }
    if let Some(summary) = insights.summary_metric_values.get(version).and_then(|values| values.get(key)) {
        return summary.as_slice().try_into().ok().map(Values::Summary);
    }
    if let Some(encoded) = insights.histograms.get(version).and_then(|values| values.get(key)) {
        let histogram = histogram::decode(encoded).ok()?;
        return (!histogram.is_empty()).then_some(Values::Histogram(histogram));
    }
    let buckets = insights.hist_metric_values.get(version)?.get(key)?;
    Some(Values::Buckets(buckets)).filter(|values| !values.distribution().has_rejected())
}

impl Values<'_> {
    /// Returns true if `value` is the values' own. Percentiles of coarse histograms, as large documents have, differ by the width of a cell,
    /// which their intervals include.
    pub fn fit(&self, aggregation: Aggregation, value: f64) -> bool {
        let tolerance = match (self, aggregation) {
            (Self::Histogram(histogram), Aggregation::Percentile(_)) => {
                MAX_DIFFERENCE.max(0.1_f64.powi(i32::from(histogram.sigfig())))
            }
            _ => MAX_DIFFERENCE,
        };
        let own = self.aggregate(aggregation);
        own.is_some_and(|own| (own - value).abs() <= tolerance * own.abs().max(value.abs()))
    }

    /// Reduces the values to one number.
    fn aggregate(&self, aggregation: Aggregation) -> Option<f64> {
        self.distribution().aggregate(aggregation)
    }

    fn distribution(&self) -> Distribution {
        match self {
            Self::Histogram(histogram) => Distribution::of_histogram(histogram.clone()),
            Self::Buckets(buckets) => Distribution::of_buckets(buckets),
            Self::Samples(samples) => Distribution::of_samples(samples),
            Self::Summary(parts) => Distribution::of_summary(*parts),
        }
    }
}
