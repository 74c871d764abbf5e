//! Values of `rollout`, and the settings of a spec entry.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::duration::{GoDuration, PositiveDuration};
use crate::rollout::steps::{OnFailure, OnInconclusive};
use crate::tasks::listed_object::ListedObject;
use crate::tasks::schema_fragments::{NAME, NAMESPACE};

/// Moves traffic to a candidate in steps: to the newest revision of an InferenceService, version 1 of a routemap, or an
/// LLMInferenceService. The tasks that follow it in the spec analyze each step, as one loop of the experiment; the SLOs decide if the
/// rollout goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct RolloutWith {
    /// InferenceService of KServe. One of `isvc`, `routemap` and `llmisvc` is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = NAME))]
    pub(super) isvc: Option<String>,
    /// Routemap with two versions, whose weights are annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = NAME))]
    pub(super) routemap: Option<String>,
    /// LLMInferenceService that is the candidate of a group of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = NAME))]
    pub(super) llmisvc: Option<String>,
    /// Other objects that the rollout reads or changes, for the Role of a launch: objects and routes of a routemap, HTTPRoutes of KServe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resources: Option<Vec<ListedObject>>,
    /// Namespace of the target. Default: the namespace of the experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = NAMESPACE))]
    pub(super) namespace: Option<String>,
    /// Percents of the traffic for the candidate, in rising order: numbers, or maps with `percent` and `pause: true`, which waits for a
    /// person after the step. The promotion to 100 % follows the last step; a final 100 in the list stands for it.
    #[schemars(schema_with = "steps_schema")]
    pub(super) steps: Vec<Value>,
    /// Time between the moment the cluster shows the percent and the analysis. Default: `0s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<GoDuration>,
    /// Reaction to violated SLOs: `rollback` gives the traffic back to the stable version, `pause` waits for a person, `none` ends the rollout
    /// and leaves the traffic. Default: `rollback`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) on_failure: Option<OnFailure>,
    /// Reaction to an analysis that decides nothing: `hold` waits for a person, `extend` analyzes again, `rollback` gives the traffic back.
    /// Default: `hold`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) on_inconclusive: Option<OnInconclusive>,
    /// Maximum number of further analyses per step with `onInconclusive: extend`, 1 to 1000; the rollout is then on hold. Default: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub(super) max_extensions: Option<u64>,
    /// Longest load of a further analysis. With `assess.confidence`, it has the number of requests that the verdicts need. Default: `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_load: Option<PositiveDuration>,
    /// Timeout of each change of the traffic; a step whose traffic does not move in time has failed. Default: `10m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<PositiveDuration>,
    /// Maximum time to wait for a person; the run then ends, and the rollout stays paused. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pause_timeout: Option<PositiveDuration>,
}

/// A step with settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepMap {
    /// Percent.
    pub(super) percent: Value,
    /// Waits for a person after the step.
    #[serde(default)]
    pub(super) pause: bool,
}

fn steps_schema(_: &mut SchemaGenerator) -> Schema {
    let percent = json!({"description": "Percent of the traffic for the candidate.", "type": "integer", "minimum": 0, "maximum": 100});
    let map = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["percent"],
        "properties": {
            "percent": percent,
            "pause": {"type": "boolean", "description": "Waits until a person resumes the rollout, after the step has passed."},
        },
    });
    let schema = json!({"type": "array", "minItems": 1, "maxItems": 100, "items": {"anyOf": [percent, map]}});
    Schema::try_from(schema).unwrap_or_default()
}

/// Completes the schema of a spec entry to that of the values, which name the tasks of the analysis.
pub(super) fn values_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = RolloutWith::json_schema(generator);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let description = "Tasks that analyze each step, with their own values. Default: the tasks listed after `rollout` in `tasks`.";
        properties.insert(
            "analysis".to_owned(),
            json!({"description": description, "type": "array", "minItems": 1, "items": {"type": "string"}}),
        );
    }
    schema
}
