//! Content of a report, computed once for all formats. Serialized, it *is* the JSON report.
//!
//! Secrets that slipped into the document's strings (credentials in a URL, a bearer token in an error) are redacted here, before any
//! format sees them.

mod build;
mod caveats;
mod changes;
mod condition;
mod confidence;
mod failures;
mod metrics;
mod objectives;
mod observations;
mod rewards;
mod rollout;
mod slos;
mod splits;
mod stopped;
mod trends;

use std::collections::{BTreeMap, BTreeSet};

pub use changes::{ChangeReport, common_percent};
use chrono::{DateTime, Utc};
pub use condition::Condition;
pub use confidence::Comparison;
pub use failures::Failure;
pub use observations::ObservationReport;
pub use rollout::{RolloutReport, StepReport, StepState};
use serde::{Serialize, Serializer};
pub use trends::{LoopReport, Trend};

use crate::metrics::split;
use crate::model::counts::Counts;
use crate::model::document::TaskStatus;
use crate::model::duration::GoDuration;
use crate::model::load::{LoadRecord, Spacing};
use crate::model::metric::MetricType;
use crate::model::reward::Goal;
use crate::model::slo::{Bound, Dependence, Method, Needs, Outcome};
use crate::model::split::Split;
use crate::report::show::thousands;

/// A whole report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportView {
    pub summary: Summary,
    /// Rollout in steps; `null` if there is none.
    pub rollout: Option<RolloutReport>,
    /// One entry per task of the spec, in order.
    pub tasks: Vec<TaskReport>,
    /// One entry per version, in order; empty before anything was measured or assessed.
    pub versions: Vec<VersionReport>,
    /// One entry per SLO and version: the `slos` of all versions in one list.
    pub verdicts: Vec<VersionVerdict>,
    /// Sentences on the limits of verdicts with confidence; absent if there are no such verdicts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
    /// One entry per metric and version other than version 0: the difference, with its interval if the load has one. Violated metrics come
    /// first. Absent if there is one version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeReport>,
    /// Best versions by each reward; absent if there are no rewards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewards: Vec<RewardReport>,
    /// Splits of traffic that the newest loop compared with the expected ones, with the document's keys.
    pub splits: Vec<Split>,
    /// One entry per version and load, in order; loads without a success first.
    pub load: Vec<LoadReport>,
    /// Known loops, oldest first; empty unless there are two.
    pub loops: Vec<LoopReport>,
    /// One entry per SLO and version, over `loops`.
    pub trends: Vec<Trend>,
}

impl ReportView {
    /// Lists the SLOs in the document's order, each as the first version with it has it.
    pub fn objectives(&self) -> Vec<&SloReport> {
        let rows = self.versions.iter().map(|version| version.slos.len()).max().unwrap_or(0);
        let objective = |row: usize| self.versions.iter().find_map(|version| version.slos.get(row)?.as_ref());
        (0..rows).filter_map(objective).collect()
    }

    /// Groups the trends by SLO: one slice each, with an entry per version.
    pub fn trends_by_objective(&self) -> Vec<&[Trend]> {
        let Some((first, others)) = self.trends.split_first() else { return Vec::new() };
        // Names of versions are unique.
        let versions = 1 + others.iter().take_while(|trend| trend.version != first.version).count();
        self.trends.chunks(versions).collect()
    }

    /// Lists the shares of the versions of each load whose responses are attributed to versions, by provider.
    pub fn splits(&self) -> Vec<(&str, String)> {
        let attributed = self.load.iter().filter(|row| row.load.version_from.is_some());
        let providers: BTreeSet<&str> = attributed.map(|row| row.provider.as_str()).collect();
        let count = |provider: &str, version: &VersionReport| {
            let mut rows = self.load.iter().filter(|row| row.provider == provider && row.version == version.name);
            rows.next().map(|row| row.load.counts.requests)
        };
        let text = |provider: &str| {
            let counts = self.versions.iter().filter_map(|version| Some((&*version.name, count(provider, version)?)));
            split::text(counts)
        };
        providers.into_iter().map(|provider| (provider, text(provider))).filter(|(_, text)| !text.is_empty()).collect()
    }

    /// Lists the metrics that any version has, each as the first of them has it.
    pub fn metrics(&self) -> BTreeMap<&String, &MetricReport> {
        self.versions.iter().rev().flat_map(|version| &version.metrics).collect()
    }
}

/// Best versions by one reward.
#[derive(Clone, Debug, Serialize)]
pub struct RewardReport {
    pub metric: String,
    /// `max` or `min`.
    pub goal: Goal,
    /// Names of the versions: several if they are not told apart, empty if there is none.
    pub best: Vec<String>,
    /// Confidence with which the other versions are worse; `null` if the values alone decide.
    pub confidence: Option<f64>,
    pub reason: String,
}

/// The experiment at a glance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub outcome: Overall,
    /// True if all tasks have finished, without failure or interruption.
    pub completed: bool,
    /// True if a task failed.
    pub failure: bool,
    /// True if a signal ended the run early.
    pub interrupted: bool,
    /// True if a loop was replayed from a recording, and not measured.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// Tasks in the spec.
    pub tasks: usize,
    /// Tasks that are done or skipped.
    pub completed_tasks: usize,
    /// Loops started so far.
    pub loops: u64,
    /// Loops whose tasks all finished.
    pub completed_loops: u64,
    /// Start of the first loop, RFC 3339.
    pub start_time: Option<DateTime<Utc>>,
    /// Version of the program that wrote the result.
    pub version: Option<String>,
    /// Revision of the experiment within its group.
    pub revision: Option<i64>,
    /// Contradiction in the document, if its outcome is `invalid`.
    pub contradiction: Option<String>,
    /// Number of verdicts of each kind.
    pub verdicts: VerdictCounts,
}

impl Summary {
    /// Counts the loops: `3`, or `3 loops run, 0 completed` if some did not complete.
    pub fn loops_text(&self) -> String {
        let noun = if self.loops == 1 { "loop" } else { "loops" };
        match self.loops == self.completed_loops {
            true => self.loops.to_string(),
            false => format!("{} {noun} run, {} completed", self.loops, self.completed_loops),
        }
    }
}

/// Outcome of an experiment in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Overall {
    /// Completed, and every SLO holds for every version; a rollout has promoted the candidate.
    Satisfied,
    /// Completed, and an SLO does not hold for some version.
    Violated,
    /// Completed; no SLO is known to be violated, but SLOs or a split are undecided, or a rollout has not promoted the candidate.
    Inconclusive,
    /// Completed, and no SLO was assessed.
    Unassessed,
    /// A task failed.
    Failed,
    /// A signal ended the run.
    Interrupted,
    /// Some tasks or a rollout have not finished: the experiment has not run yet, is still running, or was killed.
    Incomplete,
    /// The document contradicts itself, or its result is not that of its spec.
    Invalid,
}

/// Number of verdicts of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictCounts {
    pub satisfied: usize,
    pub violated: usize,
    pub inconclusive: usize,
    pub unassessed: usize,
}

impl VerdictCounts {
    pub fn total(&self) -> usize {
        self.satisfied + self.violated + self.inconclusive + self.unassessed
    }
}

/// One task.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskReport {
    pub task: String,
    pub status: TaskStatus,
    /// Start, RFC 3339.
    pub start: Option<DateTime<Utc>>,
    /// Duration as Go writes it.
    pub duration: Option<GoDuration>,
    /// Duration in seconds.
    pub seconds: Option<f64>,
    #[serde(rename = "if")]
    pub condition: Option<String>,
    pub error: Option<String>,
    /// Notes, except those that repeat a verdict.
    pub notes: Vec<String>,
}

/// One version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionReport {
    /// Name, or `version N` (from 0) if it has none; unique within the report.
    pub name: String,
    pub track: Option<String>,
    /// Newest value by metric. Metrics with many values have one entry per aggregate (`grpc/latency/mean`).
    pub metrics: BTreeMap<String, MetricReport>,
    /// Provenance of the newest value by metric, for metrics that were queried from a provider.
    pub observations: BTreeMap<String, ObservationReport>,
    /// Newest distribution by metric.
    pub distributions: BTreeMap<String, DistributionReport>,
    /// SLOs and their verdicts, in the document's order, upper limits first and those relative to the baseline last; no entry for the
    /// baseline itself. In memory, all versions have the same rows.
    #[serde(serialize_with = "without_gaps")]
    pub slos: Vec<Option<SloReport>>,
}

fn without_gaps<S: Serializer>(slos: &[Option<SloReport>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(slos.iter().flatten())
}

/// One metric of one version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricReport {
    /// Newest value.
    pub value: Option<f64>,
    pub units: Option<String>,
    /// Kind of metric; `null` for one that only an SLO names.
    #[serde(rename = "type")]
    pub kind: Option<MetricType>,
    /// One line for people.
    pub description: Option<String>,
    /// Reason for a missing value.
    pub no_data: Option<String>,
    /// Number of observations that the value rests on.
    pub samples: Option<u64>,
    /// URL of the source.
    pub source: Option<String>,
    /// Query as it was sent.
    pub query: Option<String>,
}

/// Key figures of a distribution, in the metric's unit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DistributionReport {
    pub units: Option<String>,
    pub count: u64,
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    /// Values of the percentiles `p50` … `p99.9`.
    pub percentiles: BTreeMap<String, f64>,
}

impl VersionReport {
    /// Returns the SLOs of the version.
    pub fn slos(&self) -> impl Iterator<Item = &SloReport> {
        self.slos.iter().flatten()
    }

    /// Summarizes a distribution as mean, p50, p95, p99 and maximum. A value that the version has as a metric of its own
    /// (`http/latency-p95`) takes precedence: percentiles of Iter8's buckets are less exact.
    pub fn key_figures(&self, metric: &str) -> Option<[f64; 5]> {
        let distribution = self.distributions.get(metric)?;
        let percentile = |p: &str| distribution.percentiles.get(p).copied().unwrap_or(distribution.max);
        let figure = |aspect: &str, value: f64| {
            let measured = self.metrics.get(&format!("{metric}-{aspect}")).and_then(|metric| metric.value);
            measured.unwrap_or(value)
        };
        let [p50, p95, p99] = ["p50", "p95", "p99"].map(|p| figure(p, percentile(p)));
        Some([figure("mean", distribution.mean), p50, p95, p99, figure("max", distribution.max)])
    }
}

/// One SLO and the verdict on it for one version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SloReport {
    pub condition: Condition,
    pub metric: String,
    pub bound: Bound,
    pub limit: f64,
    /// Unit of limit and value.
    pub units: Option<String>,
    /// True if the SLO holds; `null` if it was not assessed.
    pub satisfied: Option<bool>,
    /// Verdict; `null` if the SLO was not assessed.
    pub verdict: Option<Outcome>,
    /// Value that was judged.
    pub value: Option<f64>,
    /// Lower and upper end of the value's interval; an end is `null` if the samples do not bound that side.
    pub interval: Option<[Option<f64>; 2]>,
    /// Requested confidence, 0 to 1.
    pub confidence: Option<f64>,
    /// Number of observations that the value rests on.
    pub samples: Option<u64>,
    /// Number of independent observations that would give the same certainty as `samples`; this key and those up to `comparison` are absent if
    /// unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_samples: Option<f64>,
    /// Method that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Further requests that would probably decide the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
    /// Dependence of the observations on each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependence: Option<Dependence>,
    /// Name of the version with which this one was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Meaning of value, interval and limit if they are relative to `reference`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    pub reason: String,
}

/// Verdict on an SLO together with its version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionVerdict {
    /// Name of the version, as in `versions`.
    pub version: String,
    #[serde(flatten)]
    pub slo: SloReport,
}

/// One load of one version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadReport {
    /// Name of the version, as in `versions`.
    pub version: String,
    /// Provider: `http`, or `http-NAME` for an endpoint.
    pub provider: String,
    /// Failed requests by what failed, most frequent first; statuses that count as errors included.
    pub failures: Vec<Failure>,
    /// The load, with the document's keys.
    #[serde(flatten)]
    pub load: LoadRecord,
}

impl LoadReport {
    /// Returns true if there were requests and all of them failed.
    pub fn is_failed(&self) -> bool {
        self.load.counts.requests > 0 && self.load.counts.errors == self.load.counts.requests
    }

    /// Summarizes the failures: `160 of 160 failed: status 404`, with their counts if there are several kinds.
    pub fn failed(&self, max: usize) -> String {
        let Counts { requests, errors, .. } = self.load.counts;
        let share = format!("{} of {} failed", thousands(errors), thousands(requests));
        let mut kinds: Vec<String> = match self.failures.as_slice() {
            [] => return share,
            [one] => vec![one.name.clone()],
            several => several
                .iter()
                .take(max)
                .map(|failure| format!("{}: {}", failure.name, thousands(failure.count)))
                .collect(),
        };
        match self.failures.len().saturating_sub(max) {
            0 => {}
            more => kinds.push(format!("{more} more")),
        }
        format!("{share}: {}", kinds.join(", "))
    }

    /// Describes the spacing of requests and the stages of their rate; empty for evenly spaced requests at a constant rate.
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
