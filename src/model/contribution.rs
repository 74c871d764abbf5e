//! What a task adds to the experiment. Tasks never edit the document: the pipeline merges their contributions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::insights::{EncodedHistogram, HistogramBucket, Observation};
use super::load::LoadRecord;
use super::loops::LoopRecord;
use super::metric::MetricMeta;
use super::slo::{SloLimits, SloMatrix, Verdict};

/// Everything a task may add.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Contribution {
    /// One entry per version, in order; empty when the task measures nothing.
    pub versions: Vec<VersionMetrics>,
    /// Objectives and verdicts.
    pub assessment: Option<Assessment>,
    /// Lines for the task's record.
    pub notes: Vec<String>,
    /// Whether a signal ended the task early, with what it had measured until then.
    pub interrupted: bool,
}

impl Contribution {
    /// The contribution of a task that was interrupted before it had anything to add.
    pub(crate) fn interrupted() -> Self {
        Self { interrupted: true, ..Self::default() }
    }

    /// The providers that it measured, for whichever version: `http` of `http/latency-mean`.
    pub fn providers(&self) -> BTreeSet<&str> {
        let keys = self.versions.iter().flat_map(|version| version.metrics.keys());
        let metrics = keys.filter_map(|key| key.split_once('/'));
        let loads = self.versions.iter().flat_map(|version| version.load.keys());
        metrics.map(|(provider, _)| provider).chain(loads.map(String::as_str)).collect()
    }
}

/// What a task measured for one version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VersionMetrics {
    /// The version's name, where the task knows it.
    pub name: Option<String>,
    /// Metric (`provider/metric`) → what was measured.
    pub metrics: BTreeMap<String, Measurement>,
    /// Provider → how its load went.
    pub load: BTreeMap<String, LoadRecord>,
}

/// One metric of one version in this loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// What the metric is.
    pub meta: MetricMeta,
    /// The values.
    pub values: Values,
    /// Where they come from.
    pub observation: Option<Observation>,
}

/// Values of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Values {
    /// One number for this loop.
    Scalar(f64),
    /// A distribution: Iter8's buckets, and the histogram at full resolution.
    Distribution {
        /// Iter8's buckets, bounded in number.
        buckets: Vec<HistogramBucket>,
        /// The histogram.
        histogram: EncodedHistogram,
    },
    /// Several numbers, such as those of a range of time: a `Sample` metric of this loop.
    Samples(Vec<f64>),
    /// None; the reason is given here and kept as the observation's `noData`.
    NoData(String),
}

/// Objectives and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Assessment {
    /// The objectives.
    pub limits: SloLimits,
    /// Iter8's matrix.
    pub satisfied: SloMatrix,
    /// One verdict per objective and version.
    pub verdicts: Vec<Verdict>,
    /// What this loop came to by itself, to be kept beside those of earlier loops.
    pub record: Option<LoopRecord>,
}

/// How a task ended, in a form that can be kept in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskOutcome {
    /// It was done, and adds this.
    Done(Contribution),
    /// It failed.
    Failed(TaskFailure),
}

/// Why a task failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskFailure {
    /// What failed and why.
    pub message: String,
    /// The next step, where there is one.
    pub hint: Option<String>,
    /// What it measured nevertheless.
    pub partial: Option<Contribution>,
}
