//! Rewards: metrics that decide which of the satisfied versions is the best.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric_name::MetricRef;

/// Metrics by which versions are compared, as in Iter8 v0.14.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rewards {
    /// Metrics of which the highest value is the best.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub max: Vec<MetricRef>,
    /// Metrics of which the lowest value is the best.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub min: Vec<MetricRef>,
}

impl Rewards {
    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.max.is_empty() && self.min.is_empty()
    }
}

/// Best version of each reward, by index, in the order of [`Rewards`]; -1 if there is none, or if several are not told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RewardsWinners {
    /// Of `max`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub max: Vec<i64>,
    /// Of `min`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub min: Vec<i64>,
}

/// Value that is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// The highest.
    Max,
    /// The lowest.
    Min,
}

/// Best versions by one reward. Only versions that satisfy all SLOs are among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RewardVerdict {
    /// The metric.
    pub metric: MetricRef,
    /// Value that is the best.
    pub goal: Goal,
    /// Indices of the versions, the one with the best value first; with a confidence, further ones may be as good. Empty if there is none.
    pub best: Vec<usize>,
    /// Confidence with which the versions that are not listed are worse; absent if the values alone decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Reason in one sentence.
    pub reason: String,
}
