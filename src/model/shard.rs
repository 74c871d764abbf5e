//! What several machines that make a load together tell each other: who makes which part, and what it measured.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::insights::EncodedHistogram;

/// Which part of a load one machine makes: of every `count` requests, the one at `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: usize,
    count: usize,
}

impl Share {
    /// All of it.
    pub const WHOLE: Share = Share { index: 0, count: 1 };

    /// The part of machine `index` (from 0) of `count` ones; `None` unless there is such a machine.
    pub fn new(index: usize, count: usize) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// Which machine, from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// How many machines there are, at least 1.
    pub fn count(self) -> usize {
        self.count
    }
}

/// A point of a run at which machines meet. Places are ordered as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadPlace {
    /// Index of the task, from 0.
    pub task: usize,
    /// Which load of the task, from 0; loads that are made at the same time are one.
    pub load: usize,
    /// What of the load starts.
    pub phase: LoadPhase,
}

/// What of a load starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LoadPhase {
    /// Its warm-up.
    WarmUp,
    /// The load itself.
    Load,
}

/// What one machine hands in of one place: an entry for each load that is made there, in order.
pub type ShardReport = Vec<ShardEnd>;

/// What became of one machine's part of a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShardEnd {
    /// It was measured.
    Measured(Box<LoadShard>),
    /// It failed.
    Failed(ShardFailure),
    /// It was interrupted before it measured anything.
    Interrupted,
}

/// Why a machine measured nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShardFailure {
    /// What failed and why.
    pub message: String,
    /// The next step, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What one machine measured of a load. Nothing in it is rounded: what is merged is what one machine would have measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadShard {
    /// Nanoseconds from the first request being due to the last answer.
    pub duration_nanos: u64,
    /// Parallel connections of this machine.
    pub connections: u64,
    /// Requests per second asked of this machine; absent for as many as possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_rate: Option<f64>,
    /// The same of all machines together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole_rate: Option<f64>,
    /// Requests per second that this machine sent.
    pub achieved_rate: f64,
    /// Requests that ended.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// Requests with a complete answer.
    pub answers: u64,
    /// Requests sent more than 1 ms after they were due.
    pub late: u64,
    /// Requests that were due and never sent.
    pub dropped: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// What the service said with the first answer of a status, where it did.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub said: BTreeMap<u16, String>,
    /// Failures by the name of their cause.
    pub causes: BTreeMap<String, CauseCount>,
    /// Bytes of request bodies sent.
    pub bytes_sent: u64,
    /// Bytes of response bodies received.
    pub bytes_received: u64,
    /// Messages sent; 0 for protocols that know none.
    pub messages_sent: u64,
    /// Messages received, likewise.
    pub messages_received: u64,
    /// Whether the load was stopped before its end.
    pub interrupted: bool,
    /// The distributions by name (`latency`, `serviceTime` …), without those that are empty.
    pub histograms: BTreeMap<String, EncodedHistogram>,
    /// The load over time.
    pub timeline: TimelineShard,
}

/// How often a cause occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CauseCount {
    /// How often.
    pub count: u64,
    /// The first one, in words.
    pub first: String,
}

/// A load over time: intervals of equal length, from the instant the first request was due.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimelineShard {
    /// Nanoseconds from then to the end of the load.
    pub elapsed_nanos: u64,
    /// An interval is two to the power of this many seconds long.
    pub doublings: u32,
    /// The intervals, at most 240.
    pub intervals: Vec<IntervalShard>,
}

/// What ended in one interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntervalShard {
    /// Requests.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// Latencies, to two significant digits; absent where none was timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<EncodedHistogram>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_that_of_a_machine_there_is() {
        assert_eq!((Share::new(8, 8), Share::new(0, 0)), (None, None));
        let last = Share::new(7, 8).unwrap();
        assert_eq!((last.index(), last.count()), (7, 8));
        assert_eq!(Share::new(0, 1), Some(Share::WHOLE));
    }

    #[test]
    fn places_are_ordered_as_they_come() {
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
