//! Service level objectives and the verdicts on them.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::metric::NoDataPolicy;
use super::number::Number;

/// A limit on one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// The metric: `provider/metric`, or `provider/metric/aggregation`.
    pub metric: String,
    /// The limit, inclusive, in the metric's unit.
    pub limit: Number,
}

/// All objectives of an experiment.
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

/// Adds to a schema with `upper` and `lower` the spellings that Iter8 has beside these; a map has one spelling of each.
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

/// Which side of the value the limit is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// value ≤ limit
    Upper,
    /// value ≥ limit
    Lower,
}

/// One of three answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The objective holds.
    Satisfied,
    /// The objective does not hold.
    Violated,
    /// It can't be told: there is no data, or not enough. Counts as not satisfied.
    Inconclusive,
}

/// The verdict on one objective for one version: enough to explain itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The metric, as the objective spells it.
    pub metric: String,
    /// Which side the limit is on.
    pub bound: Bound,
    /// The limit, in the metric's unit.
    pub limit: f64,
    /// Index of the version, from 0.
    pub version: usize,
    /// The value that was judged; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The answer.
    pub verdict: Outcome,
    /// Confidence interval of the value, when a confidence was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The confidence asked for, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// How many observations the value rests on, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// What decided where there was no value, if the metric says so.
    #[serde(default, rename = "noData", skip_serializing_if = "Option::is_none")]
    pub no_data: Option<NoDataPolicy>,
    /// One sentence: why this answer.
    pub reason: String,
}
