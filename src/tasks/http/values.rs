//! Values of `http`, and the merge rules of their layers.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;

use super::expect::Expect;
use super::field::{Connections, LoadUrl, Method, ProxySetting, Qps, Redirects, StatusRange, Streams};
use crate::model::duration::PositiveDuration;
use crate::model::path::FieldPath;
use crate::tasks::credentials::{self, BasicAuth};
use crate::tasks::fields::{AtLeastOne, Headers, Percentile, TargetUrl};
use crate::tasks::loadgen::{
    Endpoints, LayeredValues, Rules, Until, VersionFrom, VersionLevel, http_schema, remove_fields, required,
};
use crate::tasks::schedule::{ArrivalValue, StageValue, stages_schema};
use crate::tasks::schema_fragments::HEADER_VALUE;
use crate::tasks::secret_source::Sources;
use crate::values::input::{InputError, typed};

/// Merge rules of the layers.
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
    base_only: &["parallel", "warmup", "versionFrom", "until"],
    not_in_endpoints: &["endpoints", "versionValues", "parallel", "name"],
};

/// Loads an HTTP service and measures latencies and errors. Every level has the same fields: an endpoint overrides its version, and
/// a version overrides the base. A GET, HEAD, OPTIONS, PUT, DELETE or TRACE on an idle connection that the service has closed is
/// sent once more, within the same latency.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = as_base)]
pub(super) struct HttpValues {
    /// URL to load; without a scheme, `http://`. Required, here or per endpoint.
    pub(super) url: Option<LoadUrl>,
    /// Request headers; `Host` sets the authority.
    pub(super) headers: Option<Headers>,
    /// Total number of requests; overrides `duration`. Default: 100.
    pub(super) num_requests: Option<AtLeastOne>,
    /// Time during which requests are sent, such as `30s`.
    pub(super) duration: Option<PositiveDuration>,
    /// `verdict` ends the load once all SLOs on it are decided, at the earliest after 10 s and at the latest after `duration`, which is
    /// required: every version satisfies all of them, or violates one. Needs a later `assess` with a `confidence`. Base only.
    pub(super) until: Option<Until>,
    /// Requests per second over all connections, or `max`. As in Iter8, a negative number is `max`, and 0 the default. Default: 8.
    pub(super) qps: Option<Qps>,
    /// Spacing of requests within the rate: `uniform` (even) or `poisson` (random, like many independent users, with the same
    /// sequence in every run). Default: uniform.
    pub(super) arrival: Option<ArrivalValue>,
    /// Changes of the rate, in 1 to 100 stages of at most 24h in total: each goes linearly from the previous rate to `qps` within
    /// `duration`. The first stage starts from the task's `qps`, or from 0 if that is not set. Replaces `numRequests` and
    /// `duration`.
    #[schemars(schema_with = "stages_schema")]
    pub(super) stages: Option<Vec<StageValue>>,
    /// Number of connections, 1 to 10000, which bounds the requests in flight; per pod if several pods share the load. Default: 4.
    pub(super) connections: Option<Connections>,
    /// Request body, as a string.
    pub(super) payload_str: Option<String>,
    /// File with the request body; overrides `payloadStr`.
    pub(super) payload_file: Option<String>,
    /// URL of the request body, downloaded before the load.
    #[serde(rename = "payloadURL")]
    pub(super) payload_url: Option<TargetUrl>,
    /// Treats URL, headers and payload as Handlebars templates, rendered for each request: `{{requestNumber}}`, `{{uuid}}`,
    /// `{{timestamp}}`, `{{timestampUnix}}`, `{{timestampUnixMilli}}`, `{{randomInt 1 10}}`, `{{randomString 8}}`, `{{row.NAME}}`,
    /// `{{json row.NAME}}` (with quotes), `{{urlencode row.NAME}}`. Default: true if `rows` is set.
    pub(super) template: Option<bool>,
    /// File of rows, used by requests in turn: CSV with a header line (`.csv`), or one JSON object per line (`.jsonl`, `.ndjson`).
    pub(super) rows: Option<String>,
    /// Content-Type of the request; makes it a POST. Default with a payload: `application/octet-stream`.
    #[schemars(extend("pattern" = HEADER_VALUE))]
    pub(super) content_type: Option<String>,
    /// Ranges of statuses that count as errors. Default: 400 and above.
    pub(super) error_ranges: Option<Vec<StatusRange>>,
    /// Requirements for responses, in addition to their status.
    pub(super) expect: Option<Expect>,
    /// Latency percentiles to report in addition to 50, 75, 90, 95, 99 and 99.9.
    pub(super) percentiles: Option<Vec<Percentile>>,
    /// Continue the load even if none of its first requests gets a response. Default: false. Error responses never end it.
    pub(super) allow_initial_errors: Option<bool>,
    /// Makes the whole task a warm-up: nothing of it is measured, and its errors do not count. Default: false. Base only.
    pub(super) warmup: Option<bool>,
    /// Number of warm-up requests, which are not measured; overrides `warmupDuration`.
    pub(super) warmup_num_requests: Option<AtLeastOne>,
    /// Duration of the warm-up, whose requests are not measured.
    pub(super) warmup_duration: Option<PositiveDuration>,
    /// Method. Default: POST with a payload or `contentType`, else GET.
    pub(super) method: Option<Method>,
    /// Timeout per request, including connecting. Default: 10s.
    pub(super) timeout: Option<PositiveDuration>,
    /// Number of redirects to follow per request (true: 10). Default: none, so a redirect is an ordinary response. Redirects to
    /// another host carry no credentials. One that cannot be followed to its end is an error (cause `redirect`).
    pub(super) follow_redirects: Option<Redirects>,
    /// Use HTTP/2: negotiated with an `https` server (ALPN), assumed for an `http` one (prior knowledge). Default: false, HTTP/1.1.
    pub(super) http2: Option<bool>,
    /// Maximum number of requests in flight per connection, with `http2`. Default: 1.
    pub(super) streams: Option<Streams>,
    /// URL of an HTTP proxy (`http://[USER:PASSWORD@]HOST:PORT`), or `env` for that of the environment (`HTTP_PROXY`, `HTTPS_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY`). Without it, proxies of the environment are ignored.
    pub(super) proxy: Option<ProxySetting>,
    /// Path of a Unix socket to connect to instead of the URL's host.
    pub(super) unix_socket: Option<String>,
    /// Name expected in the server's certificate and sent as SNI. Default: host of the URL.
    pub(super) server_name: Option<String>,
    /// Trust any server certificate. Default: false.
    pub(super) insecure_skip_verify: Option<bool>,
    /// File with the CA certificates (PEM) to trust instead of the public and system ones.
    pub(super) ca: Option<String>,
    /// File with the client certificate chain (PEM); requires `key`.
    pub(super) cert: Option<String>,
    /// File with the private key (PEM); requires `cert`.
    pub(super) key: Option<String>,
    /// Source of the passphrase of `key`, if it is encrypted (PKCS #8).
    #[serde(deserialize_with = "credentials::key_passphrase")]
    pub(super) key_passphrase: Option<Sources>,
    /// User name, and the source of the password.
    #[serde(deserialize_with = "credentials::basic_auth")]
    pub(super) basic_auth: Option<BasicAuth>,
    /// Source of the bearer token.
    #[serde(deserialize_with = "credentials::bearer_token")]
    pub(super) bearer_token: Option<Sources>,
    /// Endpoints by name, each measured separately as provider `http-NAME`. Base only.
    #[schemars(with = "Option<Endpoints<HttpValues>>")]
    pub(super) endpoints: Option<BTreeMap<String, HttpValues>>,
    /// Versions of the service: entry i is merged over the base for version i. They are loaded at the same time, each with its own
    /// rate and connections. Base only.
    #[schemars(with = "Option<Vec<VersionLevel<HttpValues>>>")]
    pub(super) version_values: Option<Vec<HttpValues>>,
    /// Versions that respond behind a router which splits the requests of one URL: every response is counted and timed for the version
    /// that it names. Those of unknown origin, and requests without a response, are the version `unknown`: shown if there are any, and
    /// counted against every version that would violate an SLO with them. Adds the metric `http/split`: the fraction of all requests
    /// that a version responded to. Cannot be combined with `versionValues`. Base only.
    #[schemars(schema_with = "http_schema")]
    pub(super) version_from: Option<VersionFrom>,
    /// Load everything at the same time (true) or one load after the other (false). Default: the endpoints one after the other, all
    /// versions of one at the same time, so that they are compared in the same seconds. Base only.
    pub(super) parallel: Option<bool>,
    /// Name of the version. In `versionValues` only.
    pub(super) name: Option<String>,
}

/// Completes the schema of the base: it has no name, and every load has a target.
fn as_base(schema: &mut Schema) {
    remove_fields(schema, &["name"]);
    schema.insert("anyOf".to_owned(), required("url")["anyOf"].take());
}

impl LayeredValues for HttpValues {
    const PREFIX: &'static str = "Http";
}

impl HttpValues {
    /// Reads the values at path `at`.
    pub(super) fn read(value: &Value, at: &FieldPath) -> Result<Self, InputError> {
        let values: Self = match value {
            Value::Null => Self::default(),
            value => typed(value, at)?,
        };
        if values.name.is_some() {
            return Err(InputError::new(at.clone().key("name"), "only allowed in `versionValues`"));
        }
        Ok(values)
    }
}
