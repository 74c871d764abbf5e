//! Results of an experiment: metrics per version, SLOs and verdicts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::histogram::EncodedHistogram;
use super::load::LoadRecord;
use super::loops::LoopRecord;
use super::metric::MetricMeta;
use super::missing::{MissingCause, NoDataPolicy, OnErrorPolicy};
use super::objectives::RelativeLimits;
use super::reward::{RewardVerdict, Rewards, RewardsWinners};
use super::slo::{SloLimits, SloMatrix, Verdict};
use super::split::Split;

/// The `insights` of a result. Lists that are "per version" have one entry per version, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Insights {
    /// Number of compared versions.
    pub num_versions: usize,
    /// Index of a further version, `unknown`, after the compared ones: responses of unknown origin. Absent if the newest loop had none.
    /// It has no verdicts; a compared version passes only if it still does when these requests are counted as its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_version: Option<usize>,
    /// Name and track of each version, if known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub version_names: Vec<VersionName>,
    /// Description of each metric; keys are `provider/metric`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics_info: BTreeMap<String, MetricMeta>,
    /// Per version: values by metric, one per loop, the newest last. For a `Sample` metric these are the samples.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub non_hist_metric_values: Vec<BTreeMap<String, Vec<f64>>>,
    /// Per version: buckets by metric.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hist_metric_values: Vec<BTreeMap<String, Vec<HistogramBucket>>>,
    /// Per version: `[count, sum, min, max, sum of squares]` of the newest loop by metric. Iter8 writes the key with a capital S.
    #[serde(rename = "SummaryMetricValues", skip_serializing_if = "Vec::is_empty")]
    pub summary_metric_values: Vec<BTreeMap<String, Vec<f64>>>,
    /// Service level objectives (SLOs).
    #[serde(rename = "SLOs", skip_serializing_if = "Option::is_none")]
    pub slos: Option<SloLimits>,
    /// Limits relative to version 0. Iter8's matrix has no row for them; their verdicts are in `verdicts`.
    #[serde(rename = "relativeSLOs", skip_serializing_if = "Option::is_none")]
    pub relative: Option<RelativeLimits>,
    /// Iter8's verdicts on the SLOs.
    #[serde(rename = "SLOsSatisfied", skip_serializing_if = "Option::is_none")]
    pub slos_satisfied: Option<SloMatrix>,
    /// Metrics that decide which of the satisfied versions is the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewards: Option<Rewards>,
    /// Best version of each reward, by index, as in Iter8 v0.14.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewards_winners: Option<RewardsWinners>,
    /// Best versions of each reward, with those that are not told apart, and the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reward_verdicts: Vec<RewardVerdict>,
    /// Per version: the newest loop's distribution by metric, at full resolution.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub histograms: Vec<BTreeMap<String, EncodedHistogram>>,
    /// Per version: provenance of the newest value by metric, or the reason for a missing one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<BTreeMap<String, Observation>>,
    /// Per version: the newest loop's load by provider (`http`, `http-NAME`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<BTreeMap<String, LoadRecord>>,
    /// One verdict per SLO and version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// Assessed loops, the newest last; large documents keep only the newest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loops: Vec<LoopRecord>,
    /// Comparisons of the newest loop's observed splits with the expected ones, one per `split` task that has run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<Split>,
}

/// Name of a version and, in A/B/n experiments, its track.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VersionName {
    /// The version, such as `v2`.
    #[serde(default)]
    pub version: String,
    /// The track, such as `candidate`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub track: String,
}

impl VersionName {
    /// Returns the name for people, as in Iter8, in pieces: `track (version)`, or the one that is known.
    fn label(&self) -> [&str; 4] {
        match (self.track.as_str(), self.version.as_str()) {
            (name, "") | ("", name) => [name, "", "", ""],
            (track, version) => [track, " (", version, ")"],
        }
    }

    fn has_label(&self, label: [&str; 4]) -> bool {
        self.label().iter().flat_map(|piece| piece.bytes()).eq(label.iter().flat_map(|piece| piece.bytes()))
    }
}

impl Insights {
    /// Returns the name of a version for people; `version 0` if it has none, or an earlier version's.
    pub fn version_label(&self, version: usize) -> String {
        let label = self.version_names.get(version).map(VersionName::label).unwrap_or_default();
        let is_earlier = || self.version_names[..version].iter().any(|earlier| earlier.has_label(label));
        match label.concat() {
            name if name.is_empty() || is_earlier() => format!("version {version}"),
            name => name,
        }
    }
}

/// Bucket of Iter8's histograms: the number of values in `[lower, upper)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistogramBucket {
    /// Lower edge, in the metric's unit.
    pub lower: f64,
    /// Upper edge, in the metric's unit.
    pub upper: f64,
    /// Values in the bucket.
    pub count: u64,
}

/// Provenance of a metric's newest value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Observation {
    /// URL of the source, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Query as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Evaluation time of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
    /// HTTP status of the provider's response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Attempts until the provider gave this response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Number of series in the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<u64>,
    /// Value as the provider wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Warnings of the provider.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Number of observations that the value rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Reason for a missing value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_data: Option<String>,
    /// Cause of a missing value: `absent`, `nothingToCount`, `notMeasured`, `undefined`, or `error` with its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingCause>,
    /// Effect of absence on SLOs, if defined. With `zero` the value is 0, and `noData` is the reason why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<NoDataPolicy>,
    /// Effect of an error on SLOs, if defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnErrorPolicy>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_by_track_and_version_as_in_iter8() {
        let name = |track: &str, version: &str| VersionName { version: version.to_owned(), track: track.to_owned() };
        let version_names =
            vec![name("", "v1"), name("candidate", ""), name("candidate", "v2"), name("", ""), name("", "v1")];
        let insights = Insights { version_names, ..Insights::default() };
        let labels = [0, 1, 2, 3, 4, 5].map(|version| insights.version_label(version));
        assert_eq!(labels, ["v1", "candidate", "candidate (v2)", "version 3", "version 4", "version 5"]);
        let insights = Insights { version_names: vec![name("a", "b"), name("", "a (b)")], ..Insights::default() };
        assert_eq!([0, 1].map(|version| insights.version_label(version)), ["a (b)", "version 1"]);
    }
}
