//! Values of `grpc`: the settings of ghz and Iter8, and additional ones.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::field::{Call, DurationStop, Host, Messages, Metadata, Parallel, Rate};
use crate::model::duration::{GoDuration, PositiveDuration};
use crate::model::number::Count;
use crate::model::path::FieldPath;
use crate::model::tls_problem::TlsFields;
use crate::tasks::credentials;
use crate::tasks::fields::{AtLeastOne, Percentile, TargetUrl};
use crate::tasks::loadgen::{Endpoints, LayeredValues, Rules, Until, VersionFrom, VersionLevel, grpc_schema, required};
use crate::tasks::schedule::{ArrivalValue, StageValue, stages_schema};
use crate::tasks::schema_fragments::given;
use crate::tasks::secret_source::Sources;
use crate::values::input::{InputError, typed};

/// Merge rules of the layers.
pub(super) const RULES: Rules = Rules {
    groups: &[
        &["proto", "protoset", "protoURL"],
        &["data", "data-file", "dataURL", "binary-file", "binaryDataURL"],
        &["metadata-file", "metadataURL"],
        &["total", "duration", "stages"],
        &["qps", "rps"],
        &["warmupNumRequests", "warmupDuration"],
    ],
    maps: &["metadata", "reflect-metadata", "tags"],
    maps_ignoring_case: &[],
    base_only: &["parallel", "warmup", "versionFrom", "until"],
    not_in_endpoints: &[],
};

/// Loads a gRPC service and measures latencies and errors. The settings are those of ghz. Every level has the same fields: an
/// endpoint overrides its version, and a version overrides the base. The service is described by `proto`, `protoset` or `protoURL`,
/// else by the server (reflection), else, for well-known services such as the Open Inference Protocol and gRPC health checks, by iter8.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(transform = as_base)]
pub(super) struct GrpcValues {
    /// Address of the service: `HOST:PORT` or `unix:PATH`. Required, here or per endpoint.
    pub(super) host: Option<Host>,
    /// Method to call: `package.Service/Method`. Required, here or per endpoint.
    pub(super) call: Option<Call>,
    /// `.proto` file that describes the service.
    pub(super) proto: Option<String>,
    /// Compiled descriptors of the service, with all imports (`protoc --include_imports --descriptor_set_out`).
    pub(super) protoset: Option<String>,
    /// URL of either; a `.proto` file is recognized by its extension or content.
    #[serde(rename = "protoURL")]
    pub(super) proto_url: Option<TargetUrl>,
    /// Directories to search for imports of `proto`, besides its own and the working directory.
    pub(super) import_paths: Option<Vec<String>>,
    /// Message to send, list of messages, or string of JSON. Strings may contain actions such as `{{.RequestNumber}}`.
    pub(super) data: Option<Messages>,
    /// File with the data as JSON.
    pub(super) data_file: Option<String>,
    /// URL of the data as JSON.
    #[serde(rename = "dataURL")]
    pub(super) data_url: Option<TargetUrl>,
    /// File with an encoded message; for a stream, with length-delimited messages (varint).
    pub(super) binary_file: Option<String>,
    /// URL of the binary data.
    #[serde(rename = "binaryDataURL")]
    pub(super) binary_data_url: Option<TargetUrl>,
    /// Metadata of the calls; values may contain actions.
    pub(super) metadata: Option<Metadata>,
    /// File with metadata as JSON; overridden by `metadata`.
    pub(super) metadata_file: Option<String>,
    /// URL of metadata as JSON; overridden by `metadata`.
    #[serde(rename = "metadataURL")]
    pub(super) metadata_url: Option<TargetUrl>,
    /// Metadata of reflection requests.
    pub(super) reflect_metadata: Option<Metadata>,
    /// Total number of requests; ignored if `duration` is set. Default: 200.
    pub(super) total: Option<AtLeastOne>,
    /// Maximum number of requests in flight, 1 to 10000; per pod if several pods share the load. Default: 50.
    pub(super) concurrency: Option<Parallel>,
    /// Number of connections, 1 to 10000; per pod if several pods share the load. Default: 1.
    pub(super) connections: Option<Parallel>,
    /// Requests per second over all connections; 0, the default, for as many as possible.
    pub(super) qps: Option<Rate>,
    /// Alias of `qps`.
    pub(super) rps: Option<Rate>,
    /// Spacing of requests within the rate: `uniform` (even) or `poisson` (random, with the same sequence in every run). Default:
    /// uniform.
    pub(super) arrival: Option<ArrivalValue>,
    /// Changes of the rate, in 1 to 100 stages of at most 24h in total: each goes linearly from the previous rate to `qps` within
    /// `duration`. The first stage starts from the task's `qps`, or from 0 if that is not set. Replaces `total` and `duration`.
    #[schemars(schema_with = "stages_schema")]
    pub(super) stages: Option<Vec<StageValue>>,
    /// Time during which requests are sent, such as `30s`; `0` means that `total` ends the load.
    pub(super) duration: Option<GoDuration>,
    /// `verdict` ends the load once all SLOs on it are decided, at the earliest after 10 s and at the latest after `duration`, which is
    /// required: every version satisfies all of them, or violates one. Needs a later `assess` with a `confidence`. Base only.
    pub(super) until: Option<Until>,
    /// Treatment of requests in flight when `duration` is over: `close` (default) aborts them and counts them as errors; `wait`
    /// waits for them; `ignore` aborts them without counting them.
    pub(super) duration_stop: Option<DurationStop>,
    /// Maximum duration of the load, whatever else limits it; `0` for none.
    pub(super) max_duration: Option<GoDuration>,
    /// Timeout per call, also sent to the service. Default: 20s.
    pub(super) timeout: Option<PositiveDuration>,
    /// Timeout for opening a connection. Default: 10s.
    pub(super) connect_timeout: Option<PositiveDuration>,
    /// Interval of PINGs on each connection; `0`, the default, for none.
    pub(super) keepalive: Option<GoDuration>,
    /// Time between two messages of a client stream. Default: 0.
    pub(super) stream_interval: Option<GoDuration>,
    /// Value of the `:authority` header. Default: `cname`, else the host.
    pub(super) authority: Option<String>,
    /// Name expected in the server's certificate. Default: host of the authority.
    pub(super) cname: Option<String>,
    /// Plaintext instead of TLS. Default: true, unless a TLS setting is given.
    pub(super) insecure: Option<bool>,
    /// File with the CA certificates (PEM) to trust instead of the public and system ones.
    pub(super) cacert: Option<String>,
    /// File with the client certificate chain (PEM); requires `key`.
    pub(super) cert: Option<String>,
    /// File with the private key (PEM); requires `cert`.
    pub(super) key: Option<String>,
    /// Source of the passphrase of `key`, if it is encrypted (PKCS #8).
    #[serde(rename = "keyPassphrase", deserialize_with = "credentials::key_passphrase")]
    pub(super) key_passphrase: Option<Sources>,
    /// Trust any server certificate. Default: false.
    #[serde(rename = "skipTLS")]
    pub(super) skip_tls: Option<bool>,
    /// Compress messages with gzip. Default: false.
    pub(super) enable_compression: Option<bool>,
    /// Number of requests at the start that are not measured. Default: 0.
    #[serde(rename = "skipFirst")]
    pub(super) skip_first: Option<Count>,
    /// Names and values for readers of the document.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(super) tags: Option<BTreeMap<String, Value>>,
    /// Name of the run, for readers of the document; in `versionValues`, name of the version.
    pub(super) name: Option<String>,
    /// Makes the whole task a warm-up: nothing of it is measured, and its errors do not count. Default: false. Base only.
    pub(super) warmup: Option<bool>,
    /// Number of warm-up requests, which are not measured; overrides `warmupDuration`.
    #[serde(rename = "warmupNumRequests")]
    pub(super) warmup_num_requests: Option<AtLeastOne>,
    /// Duration of the warm-up, whose requests are not measured.
    #[serde(rename = "warmupDuration")]
    pub(super) warmup_duration: Option<PositiveDuration>,
    /// Latency percentiles to report as separate metrics, such as `grpc/latency-p99.95`; any other one is read from the
    /// distribution, as `grpc/latency/p99.95`.
    pub(super) percentiles: Option<Vec<Percentile>>,
    /// Continue the load even if none of its first requests gets a response. Default: false. Error responses never end it.
    #[serde(rename = "allowInitialErrors")]
    pub(super) allow_initial_errors: Option<bool>,
    /// Endpoints by name, each measured separately as provider `grpc-NAME`. Base and versions only.
    #[schemars(with = "Option<Endpoints<GrpcValues>>")]
    pub(super) endpoints: Option<BTreeMap<String, GrpcValues>>,
    /// Versions of the service: entry i is merged over the base for version i. They are loaded at the same time, each with its own
    /// rate and connections. Base only.
    #[serde(rename = "versionValues")]
    #[schemars(with = "Option<Vec<VersionLevel<GrpcValues>>>")]
    pub(super) version_values: Option<Vec<GrpcValues>>,
    /// Versions that respond behind a router which splits the calls to one host: every response is counted and timed for the version that
    /// it names. Those of unknown origin, and calls without a response, are the version `unknown`: shown if there are any, and counted
    /// against every version that would violate an SLO with them. Adds the metric `grpc/split`: the fraction of all calls that a version
    /// responded to. Cannot be combined with `versionValues`. Base only.
    #[serde(rename = "versionFrom")]
    #[schemars(schema_with = "grpc_schema")]
    pub(super) version_from: Option<VersionFrom>,
    /// Load everything at the same time (true) or one load after the other (false). Default: the endpoints one after the other, all
    /// versions of one at the same time, so that they are compared in the same seconds. Base only.
    pub(super) parallel: Option<bool>,
}

impl GrpcValues {
    /// Reads the values at path `at`.
    pub(super) fn read(value: &Value, at: &FieldPath) -> Result<Self, InputError> {
        match value {
            Value::Null => Ok(Self::default()),
            value => typed(value, at),
        }
    }
}

/// Completes the schema of the base: every load has a target, and TLS settings are consistent.
fn as_base(schema: &mut Schema) {
    let mut rules = vec![required("host"), required("call")];
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        // The other field may be in an endpoint or version, because layers are merged.
        rules.push(json!({"anyOf": [
            {"properties": {one: {"type": "null"}}}, given(other),
            {"required": ["endpoints"]}, {"required": ["versionValues"]},
        ]}));
    }
    schema.insert("allOf".to_owned(), Value::Array(rules));
}

/// Names of the settings that TLS needs.
pub(super) const TLS_FIELDS: TlsFields<'static> = TlsFields {
    ca: "`grpc.cacert`",
    server_name: Some("`grpc.cname`"),
    skip_verify: Some("-k (`grpc.skipTLS=true`)"),
    client: Some("`grpc.cert` and `grpc.key`"),
    // `insecure: true` would contradict the others.
    plain: "leave out what turns it on: -k, --insecure (`skipTLS`), `cacert`, `cert`, `cname`, `insecure: false`",
    protocols: "HTTP/2",
    no_http2: None,
};

/// Next step if a connection is refused or closed, with TLS or without.
pub(super) const CHECK_TLS: &str =
    "check that the service is running, and whether it uses TLS: -k (`grpc.skipTLS=true`) or `grpc.cacert` turns it on";

impl LayeredValues for GrpcValues {
    const PREFIX: &'static str = "Grpc";
}
