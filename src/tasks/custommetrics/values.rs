//! The values of `custommetrics`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::duration::PositiveDuration;
use crate::model::metric::NoDataPolicy;
use crate::model::number::Count;
use crate::providers::Reduce;
use crate::tasks::credentials::{self, BasicAuth, BearerToken};
use crate::tasks::fields::{AtLeastOne, Headers, TargetUrl};

/// Asks Prometheus, or any service that answers in JSON, for metrics of each version.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct CustomMetricsValues {
    /// Name of the provider → its template: a URL, a path, or `builtin:istio-prom`, `builtin:kserve-prometheus`,
    /// `builtin:kserve-modelmesh`. A template ending in `.hbs` is Handlebars, any other Go's.
    pub(super) templates: Option<BTreeMap<String, String>>,
    /// Variables for the templates and queries. `startingTime` (RFC 3339) is when their window starts; default: the experiment's start.
    pub(super) values: Option<Map<String, Value>>,
    /// Entry i is merged over `values` for version i; its length is the number of versions. Default: one version.
    pub(super) version_values: Option<Vec<Option<Map<String, Value>>>>,
    /// Queries to Prometheus without a template: the provider `prometheus`.
    pub(super) prometheus: Option<Prometheus>,
    /// Name of a provider → how it is reached.
    pub(super) providers: Option<BTreeMap<String, Access>>,
    /// What objectives become where the provider was asked and has nothing; metrics may say otherwise. Default: they are open, which
    /// counts as not satisfied.
    pub(super) no_data: Option<NoDataPolicy>,
    /// Requests in flight at most, 1 to 100. Default: 8. Their answers take 32 MiB at most: each may have its share of that, and no
    /// more than 4 MiB.
    #[schemars(schema_with = "up_to_100")]
    pub(super) concurrency: Option<AtLeastOne>,
}

/// Queries to a Prometheus.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Prometheus {
    /// Its base URL, such as `http://prometheus:9090`; a path before `/api/v1` is kept.
    pub(super) url: TargetUrl,
    /// Whether queries are sent as forms (POST), for those that are too long for a URL. Default: false.
    #[serde(default)]
    pub(super) post: Option<bool>,
    /// Name of a metric → its query.
    pub(super) queries: BTreeMap<String, Query>,
}

/// One query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Query {
    /// PromQL, with actions of Go's templates: `{{ .labels.revision }}`, `{{ .elapsedTimeSeconds }}`.
    pub(super) query: String,
    /// `counter` or `gauge`. Default: gauge. With `range` the metric is a sample.
    #[serde(default, rename = "type")]
    #[schemars(extend("enum" = ["counter", "gauge", "Counter", "Gauge", null]))]
    pub(super) kind: Option<String>,
    /// Unit of the values, such as `msec`.
    #[serde(default)]
    pub(super) units: Option<String>,
    /// One line for readers.
    #[serde(default)]
    pub(super) description: Option<String>,
    /// Ask for the values of this long until now, such as `5m`, instead of one: the metric has `mean`, `pX`, `max` and so on.
    #[serde(default)]
    pub(super) range: Option<PositiveDuration>,
    /// Time between those values; at most 1000 of them. Default: a hundredth of the range, at least 1s.
    #[serde(default)]
    pub(super) step: Option<PositiveDuration>,
    /// What several series become. Default: several are an error.
    #[serde(default)]
    #[schemars(extend("enum" = ["sum", "max", "min", "avg", "first", null]))]
    pub(super) reduce: Option<Reduce>,
    /// What objectives become where there is nothing.
    #[serde(default)]
    pub(super) no_data: Option<NoDataPolicy>,
    /// Why there may be nothing, in words for the reader.
    #[serde(default)]
    pub(super) when_empty: Option<String>,
}

/// How a provider is reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Access {
    /// Where to ask, instead of what the template says. Credentials go where the template says, unless this pins it.
    pub(super) url: Option<TargetUrl>,
    /// Request headers, over those of the template.
    pub(super) headers: Option<Headers>,
    /// Time for one metric, all attempts included. Default: 30s.
    pub(super) timeout: Option<PositiveDuration>,
    /// How often a request is sent again after a 429, a 5xx or a broken connection, 0 to 10. Default: 3.
    #[schemars(schema_with = "up_to_10")]
    pub(super) retries: Option<Count>,
    /// User name, and where the password is.
    #[serde(deserialize_with = "credentials::basic_auth")]
    pub(super) basic_auth: Option<BasicAuth>,
    /// Where the bearer token is; read anew for each loop.
    #[serde(deserialize_with = "credentials::bearer_token")]
    pub(super) bearer_token: Option<BearerToken>,
    /// File with the certificates (PEM) of the authorities to trust, instead of the public and the system's ones.
    pub(super) ca: Option<String>,
    /// File with our certificate chain (PEM); needs `key`.
    pub(super) cert: Option<String>,
    /// File with our private key (PEM); needs `cert`.
    pub(super) key: Option<String>,
    /// Trust any server certificate. Default: false.
    pub(super) insecure_skip_verify: Option<bool>,
}

fn up_to_100(_: &mut SchemaGenerator) -> Schema {
    whole(1, "^0*([1-9][0-9]?|100)$", 100)
}

fn up_to_10(_: &mut SchemaGenerator) -> Schema {
    whole(0, "^0*([0-9]|10)$", 10)
}

fn whole(least: u64, pattern: &str, most: u64) -> Schema {
    json_schema!({"type": ["integer", "string", "null"], "minimum": least, "maximum": most, "pattern": pattern})
}
