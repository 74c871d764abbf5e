//! Values of `ready`, and the settings of a spec entry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::model::duration::{GoDuration, PositiveDuration};
use crate::tasks::schema_fragments::{NAME, NAMESPACE};

/// One name or several.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a name or a list of names")]
pub(super) enum Names {
    /// One.
    One(#[schemars(extend("pattern" = NAME))] String),
    /// Several.
    Several(#[schemars(extend("items" = json!({"type": "string", "pattern": NAME})))] Vec<String>),
}

impl Names {
    /// Returns the names.
    pub(super) fn list(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// Values of `ready`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadyValues {
    /// Deployments that must be available.
    #[serde(default)]
    pub(super) deploy: Option<Names>,
    /// Services that must exist.
    #[serde(default)]
    pub(super) service: Option<Names>,
    /// Knative services that must be ready.
    #[serde(default)]
    pub(super) ksvc: Option<Names>,
    /// InferenceServices of KServe that must be ready, with their newest revision and the requested traffic.
    #[serde(default)]
    pub(super) isvc: Option<Names>,
    /// Chaos engines of Litmus that must exist.
    #[serde(default)]
    pub(super) chaosengine: Option<Names>,
    /// Objects of any kind.
    #[serde(default)]
    pub(super) resources: Vec<ResourceValue>,
    /// Namespace of the objects. Default: the namespace of the experiment.
    #[serde(default)]
    #[schemars(extend("pattern" = NAMESPACE))]
    pub(super) namespace: Option<String>,
    /// Timeout per object. Default: `60s`.
    #[serde(default)]
    pub(super) timeout: Option<PositiveDuration>,
}

/// An object of any kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceValue {
    /// API group, such as `apps`. Default: the core group.
    #[serde(default)]
    pub(super) group: String,
    /// API version, such as `v1`.
    #[schemars(extend("pattern" = NAMESPACE))]
    pub(super) version: String,
    /// Plural name of the kind, such as `deployments`.
    #[schemars(extend("pattern" = NAMESPACE))]
    pub(super) resource: String,
    /// Name of the object.
    #[schemars(extend("pattern" = NAME))]
    pub(super) name: String,
    /// Type of a condition that must be true. Default: none; the object only has to exist.
    #[serde(default)]
    #[schemars(extend("pattern" = "\\S"))]
    pub(super) condition: Option<String>,
}

/// Settings of a `ready` entry in a spec: one object.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadyWith {
    /// API group. Default: the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) group: String,
    /// API version.
    #[schemars(extend("pattern" = NAMESPACE))]
    pub(super) version: String,
    /// Plural name of the kind.
    #[schemars(extend("pattern" = NAMESPACE))]
    pub(super) resource: String,
    /// Name of the object.
    #[schemars(extend("pattern" = NAME))]
    pub(super) name: String,
    /// Namespace of the object. Default: the namespace of the experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = NAMESPACE))]
    pub(super) namespace: Option<String>,
    /// Type of a condition that must be true. Default: none; the object only has to exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "\\S"))]
    pub(super) condition: Option<String>,
    /// Timeout. Default: `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<PositiveDuration>,
}

/// Kind of object with its own value.
pub(super) struct NamedKind {
    /// Name of the value.
    pub(super) value: &'static str,
    /// API group.
    pub(super) group: &'static str,
    /// API version.
    pub(super) version: &'static str,
    /// Plural name.
    pub(super) resource: &'static str,
    /// Condition that must be true, if existence is not enough.
    pub(super) condition: Option<&'static str>,
}

/// All such kinds, in the order in which they are waited for.
pub(super) const KINDS: [NamedKind; 5] = [
    NamedKind { value: "deploy", group: "apps", version: "v1", resource: "deployments", condition: Some("Available") },
    NamedKind { value: "service", group: "", version: "v1", resource: "services", condition: None },
    NamedKind {
        value: "ksvc",
        group: "serving.knative.dev",
        version: "v1",
        resource: "services",
        condition: Some("Ready"),
    },
    NamedKind {
        value: "isvc",
        group: "serving.kserve.io",
        version: "v1beta1",
        resource: "inferenceservices",
        condition: Some("Ready"),
    },
    NamedKind {
        value: "chaosengine",
        group: "litmuschaos.io",
        version: "v1alpha1",
        resource: "chaosengines",
        condition: None,
    },
];

impl ReadyValues {
    /// Returns the names under this value.
    pub(super) fn names(&self, value: &str) -> Option<&Names> {
        match value {
            "deploy" => self.deploy.as_ref(),
            "service" => self.service.as_ref(),
            "ksvc" => self.ksvc.as_ref(),
            "isvc" => self.isvc.as_ref(),
            "chaosengine" => self.chaosengine.as_ref(),
            _ => None,
        }
    }
}

/// Default timeout.
pub(super) const DEFAULT_TIMEOUT: GoDuration = GoDuration(std::time::Duration::from_secs(60));
