//! Comparison of an observed split of traffic with the expected one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric_name::MetricRef;
use super::slo::Outcome;

/// Name of the version that stands for responses of unknown origin.
pub const UNKNOWN: &str = "unknown";

/// One comparison of the newest loop: the result of a `split` task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// Metric that counts the responses of each version.
    pub metric: MetricRef,
    /// Object that the expected weights were read from; absent if the spec has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_from: Option<String>,
    /// Versions, in order; the last one may be `unknown`, the responses of unknown origin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<SplitVersion>,
    /// Responses of all versions; absent if a count is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responses: Option<u64>,
    /// Probability of a split that is at most as likely as the observed one, if the expected one is in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Probability at or below which the observed split is not the expected one.
    pub significance: f64,
    /// `satisfied`, or `inconclusive`: the SLOs of this loop are then undecided, too. Never `violated`.
    pub verdict: Outcome,
    /// Reason in one sentence.
    pub reason: String,
}

/// Share of one version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SplitVersion {
    /// Name of the version.
    pub name: String,
    /// Expected share, in percent; absent if it could not be determined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Counted responses; absent if the count is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<u64>,
    /// Observed share, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// Exact confidence interval of the share, in percent; its confidence is 1 - significance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Number of responses after which the probability that a version with the expected share has sent none is at most `significance`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
}

impl Split {
    /// Returns true if the observed split agrees with the expected one.
    pub fn is_satisfied(&self) -> bool {
        self.verdict == Outcome::Satisfied
    }
}
