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
    /// Lower and upper end of the value's interval, in the metric's unit. Each end holds with `confidence`, so both together hold with
    /// 2 · confidence − 1. An end is null if the samples do not bound that side; the interval is absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[Option<f64>; 2]>,
    /// Confidence of each end of the interval, 0 to 1; absent for Iter8's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Number of observations that the value rests on, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Number of independent observations that would give the same certainty as `samples`.
    #[serde(default, rename = "effectiveSamples", skip_serializing_if = "Option::is_none")]
    pub effective_samples: Option<f64>,
    /// Method that decided; absent for Iter8's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Further requests that would probably decide an inconclusive verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
    /// Version with which this one was compared; absent if the limit is not relative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<usize>,
    /// Dependence of the observations on each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependence: Option<Dependence>,
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
    /// Creates an undecided verdict without a reason.
    pub fn undecided(slo: &Slo, bound: Bound, version: usize) -> Self {
        Self {
            metric: slo.metric.clone(),
            bound,
            limit: slo.limit.0,
            version,
            value: None,
            verdict: Outcome::Inconclusive,
            interval: None,
            confidence: None,
            samples: None,
            effective_samples: None,
            method: None,
            needs: None,
            reference: None,
            dependence: None,
            missing: None,
            no_data: None,
            on_error: None,
            reason: String::new(),
        }
    }

    /// Returns true if the verdict rests on a value or on a policy for missing values. Otherwise nothing decided it: the metric could not be
    /// measured, which is a failure rather than too little data.
    pub fn is_founded(&self) -> bool {
        self.value.is_some() || self.no_data.is_some() || self.on_error.is_some()
    }
}

/// Method of a verdict with confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Exact binomial limits of a share.
    Binomial,
    /// Limits of a percentile, from the share of requests over the SLO's limit.
    Percentile,
    /// Limits of a mean.
    Mean,
    /// Limits of a difference of two shares.
    Difference,
    /// Limits of a ratio of two percentiles or means.
    Ratio,
    /// Limits that hold at every moment, with which a load ended early.
    AlwaysValid,
    /// The value alone, because the metric has no interval.
    Point,
}

/// Further requests that would probably decide a verdict: in 4 of 5 cases, if the value is the true one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Needs {
    /// Further requests; 0 if this many are usually enough, but were not in this run.
    pub requests: u64,
    /// Time that they take at the achieved rate, in seconds; absent if the rate is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// Dependence of observations on each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dependence {
    /// Design effect: number of observations that count as one independent one, at least 1.
    pub deff: f64,
    /// Degrees of freedom of `deff`.
    pub df: f64,
    /// Source of both.
    pub from: DependenceSource,
}

/// Source of a dependence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DependenceSource {
    /// The counts of the intervals of the load's series.
    Blocks,
    /// The share of requests over the 90th percentile, because too few are over the limit.
    P90,
    /// The share of requests over the geometric mean of the median and the limit, because too few are over the limit.
    Midway,
    /// The series of the load's latency, because the metric has none of its own.
    Latency,
    /// None: the observations are assumed to be independent.
    None,
}
