//! Prepares a load: reads files, downloads content and fetches the description of the service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use rustls::pki_types::ServerName;
use serde_json::Value;

use super::builtin;
use super::calls::{CallError, Content, calls, shape};
use super::data::{Data, MAX_DATA};
use super::field::{MetadataSource, ServiceAddress, metadata_strings};
use super::metadata::{Metadata, MetadataText};
use super::method::MethodError;
use super::plan::{Descriptors, From, GrpcLoad, Source};
use super::values::{CHECK_TLS, TLS_FIELDS};
use super::version_field::version_field;
use super::{descriptor_pool, descriptors};
use crate::load::cause::Failure;
use crate::load::connect::tls::{TlsError, client_config};
use crate::load::connect::{Connector, Endpoint, Route, Tls};
use crate::load::grpc::{Envelope, Grpc, GrpcTarget, ReflectionError, reflect};
use crate::model::tls::TlsOptions;
use crate::ports::{Env, Files, Web};
use crate::redact::redact_url;
use crate::tasks::TaskError;
use crate::tasks::credentials::read_secret;
use crate::tasks::fetch;
use crate::tasks::loadgen::{Time, random_bits};
use crate::templates::grpc_template::{CallValues, Fixed};
use crate::templates::random::RandomBits;
use crate::values::input::InputError;

/// Maximum size of a file of certificates or metadata.
const MAX_SMALL: u64 = 1 << 20;

/// Timeout of one download.
const DOWNLOAD: Duration = Duration::from_secs(60);

/// Downloaded content by field.
type Downloads = BTreeMap<&'static str, Vec<u8>>;

/// Finds mistakes without opening a connection.
pub(super) fn check(load: &GrpcLoad, files: &dyn Files) -> Result<(), InputError> {
    let random = random_bits();
    connector(load, files)?;
    envelope(load)?;
    let method = match pool(load, files, None)? {
        Some(pool) => Some(method(load, &pool)?),
        None => None,
    };
    let metadata = metadata(load, files, None, &random)?;
    let is_stream = method.as_ref().map(|method| method.is_client_streaming());
    let data = data(load, files, None, is_stream, &random)?;
    match (method, metadata, data) {
        (Some(method), Some(metadata), Some(data)) => {
            version_field(load, &method)?;
            let content = Content { data, metadata, random, time: Time::new(DateTime::UNIX_EPOCH) };
            calls(content, envelope(load)?, method).map(drop).map_err(|error| content_error(load, error))
        }
        (_, metadata, data) => {
            // The method is unknown, so placeholders stand for its variables.
            let sample = sample(&random);
            let rendered = metadata.map_or(Ok(()), |metadata| metadata.headers(&sample).map(drop));
            rendered.map_err(|error| load.paths.error("metadata", error))?;
            let rendered = data.map_or(Ok(()), |data| data.check(&sample));
            rendered.map_err(|error| load.paths.error(data_field(load), error))
        }
    }
}

/// Placeholder variables while the method is unknown.
fn sample(random: &RandomBits) -> CallValues {
    use crate::templates::grpc_template::FixedValue::{Bool, Text};
    let texts = ["WorkerID", "FullyQualifiedName", "MethodName", "ServiceName", "InputName", "OutputName"];
    let bools = ["IsClientStreaming", "IsServerStreaming"];
    let texts = texts.into_iter().map(|name| (name.to_owned(), Text("name".to_owned())));
    let fixed: Fixed = texts.chain(bools.into_iter().map(|name| (name.to_owned(), Bool(false)))).collect();
    CallValues::new(0, DateTime::UNIX_EPOCH, random, &fixed)
}

/// Builds the protocol of `load`.
pub(super) async fn protocol(load: &GrpcLoad, env: &Env<'_>) -> Result<Grpc, TaskError> {
    let files = env.files;
    let random = random_bits();
    let downloads = download(load, env.web).await?;
    let downloads = Some(&downloads);
    let connector = connector(load, files)?;
    let metadata = metadata(load, files, downloads, &random)?.unwrap_or_default();
    let pool = match pool(load, files, downloads)? {
        Some(pool) => pool,
        None => reflected(load, &connector, files, &random).await?,
    };
    let method = method(load, &pool)?;
    let data = data(load, files, downloads, Some(method.is_client_streaming()), &random)?.unwrap_or(empty());
    let shape = shape(&method);
    let field = version_field(load, &method)?;
    let content = Content { data, metadata, random, time: Time::new(env.clock.now()) };
    let calls = calls(content, envelope(load)?, method).map_err(|error| content_error(load, error))?;
    Ok(Grpc::new(GrpcTarget {
        connector,
        shape,
        connect_timeout: load.connect_timeout,
        keepalive: load.keepalive,
        interval: load.interval,
        calls,
        attribution: load.attribution.clone(),
        field,
    }))
}

fn empty() -> Data {
    Data::Fixed(Value::Object(serde_json::Map::new()))
}

/// Adds the path of the field to an error about content.
fn content_error(load: &GrpcLoad, error: CallError) -> InputError {
    match error {
        CallError::Metadata(error) => load.paths.error("metadata", error),
        CallError::Data(error) => load.paths.error(data_field(load), error),
    }
}

fn data_field(load: &GrpcLoad) -> &'static str {
    match &load.source {
        Source::None | Source::Value(_) => "data",
        Source::Json(From::File(_)) => "data-file",
        Source::Json(From::Url(_)) => "dataURL",
        Source::Binary(From::File(_)) => "binary-file",
        Source::Binary(From::Url(_)) => "binaryDataURL",
    }
}

fn envelope(load: &GrpcLoad) -> Result<Envelope, InputError> {
    let is_tls = load.encryption.is_some();
    let envelope = Envelope::new(is_tls, &load.authority, &load.call.path(), load.timeout, load.is_compressed);
    envelope.ok_or_else(|| load.paths.error("authority", format!("`{}` is not a valid authority", load.authority)))
}

/// Builds the connector to the service.
fn connector(load: &GrpcLoad, files: &dyn Files) -> Result<Connector, InputError> {
    let scheme = if load.encryption.is_some() { "https" } else { "http" };
    let (address, route) = match &load.address {
        ServiceAddress::HostPort(address) => (address.as_str(), Route::Direct),
        ServiceAddress::Socket(path) => ("localhost:80", Route::Unix(PathBuf::from(path))),
    };
    let url = url::Url::parse(&format!("{scheme}://{address}/")).ok();
    let endpoint = url.as_ref().and_then(Endpoint::from_url);
    let endpoint =
        endpoint.ok_or_else(|| load.paths.error("host", format!("`{address}` is not a valid host and port")))?;
    Ok(Connector { endpoint, route, tls: tls(load, files)? })
}

fn tls(load: &GrpcLoad, files: &dyn Files) -> Result<Option<Tls>, InputError> {
    let Some(encryption) = &load.encryption else { return Ok(None) };
    let error_at = |field: &str, message: String| load.paths.error(field, message);
    let identity = encryption.identity.as_ref().map(|identity| identity.read(files, &error_at)).transpose()?;
    let ca = encryption.ca.as_ref().map(|path| read(load, files, "cacert", path, MAX_SMALL)).transpose()?;
    let options = TlsOptions { ca, identity, skip_verify: encryption.skip_verify };
    let options = if files.knows_content() { options } else { TlsOptions::default() };
    let config = client_config(&options, &["h2"]).map_err(|error| {
        let field = match &error {
            TlsError::Ca(_) => "cacert",
            TlsError::Key(_) => "key",
            TlsError::Cert(_) | TlsError::Identity(_) => "cert",
        };
        load.paths.error(field, error.to_string())
    })?;
    // An explicit authority replaces the host.
    let host = load.authority.rsplit_once(':').map_or(load.authority.as_str(), |(host, _)| host);
    let (field, name) = match &encryption.server_name {
        Some(name) => ("cname", name.as_str()),
        None => ("authority", host.trim_start_matches('[').trim_end_matches(']')),
    };
    let server_name = ServerName::try_from(name.to_owned())
        .map_err(|_| load.paths.error(field, format!("`{name}` is not a valid server name")))?;
    Ok(Some(Tls { config: Arc::new(config), server_name: Some(server_name) }))
}

/// Returns the descriptors of the service; `None` if they must be downloaded or reflected first.
fn pool(
    load: &GrpcLoad,
    files: &dyn Files,
    downloads: Option<&Downloads>,
) -> Result<Option<DescriptorPool>, InputError> {
    let (field, pool) = match &load.descriptors {
        Descriptors::Proto(path, imports) => ("proto", descriptors::compile(path, imports, files)),
        Descriptors::Set(path) => {
            let bytes = read(load, files, "protoset", path, descriptors::MAX_BYTES)?;
            ("protoset", descriptors::decode(&bytes))
        }
        Descriptors::Url(url) => match downloads.and_then(|downloads| downloads.get("protoURL")) {
            Some(bytes) => ("protoURL", descriptors::of_download(url.path(), bytes.clone())),
            None => return Ok(None),
        },
        Descriptors::Reflection(_) => return Ok(None),
    };
    pool.map(Some).map_err(|error| load.paths.error(field, error))
}

fn method(load: &GrpcLoad, pool: &DescriptorPool) -> Result<MethodDescriptor, InputError> {
    load.call.find(pool).map_err(|error| method_error(load, error))
}

fn method_error(load: &GrpcLoad, MethodError { message, hint }: MethodError) -> InputError {
    let error = load.paths.error("call", message);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Returns the description of the service: from the server (reflection), else the built-in one.
async fn reflected(
    load: &GrpcLoad,
    connector: &Connector,
    files: &dyn Files,
    random: &RandomBits,
) -> Result<DescriptorPool, TaskError> {
    let Descriptors::Reflection(entries) = &load.descriptors else { return Ok(DescriptorPool::new()) };
    let in_metadata = |error: String| load.paths.error("reflect-metadata", error);
    let entries = read_metadata(load, "reflect-metadata", entries, files)?;
    let metadata = Metadata::parse(&entries, random).map_err(in_metadata)?;
    let metadata = metadata.headers(&sample(random)).map_err(in_metadata)?;
    let timeout = load.connect_timeout.saturating_add(load.timeout);
    match reflect(connector, &load.authority, &metadata, &load.call.service, timeout).await {
        Ok(files) => {
            let (label, host) = (&load.label, load.display_host());
            descriptor_pool::of_files(&files)
                .map_err(|error| TaskError::failed(format!("{label}: invalid descriptors from {host}: {error}")))
        }
        // A built-in description does not help if there is no connection. Everything else is for the load to measure.
        Err(error @ ReflectionError::Unreached(_)) => Err(undescribed(load, error)),
        Err(error) => match builtin::describe(&load.call.service) {
            Some(pool) => load.call.find(&pool).map(|_| pool).map_err(|error| undefined_builtin(load, error).into()),
            None => Err(undescribed(load, error)),
        },
    }
}

/// Error for a method that the built-in description of its service lacks.
fn undefined_builtin(load: &GrpcLoad, error: MethodError) -> InputError {
    let message = format!("{} (built-in description; the server has no reflection for it)", error.message);
    let hint = error.hint.unwrap_or_else(|| builtin::DESCRIBE.to_owned());
    load.paths.error("call", message).with_hint(hint)
}

/// Error for a service without a description.
fn undescribed(load: &GrpcLoad, error: ReflectionError) -> TaskError {
    let (label, host) = (&load.label, load.display_host());
    let failed = |message: String, hint: String| TaskError::Failed { message, hint: Some(hint), partial: None };
    match error {
        ReflectionError::NoService(services) => {
            let MethodError { message, hint } = load.call.no_service(services.into_iter());
            method_error(load, MethodError { message, hint: hint.or_else(|| Some(builtin::hint())) }).into()
        }
        ReflectionError::NotServed => {
            failed(format!("{label}: {host} does not describe its services: {error}"), builtin::hint())
        }
        ReflectionError::Unreached(Failure { tls, .. }) => failed(
            format!("{label}: cannot reach {host} for reflection: {error}"),
            tls.map_or_else(|| CHECK_TLS.to_owned(), |problem| problem.hint(TLS_FIELDS)),
        ),
        ReflectionError::Unanswered(failure) => failed(
            format!("{label}: no description of the service from {host}, which is connected: {failure}"),
            format!("{CHECK_TLS}; {}", builtin::hint()),
        ),
        ReflectionError::Unavailable(_) | ReflectionError::Rejected(_) | ReflectionError::Invalid(_) => failed(
            format!("{label}: reflection on {host} failed: {error}"),
            format!("{}; `reflect-metadata` is sent with reflection requests", builtin::hint()),
        ),
    }
}

/// Reads the secrets of metadata.
fn read_metadata(
    load: &GrpcLoad,
    field: &str,
    sources: &BTreeMap<String, MetadataSource>,
    files: &dyn Files,
) -> Result<BTreeMap<String, MetadataText>, InputError> {
    let read = |(name, source): (&String, &MetadataSource)| {
        let error_at = |field: &str, message: String| load.paths.error(field, format!("`{name}`: {message}"));
        let text = match source {
            MetadataSource::Text(text) => MetadataText::Text(text.clone()),
            MetadataSource::Secret(secret) => MetadataText::Secret(read_secret(secret, files, field, &error_at)?),
        };
        Ok((name.clone(), text))
    };
    sources.iter().map(read).collect()
}

/// Returns the secrets that the metadata has by its sources, as far as they can be read.
pub(super) fn secrets(load: &GrpcLoad, files: &dyn Files) -> Vec<String> {
    let reflection = match &load.descriptors {
        Descriptors::Reflection(entries) => Some(entries),
        _ => None,
    };
    let sources = reflection.into_iter().chain([&load.metadata]).flat_map(BTreeMap::values);
    let secret = |source: &MetadataSource| match source {
        MetadataSource::Text(_) => None,
        MetadataSource::Secret(secret) => secret.read(files).ok(),
    };
    // The file may have been written by an earlier task.
    let of_file = match &load.metadata_from {
        Some(From::File(_)) => metadata(load, files, None, &random_bits()).ok().flatten(),
        _ => None,
    };
    sources.filter_map(secret).chain(of_file.iter().flat_map(Metadata::secrets)).collect()
}

/// Reads the metadata of the calls; `None` if it is not downloaded yet.
fn metadata(
    load: &GrpcLoad,
    files: &dyn Files,
    downloads: Option<&Downloads>,
    random: &RandomBits,
) -> Result<Option<Metadata>, InputError> {
    let (field, bytes) = match &load.metadata_from {
        None => ("metadata", None),
        Some(From::File(path)) => ("metadata-file", Some(read(load, files, "metadata-file", path, MAX_SMALL)?)),
        Some(From::Url(_)) => match downloads.and_then(|downloads| downloads.get("metadataURL")) {
            Some(bytes) => ("metadataURL", Some(bytes.clone())),
            None => return Ok(None),
        },
    };
    let mut entries = match bytes {
        Some(bytes) => {
            let map: Result<BTreeMap<String, Value>, _> = serde_json::from_slice(&bytes);
            // Drop the parser's message: it may repeat a value, which may be a secret.
            let map = map.map_err(|_| load.paths.error(field, "expected JSON that maps names to values"))?;
            let texts = metadata_strings(map).map_err(|error| load.paths.error(field, error))?;
            texts.into_iter().map(|(name, text)| (name, MetadataText::Text(text))).collect()
        }
        None => BTreeMap::new(),
    };
    let own = read_metadata(load, "metadata", &load.metadata, files)?;
    // Parse it alone first, so that an error names the right field.
    Metadata::parse(&own, random).map_err(|error| load.paths.error("metadata", error))?;
    for (name, text) in own {
        entries.retain(|known, _| !known.eq_ignore_ascii_case(&name));
        entries.insert(name, text);
    }
    Metadata::parse(&entries, random).map(Some).map_err(|error| load.paths.error(field, error))
}

/// Reads the messages; `None` if they are not downloaded yet or their encoding is unknown.
fn data(
    load: &GrpcLoad,
    files: &dyn Files,
    downloads: Option<&Downloads>,
    is_stream: Option<bool>,
    random: &RandomBits,
) -> Result<Option<Data>, InputError> {
    let field = data_field(load);
    let bytes = |from: &From| match from {
        From::File(path) => read(load, files, field, path, MAX_DATA as u64).map(Some),
        From::Url(_) => Ok(downloads.and_then(|downloads| downloads.get(field)).cloned()),
    };
    let data = match &load.source {
        Source::None => Ok(empty()),
        Source::Value(value) => Data::of_value(value, random),
        Source::Json(from) => match bytes(from)? {
            Some(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Data::of_text(&text, random),
                Err(_) => Err("not valid UTF-8; expected JSON".to_owned()),
            },
            None => return Ok(None),
        },
        Source::Binary(from) => match (bytes(from)?, is_stream) {
            (Some(bytes), Some(is_stream)) => Data::of_bytes(Bytes::from(bytes), is_stream),
            _ => return Ok(None),
        },
    };
    data.map(Some).map_err(|error| load.paths.error(field, error))
}

/// Downloads the content that the load needs.
async fn download(load: &GrpcLoad, web: &dyn Web) -> Result<Downloads, TaskError> {
    let mut sources: Vec<(&'static str, &url::Url, usize, &str)> = Vec::new();
    if let Descriptors::Url(url) = &load.descriptors {
        sources.push(("protoURL", url, descriptors::MAX_BYTES as usize, "the description of a service"));
    }
    if let Source::Json(From::Url(url)) | Source::Binary(From::Url(url)) = &load.source {
        sources.push((data_field(load), url, MAX_DATA, "messages"));
    }
    if let Some(From::Url(url)) = &load.metadata_from {
        sources.push(("metadataURL", url, MAX_SMALL as usize, "metadata"));
    }
    let mut downloads = Downloads::new();
    for (field, url, max, expected) in sources {
        let body = fetch::download(web, url.as_str(), max, DOWNLOAD).await;
        let body =
            body.map_err(|error| TaskError::failed(format!("cannot download {field} {error}")).with_hint(error.hint))?;
        fetch::reject_page(url.as_str(), &body, expected)
            .map_err(|error| TaskError::failed(format!("{field} {} is {error}", redact_url(url.as_str()))))?;
        downloads.insert(field, body);
    }
    Ok(downloads)
}

/// Reads the file that `field` names.
fn read(load: &GrpcLoad, files: &dyn Files, field: &str, path: &str, max: u64) -> Result<Vec<u8>, InputError> {
    fetch::read(files, path, max).map_err(|error| load.paths.error(field, error))
}
