//! Asking a service what it speaks: gRPC server reflection, version 1, and where there is none its predecessor.
//!
//! The versions differ in the name of the service alone.

use std::collections::BTreeSet;
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
use super::response::{Listener, read};
use super::status::{OK, Status, UNIMPLEMENTED, status_name};
use crate::load::cause::{Cause, Failure};
use crate::load::connect::Connector;
use crate::load::h2::{failure, handshake};

/// The methods, the newest first.
const METHODS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Most files that one service leads to, and most bytes in them.
const MAX_FILES: usize = 1_000;
const MAX_BYTES: usize = 16 << 20;

/// The code of what is not found.
const NOT_FOUND: u16 = 5;

/// Why a service did not tell.
#[derive(Debug, thiserror::Error)]
pub enum ReflectionError {
    /// No connection, no answer, or not in time.
    #[error("{0}")]
    Unreached(Failure),
    /// It has no reflection.
    #[error("the server has no reflection service")]
    NotServed,
    /// It refuses to tell.
    #[error("the server answered {0}")]
    Refused(String),
    /// It has no such service; these are there.
    #[error("the server has no such service")]
    NoService(Vec<String>),
    /// What it tells makes no sense, or there is too much of it.
    #[error("{0}")]
    Odd(String),
}

impl From<Failure> for ReflectionError {
    fn from(failure: Failure) -> Self {
        Self::Unreached(failure)
    }
}

/// Asks for the files that describe `service`, with all that they import, within `timeout`.
pub async fn reflect(
    connector: &Connector,
    authority: &str,
    metadata: &HeaderMap,
    service: &str,
    timeout: Duration,
) -> Result<Vec<FileDescriptorProto>, ReflectionError> {
    let work = async {
        let (requests, connection) = handshake(connector.connect_h2().await?).await?;
        let ask = Asker { requests, authority, is_tls: connector.endpoint.is_tls(), metadata, timeout };
        tokio::select! {
            biased;
            files = gather(ask, service) => files,
            ended = connection => Err(match ended {
                Ok(()) => Failure::new(Cause::Closed, ""),
                Err(error) => failure(&error),
            }.into()),
        }
    };
    let late = |_| Err(Failure::new(Cause::Timeout, "").into());
    tokio::time::timeout(timeout, work).await.unwrap_or_else(late)
}

/// Asks until every file is there.
async fn gather(mut ask: Asker<'_>, service: &str) -> Result<Vec<FileDescriptorProto>, ReflectionError> {
    let first = MessageRequest::FileContainingSymbol(service.to_owned());
    let (method, answer) = match ask.question(METHODS[0], first.clone()).await {
        Err(ReflectionError::NotServed) => (METHODS[1], ask.question(METHODS[1], first).await?),
        other => (METHODS[0], other?),
    };
    let mut files = Files::default();
    let mut waiting = match answer {
        Told::Files(found) => files.add(found)?,
        Told::Error(code, _) if code == i32::from(NOT_FOUND) => {
            let services = ask.question(method, MessageRequest::ListServices(String::new())).await?;
            return Err(ReflectionError::NoService(if let Told::Services(names) = services {
                names
            } else {
                Vec::new()
            }));
        }
        Told::Error(code, text) => return Err(refused(code, &text)),
        Told::Services(_) => return Err(ReflectionError::Odd("the server answered another question".to_owned())),
    };
    while let Some(name) = waiting.pop() {
        if files.names.contains(&name) {
            continue;
        }
        match ask.question(method, MessageRequest::FileByFilename(name.clone())).await? {
            Told::Files(found) => waiting.extend(files.add(found)?),
            // Servers may leave out what everybody has.
            _ if name.starts_with("google/protobuf/") => {}
            Told::Error(code, text) => return Err(refused(code, &format!("{name}: {text}"))),
            Told::Services(_) => return Err(ReflectionError::Odd("the server answered another question".to_owned())),
        }
        files.names.insert(name);
    }
    Ok(files.files)
}

fn refused(code: i32, text: &str) -> ReflectionError {
    let name = u16::try_from(code).map_or_else(|_| code.to_string(), status_name);
    ReflectionError::Refused(format!("{name}: {}", text.chars().take(300).collect::<String>()))
}

/// The files so far.
#[derive(Default)]
struct Files {
    files: Vec<FileDescriptorProto>,
    names: BTreeSet<String>,
    bytes: usize,
}

impl Files {
    /// Adds files; returns the names of those that they import.
    fn add(&mut self, found: Vec<Vec<u8>>) -> Result<Vec<String>, ReflectionError> {
        let mut imports = Vec::new();
        for encoded in found {
            self.bytes += encoded.len();
            if self.files.len() >= MAX_FILES || self.bytes > MAX_BYTES {
                let text = format!("the service leads to more than {MAX_FILES} files or {MAX_BYTES} bytes");
                return Err(ReflectionError::Odd(text));
            }
            let file = FileDescriptorProto::decode(&encoded[..])
                .map_err(|error| ReflectionError::Odd(format!("the server sent no file descriptor: {error}")))?;
            if self.names.insert(file.name().to_owned()) {
                imports.extend(file.dependency.iter().cloned());
                self.files.push(file);
            }
        }
        imports.retain(|name| !self.names.contains(name));
        Ok(imports)
    }
}

/// An answer.
enum Told {
    /// Encoded descriptors.
    Files(Vec<Vec<u8>>),
    Services(Vec<String>),
    /// Code and text.
    Error(i32, String),
}

/// Puts questions, each as a call of its own.
struct Asker<'a> {
    requests: SendRequest<Bytes>,
    authority: &'a str,
    is_tls: bool,
    metadata: &'a HeaderMap,
    timeout: Duration,
}

impl Asker<'_> {
    async fn question(&mut self, method: &str, question: MessageRequest) -> Result<Told, ReflectionError> {
        let host = self.authority.to_owned();
        let message = ServerReflectionRequest { host, message_request: Some(question) }.encode_to_vec();
        let envelope = Envelope::new(self.is_tls, self.authority, method, self.timeout, false);
        let envelope = envelope.ok_or_else(|| ReflectionError::Odd(format!("`{}` is no authority", self.authority)))?;
        let call = GrpcCall::new(&envelope, self.metadata, &[message.into()])
            .map_err(|error| ReflectionError::Odd(error.to_string()))?;
        let (status, message) = self.call(call).await?;
        match (status.code, message) {
            (OK, Some(message)) => told(&message),
            (OK, None) => Err(ReflectionError::Odd("the server did not answer the question".to_owned())),
            (UNIMPLEMENTED, _) => Err(ReflectionError::NotServed),
            // Some servers end the stream with the error instead of answering with it.
            (NOT_FOUND, _) => Ok(Told::Error(NOT_FOUND.into(), status.message)),
            (code, _) => Err(refused(i32::from(code), &status.message)),
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
        let received = read(response, true, &mut first).await?;
        Ok((received.status, first.0))
    }
}

/// Keeps the first message.
struct First(Option<Bytes>);

impl Listener for First {
    fn message(&mut self, _: usize, message: Bytes) {
        self.0.get_or_insert(message);
    }
}

fn told(message: &[u8]) -> Result<Told, ReflectionError> {
    let odd =
        |error: &dyn std::fmt::Display| ReflectionError::Odd(format!("the server's answer can't be read: {error}"));
    let answer = ServerReflectionResponse::decode(message).map_err(|error| odd(&error))?;
    match answer.message_response {
        Some(MessageResponse::FileDescriptorResponse(files)) => Ok(Told::Files(files.file_descriptor_proto)),
        Some(MessageResponse::ListServicesResponse(list)) => {
            Ok(Told::Services(list.service.into_iter().map(|service| service.name).collect()))
        }
        Some(MessageResponse::ErrorResponse(error)) => Ok(Told::Error(error.error_code, error.error_message)),
        _ => Err(odd(&"it is of another kind")),
    }
}
