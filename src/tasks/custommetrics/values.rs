//! The values of `custommetrics`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::duration::PositiveDuration;
use crate::model::missing::{DoubtPolicy, NoDataPolicy, OnErrorPolicy, Policies};
use crate::model::number::Count;
use crate::providers::Reduce;
use crate::tasks::credentials::{self, BasicAuth};
use crate::tasks::fields::{AtLeastOne, Headers, PlainText, TargetUrl};
use crate::tasks::secret_source::Sources;

/// Queries Prometheus, or any JSON API, for metrics of each version.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct CustomMetricsValues {
    /// Name of the provider → its template: a URL, a path, or `builtin:istio-prom`, `builtin:kserve-prometheus`,
    /// `builtin:kserve-modelmesh`. Templates ending in `.hbs` are Handlebars, all others Go templates.
    pub(super) templates: Option<BTreeMap<String, String>>,
    /// Variables for templates and queries. `startingTime` (RFC 3339) is the start of their window. Default: the experiment's
    /// start, or that of a rollout's step. A rollout adds `rollout.stable` and `rollout.candidate`, the names of its versions.
    pub(super) values: Option<Map<String, Value>>,
    /// Variables that are secrets, such as `queryKey`: name → its source (`file`, `env` or `secretKeyRef`). They are variables of
    /// templates like `values`, and never in a document.
    #[schemars(with = "Option<BTreeMap<String, Sources>>")]
    pub(super) values_from: Option<BTreeMap<String, Value>>,
    /// Overrides per version: entry i is merged over `values` for version i; the length of the list is the number of versions.
    /// Default: one version.
    pub(super) version_values: Option<Vec<Option<Map<String, Value>>>>,
    /// Prometheus queries without a template: the provider `prometheus`.
    pub(super) prometheus: Option<Prometheus>,
    /// Name of a provider → its access settings.
    pub(super) providers: Option<BTreeMap<String, Access>>,
    /// Outcome of SLOs if the provider has no data. A provider's setting overrides it, and a metric's that of its provider.
    /// Default: inconclusive, which counts as not satisfied.
    no_data: Option<NoDataPolicy>,
    /// Outcome of SLOs if the metric cannot be measured: a timeout, an error, or an unusable response. Default: inconclusive,
    /// as a failure of `assert`; with `inconclusive`, `assert` exits with 5.
    on_error: Option<OnErrorPolicy>,
    /// Use of the value in a response with partial data. Default: the response is an error.
    partial: Option<DoubtPolicy>,
    /// Use of the value in a response with warnings. Default: allow.
    on_warning: Option<DoubtPolicy>,
    /// Maximum number of concurrent requests, 1 to 100. Default: 8. Their responses share 32 MiB, and each is limited to 4 MiB.
    #[schemars(schema_with = "up_to_100")]
    pub(super) concurrency: Option<AtLeastOne>,
}

/// Queries to a Prometheus server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Prometheus {
    /// Base URL, such as `http://prometheus:9090`; a path before `/api/v1` is kept.
    pub(super) url: TargetUrl,
    /// Sends queries as forms (POST), for queries that are too long for a URL. Default: false.
    #[serde(default)]
    pub(super) post: Option<bool>,
    /// Name of a metric → its query.
    pub(super) queries: BTreeMap<String, Query>,
}

/// One query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Query {
    /// PromQL with Go template actions: `{{ .labels.revision }}`, `{{ .elapsedTimeSeconds }}`.
    pub(super) query: String,
    /// `counter` or `gauge`. Default: gauge. With `range` the metric is a sample.
    #[serde(default, rename = "type")]
    #[schemars(extend("enum" = ["counter", "gauge", "Counter", "Gauge", null]))]
    pub(super) kind: Option<String>,
    /// Unit of the values, such as `msec`.
    #[serde(default)]
    pub(super) units: Option<PlainText>,
    /// Description of the metric, in one line.
    #[serde(default)]
    pub(super) description: Option<PlainText>,
    /// Queries the values of the last period of this length, such as `5m`, instead of one value: the metric then has `mean`, `pX`,
    /// `max` and so on.
    #[serde(default)]
    pub(super) range: Option<PositiveDuration>,
    /// Time between the values of a range, of which there are at most 1000. Default: a hundredth of the range, at least 1s.
    #[serde(default)]
    pub(super) step: Option<PositiveDuration>,
    /// Reduction of several series to one. Default: several series are an error.
    #[serde(default)]
    #[schemars(extend("enum" = ["sum", "max", "min", "avg", "first", null]))]
    pub(super) reduce: Option<Reduce>,
    /// Outcome of SLOs if there is no data.
    #[serde(default)]
    no_data: Option<NoDataPolicy>,
    /// Outcome of SLOs if the metric cannot be measured.
    #[serde(default)]
    on_error: Option<OnErrorPolicy>,
    /// Use of the value in a response with partial data. Default: the response is an error.
    #[serde(default)]
    partial: Option<DoubtPolicy>,
    /// Use of the value in a response with warnings. Default: allow.
    #[serde(default)]
    on_warning: Option<DoubtPolicy>,
    /// Explanation, shown to the reader, of why there may be no data.
    #[serde(default)]
    pub(super) when_empty: Option<PlainText>,
}

/// Access to a provider.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Access {
    /// URL that replaces the one in the template. Unless it is set, the template decides where the credentials are sent.
    pub(super) url: Option<TargetUrl>,
    /// Request headers; override those of the template.
    pub(super) headers: Option<Headers>,
    /// Timeout per metric, including retries. Default: 30s.
    pub(super) timeout: Option<PositiveDuration>,
    /// Number of retries after a 429, a 5xx or a broken connection, 0 to 10. Default: 3.
    #[schemars(schema_with = "up_to_10")]
    pub(super) retries: Option<Count>,
    /// User name, and the source of the password.
    #[serde(deserialize_with = "credentials::basic_auth")]
    pub(super) basic_auth: Option<BasicAuth>,
    /// Source of the bearer token; read again for each loop.
    #[serde(deserialize_with = "credentials::bearer_token")]
    pub(super) bearer_token: Option<Sources>,
    /// File with the CA certificates (PEM) to trust instead of the public and system ones.
    pub(super) ca: Option<String>,
    /// File with the client certificate chain (PEM); requires `key`.
    pub(super) cert: Option<String>,
    /// File with the private key (PEM); requires `cert`.
    pub(super) key: Option<String>,
    /// Source of the passphrase of `key`, if it is encrypted (PKCS #8).
    #[serde(deserialize_with = "credentials::key_passphrase")]
    pub(super) key_passphrase: Option<Sources>,
    /// Trust any server certificate. Default: false.
    pub(super) insecure_skip_verify: Option<bool>,
    /// Outcome of SLOs if the provider has no data.
    no_data: Option<NoDataPolicy>,
    /// Outcome of SLOs if a metric cannot be measured.
    on_error: Option<OnErrorPolicy>,
    /// Use of the value in a response with partial data. Default: the response is an error.
    partial: Option<DoubtPolicy>,
    /// Use of the value in a response with warnings. Default: allow.
    on_warning: Option<DoubtPolicy>,
}

/// Returns the policies of one level.
macro_rules! policies {
    ($type:ty) => {
        impl $type {
            pub(super) fn policies(&self) -> Policies {
                let Self { no_data, on_error, partial, on_warning, .. } = *self;
                Policies { no_data, on_error, partial, on_warning }
            }
        }
    };
}

policies!(CustomMetricsValues);
policies!(Access);
policies!(Query);

fn up_to_100(_: &mut SchemaGenerator) -> Schema {
    integer(1, "^0*([1-9][0-9]?|100)$", 100)
}

fn up_to_10(_: &mut SchemaGenerator) -> Schema {
    integer(0, "^0*([0-9]|10)$", 10)
}

fn integer(min: u64, pattern: &str, max: u64) -> Schema {
    json_schema!({"type": ["integer", "string", "null"], "minimum": min, "maximum": max, "pattern": pattern})
}
