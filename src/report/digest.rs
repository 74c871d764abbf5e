//! What a document says, worked out once for all formats. Serialised, it *is* the JSON report.
//!
//! Secrets that slipped into texts of the document (credentials in a URL, a bearer token in an error) are hidden here, before any
//! format sees them.

mod build;
mod metrics;
mod objectives;
mod observations;
mod slos;
mod trends;

use std::collections::BTreeMap;

pub use build::digest as of;
use chrono::{DateTime, Utc};
pub use observations::ObservationReport;
use serde::Serialize;
pub use trends::{LoopReport, Trend};

use crate::model::document::TaskStatus;
use crate::model::duration::GoDuration;
use crate::model::load::{LoadRecord, Spacing};
use crate::model::metric::MetricType;
use crate::model::slo::{Bound, Outcome};

/// A whole report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Digest {
    /// The experiment at a glance.
    pub summary: Summary,
    /// One entry per task of the spec, in order.
    pub tasks: Vec<TaskReport>,
    /// One entry per version, in order; empty before anything was measured or assessed.
    pub versions: Vec<VersionReport>,
    /// One entry per objective and version: the `slos` of all versions in one list.
    pub verdicts: Vec<VersionVerdict>,
    /// One entry per version and load, in order.
    pub load: Vec<LoadReport>,
    /// The loops that are known, oldest first; empty unless there are two.
    pub loops: Vec<LoopReport>,
    /// One entry per objective and version: how it went in each of `loops`.
    pub trends: Vec<Trend>,
}

impl Digest {
    /// The trends of each objective, one per version.
    pub fn trends_by_objective(&self) -> Vec<&[Trend]> {
        let Some((first, others)) = self.trends.split_first() else { return Vec::new() };
        // Names of versions are unique.
        let versions = 1 + others.iter().take_while(|trend| trend.version != first.version).count();
        self.trends.chunks(versions).collect()
    }
}

/// The experiment at a glance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The one word for how the experiment went.
    pub outcome: Overall,
    /// Whether all tasks are through, without failure or interruption.
    pub completed: bool,
    /// Whether a task failed.
    pub failure: bool,
    /// Whether a signal ended the run early.
    pub interrupted: bool,
    /// Tasks in the spec.
    pub tasks: usize,
    /// Tasks that are done or skipped.
    pub completed_tasks: usize,
    /// Loops so far.
    pub loops: u64,
    /// When the first loop started, RFC 3339.
    pub start_time: Option<DateTime<Utc>>,
    /// Version of the program that wrote the result.
    pub version: Option<String>,
    /// Revision of the experiment within its group.
    pub revision: Option<i64>,
    /// How many verdicts there are of each kind.
    pub verdicts: VerdictCounts,
}

/// How an experiment went, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Overall {
    /// Completed, and every objective holds for every version.
    Satisfied,
    /// Completed, and an objective does not hold for some version.
    Violated,
    /// Completed; none is known to be violated, but for some it can't be told.
    Inconclusive,
    /// Completed, and no objective was assessed.
    Unassessed,
    /// A task failed.
    Failed,
    /// A signal ended the run.
    Interrupted,
    /// Not all tasks are through: it has not run yet, is still running, or was killed.
    Incomplete,
}

/// How many verdicts there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictCounts {
    /// The objective holds.
    pub satisfied: usize,
    /// It does not.
    pub violated: usize,
    /// It can't be told.
    pub inconclusive: usize,
    /// It was not assessed.
    pub unassessed: usize,
}

impl VerdictCounts {
    /// All verdicts.
    pub fn total(&self) -> usize {
        self.satisfied + self.violated + self.inconclusive + self.unassessed
    }
}

/// One task.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskReport {
    /// Its name.
    pub task: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// When it started, RFC 3339.
    pub start: Option<DateTime<Utc>>,
    /// How long it ran, as Go writes durations.
    pub duration: Option<GoDuration>,
    /// How long it ran, in seconds.
    pub seconds: Option<f64>,
    /// Its condition.
    #[serde(rename = "if")]
    pub condition: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// What else it says.
    pub notes: Vec<String>,
}

/// One version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionReport {
    /// Its name, or `version N` (from 0) where it has none; unique within the report.
    pub name: String,
    /// Its track.
    pub track: Option<String>,
    /// Metric → newest value. Metrics made of many values have one entry per aggregate (`grpc/latency/mean`).
    pub metrics: BTreeMap<String, MetricReport>,
    /// Metric → how its newest value came about, where a provider was asked for it.
    pub observations: BTreeMap<String, ObservationReport>,
    /// Metric → its newest distribution.
    pub distributions: BTreeMap<String, DistributionReport>,
    /// The objectives and their verdicts, in the document's order, upper limits first.
    pub slos: Vec<SloReport>,
}

/// One metric of one version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricReport {
    /// The newest value.
    pub value: Option<f64>,
    /// Its unit.
    pub units: Option<String>,
    /// The metric's kind; `null` for a metric that only an objective names.
    #[serde(rename = "type")]
    pub kind: Option<MetricType>,
    /// One line for people.
    pub description: Option<String>,
    /// Why there is no value; `null` when there is one.
    pub no_data: Option<String>,
    /// How many observations the value rests on.
    pub samples: Option<u64>,
    /// Where the value comes from.
    pub source: Option<String>,
    /// The query as it was sent.
    pub query: Option<String>,
}

/// A distribution in a few numbers, in the metric's unit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DistributionReport {
    /// The unit.
    pub units: Option<String>,
    /// How many values.
    pub count: u64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// Percentile (`p50` … `p99.9`) → value.
    pub percentiles: BTreeMap<String, f64>,
}

impl VersionReport {
    /// The few numbers that stand for a distribution in a line: mean, p50, p95, p99 and the highest. Where the version has one of
    /// them as a metric (`http/latency-p95`), it is that: percentiles of Iter8's buckets are not as exact.
    pub fn few(&self, metric: &str) -> Option<[f64; 5]> {
        let found = self.distributions.get(metric)?;
        let percentile = |p: &str| found.percentiles.get(p).copied().unwrap_or(found.max);
        let number = |aspect: &str, value: f64| {
            let known = self.metrics.get(&format!("{metric}-{aspect}")).and_then(|metric| metric.value);
            known.unwrap_or(value)
        };
        let percentiles = ["p50", "p95", "p99"].map(|p| number(p, percentile(p)));
        let [p50, p95, p99] = percentiles;
        Some([number("mean", found.mean), p50, p95, p99, number("max", found.max)])
    }
}

/// One objective and the verdict on it for one version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SloReport {
    /// The objective in words: `http/latency-mean (msec) <= 50`.
    pub condition: String,
    /// The metric.
    pub metric: String,
    /// Which side the limit is on.
    pub bound: Bound,
    /// The limit.
    pub limit: f64,
    /// Unit of limit and value.
    pub units: Option<String>,
    /// Whether the objective holds; `null` when it was not assessed.
    pub satisfied: Option<bool>,
    /// The verdict; `null` when it was not assessed.
    pub verdict: Option<Outcome>,
    /// The value that was judged.
    pub value: Option<f64>,
    /// Confidence interval of the value.
    pub interval: Option<[f64; 2]>,
    /// Confidence asked for, 0 to 1.
    pub confidence: Option<f64>,
    /// How many observations the value rests on.
    pub samples: Option<u64>,
    /// Why this verdict.
    pub reason: String,
}

/// An objective's verdict with the version it is about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionVerdict {
    /// Name of the version, as in `versions`.
    pub version: String,
    /// The objective and its verdict.
    #[serde(flatten)]
    pub slo: SloReport,
}

/// How one load went.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadReport {
    /// Name of the version, as in `versions`.
    pub version: String,
    /// Provider: `http`, or `http-NAME` for an endpoint.
    pub provider: String,
    /// The load, with the document's keys.
    #[serde(flatten)]
    pub load: LoadRecord,
}

impl LoadReport {
    /// How requests were spaced and how their rate changed, in one fragment; nothing where they came evenly at a constant rate.
    pub fn schedule(&self) -> String {
        let spacing = match self.load.arrival {
            Spacing::Uniform => None,
            Spacing::Poisson => Some("random arrivals (poisson)"),
        };
        let stages = Some(self.load.stages.as_str()).filter(|stages| !stages.is_empty());
        let parts: Vec<&str> = [spacing, stages].into_iter().flatten().collect();
        parts.join(", ")
    }
}
