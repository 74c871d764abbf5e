//! The values of `grpc`: ghz's settings, Iter8's and ours.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::field::{Call, DurationStop, Host, Messages, Metadata, Parallel, Rate};
use super::ghz;
use crate::model::duration::{GoDuration, PositiveDuration};
use crate::model::number::Count;
use crate::tasks::fields::{AtLeastOne, Percentile, TargetUrl};
use crate::tasks::loadgen::{Rules, below_base, endpoints_schema, required};
use crate::tasks::schedule::{ArrivalValue, StageValue, stages_schema};
use crate::tasks::schema_fragments::given;
use crate::values::input::{InputError, typed};

/// Rules by which the layers are merged.
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
    base_only: &["parallel"],
    not_in_endpoints: &[],
};

/// Loads a gRPC service and measures latencies and errors. The settings are ghz's; the same fields stand at every level: an
/// endpoint's win over its version's, and those over the base's. The service is described by `proto`, `protoset` or `protoURL`, else by
/// its server (reflection), else, if it is the Open Inference Protocol or gRPC's health protocol, by iter8 itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(transform = as_base)]
pub(super) struct GrpcValues {
    /// Where the service is: `HOST:PORT`, or `unix:PATH`. Required, here or per endpoint.
    pub(super) host: Option<Host>,
    /// Method to call: `package.Service/Method`. Required, here or per endpoint.
    pub(super) call: Option<Call>,
    /// `.proto` file that describes the service.
    pub(super) proto: Option<String>,
    /// Compiled descriptors of the service, with all imports (`protoc --include_imports --descriptor_set_out`).
    pub(super) protoset: Option<String>,
    /// URL of either; a `.proto` file by its ending or its content.
    #[serde(rename = "protoURL")]
    pub(super) proto_url: Option<TargetUrl>,
    /// Directories in which `proto` finds what it imports, besides its own and the working directory.
    pub(super) import_paths: Option<Vec<String>>,
    /// What is sent: a message, a list of messages, or a text that is JSON. Texts may hold actions such as `{{.RequestNumber}}`.
    pub(super) data: Option<Messages>,
    /// File with the same as JSON.
    pub(super) data_file: Option<String>,
    /// URL of the same as JSON.
    #[serde(rename = "dataURL")]
    pub(super) data_url: Option<TargetUrl>,
    /// File with an encoded message; for a stream messages after their lengths (varints).
    pub(super) binary_file: Option<String>,
    /// URL of the same.
    #[serde(rename = "binaryDataURL")]
    pub(super) binary_data_url: Option<TargetUrl>,
    /// Metadata of the calls; values may hold actions.
    pub(super) metadata: Option<Metadata>,
    /// File with metadata as JSON; entries of `metadata` win.
    pub(super) metadata_file: Option<String>,
    /// URL of metadata as JSON; entries of `metadata` win.
    #[serde(rename = "metadataURL")]
    pub(super) metadata_url: Option<TargetUrl>,
    /// Metadata of the calls that ask the service what it speaks.
    pub(super) reflect_metadata: Option<Metadata>,
    /// Requests in total; `duration` wins. Default: 200.
    pub(super) total: Option<AtLeastOne>,
    /// Requests in flight, 1 to 10000; where several pods share the load, of each of them. Default: 50.
    pub(super) concurrency: Option<Parallel>,
    /// Connections that they share, 1 to 10000, likewise. Default: 1.
    pub(super) connections: Option<Parallel>,
    /// Requests per second over all connections; 0 for as many as possible, the default.
    pub(super) qps: Option<Rate>,
    /// The same as `qps`.
    pub(super) rps: Option<Rate>,
    /// How requests are spaced within the rate: `uniform` for evenly, `poisson` for at random; the random sequence is the same in
    /// every run. Default: uniform.
    pub(super) arrival: Option<ArrivalValue>,
    /// How the rate changes, 1 to 100 stages of at most 24h in total: in each it goes linearly from what it was to `qps` within
    /// `duration`. The first one starts from the task's `qps` if that is given, else from 0. Instead of `total` and `duration`.
    #[schemars(schema_with = "stages_schema")]
    pub(super) stages: Option<Vec<StageValue>>,
    /// How long to send requests, such as `30s`; `0` for as many as `total`.
    pub(super) duration: Option<GoDuration>,
    /// What becomes of requests in flight when `duration` is over: close (the default) cuts them off, and they count as errors;
    /// wait; ignore cuts them off, and they don't count.
    pub(super) duration_stop: Option<DurationStop>,
    /// Ends the load after this long, whatever else bounds it; `0` for never.
    pub(super) max_duration: Option<GoDuration>,
    /// Time for one call, told to the service, too. Default: 20s.
    pub(super) timeout: Option<PositiveDuration>,
    /// Time for opening a connection. Default: 10s.
    pub(super) connect_timeout: Option<PositiveDuration>,
    /// How often a PING is sent on each connection; `0` for never, the default.
    pub(super) keepalive: Option<GoDuration>,
    /// Time between two messages of a stream that is sent. Default: 0.
    pub(super) stream_interval: Option<GoDuration>,
    /// Value of the `:authority` header. Default: `cname`, else the host.
    pub(super) authority: Option<String>,
    /// Name that the server's certificate must bear. Default: the authority's host.
    pub(super) cname: Option<String>,
    /// Plain text instead of TLS. Default: true, unless something else here is about TLS.
    pub(super) insecure: Option<bool>,
    /// File with the certificates (PEM) of the authorities to trust, instead of the public and the system's ones.
    pub(super) cacert: Option<String>,
    /// File with our certificate chain (PEM); needs `key`.
    pub(super) cert: Option<String>,
    /// File with our private key (PEM); needs `cert`.
    pub(super) key: Option<String>,
    /// TLS that trusts any server certificate. Default: false.
    #[serde(rename = "skipTLS")]
    pub(super) skip_tls: Option<bool>,
    /// Compress messages with gzip. Default: false.
    pub(super) enable_compression: Option<bool>,
    /// How many requests, the first ones, are not measured. Default: 0.
    #[serde(rename = "skipFirst")]
    pub(super) skip_first: Option<Count>,
    /// Names and values for readers of the document.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(super) tags: Option<BTreeMap<String, Value>>,
    /// Name of the run, for readers of the document; in `versionValues` the name of the version.
    pub(super) name: Option<String>,
    /// Requests before the load that are not measured; wins over `warmupDuration`.
    #[serde(rename = "warmupNumRequests")]
    pub(super) warmup_num_requests: Option<AtLeastOne>,
    /// How long to send requests that are not measured before the load.
    #[serde(rename = "warmupDuration")]
    pub(super) warmup_duration: Option<PositiveDuration>,
    /// Latency percentiles that become metrics of their own, such as `grpc/latency-p99.95`; any other is read from the
    /// distribution, as `grpc/latency/p99.95`.
    pub(super) percentiles: Option<Vec<Percentile>>,
    /// Whether the load goes on when its first requests all fail. Default: false.
    #[serde(rename = "allowInitialErrors")]
    pub(super) allow_initial_errors: Option<bool>,
    /// Endpoints by name, each measured on its own, as provider `grpc-NAME`. Base and versions only.
    #[schemars(with = "Option<Endpoints>")]
    pub(super) endpoints: Option<BTreeMap<String, GrpcValues>>,
    /// Versions of the service: entry i is merged over the base for version i. Base only.
    #[serde(rename = "versionValues")]
    #[schemars(with = "Option<Vec<VersionLevel>>")]
    pub(super) version_values: Option<Vec<GrpcValues>>,
    /// Load all endpoints and versions at the same time instead of one after the other. Default: false. Base only.
    pub(super) parallel: Option<bool>,
}

impl GrpcValues {
    /// Reads the values whose place is `at`.
    pub(super) fn read(value: &Value, at: &str) -> Result<Self, InputError> {
        match value {
            Value::Null => Ok(Self::default()),
            value => {
                ghz::refuse(value, at)?;
                typed(value, at)
            }
        }
    }
}

/// The schema of the base: every load has a target, and TLS settings fit together.
fn as_base(schema: &mut Schema) {
    let mut rules = vec![required("host"), required("call")];
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        // Layers merge: beside endpoints or versions the other one may stand there.
        rules.push(json!({"anyOf": [
            {"properties": {one: {"type": "null"}}}, given(other),
            {"required": ["endpoints"]}, {"required": ["versionValues"]},
        ]}));
    }
    schema.insert("allOf".to_owned(), Value::Array(rules));
}

/// The schema of `endpoints`.
struct Endpoints;

impl JsonSchema for Endpoints {
    fn schema_name() -> Cow<'static, str> {
        "GrpcEndpoints".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        endpoints_schema::<EndpointLevel>(generator)
    }
}

/// The schema of an endpoint.
struct EndpointLevel;

impl JsonSchema for EndpointLevel {
    fn schema_name() -> Cow<'static, str> {
        "GrpcEndpoint".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let but = ["endpoints", "versionValues", "parallel"];
        below_base::<GrpcValues>(generator, "What is different for one endpoint.", &but)
    }
}

/// The schema of an entry of `versionValues`.
struct VersionLevel;

impl JsonSchema for VersionLevel {
    fn schema_name() -> Cow<'static, str> {
        "GrpcVersion".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        below_base::<GrpcValues>(generator, "What is different for one version.", &["versionValues", "parallel"])
    }
}
