//! Values of `assess`, and the task's `with` that they become.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::KIND;
use super::confidence::{Burst, confidence, lacks_level, level_schema};
use super::limits::{check_rewards, misfit_at, parsed_name, plain};
use super::loop_rule::{both_rules, consecutive_schema, failure_limit_schema, rule};
use super::relative::RelativeMap;
use crate::model::document::TaskSpec;
use crate::model::duration::GoDuration;
use crate::model::limit::Limit;
use crate::model::loops::LoopRule;
use crate::model::number::{Count, Number};
use crate::model::path::FieldPath;
use crate::model::reward::Rewards;
use crate::model::slo::with_capitals;
use crate::tasks::schema_fragments::{METRIC, anything, some_entry};
use crate::values::input::{InputError, typed};

/// Keys of limits, in both spellings.
const BOUNDS: [&str; 4] = ["upper", "lower", "Upper", "Lower"];

/// Values of `assess`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(
    transform = without_required,
    extend("anyOf" = some_slo(), "not" = json!({"anyOf": [both_rules(), lacks_level()]})),
)]
pub(super) struct AssessValues {
    /// The SLOs.
    #[serde(rename = "SLOs", default)]
    slos: LimitMaps,
    /// Limits of each later version relative to version 0, the baseline; measured best in the same seconds.
    relative: Option<RelativeMap>,
    /// Probability with which each verdict must hold, above 0.5 and at most 0.9999, such as 0.95. Verdicts that the samples do not support
    /// are inconclusive, and say how many more requests would decide them. Default: the value alone is compared with the limit, as in Iter8.
    #[schemars(schema_with = "level_schema")]
    confidence: Option<Number>,
    /// Longest burst of errors or slow requests that an early end (`until: verdict`) assumes until it has seen enough of them; 0 assumes
    /// independent requests until the load shows otherwise. Default: 100ms.
    burst: Option<Burst>,
    /// Metrics that decide which of the versions that satisfy all SLOs is the best: the highest (`max`) or lowest (`min`) value.
    rewards: Option<Rewards>,
    /// Makes verdicts on metrics without an interval inconclusive: single numbers, deviations, extremes. Default: false.
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

/// Limits by metric.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_capitals)]
struct LimitMaps {
    /// Metric → highest accepted value, as a number in the metric's unit or with a unit that fits it: `60ms`, `1.5s`, `0.1%`.
    #[serde(default, alias = "Upper")]
    #[schemars(extend("propertyNames" = json!({"pattern": METRIC})))]
    upper: BTreeMap<String, Limit>,
    /// Metric → lowest accepted value, with a unit or without.
    #[serde(default, alias = "Lower")]
    #[schemars(extend("propertyNames" = json!({"pattern": METRIC})))]
    lower: BTreeMap<String, Limit>,
}

/// Schemas of which at least one must match: some SLO, absolute or relative.
fn some_slo() -> Vec<Value> {
    let limits = BOUNDS.map(|bound| ("SLOs", bound)).into_iter().chain([("relative", "upper")]);
    let entry = |(key, bound): (&str, &str)| {
        let map = json!({"allOf": [{"type": "object"}, some_entry(bound, &anything())]});
        json!({"required": [key], "properties": {key: map}})
    };
    limits.map(entry).collect()
}

/// Drops the list of required fields: those with a schema of their own are optional, too.
fn without_required(schema: &mut Schema) {
    schema.remove("required");
}

pub(super) fn from_values(_name: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    let empty = json!({});
    let values: AssessValues =
        typed(if values.is_null() { &empty } else { values }, "").map_err(|error| with_escape_hint(error, values))?;
    let maps = [("upper", &values.slos.upper), ("lower", &values.slos.lower)];
    let relative = values.relative.as_ref().map(RelativeMap::list).transpose()?.unwrap_or_default();
    let has_slos = maps.iter().any(|(_, map)| !map.is_empty());
    if !has_slos && relative.is_empty() {
        return Err(no_slos("SLOs"));
    }
    let mut slos = serde_json::Map::new();
    for (bound, map) in maps.into_iter().filter(|(_, map)| !map.is_empty()) {
        let entry = |(metric, limit): (&String, &Limit)| {
            let path = FieldPath::root().key("SLOs").key(bound).key(metric);
            let name = parsed_name(&metric.as_str().into(), path.clone())?;
            // A plain number is Iter8's; the task warns about it.
            let is_new = bound == "upper" && limit.has_unit();
            let vacuous = if is_new { limit.every_share_satisfies(&name) } else { None };
            let limit = vacuous.map_or_else(|| limit.of(&name), Err).map_err(|misfit| misfit_at(path, misfit))?;
            Ok(json!({"metric": metric, "limit": plain(limit)}))
        };
        let list: Result<Vec<Value>, InputError> = map.iter().map(entry).collect();
        slos.insert(bound.to_owned(), Value::Array(list?));
    }
    let mut with = json!({});
    if has_slos {
        with["SLOs"] = slos.into();
    }
    if !relative.is_empty() {
        with["relative"] = json!({"upper": relative});
    }
    if let Some(confidence) = confidence("", values.confidence, values.burst, values.strict)? {
        with["confidence"] = json!(confidence.level);
        if values.burst.is_some() {
            with["burst"] = json!(GoDuration(confidence.burst));
        }
        if confidence.is_strict {
            with["strict"] = json!(true);
        }
    }
    match rule("", values.consecutive, values.failure_limit)? {
        Some(LoopRule::Consecutive(count)) => with["consecutive"] = json!(count),
        Some(LoopRule::FailureLimit(count)) => with["failureLimit"] = json!(count),
        None => {}
    }
    if let Some(rewards) = values.rewards.filter(|rewards| !rewards.is_empty()) {
        check_rewards(&rewards, &FieldPath::root().key("rewards"))?;
        with["rewards"] = json!(rewards);
    }
    if let Some(Count(minimum)) = values.min_samples {
        with["minSamples"] = json!(minimum);
    }
    let with = Some(with);
    Ok(vec![TaskSpec { task: Some(KIND.name.to_owned()), with, ..TaskSpec::default() }])
}

/// `--set` reads the dot in `http/latency-p99.9` as a step into a map; the hint shows how to escape it.
pub(super) fn with_escape_hint(error: InputError, values: &Value) -> InputError {
    let of = |key: &'static str| move |bound: &&str| values.get(key)?.get(*bound)?.as_object();
    let bounds = BOUNDS.iter().filter_map(of("SLOs")).chain(BOUNDS.iter().filter_map(of("relative")));
    let split = bounds
        .flatten()
        .find(|(metric, limit)| limit.is_object() && error.path.to_string().ends_with(&format!(".{metric}")));
    let Some((metric, mut limit)) = split else { return error };
    let mut name = metric.clone();
    while let Some((rest, inner)) = limit.as_object().and_then(|map| map.iter().next()) {
        name = format!(r"{name}\.{rest}");
        limit = inner;
    }
    error.with_hint(format!("escape the dot in the metric's name in --set: `{name}`"))
}

pub(super) fn no_slos(path: &str) -> InputError {
    InputError::new(path, "at least one SLO is required")
        .with_hint("for example, `assess.SLOs.upper.http/latency-mean=50`")
}

pub(super) fn values_schema(_name: &str, generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<AssessValues>()
}
