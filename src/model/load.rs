//! How a load went: the part of a result that says whether its latencies can be trusted.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::GoDuration;
use super::series::Series;

/// How requests are spaced within the rate asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Spacing {
    /// Evenly.
    #[default]
    Uniform,
    /// At random, as from many users who know nothing of each other: a Poisson process.
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
    /// When the first request was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// From the first request being due to the last answer.
    pub duration: GoDuration,
    /// Parallel connections, of all pods together.
    pub connections: u64,
    /// Requests per second asked for; absent for as many as possible. With stages or random arrivals the mean of the schedule: the
    /// requests that were due by the time they had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_rate: Option<f64>,
    /// How requests were spaced; absent where evenly.
    #[serde(skip_serializing_if = "Spacing::is_uniform")]
    pub arrival: Spacing,
    /// The stages of the rate in short, such as `from 0/s: 100/s in 30s`; absent where it is constant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stages: String,
    /// Requests per second that were sent.
    pub achieved_rate: f64,
    /// Requests sent, each counted once, errors included.
    pub requests: u64,
    /// Requests that failed: no complete answer, or one that counts as an error.
    pub errors: u64,
    /// Requests sent more than 1 ms after they were due.
    pub late: u64,
    /// Requests that were due and never sent.
    pub dropped: u64,
    /// How long after they were due requests were sent; absent at maximum rate, where none is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lateness: Option<Lateness>,
    /// Answers by status: HTTP's, or gRPC's code (0 for OK).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a complete answer, or with one that was not as expected, by cause: `refused`, `timeout`,
    /// `unexpected-status` …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<String, u64>,
    /// Response body bytes received.
    pub bytes_received: u64,
    /// Request body bytes sent, where they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_sent: Option<u64>,
    /// Messages sent, for protocols that have several per request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_sent: Option<u64>,
    /// Messages received, for protocols that have several per answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_received: Option<u64>,
    /// Whether a signal ended the load early.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The load over time; absent where no request ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
    /// Of which machines it is, where several made the load; absent where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
}

/// The machines (pods) that made a load together, each its share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Shards {
    /// How many there were to be.
    pub count: u64,
    /// Those whose measurements are not in the load, by index.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingShard>,
    /// Indices of those that started after the others, in ascending order: their part was made, and later than planned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<u64>,
}

/// A machine whose share of a load is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MissingShard {
    /// Index of the machine, from 0.
    pub index: u64,
    /// Why.
    pub reason: String,
}

/// How long after they were due requests were sent, in msec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Lateness {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Longest.
    pub max: f64,
}
