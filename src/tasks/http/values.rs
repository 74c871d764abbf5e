//! The values of `http`, and the rules by which their layers are merged.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::expect::Expect;
use super::field::{Connections, Method, Qps, Redirects, StatusRange, Streams};
use crate::model::duration::PositiveDuration;
use crate::model::path::join;
use crate::tasks::credentials::{self, BasicAuth, BearerToken};
use crate::tasks::fields::{AtLeastOne, Headers, Percentile, TargetUrl};
use crate::tasks::loadgen::{Rules, below_base, endpoints_schema, forget, required};
use crate::tasks::schedule::{ArrivalValue, StageValue, stages_schema};
use crate::tasks::schema_fragments::HEADER_VALUE;
use crate::values::input::{InputError, typed};

/// Rules by which the layers are merged.
pub(super) const RULES: Rules = Rules {
    groups: &[
        &["payloadStr", "payloadFile", "payloadURL"],
        &["basicAuth", "bearerToken"],
        &["numRequests", "duration", "stages"],
        &["warmupNumRequests", "warmupDuration"],
        &["proxy", "unixSocket"],
    ],
    maps: &[],
    maps_ignoring_case: &["headers"],
    base_only: &["parallel"],
    not_in_endpoints: &["endpoints", "versionValues", "parallel", "name"],
};

/// Loads an HTTP service and measures latencies and errors. The same fields stand at every level: an endpoint's win over its
/// version's, and those over the base's. A GET, HEAD, OPTIONS, PUT, DELETE or TRACE that meets a connection which the service closed
/// while it was idle is sent once more, within the same latency.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = as_base)]
pub(super) struct HttpValues {
    /// Target. Required, here or per endpoint.
    pub(super) url: Option<TargetUrl>,
    /// Request headers; `Host` sets the authority.
    pub(super) headers: Option<Headers>,
    /// Requests in total; wins over `duration`. Default: 100.
    pub(super) num_requests: Option<AtLeastOne>,
    /// How long to send requests, such as `30s`.
    pub(super) duration: Option<PositiveDuration>,
    /// Requests per second over all connections, or `max`. Default: 8.
    pub(super) qps: Option<Qps>,
    /// How requests are spaced within the rate: `uniform` for evenly, `poisson` for at random, as from many users who know nothing
    /// of each other; the random sequence is the same in every run. Default: uniform.
    pub(super) arrival: Option<ArrivalValue>,
    /// How the rate changes, 1 to 100 stages of at most 24h in total: in each it goes linearly from what it was to `qps` within
    /// `duration`. The first one starts from the task's `qps` if that is given, else from 0. Instead of `numRequests` and `duration`.
    #[schemars(schema_with = "stages_schema")]
    pub(super) stages: Option<Vec<StageValue>>,
    /// Parallel connections, 1 to 10000: the bound on requests in flight. Where several pods share the load, each of them opens so
    /// many. Default: 4.
    pub(super) connections: Option<Connections>,
    /// Request body, as text.
    pub(super) payload_str: Option<String>,
    /// File with the request body; wins over `payloadStr`.
    pub(super) payload_file: Option<String>,
    /// URL of the request body, downloaded before the load.
    #[serde(rename = "payloadURL")]
    pub(super) payload_url: Option<TargetUrl>,
    /// Whether URL, headers and payload are Handlebars templates, expanded for each request: `{{requestNumber}}`, `{{uuid}}`,
    /// `{{timestamp}}`, `{{timestampUnix}}`, `{{timestampUnixMilli}}`, `{{randomInt 1 10}}`, `{{randomString 8}}`, `{{row.NAME}}`.
    /// Default: whether there are `rows`.
    pub(super) template: Option<bool>,
    /// File of rows, one for each request in turn: CSV with a line of names (`.csv`), or an object per line (`.jsonl`, `.ndjson`).
    pub(super) rows: Option<String>,
    /// Content-Type of the request; makes it a POST. Default with a payload: `application/octet-stream`.
    #[schemars(extend("pattern" = HEADER_VALUE))]
    pub(super) content_type: Option<String>,
    /// Ranges of statuses that count as errors. Default: 400 and above.
    pub(super) error_ranges: Option<Vec<StatusRange>>,
    /// What answers must be like besides.
    pub(super) expect: Option<Expect>,
    /// Latency percentiles to report besides 50, 75, 90, 95, 99 and 99.9.
    pub(super) percentiles: Option<Vec<Percentile>>,
    /// Whether the load goes on when its first requests all fail. Default: false.
    pub(super) allow_initial_errors: Option<bool>,
    /// Requests before the load that are not measured; wins over `warmupDuration`.
    pub(super) warmup_num_requests: Option<AtLeastOne>,
    /// How long to send requests that are not measured before the load.
    pub(super) warmup_duration: Option<PositiveDuration>,
    /// Method. Default: POST with a payload or `contentType`, else GET.
    pub(super) method: Option<Method>,
    /// Time for one request, connecting included. Default: 10s.
    pub(super) timeout: Option<PositiveDuration>,
    /// How many redirects are followed within one request (true: 10). Default: none; a redirect is an answer in its own right.
    /// Redirects to another host carry no credentials.
    pub(super) follow_redirects: Option<Redirects>,
    /// Speak HTTP/2: agreed on with an `https` server (ALPN), assumed of an `http` one (prior knowledge). Default: false, HTTP/1.1.
    pub(super) http2: Option<bool>,
    /// Requests in flight per connection, with `http2`. Default: 1.
    pub(super) streams: Option<Streams>,
    /// URL of an HTTP proxy (`http://[USER:PASSWORD@]HOST:PORT`); proxies of the environment are not used for load.
    pub(super) proxy: Option<TargetUrl>,
    /// Path of a Unix socket to connect to instead of the URL's host.
    pub(super) unix_socket: Option<String>,
    /// Name that the server's certificate must bear, and that SNI tells. Default: the URL's host.
    pub(super) server_name: Option<String>,
    /// Trust any server certificate. Default: false.
    pub(super) insecure_skip_verify: Option<bool>,
    /// File with the certificates (PEM) of the authorities to trust, instead of the public and the system's ones.
    pub(super) ca: Option<String>,
    /// File with our certificate chain (PEM); needs `key`.
    pub(super) cert: Option<String>,
    /// File with our private key (PEM); needs `cert`.
    pub(super) key: Option<String>,
    /// User name, and where the password is.
    #[serde(deserialize_with = "credentials::basic_auth")]
    pub(super) basic_auth: Option<BasicAuth>,
    /// Where the bearer token is.
    #[serde(deserialize_with = "credentials::bearer_token")]
    pub(super) bearer_token: Option<BearerToken>,
    /// Endpoints by name, each measured on its own, as provider `http-NAME`. Base only.
    #[schemars(with = "Option<Endpoints>")]
    pub(super) endpoints: Option<BTreeMap<String, HttpValues>>,
    /// Versions of the service: entry i is merged over the base for version i. Base only.
    #[schemars(with = "Option<Vec<VersionLevel>>")]
    pub(super) version_values: Option<Vec<HttpValues>>,
    /// Load all endpoints and versions at the same time instead of one after the other. Default: false. Base only.
    pub(super) parallel: Option<bool>,
    /// Name of the version. In `versionValues` only.
    pub(super) name: Option<String>,
}

/// The schema of the base: it has no name, and what it has must give every load a target.
fn as_base(schema: &mut Schema) {
    forget(schema, &["name"]);
    schema.insert("anyOf".to_owned(), required("url")["anyOf"].take());
}

/// The schema of `endpoints`.
struct Endpoints;

impl JsonSchema for Endpoints {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpEndpoints".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        endpoints_schema::<EndpointLevel>(generator)
    }
}

/// The schema of an endpoint.
struct EndpointLevel;

impl JsonSchema for EndpointLevel {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpEndpoint".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let but = ["endpoints", "versionValues", "parallel", "name"];
        below_base::<HttpValues>(generator, "What is different for one endpoint.", &but)
    }
}

/// The schema of an entry of `versionValues`.
struct VersionLevel;

impl JsonSchema for VersionLevel {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpVersion".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema =
            below_base::<HttpValues>(generator, "What is different for one version.", &["versionValues", "parallel"]);
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            let name = json!({"description": "Name of the version.", "type": ["string", "null"]});
            properties.insert("name".to_owned(), name);
        }
        schema
    }
}

impl HttpValues {
    /// Reads the values at path `at`.
    pub(super) fn read(value: &Value, at: &str) -> Result<Self, InputError> {
        let values: Self = match value {
            Value::Null => Self::default(),
            value => typed(value, at)?,
        };
        if values.name.is_some() {
            return Err(InputError::new(join(at, "name"), "only an entry of versionValues has a name"));
        }
        Ok(values)
    }
}
