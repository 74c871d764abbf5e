//! Turns values into loads: merges layers, applies defaults, and rejects combinations that cannot work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::field::{MetadataSource, ServiceAddress};
use super::ghz;
use super::method::CallName;
use super::values::{GrpcValues, RULES};
use crate::load::attribution::Attribution;
use crate::load::pacing::Pacer;
use crate::load::plan::StopMode;
use crate::model::duration::GoDuration;
use crate::model::path::FieldPath;
use crate::tasks::client_certificate::ClientCertificate;
use crate::tasks::fields::percentiles;
use crate::tasks::loadgen::{self, FieldPaths, Layered, Plan, ResponseKind};
use crate::tasks::schedule::{self, Names, Rate, Schedule, ScheduleInput};
use crate::values::input::{InputError, typed};

/// Defaults, as in ghz and Iter8.
const TOTAL: u64 = 200;
const CONCURRENCY: u64 = 50;
const CONNECTIONS: u64 = 1;
const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Source of content that is not in the values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum From {
    File(String),
    Url(url::Url),
}

/// Source of the service's descriptors.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Descriptors {
    Proto(String, Vec<String>),
    Set(String),
    Url(url::Url),
    /// Server reflection, with this metadata.
    Reflection(BTreeMap<String, MetadataSource>),
}

/// Source of the messages.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// An empty message.
    None,
    Value(Value),
    Json(From),
    Binary(From),
}

/// TLS settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Encryption {
    pub(super) server_name: Option<String>,
    pub(super) ca: Option<String>,
    pub(super) identity: Option<ClientCertificate>,
    pub(super) skip_verify: bool,
}

/// One load: one endpoint of one version.
#[derive(Debug)]
pub(super) struct GrpcLoad {
    /// `grpc` or `grpc-NAME`.
    pub(super) provider: String,
    /// Index of the version.
    pub(super) version: usize,
    /// Label in progress and notes: `grpc-get (v2)`.
    pub(super) label: String,
    pub(super) address: ServiceAddress,
    pub(super) call: CallName,
    pub(super) descriptors: Descriptors,
    pub(super) source: Source,
    pub(super) metadata: BTreeMap<String, MetadataSource>,
    pub(super) metadata_from: Option<From>,
    pub(super) authority: String,
    /// `None` for plaintext.
    pub(super) encryption: Option<Encryption>,
    pub(super) pacer: Pacer,
    pub(super) warmup: Option<Pacer>,
    pub(super) connections: usize,
    pub(super) concurrency: usize,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) keepalive: Option<Duration>,
    pub(super) interval: Duration,
    pub(super) is_compressed: bool,
    pub(super) stop_mode: StopMode,
    pub(super) max_duration: Option<Duration>,
    pub(super) skip_first: u64,
    pub(super) attribution: Option<Arc<Attribution>>,
    pub(super) percentiles: Vec<f64>,
    pub(super) allow_initial_errors: bool,
    pub(super) paths: FieldPaths,
}

impl GrpcLoad {
    /// Renders the target without secrets.
    pub(super) fn display_host(&self) -> String {
        match &self.address {
            ServiceAddress::HostPort(address) => address.clone(),
            ServiceAddress::Socket(path) => format!("unix:{path}"),
        }
    }
}

/// Reads the values at path `at`.
pub(super) fn plan(value: &Value, at: impl Into<FieldPath>) -> Result<Plan<GrpcLoad>, InputError> {
    let at = at.into();
    let value = &ghz::normalized(value, &at)?;
    GrpcValues::read(value, &at)?;
    loadgen::plan(value, &at, "grpc", &RULES, load)
}

/// Applies defaults, and rejects combinations that cannot work.
fn load(layered: Layered) -> Result<GrpcLoad, InputError> {
    let Layered { values, provider, version, label, paths } = layered;
    let mut values: GrpcValues = typed(&values, paths.of(""))?;
    let missing = |field: &str, what: &str| {
        let hint = format!("set `grpc.{field}`, or `{field}` of every entry in `grpc.endpoints`");
        paths.error(field, format!("required: {what}")).with_hint(hint)
    };
    let Some(address) = values.host.take().map(|host| host.0) else {
        return Err(missing("host", "address of the service, as `HOST:PORT`"));
    };
    let Some(call) = values.call.take().map(|call| call.0) else {
        return Err(missing("call", "method to call, as `package.Service/Method`"));
    };
    let encryption = encryption(&values, &paths)?;
    let authority = match (&values.authority, &values.cname, &address) {
        (Some(name), _, _) | (None, Some(name), _) => name.clone(),
        (None, None, ServiceAddress::HostPort(address)) => address.clone(),
        (None, None, ServiceAddress::Socket(_)) => "localhost".to_owned(),
    };
    let Schedule { pacer, warmup } = schedule(&values, &paths)?;
    let connections = values.connections.as_ref().map_or(CONNECTIONS, |count| count.0);
    let concurrency = values.concurrency.as_ref().map_or(CONCURRENCY.max(connections), |count| count.0);
    if connections > concurrency {
        return Err(paths.error("concurrency", format!("{concurrency} is less than `connections` ({connections})")));
    }
    let attribution = values.version_from.as_ref().map(|from| from.plan(ResponseKind::Grpc, &paths)).transpose()?;
    let positive = |duration: Option<GoDuration>| duration.map(|duration| duration.0).filter(|time| !time.is_zero());
    Ok(GrpcLoad {
        provider,
        version,
        label,
        address,
        call,
        descriptors: descriptors(&mut values, &paths)?,
        source: source(&mut values, &paths)?,
        metadata_from: match (values.metadata_file.take(), values.metadata_url.take()) {
            // Iter8's chart downloads the URL into the file, and writes both.
            (_, Some(url)) => Some(From::Url(url.0)),
            (Some(file), None) => Some(From::File(file)),
            (None, None) => None,
        },
        metadata: values.metadata.take().map(|metadata| metadata.0).unwrap_or_default(),
        authority,
        encryption,
        pacer,
        warmup,
        connections: usize::try_from(connections).unwrap_or(usize::MAX),
        concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
        timeout: values.timeout.map_or(TIMEOUT, |timeout| timeout.0.0),
        connect_timeout: values.connect_timeout.map_or(CONNECT_TIMEOUT, |timeout| timeout.0.0),
        keepalive: positive(values.keepalive),
        interval: positive(values.stream_interval).unwrap_or_default(),
        is_compressed: values.enable_compression.unwrap_or(false),
        // As in ghz.
        stop_mode: values.duration_stop.take().map_or(StopMode::Abort, |stop| stop.0),
        max_duration: positive(values.max_duration),
        skip_first: values.skip_first.map_or(0, |count| count.0),
        attribution: attribution.map(Arc::new),
        percentiles: percentiles(&[], values.percentiles.as_deref()),
        allow_initial_errors: values.allow_initial_errors.unwrap_or(false) || values.warmup == Some(true),
        paths,
    })
}

fn both(paths: &FieldPaths, field: &str, other: &str) -> InputError {
    paths.error(field, format!("cannot be combined with `{other}`"))
}

fn schedule(values: &GrpcValues, paths: &FieldPaths) -> Result<Schedule, InputError> {
    let (rate, name) = match (&values.qps, &values.rps) {
        (Some(qps), Some(rps)) if qps != rps => return Err(both(paths, "rps", "qps")),
        (None, Some(rps)) => (Some(rps), "rps"),
        (qps, _) => (qps.as_ref(), "qps"),
    };
    let duration = values.duration.map(|duration| duration.0).filter(|time| !time.is_zero());
    let input = ScheduleInput {
        names: Names { rate: name, count: "total" },
        rate: rate.map(|rate| rate.0.map_or(Rate::Max, Rate::PerSecond)),
        default_rate: Rate::Max,
        arrival: values.arrival.map(|arrival| arrival.0),
        stages: values.stages.as_deref(),
        // Unlike in `http`, `duration` takes precedence.
        count: values.total.as_ref().map(|count| count.0).filter(|_| duration.is_none()),
        duration,
        default_count: TOTAL,
        warmup: schedule::warmup(values.warmup_num_requests.as_ref(), values.warmup_duration),
    };
    schedule::schedule(&input, &|field| paths.of(field))
}

/// Returns the TLS settings; `None` for plaintext, the default unless a TLS field is set.
fn encryption(values: &GrpcValues, paths: &FieldPaths) -> Result<Option<Encryption>, InputError> {
    let error_at = |field: &str, message: String| paths.error(field, message);
    let (cert, key) = (values.cert.clone(), values.key.clone());
    let identity = ClientCertificate::plan(cert, key, values.key_passphrase.as_ref(), &error_at)?;
    let skip_verify = values.skip_tls.unwrap_or(false);
    let about_tls = [
        ("cacert", values.cacert.is_some()),
        ("cert", identity.is_some()),
        ("cname", values.cname.is_some()),
        ("skipTLS", skip_verify),
    ];
    let about_tls = about_tls.into_iter().find(|(_, is_given)| *is_given);
    let is_plain = match (values.insecure, about_tls) {
        (Some(true), Some((field, _))) => {
            let error = paths.error(field, "has no effect with `insecure: true` (plaintext)");
            return Err(error.with_hint("remove `insecure`, or set it to false, for TLS"));
        }
        (Some(is_plain), _) => is_plain,
        (None, about_tls) => about_tls.is_none(),
    };
    if skip_verify && values.cacert.is_some() {
        return Err(paths.error("cacert", "has no effect with `skipTLS: true`; set one of them"));
    }
    let (server_name, ca) = (values.cname.clone(), values.cacert.clone());
    Ok((!is_plain).then_some(Encryption { server_name, ca, identity, skip_verify }))
}

fn descriptors(values: &mut GrpcValues, paths: &FieldPaths) -> Result<Descriptors, InputError> {
    let import_paths = values.import_paths.take();
    let proto_url = values.proto_url.take();
    // Iter8's chart downloads the URL into a file, and writes both.
    let proto = values.proto.take().filter(|_| proto_url.is_none());
    let descriptors = match (proto, values.protoset.take(), proto_url) {
        (Some(_), Some(_), _) => return Err(both(paths, "protoset", "proto")),
        (_, Some(_), Some(_)) => return Err(both(paths, "protoURL", "protoset")),
        (Some(path), ..) => return Ok(Descriptors::Proto(path, import_paths.unwrap_or_default())),
        (_, Some(path), _) => Descriptors::Set(path),
        (.., Some(url)) => Descriptors::Url(url.0),
        (None, None, None) => {
            Descriptors::Reflection(values.reflect_metadata.take().map(|metadata| metadata.0).unwrap_or_default())
        }
    };
    Ok(descriptors)
}

fn source(values: &mut GrpcValues, paths: &FieldPaths) -> Result<Source, InputError> {
    // Iter8's chart downloads a URL into a file, and writes both.
    let data_file = values.data_file.take().filter(|_| values.data_url.is_none());
    let binary_file = values.binary_file.take().filter(|_| values.binary_data_url.is_none());
    let mut given = [
        ("data", values.data.take().map(|data| Source::Value(data.0))),
        ("data-file", data_file.map(|path| Source::Json(From::File(path)))),
        ("dataURL", values.data_url.take().map(|url| Source::Json(From::Url(url.0)))),
        ("binary-file", binary_file.map(|path| Source::Binary(From::File(path)))),
        ("binaryDataURL", values.binary_data_url.take().map(|url| Source::Binary(From::Url(url.0)))),
    ]
    .into_iter()
    .filter_map(|(field, source)| Some((field, source?)));
    match (given.next(), given.next()) {
        (Some((one, _)), Some((other, _))) => Err(both(paths, other, one)),
        (Some((_, source)), None) => Ok(source),
        (None, _) => Ok(Source::None),
    }
}
