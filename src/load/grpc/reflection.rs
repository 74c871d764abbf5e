//! A client for gRPC server reflection, version 1 and its predecessor v1alpha, which differ only in the name of the service.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::HeaderMap;
use prost::Message;
use prost_reflect::prost_types::FileDescriptorProto;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::call::{Envelope, GrpcCall};
use super::frame::Keep;
use super::response::{Listener, read};
use super::status::{OK, Status, UNAVAILABLE, UNIMPLEMENTED, status_name};
use crate::load::cause::{Cause, Failure};
use crate::load::connect::Connector;
use crate::load::h2::{failure, handshake};
use crate::load::progress::{Phase, Progress};
use crate::model::text::prefix;

/// Methods, the newest first.
const METHODS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Maximum files that one service imports, and maximum bytes in them.
const MAX_FILES: usize = 1_000;
const MAX_BYTES: usize = 16 << 20;

/// Code of a symbol or file that does not exist.
const NOT_FOUND: u16 = 5;

/// Pauses before another attempt. The calls of a load are counted; those of reflection may be repeated.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(400)];

/// Reflection failed.
#[derive(Debug, thiserror::Error)]
pub enum ReflectionError {
    /// No connection.
    #[error("{0}")]
    Unreached(Failure),
    /// No complete response of gRPC, although there was a connection.
    #[error("{0}")]
    Unanswered(Failure),
    /// The server, or a proxy, is not available now.
    #[error("the server responded with {0}")]
    Unavailable(String),
    /// The server has no reflection service.
    #[error("the server has no reflection service")]
    NotServed,
    /// The server responded with an error.
    #[error("the server responded with {0}")]
    Rejected(String),
    /// The server does not have the service; it has these.
    #[error("the server has no such service")]
    NoService(Vec<String>),
    /// The response is invalid or too large.
    #[error("{0}")]
    Invalid(String),
}

impl From<Failure> for ReflectionError {
    fn from(failure: Failure) -> Self {
        Self::Unanswered(failure)
    }
}

impl ReflectionError {
    /// Returns true if another attempt may succeed.
    fn is_transient(&self) -> bool {
        matches!(self, Self::Unanswered(_) | Self::Unavailable(_))
    }
}

/// Fetches the files that describe `service`, with all their imports, within `timeout`: encoded `FileDescriptorProto`s. Streams that were
/// refused, connections that were closed, and responses that are not gRPC are retried a few times.
pub async fn reflect(
    connector: &Connector,
    authority: &str,
    metadata: &HeaderMap,
    service: &str,
    timeout: Duration,
) -> Result<Vec<Vec<u8>>, ReflectionError> {
    let progress = Progress::default();
    let is_connected = AtomicBool::new(false);
    let work = async {
        let mut pauses = PAUSES.into_iter();
        loop {
            let attempt = attempt(connector, authority, metadata, service, timeout, &progress, &is_connected).await;
            match (attempt, pauses.next()) {
                (Err(error), Some(pause)) if error.is_transient() => tokio::time::sleep(pause).await,
                (end, _) => return end,
            }
        }
    };
    let late = |_| {
        let failure = progress.timed_out(timeout);
        Err(match is_connected.load(Ordering::Relaxed) {
            true => ReflectionError::Unanswered(failure),
            false => ReflectionError::Unreached(failure),
        })
    };
    tokio::time::timeout(timeout, work).await.unwrap_or_else(late)
}

/// Opens a connection and fetches the files on it.
async fn attempt(
    connector: &Connector,
    authority: &str,
    metadata: &HeaderMap,
    service: &str,
    timeout: Duration,
    progress: &Progress,
    is_connected: &AtomicBool,
) -> Result<Vec<Vec<u8>>, ReflectionError> {
    let stream = connector.connect_h2(progress).await.map_err(ReflectionError::Unreached)?;
    is_connected.store(true, Ordering::Relaxed);
    let (requests, connection) = handshake(stream).await?;
    progress.enter(Phase::Response);
    let client = ReflectionClient { requests, authority, is_tls: connector.endpoint.is_tls(), metadata, timeout };
    tokio::select! {
        biased;
        files = gather(client, service) => files,
        ended = connection => Err(match ended {
            Ok(()) => Failure::new(Cause::Closed, ""),
            Err(error) => failure(&error),
        }.into()),
    }
}

/// Fetches files until all imports are complete.
async fn gather(mut client: ReflectionClient<'_>, service: &str) -> Result<Vec<Vec<u8>>, ReflectionError> {
    let first = MessageRequest::FileContainingSymbol(service.to_owned());
    let (method, response) = match client.request(METHODS[0], first.clone()).await {
        Err(ReflectionError::NotServed) => (METHODS[1], client.request(METHODS[1], first).await?),
        other => (METHODS[0], other?),
    };
    let mut files = Files::default();
    let mut waiting = match response {
        Reflected::Files(encoded) => files.add(encoded)?,
        Reflected::Error(code, _) if code == i32::from(NOT_FOUND) => {
            let services = client.request(method, MessageRequest::ListServices(String::new())).await?;
            return Err(ReflectionError::NoService(if let Reflected::Services(names) = services {
                names
            } else {
                Vec::new()
            }));
        }
        Reflected::Error(code, text) => return Err(rejected(code, &text)),
        Reflected::Services(_) => {
            return Err(ReflectionError::Invalid("the server responded to another request".to_owned()));
        }
    };
    while let Some(name) = waiting.pop() {
        if files.names.contains(&name) {
            continue;
        }
        match client.request(method, MessageRequest::FileByFilename(name.clone())).await? {
            Reflected::Files(encoded) => waiting.extend(files.add(encoded)?),
            // Servers may omit well-known files, which every client has.
            _ if name.starts_with("google/protobuf/") => {}
            Reflected::Error(code, text) => return Err(rejected(code, &format!("{name}: {text}"))),
            Reflected::Services(_) => {
                return Err(ReflectionError::Invalid("the server responded to another request".to_owned()));
            }
        }
        files.names.insert(name);
    }
    Ok(files.files)
}

fn rejected(code: i32, text: &str) -> ReflectionError {
    ReflectionError::Rejected(described(code, text))
}

fn described(code: i32, text: &str) -> String {
    let name = u16::try_from(code).map_or_else(|_| code.to_string(), status_name);
    format!("{name}: {}", prefix(text, 300))
}

/// Files fetched so far.
#[derive(Default)]
struct Files {
    files: Vec<Vec<u8>>,
    names: BTreeSet<String>,
    bytes: usize,
}

impl Files {
    /// Adds files, and returns the names of their imports.
    fn add(&mut self, encoded: Vec<Vec<u8>>) -> Result<Vec<String>, ReflectionError> {
        let mut imports = Vec::new();
        for encoded in encoded {
            self.bytes += encoded.len();
            if self.files.len() >= MAX_FILES || self.bytes > MAX_BYTES {
                let text = format!("the service imports more than {MAX_FILES} files or {MAX_BYTES} bytes");
                return Err(ReflectionError::Invalid(text));
            }
            let file = FileDescriptorProto::decode(&encoded[..]).map_err(|error| {
                ReflectionError::Invalid(format!("the server sent an invalid file descriptor: {error}"))
            })?;
            if self.names.insert(file.name().to_owned()) {
                imports.extend(file.dependency.iter().cloned());
                self.files.push(encoded);
            }
        }
        imports.retain(|name| !self.names.contains(name));
        Ok(imports)
    }
}

/// Response to a reflection request.
enum Reflected {
    /// Encoded descriptors.
    Files(Vec<Vec<u8>>),
    Services(Vec<String>),
    /// Code and message.
    Error(i32, String),
}

/// Sends reflection requests, each as a call of its own.
struct ReflectionClient<'a> {
    requests: SendRequest<Bytes>,
    authority: &'a str,
    is_tls: bool,
    metadata: &'a HeaderMap,
    timeout: Duration,
}

impl ReflectionClient<'_> {
    async fn request(&mut self, method: &str, request: MessageRequest) -> Result<Reflected, ReflectionError> {
        let host = self.authority.to_owned();
        let message = ServerReflectionRequest { host, message_request: Some(request) }.encode_to_vec();
        let envelope = Envelope::new(self.is_tls, self.authority, method, self.timeout, false);
        let envelope = envelope
            .ok_or_else(|| ReflectionError::Invalid(format!("`{}` is not a valid authority", self.authority)))?;
        let call = GrpcCall::new(&envelope, self.metadata, &[message.into()])
            .map_err(|error| ReflectionError::Invalid(error.to_string()))?;
        let (status, message) = self.call(call).await?;
        match (status.code, message) {
            (OK, Some(message)) => decode(&message),
            (OK, None) => Err(ReflectionError::Invalid("the server sent no response".to_owned())),
            (UNIMPLEMENTED, _) => Err(ReflectionError::NotServed),
            // Some servers end the stream with the error instead of sending it in a message.
            (NOT_FOUND, _) => Ok(Reflected::Error(NOT_FOUND.into(), status.message)),
            (UNAVAILABLE, _) => Err(ReflectionError::Unavailable(described(UNAVAILABLE.into(), &status.message))),
            (code, _) => Err(rejected(i32::from(code), &status.message)),
        }
    }

    async fn call(&mut self, call: GrpcCall) -> Result<(Status, Option<Bytes>), Failure> {
        std::future::poll_fn(|cx| self.requests.poll_ready(cx)).await.map_err(|error| failure(&error))?;
        let (response, mut stream) =
            self.requests.send_request(call.request, false).map_err(|error| failure(&error))?;
        for message in call.messages {
            stream.send_data(message, true).map_err(|error| failure(&error))?;
        }
        let response = response.await.map_err(|error| failure(&error))?;
        let mut first = First(None);
        let received = read(response, Keep::All, &mut first).await?;
        Ok((received.status, first.0))
    }
}

/// Keeps the first message.
struct First(Option<Bytes>);

impl Listener for First {
    fn message(&mut self, _: usize, message: Option<Bytes>) {
        self.0 = self.0.take().or(message);
    }
}

fn decode(message: &[u8]) -> Result<Reflected, ReflectionError> {
    let invalid = |error: &dyn std::fmt::Display| {
        ReflectionError::Invalid(format!("the server's response cannot be decoded: {error}"))
    };
    let response = ServerReflectionResponse::decode(message).map_err(|error| invalid(&error))?;
    match response.message_response {
        Some(MessageResponse::FileDescriptorResponse(files)) => Ok(Reflected::Files(files.file_descriptor_proto)),
        Some(MessageResponse::ListServicesResponse(list)) => {
            Ok(Reflected::Services(list.service.into_iter().map(|service| service.name).collect()))
        }
        Some(MessageResponse::ErrorResponse(error)) => Ok(Reflected::Error(error.error_code, error.error_message)),
        _ => Err(invalid(&"unexpected kind of message")),
    }
}
