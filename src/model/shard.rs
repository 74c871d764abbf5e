//! Data that pods exchange when they share a load: their parts, and their measurements.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::counts::{Counts, Traffic};
use super::histogram::EncodedHistogram;

/// One pod's part of a load: of every `count` requests, the one at `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: usize,
    count: usize,
}

impl Share {
    /// The whole load.
    pub const WHOLE: Share = Share { index: 0, count: 1 };

    /// Creates the part of pod `index` (from 0) of `count`; `None` unless `index < count`.
    pub fn new(index: usize, count: usize) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// Index of the pod, from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// Number of pods, at least 1.
    pub fn count(self) -> usize {
        self.count
    }
}

/// A point of a run at which pods wait for each other. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadPlace {
    /// Index of the task, from 0.
    pub task: usize,
    /// Index of the load in the task, from 0; simultaneous loads count as one.
    pub load: usize,
    /// Phase that starts.
    pub phase: LoadPhase,
}

/// Phase of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LoadPhase {
    /// The warm-up.
    WarmUp,
    /// The load itself.
    Load,
}

/// One pod's results of one place: an entry for each of its loads, in order.
pub type ShardReport = Vec<ShardEnd>;

/// Result of one pod's part of a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShardEnd {
    /// The measurements.
    Measured(Box<LoadShard>),
    /// The load failed.
    Failed(ShardFailure),
    /// The load was interrupted before anything was measured.
    Interrupted,
}

/// Failure of a pod's part of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShardFailure {
    /// Error message.
    pub message: String,
    /// Next step for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// One pod's measurements of a load. Nothing is rounded, so merged shards equal the measurements of a single pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadShard {
    /// Nanoseconds from the first due request to the last response.
    pub duration_nanos: u64,
    /// Parallel connections of this pod.
    pub connections: u64,
    /// Planned requests per second of this pod; absent for as many as possible.
    #[serde(rename = "askedRate", skip_serializing_if = "Option::is_none")]
    pub requested_rate: Option<f64>,
    /// Planned requests per second of all pods together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole_rate: Option<f64>,
    /// Requests per second that this pod sent.
    pub achieved_rate: f64,
    /// Requests, errors, late, dropped and resent ones.
    #[serde(flatten)]
    pub counts: Counts,
    /// Complete responses: the sum of `statuses`. Only pods of earlier versions read it.
    #[serde(rename = "answers")]
    pub responses: u64,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Message of the first response with a status, if the service sent one.
    #[serde(rename = "said", skip_serializing_if = "BTreeMap::is_empty")]
    pub status_messages: BTreeMap<u16, String>,
    /// Failures by the name of their cause.
    pub causes: BTreeMap<String, CauseCount>,
    /// Bytes and messages.
    #[serde(flatten, serialize_with = "Traffic::serialize_in_full", deserialize_with = "Traffic::deserialize_in_full")]
    pub traffic: Traffic,
    /// The load was interrupted.
    pub interrupted: bool,
    /// Time in which the process did not run.
    #[serde(skip_serializing_if = "is_zero")]
    pub paused_nanos: u64,
    /// Non-empty histograms by name: `latency`, `serviceTime` …
    pub histograms: BTreeMap<String, EncodedHistogram>,
    /// The load over time.
    pub timeline: TimelineShard,
    /// The requests by origin: the versions in order, then the unknown origin; empty if responses are not attributed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<VersionShard>,
    /// Reasons for unknown origins.
    #[serde(skip_serializing_if = "is_nothing")]
    pub unknown: CauseCount,
}

/// One pod's measurements of the requests of one origin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VersionShard {
    /// Requests, errors and late ones.
    #[serde(flatten)]
    pub counts: Counts,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Failures by the name of their cause.
    pub causes: BTreeMap<String, CauseCount>,
    /// Non-empty histograms by name.
    pub histograms: BTreeMap<String, EncodedHistogram>,
    /// The requests over time.
    pub timeline: TimelineShard,
}

fn is_nothing(reasons: &CauseCount) -> bool {
    *reasons == CauseCount::default()
}

fn is_zero(nanos: &u64) -> bool {
    *nanos == 0
}

/// Occurrences of a cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CauseCount {
    /// Number of occurrences.
    pub count: u64,
    /// Detail of the first one.
    pub first: String,
    /// Details with their counts; pods of earlier versions have only the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<DetailCount>,
}

/// Occurrences of a detail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DetailCount {
    /// The detail.
    pub detail: String,
    /// Number of occurrences.
    pub count: u64,
}

/// A load over time: intervals of equal length, starting when the first request was due.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimelineShard {
    /// Nanoseconds from the start to the end of the load.
    pub elapsed_nanos: u64,
    /// Binary logarithm of an interval's length in seconds.
    pub doublings: u32,
    /// Limits in µs whose exceedances the intervals count; absent if they count none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<u64>>,
    /// The intervals, at most 240.
    pub intervals: Vec<IntervalShard>,
}

/// Requests that ended in one interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntervalShard {
    /// Requests.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// Latencies, to two significant digits; absent if none was timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<EncodedHistogram>,
    /// Requests with a latency, only counted if the timeline has limits.
    #[serde(skip_serializing_if = "is_zero")]
    pub timed: u64,
    /// Sum of their latencies in µs.
    #[serde(skip_serializing_if = "is_zero")]
    pub sum: u64,
    /// Requests over each limit of the timeline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_needs_an_index_below_the_count() {
        assert_eq!((Share::new(8, 8), Share::new(0, 0)), (None, None));
        let last = Share::new(7, 8).unwrap();
        assert_eq!((last.index(), last.count()), (7, 8));
        assert_eq!(Share::new(0, 1), Some(Share::WHOLE));
    }

    #[test]
    fn a_shard_of_an_earlier_version_is_read_and_written_the_same() {
        let earlier = r#"{"durationNanos":1,"connections":2,"askedRate":4.0,"wholeRate":8.0,"achievedRate":3.5,"requests":3,
            "errors":1,"answers":2,"late":1,"dropped":4,"statuses":{"200":1,"503":1},"said":{"503":"busy"},
            "causes":{"refused":{"count":1,"first":"nobody"}},"bytesSent":7,"bytesReceived":8,"messagesSent":0,
            "messagesReceived":0,"interrupted":false,"histograms":{},
            "timeline":{"elapsedNanos":9,"doublings":0,"intervals":[]}}"#;
        let shard: LoadShard = serde_json::from_str(earlier).unwrap();
        assert_eq!(
            (shard.counts.dropped, shard.responses, shard.statuses[&503], shard.traffic.bytes_received),
            (4, 2, 1, 8)
        );
        let value: serde_json::Value = serde_json::from_str(earlier).unwrap();
        assert_eq!(serde_json::to_value(&shard).unwrap(), value);
    }

    #[test]
    fn places_are_ordered_by_time() {
        let place = |task, load, phase| LoadPlace { task, load, phase };
        let places = [
            place(0, 0, LoadPhase::WarmUp),
            place(0, 0, LoadPhase::Load),
            place(0, 1, LoadPhase::WarmUp),
            place(0, 1, LoadPhase::Load),
            place(2, 0, LoadPhase::WarmUp),
        ];
        assert!(places.is_sorted());
        assert_eq!(serde_json::to_string(&places[0]).unwrap(), r#"{"task":0,"load":0,"phase":"warmUp"}"#);
    }
}
