//! The `with` of the task in documents.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::confidence::{Burst, confidence, lacks_level, level_schema};
use super::limits::{check_name, check_rewards};
use super::loop_rule::{both_rules, consecutive_schema, failure_limit_schema, rule};
use super::{Assess, relative};
use crate::model::document::TaskSpec;
use crate::model::number::{Count, Number};
use crate::model::objectives::{Objectives, RelativeLimits};
use crate::model::path::FieldPath;
use crate::model::reward::Rewards;
use crate::model::slo::SloLimits;
use crate::values::input::{InputError, typed};
use crate::values::without_nulls;

/// The task's `with`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("not" = json!({"anyOf": [both_rules(), lacks_level()]})), transform = with_both_spellings)]
struct AssessWith {
    /// The SLOs. Iter8 also reads the key as `slos`.
    #[serde(rename = "SLOs", alias = "slos", default)]
    slos: SloLimits,
    /// Limits of each later version relative to version 0, the baseline.
    #[serde(default)]
    relative: RelativeLimits,
    /// Probability with which each verdict must hold, above 0.5 and at most 0.9999. Default: the value alone is compared with the limit.
    #[schemars(schema_with = "level_schema")]
    confidence: Option<Number>,
    /// Longest burst of errors or slow requests that an early end (`until: verdict`) assumes until it has seen enough of them; 0 assumes
    /// independent requests until the load shows otherwise. Default: 100ms.
    burst: Option<Burst>,
    /// Metrics that decide which of the versions that satisfy all SLOs is the best.
    rewards: Option<Rewards>,
    /// Makes verdicts on metrics without an interval inconclusive. Default: false.
    strict: Option<bool>,
    /// Number of consecutive loops that must satisfy each SLO (1 to 100). Default: only the latest loop counts.
    #[schemars(schema_with = "consecutive_schema")]
    consecutive: Option<Count>,
    /// Number of loops that may violate each SLO (0 to 100). Cannot be combined with `consecutive`.
    #[schemars(schema_with = "failure_limit_schema")]
    failure_limit: Option<Count>,
    /// Minimum number of samples, such as requests: a verdict on fewer is inconclusive. Metrics whose samples are unknown are judged.
    /// Default: 0.
    min_samples: Option<Count>,
}

/// Adds Iter8's other spelling of `SLOs`.
fn with_both_spellings(schema: &mut Schema) {
    schema.remove("required");
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let slos = properties.get("SLOs").cloned().unwrap_or_default();
        properties.insert("slos".to_owned(), slos);
    }
}

pub(super) fn read(spec: &TaskSpec) -> Result<Assess, InputError> {
    // As in Iter8, null is absent, and a task without SLOs runs; nothing is satisfied then.
    let with = without_nulls(spec.with.clone().filter(|with| !with.is_null()).unwrap_or_else(|| json!({})));
    let with: AssessWith = typed(&with, "with")?;
    let bounds = [("upper", &with.slos.upper), ("lower", &with.slos.lower)];
    for (bound, slos) in bounds {
        for (index, slo) in slos.iter().enumerate() {
            check_name(&slo.metric, format!("with.SLOs.{bound}[{index}].metric"))?;
        }
    }
    for (index, slo) in with.relative.upper.iter().enumerate() {
        let at = FieldPath::from("with").key("relative").key("upper").index(index);
        relative::check(&slo.metric, slo.limit, &at.clone().key("metric"), &at.key("limit"))?;
    }
    let rule = rule("with.", with.consecutive, with.failure_limit)?;
    let min_samples = with.min_samples.map_or(0, |count| count.0);
    let confidence = confidence("with.", with.confidence, with.burst, with.strict)?;
    let objectives = Objectives { limits: with.slos, relative: with.relative, confidence, min_samples };
    let rewards = with.rewards.unwrap_or_default();
    check_rewards(&rewards, &FieldPath::from("with").key("rewards"))?;
    Ok(Assess { objectives, rewards, rule })
}

pub(super) fn with_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<AssessWith>()
}
