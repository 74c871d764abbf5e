//! Values of `split`, which are also the settings of a spec entry.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::json;

use crate::model::duration::PositiveDuration;
use crate::model::number::Number;
use crate::tasks::listed_object::ListedObject;
use crate::tasks::schema_fragments::{METRIC, NAME, NAMESPACE, each_given};

/// Maximum versions.
pub(super) const MAX_VERSIONS: usize = 100;

/// Names of the values that an object is read from; one is required.
pub(super) const OBJECTS: [&str; 3] = ["isvc", "virtualService", "routemap"];

/// Compares the observed split of traffic among versions with the expected one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("oneOf" = each_given(&["expected", "expectedFrom"])))]
pub(super) struct SplitValues {
    /// Metric that counts the responses of each version in this loop, such as `istio/request-count`.
    #[schemars(extend("pattern" = METRIC))]
    pub(super) metric: String,
    /// Expected weights, one per version in order, such as `[80, 20]`. Only their ratio counts.
    #[serde(default)]
    #[schemars(schema_with = "weights_schema")]
    pub(super) expected: Option<Vec<Number>>,
    /// Object that has the expected weights.
    #[serde(default)]
    pub(super) expected_from: Option<ExpectedFrom>,
    /// Probability at or below which the observed split is not the expected one, above 0 and at most 0.5. Default: 0.001, one false alarm
    /// in 1000 loops.
    #[serde(default)]
    #[schemars(schema_with = "significance_schema")]
    pub(super) significance: Option<Number>,
    /// Rounds counts with fractions, such as those of Prometheus's `increase`. Default: such counts leave the split undecided.
    #[serde(default)]
    pub(super) round: Option<bool>,
    /// Timeout of reading the object. Default: `60s`.
    #[serde(default)]
    pub(super) timeout: Option<PositiveDuration>,
}

/// Object that has the expected weights.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("oneOf" = each_given(&OBJECTS)))]
pub(super) struct ExpectedFrom {
    /// InferenceService of KServe: the traffic in its status, that of the previous revision first, that of the newest second.
    #[serde(default)]
    #[schemars(extend("pattern" = NAME))]
    pub(super) isvc: Option<String>,
    /// VirtualService of Istio: the weights of an HTTP route's destinations, in their order.
    #[serde(default)]
    #[schemars(extend("pattern" = NAME))]
    pub(super) virtual_service: Option<String>,
    /// Routemap: the weights that the release controller computes.
    #[serde(default)]
    #[schemars(extend("pattern" = NAME))]
    pub(super) routemap: Option<String>,
    /// Name of the HTTP route of the VirtualService. Default: its only one with destinations.
    #[serde(default)]
    #[schemars(extend("pattern" = "\\S"))]
    pub(super) route: Option<String>,
    /// Namespace of the object. Default: the namespace of the experiment.
    #[serde(default)]
    #[schemars(extend("pattern" = NAMESPACE))]
    pub(super) namespace: Option<String>,
    /// Objects of the routemap's versions, which an experiment in a cluster may read only if they are listed.
    #[serde(default)]
    pub(super) resources: Option<Vec<ListedObject>>,
}

fn weights_schema(_: &mut SchemaGenerator) -> Schema {
    let weight = json!({"anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"},
    ]});
    json_schema!({"type": ["array", "null"], "minItems": 2, "maxItems": MAX_VERSIONS, "items": weight})
}

fn significance_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
        {"type": "string", "pattern": r"^\s*\+?(0?\.[0-9]+|[0-9.]+[eE]-[0-9]+)\s*$"},
        {"type": "null"},
    ]})
}
