//! What an experiment learned: metrics per version, objectives and verdicts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::LoadRecord;
use super::loops::LoopRecord;
use super::metric::{MetricMeta, NoDataPolicy};
use super::slo::{SloLimits, SloMatrix, Verdict};

/// The `insights` part of a result. Lists that are "per version" have one entry per version, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Insights {
    /// How many versions are compared.
    pub num_versions: usize,
    /// Name and track of each version, where they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub version_names: Vec<VersionName>,
    /// What each metric is; keys are `provider/metric`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics_info: BTreeMap<String, MetricMeta>,
    /// Per version: metric → values, one per loop, the newest last. For a `Sample` metric the values are the samples.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub non_hist_metric_values: Vec<BTreeMap<String, Vec<f64>>>,
    /// Per version: metric → buckets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hist_metric_values: Vec<BTreeMap<String, Vec<HistogramBucket>>>,
    /// Per version: metric → `[count, sum, min, max, sum of squares]`, one per loop. Iter8 writes the key with a capital S.
    #[serde(rename = "SummaryMetricValues", skip_serializing_if = "Vec::is_empty")]
    pub summary_metric_values: Vec<BTreeMap<String, Vec<Vec<f64>>>>,
    /// The objectives.
    #[serde(rename = "SLOs", skip_serializing_if = "Option::is_none")]
    pub slos: Option<SloLimits>,
    /// Iter8's verdicts on the objectives.
    #[serde(rename = "SLOsSatisfied", skip_serializing_if = "Option::is_none")]
    pub slos_satisfied: Option<SloMatrix>,
    /// Per version: metric → the newest loop's distribution, at full resolution.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub histograms: Vec<BTreeMap<String, EncodedHistogram>>,
    /// Per version: metric → where its newest value comes from, or why there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<BTreeMap<String, Observation>>,
    /// Per version: provider (`http`, `http-NAME`) → how the newest loop's load went.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<BTreeMap<String, LoadRecord>>,
    /// One verdict per objective and version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// The loops that were assessed, the newest last; in large documents the newest of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loops: Vec<LoopRecord>,
}

/// A version's name and, in A/B/n experiments, its track.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VersionName {
    /// The version, such as `v2`.
    #[serde(default)]
    pub version: String,
    /// The track, such as `candidate`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub track: String,
}

/// A bucket of Iter8's histograms: how many values lie in `[lower, upper)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistogramBucket {
    /// Lower edge, in the metric's unit.
    pub lower: f64,
    /// Upper edge, in the metric's unit.
    pub upper: f64,
    /// Values in the bucket.
    pub count: u64,
}

/// An HDR histogram (3 significant digits), losslessly mergeable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EncodedHistogram {
    /// Unit of the recorded values: `usec`.
    pub unit: String,
    /// How many values were recorded.
    pub count: u64,
    /// The histogram in HdrHistogram's V2 format, DEFLATE-compressed, in base64.
    pub data: String,
}

/// Where a metric's newest value comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Observation {
    /// The source: a URL without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The query as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The instant that the query was evaluated at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
    /// HTTP status of the provider's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How often the provider was asked until it gave this answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// How many series the answer had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<u64>,
    /// The value as the provider wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// What the provider warned of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How many observations the value rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_data: Option<String>,
    /// What the metric's objectives become for want of a value, where that was said. With `zero` the value is 0, and `noData` says
    /// why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<NoDataPolicy>,
}
