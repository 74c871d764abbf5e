//! Record of a load in the document: its counters and schedule, which decide if its latencies can be trusted.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Traffic};
use super::duration::GoDuration;
use super::histogram::EncodedHistogram;
use super::metric_name::MetricRef;
use super::series::Series;
use super::slo::{Bound, Outcome};

/// Cause of requests that failed because the load generator's machine ran out of files, ports or memory. Verdicts know it by this
/// name in [`LoadRecord::causes`].
pub const CLIENT_LIMIT: &str = "client-limit";

/// Spacing of requests within the planned rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Spacing {
    /// Evenly.
    #[default]
    Uniform,
    /// Randomly, as from many independent users: a Poisson process.
    Poisson,
}

impl Spacing {
    fn is_uniform(&self) -> bool {
        *self == Self::Uniform
    }
}

/// One endpoint's load in the newest loop; warm-up excluded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadRecord {
    /// Target, without credentials.
    pub url: String,
    /// HTTP method, or the method of a gRPC service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Time at which the first request was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// Time from the first due request to the last response.
    pub duration: GoDuration,
    /// Parallel connections, of all pods together.
    pub connections: u64,
    /// Planned requests per second; absent for as many as possible. With stages or random arrivals, the mean of the requests that
    /// were due.
    #[serde(rename = "askedRate", skip_serializing_if = "Option::is_none")]
    pub requested_rate: Option<f64>,
    /// Spacing of requests; absent if uniform.
    #[serde(skip_serializing_if = "Spacing::is_uniform")]
    pub arrival: Spacing,
    /// Summary of the stages of the rate, such as `from 0/s: 100/s in 30s`; absent if it is constant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stages: String,
    /// Requests per second that were sent.
    pub achieved_rate: f64,
    /// Requests, errors, late, dropped and resent ones.
    #[serde(flatten)]
    pub counts: Counts,
    /// Delay between due time and send time; absent at maximum rate, when no request is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lateness: Option<Lateness>,
    /// Distributions of the metrics that count from the instant a request was due, by metric (`latency`), without the load generator's
    /// own delays; empty if it had none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub undelayed: BTreeMap<String, EncodedHistogram>,
    /// Responses by status: HTTP's, or gRPC's code (0 for OK).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a complete response, or with an unexpected one, by cause: `refused`, `timeout`, `unexpected-status` …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<String, u64>,
    /// Bytes and messages.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// True if a signal ended the load early.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// True if the load was aborted because none of its first requests got a response.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub aborted: bool,
    /// Time in which the load generator did not run, because it was stopped or got no CPU time: the mean of all pods; absent if it
    /// always ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<GoDuration>,
    /// The load over time; absent if no request ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
    /// The pods that shared the load; absent if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
    /// Dependence of this version and version 0 on each other, by percentile of the latency; absent if they did not run in the same seconds,
    /// and in loads without a confidence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Pair>,
    /// True if the load was to end with its verdict (`until: verdict`), whether it did or not. Half of the admitted error is for the looks at
    /// the running load, so a verdict at its end has the other half.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub until_verdict: bool,
    /// End of the load before its duration, because every version was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// The load that this record is a version's part of, if the responses of one target are attributed to versions. Then `requests`,
    /// `errors`, `late`, `ownLate`, `lateness`, `undelayed`, `statuses`, `causes` and `series` are the version's; everything else is
    /// that of the whole load, which was planned and sent as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_from: Option<VersionFrom>,
}

impl LoadRecord {
    /// Returns the counters of the whole load.
    pub(crate) fn whole_counts(&self) -> Counts {
        self.version_from.as_ref().map_or(self.counts, |whole| whole.counts)
    }

    /// Returns the failures of the whole load by cause.
    pub(crate) fn whole_causes(&self) -> &BTreeMap<String, u64> {
        self.version_from.as_ref().map_or(&self.causes, |whole| &whole.causes)
    }
}

/// Dependence of the ratio of a percentile of two versions that were measured in the same seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Pair {
    /// The percentile of both, 0 to 100.
    pub percentile: f64,
    /// Design effect: number of slow requests that count as one independent one.
    pub deff: f64,
    /// Degrees of freedom of `deff`.
    pub df: f64,
    /// True if both come from the 90th percentile, because too few requests are slower than `percentile`.
    #[serde(rename = "isFromP90", skip_serializing_if = "std::ops::Not::not")]
    pub is_from_p90: bool,
}

/// End of a load before its duration, because every version was decided: one of its SLOs was violated, or all were satisfied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Stopped {
    /// Time from the start of the load to the decision.
    pub at: GoDuration,
    /// Confidence of the decisions.
    pub confidence: f64,
    /// Decisions on this load's SLOs, the decided ones of all versions at that moment.
    pub decisions: Vec<Decision>,
}

/// Decision on an SLO of a load, from all requests until then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The metric.
    pub metric: MetricRef,
    /// Side that the limit is on.
    pub bound: Bound,
    /// The limit, in the metric's unit.
    pub limit: f64,
    /// Version that the limit is relative to; absent if it is not relative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<usize>,
    /// The decision; inconclusive if another version's violation ended the load.
    pub verdict: Outcome,
    /// Requests until then, with those in flight that were already over the limit.
    pub n: u64,
    /// Errors, or requests over the limit, among them.
    pub k: u64,
    /// Design effect: number of requests that count as one independent one.
    pub deff: f64,
    /// Degrees of freedom of `deff`.
    pub df: f64,
}

/// Attribution of a load's responses to the versions that sent them. A client did not choose these counts: a router did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VersionFrom {
    /// Header that names the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// jq filter on the body that names the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jq: Option<String>,
    /// Field of the gRPC response that names the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_field: Option<String>,
    /// Counters of the whole load.
    #[serde(flatten)]
    pub counts: Counts,
    /// Failures of the whole load by cause.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<String, u64>,
    /// Requests of unknown origin: without a response, or with one that names no version.
    pub unknown: u64,
}

/// The pods that shared a load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Shards {
    /// Number of pods.
    pub count: u64,
    /// Pods whose measurements are missing, by index.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingShard>,
    /// Ascending indices of pods that started after the others, so that their part ran later than planned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<u64>,
}

/// A pod whose share of a load is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MissingShard {
    /// Index of the pod, from 0.
    pub index: u64,
    /// Reason.
    pub reason: String,
}

/// Delay between due time and send time, in msec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Lateness {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Longest.
    pub max: f64,
    /// Part that requests waited for a free connection; absent if none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<LatenessPart>,
    /// Part that the load generator took although a connection was free; absent if it never took more than 1 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<LatenessPart>,
}

/// Part of the delay of all requests, in msec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LatenessPart {
    /// 99th percentile.
    pub p99: f64,
    /// Longest.
    pub max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec::to_yaml;

    #[test]
    fn the_keys_of_a_record_keep_their_order() {
        let record = LoadRecord {
            lateness: Some(Lateness::default()),
            statuses: [(200, 1)].into(),
            causes: [("reset".to_owned(), 1)].into(),
            traffic: Traffic {
                bytes_received: 1,
                bytes_sent: Some(2),
                messages_sent: Some(3),
                messages_received: Some(4),
            },
            ..LoadRecord::default()
        };
        let yaml = to_yaml(&record).unwrap();
        let keys: Vec<&str> = yaml
            .lines()
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| Some(line.split_once(':')?.0))
            .collect();
        assert_eq!(
            keys,
            [
                "url",
                "duration",
                "connections",
                "achievedRate",
                "requests",
                "errors",
                "late",
                "dropped",
                "lateness",
                "statuses",
                "causes",
                "bytesReceived",
                "bytesSent",
                "messagesSent",
                "messagesReceived",
            ]
        );
    }
}
