//! A task's contribution to the experiment. Tasks never edit the document: the pipeline merges their contributions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::histogram::EncodedHistogram;
use super::insights::{HistogramBucket, Observation};
use super::load::LoadRecord;
use super::loops::LoopRecord;
use super::metric::MetricMeta;
use super::missing::Missing;
use super::objectives::RelativeLimits;
use super::reward::{RewardVerdict, Rewards, RewardsWinners};
use super::rollout::RolloutRecord;
use super::slo::{SloLimits, SloMatrix, Verdict};
use super::split::Split;

/// Everything that a task may add.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Contribution {
    /// One entry per version, in order; empty if the task measures nothing.
    pub versions: Vec<VersionMetrics>,
    /// Measurements of responses of unknown origin; absent if there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<VersionMetrics>,
    /// Objectives and verdicts.
    pub assessment: Option<Assessment>,
    /// State of the rollout after the task.
    pub rollout: Option<RolloutRecord>,
    /// Comparison of a split of traffic with the expected one.
    pub split: Option<Split>,
    /// Lines for the task's record.
    pub notes: Vec<String>,
    /// Secrets that the task sent. They are never written; the document is searched for them.
    #[serde(skip)]
    pub secrets: Vec<String>,
    /// A signal ended the task early; the measurements until then are here.
    pub interrupted: bool,
}

impl Contribution {
    /// Contribution of a task that was interrupted before it measured anything.
    pub(crate) fn interrupted() -> Self {
        Self { interrupted: true, ..Self::default() }
    }

    /// Returns the providers with measurements of any version: `http` of `http/latency-mean`. An aborted load has measured nothing.
    pub fn providers(&self) -> BTreeSet<&str> {
        let keys = self.versions.iter().flat_map(|version| version.metrics.keys());
        let metrics = keys.filter_map(|key| key.split_once('/'));
        let loads = self.versions.iter().flat_map(|version| &version.load).filter(|(_, load)| !load.aborted);
        metrics.map(|(provider, _)| provider).chain(loads.map(|(provider, _)| provider.as_str())).collect()
    }
}

/// A task's measurements of one version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VersionMetrics {
    /// Name of the version, if the task knows it.
    pub name: Option<String>,
    /// Metric (`provider/metric`) → measurement.
    pub metrics: BTreeMap<String, Measurement>,
    /// Provider → record of its load.
    pub load: BTreeMap<String, LoadRecord>,
}

/// One metric of one version in this loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// Description, unit and type of the metric.
    pub meta: MetricMeta,
    /// Values.
    pub values: Values,
    /// Provenance of the values.
    pub observation: Option<Observation>,
}

/// Values of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Values {
    /// One number for this loop.
    Scalar(f64),
    /// A distribution, in two forms.
    Distribution {
        /// Iter8's buckets, bounded in number.
        buckets: Vec<HistogramBucket>,
        /// The histogram at full resolution.
        histogram: EncodedHistogram,
    },
    /// Several numbers, such as those of a time range: a `Sample` metric of this loop.
    Samples(Vec<f64>),
    /// No values; cause and reason become the observation's `missing` and `noData`.
    NoData(Missing),
}

/// Objectives and their verdicts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Assessment {
    /// The objectives.
    pub limits: SloLimits,
    /// The objectives relative to version 0.
    #[serde(skip_serializing_if = "is_none_relative")]
    pub relative: RelativeLimits,
    /// Iter8's matrix.
    pub satisfied: SloMatrix,
    /// One verdict per objective and version.
    pub verdicts: Vec<Verdict>,
    /// Metrics that decide which version is the best.
    #[serde(skip_serializing_if = "Rewards::is_empty")]
    pub rewards: Rewards,
    /// Iter8's form of the best versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewards_winners: Option<RewardsWinners>,
    /// Best versions of each reward.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reward_verdicts: Vec<RewardVerdict>,
    /// Result of this loop alone, kept together with those of earlier loops.
    pub record: Option<LoopRecord>,
}

fn is_none_relative(limits: &RelativeLimits) -> bool {
    limits.upper.is_empty()
}

/// Outcome of a task, in a form that can be written to a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskOutcome {
    /// The task succeeded.
    Done(Contribution),
    /// The task failed.
    Failed(TaskFailure),
}

/// Failure of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskFailure {
    /// Error message.
    pub message: String,
    /// Next step for the user.
    pub hint: Option<String>,
    /// Measurements before the failure.
    pub partial: Option<Contribution>,
}
