//! Objectives of an experiment, and the confidence that verdicts on them need.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slo::{Slo, SloLimits};

/// Everything that an `assess` task judges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objectives {
    /// Limits on each version.
    pub limits: SloLimits,
    /// Limits on each later version relative to version 0.
    pub relative: RelativeLimits,
    /// Confidence of the verdicts; `None` for Iter8's rule, which compares the value with the limit.
    pub confidence: Option<Confidence>,
    /// Samples that a verdict needs; 0 if any number is enough.
    pub min_samples: u64,
}

/// Limits on a version relative to version 0, the baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelativeLimits {
    /// Highest accepted difference of a rate, in its unit, and highest accepted ratio of any other metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upper: Vec<Slo>,
}

/// Confidence of verdicts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// Probability with which each one-sided claim holds, above 0.5 and at most 0.9999.
    pub level: f64,
    /// Longest burst of errors or slow requests that early stops assume until they have seen enough of them; zero
    /// assumes independent requests until the load shows otherwise.
    pub burst: Duration,
    /// Makes verdicts on metrics without an interval inconclusive.
    pub is_strict: bool,
}

impl Confidence {
    /// Burst that is assumed unless the values say otherwise.
    pub const DEFAULT_BURST: Duration = Duration::from_millis(100);
}
