//! Service level objectives and the verdicts on them.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::metric_name::MetricRef;
use super::missing::{MissingCause, NoDataPolicy, OnErrorPolicy};
use super::number::Number;

/// A limit on one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// The metric: `provider/metric`, or `provider/metric/aggregation`.
    pub metric: MetricRef,
    /// The limit, inclusive, in the metric's unit.
    pub limit: Number,
}

/// All SLOs of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_capitals)]
pub struct SloLimits {
    /// Each value must be at most its limit. Iter8 also reads the key as `Upper`.
    #[serde(default, alias = "Upper", skip_serializing_if = "Vec::is_empty")]
    pub upper: Vec<Slo>,
    /// Each value must be at least its limit.
    #[serde(default, alias = "Lower", skip_serializing_if = "Vec::is_empty")]
    pub lower: Vec<Slo>,
}

/// Adds Iter8's alternative spellings to a schema with `upper` and `lower`; a map may use one spelling of each.
pub fn with_capitals(schema: &mut Schema) {
    let both = [("upper", "Upper"), ("lower", "Lower")];
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, alias) in both {
            if let Some(mut property) = properties.get(name).cloned() {
                property["description"] = format!("Another spelling of `{name}`, as in Iter8.").into();
                properties.insert(alias.to_owned(), property);
            }
        }
    }
    let one = both.map(|(name, alias)| {
        let given = |name: &str| json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}});
        json!({"not": {"allOf": [given(name), given(alias)]}})
    });
    schema.insert("allOf".to_owned(), json!(one));
}

/// Iter8's verdicts: a matrix of booleans, `[SLO][version]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = with_capitals)]
pub struct SloMatrix {
    /// For the upper limits.
    #[serde(default, alias = "Upper", skip_serializing_if = "Vec::is_empty")]
    pub upper: Vec<Vec<bool>>,
    /// For the lower limits.
    #[serde(default, alias = "Lower", skip_serializing_if = "Vec::is_empty")]
    pub lower: Vec<Vec<bool>>,
}

/// Side of the value that the limit is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// The value must be at most the limit.
    Upper,
    /// The value must be at least the limit.
    Lower,
}

impl Bound {
    /// Returns true if a value satisfies a limit on this side. Limits are inclusive.
    pub(crate) fn admits(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Upper => value <= limit,
            Self::Lower => value >= limit,
        }
    }
}

/// Verdict in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The SLO holds.
    Satisfied,
    /// The SLO does not hold.
    Violated,
    /// Undecided: there is no data, or not enough. Counts as not satisfied.
    Inconclusive,
}

/// Verdict on one SLO for one version, with everything that explains it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The metric, as the SLO spells it.
    pub metric: MetricRef,
    /// Side that the limit is on.
    pub bound: Bound,
    /// The limit, in the metric's unit.
    pub limit: f64,
    /// Index of the version, from 0.
    pub version: usize,
    /// Value that was judged; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Verdict.
    pub verdict: Outcome,
    /// Confidence interval of the value, if a confidence was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Requested confidence, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Number of observations that the value rests on, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Cause of a missing value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingCause>,
    /// Policy that decided in place of an absent value.
    #[serde(default, rename = "noData", skip_serializing_if = "Option::is_none")]
    pub no_data: Option<NoDataPolicy>,
    /// Policy that decided in place of a value that could not be measured.
    #[serde(default, rename = "onError", skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnErrorPolicy>,
    /// Reason in one sentence.
    pub reason: String,
}

impl Verdict {
    /// Returns true if the verdict rests on a value or on a policy for missing values. Otherwise nothing decided it: the metric could not be
    /// measured, which is a failure rather than too little data.
    pub fn is_founded(&self) -> bool {
        self.value.is_some() || self.no_data.is_some() || self.on_error.is_some()
    }
}
