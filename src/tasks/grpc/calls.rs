//! The calls of a load: built once if all are equal, else rendered one by one.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use prost_reflect::{MessageDescriptor, MethodDescriptor};

use super::data::Data;
use super::metadata::Metadata;
use crate::load::grpc::{Calls, Envelope, GrpcCall, Shape};
use crate::tasks::loadgen::Time;
use crate::templates::grpc_template::{CallValues, Fixed, FixedValue};
use crate::templates::random::RandomBits;

/// Maximum number of messages that unary calls use in turn; each is kept as a prebuilt call.
const MAX_TURNS: usize = 10_000;

/// Failure to build a call: the field at fault, and the reason.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("metadata: {0}")]
    Metadata(String),
    #[error("data: {0}")]
    Data(String),
}

/// Content of the calls.
pub(super) struct Content {
    pub(super) data: Data,
    pub(super) metadata: Metadata,
    pub(super) random: RandomBits,
    pub(super) time: Time,
}

impl Content {
    /// Returns the template variables for call `number` of `worker`.
    pub(super) fn values(&self, number: u64, worker: usize, method: Option<&MethodDescriptor>) -> CallValues {
        let mut fixed = method.map(method_variables).unwrap_or_default();
        fixed.insert("WorkerID".to_owned(), FixedValue::Text(format!("w{worker}")));
        CallValues::new(number, self.time.now(), &self.random, &fixed)
    }
}

/// Variables that describe a method.
pub(super) fn method_variables(method: &MethodDescriptor) -> Fixed {
    let text = |text: &str| FixedValue::Text(text.to_owned());
    let fixed = [
        ("FullyQualifiedName", text(method.full_name())),
        ("MethodName", text(method.name())),
        ("ServiceName", text(method.parent_service().name())),
        ("InputName", text(method.input().name())),
        ("OutputName", text(method.output().name())),
        ("IsClientStreaming", FixedValue::Bool(method.is_client_streaming())),
        ("IsServerStreaming", FixedValue::Bool(method.is_server_streaming())),
    ];
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Streaming sides of a method.
pub(super) fn shape(method: &MethodDescriptor) -> Shape {
    Shape { client_streams: method.is_client_streaming(), server_streams: method.is_server_streaming() }
}

/// Prebuilt calls, used in turn.
struct Built(Vec<Arc<GrpcCall>>);

impl Calls for Built {
    fn varies(&self) -> bool {
        self.0.len() > 1
    }

    fn call(&self, number: u64, _: usize) -> Result<Arc<GrpcCall>, String> {
        let index = usize::try_from(number % self.0.len().max(1) as u64).unwrap_or(0);
        self.0.get(index).cloned().ok_or_else(|| "no message".to_owned())
    }
}

/// Calls that are rendered individually.
struct Varying {
    content: Content,
    envelope: Envelope,
    method: MethodDescriptor,
    kind: MessageDescriptor,
}

impl Varying {
    /// Metadata and messages of one call.
    fn parts(&self, number: u64, worker: usize) -> Result<(HeaderMap, Vec<Bytes>), CallError> {
        let values = self.content.values(number, worker, Some(&self.method));
        let headers = self.content.metadata.headers(&values).map_err(CallError::Metadata)?;
        let messages = self.content.data.encode(&self.kind, &values).map_err(CallError::Data)?;
        Ok((headers, messages))
    }

    fn build(&self, headers: &HeaderMap, messages: &[Bytes]) -> Result<Arc<GrpcCall>, CallError> {
        let call = GrpcCall::new(&self.envelope, headers, messages);
        call.map(Arc::new).map_err(|error| CallError::Data(error.to_string()))
    }

    fn render(&self, number: u64, worker: usize) -> Result<Arc<GrpcCall>, CallError> {
        let (headers, messages) = self.parts(number, worker)?;
        if self.method.is_client_streaming() {
            return self.build(&headers, &messages);
        }
        let index = usize::try_from(number % messages.len().max(1) as u64).unwrap_or(0);
        let missing = || CallError::Data("there is no message".to_owned());
        self.build(&headers, messages.get(index..=index).ok_or_else(missing)?)
    }
}

impl Calls for Varying {
    fn varies(&self) -> bool {
        true
    }

    fn call(&self, number: u64, worker: usize) -> Result<Arc<GrpcCall>, String> {
        self.render(number, worker).map_err(|error| error.to_string())
    }
}

/// Builds the calls of a load.
pub(super) fn calls(
    content: Content,
    envelope: Envelope,
    method: MethodDescriptor,
) -> Result<Box<dyn Calls>, CallError> {
    let kind = method.input();
    let varying = Varying { content, envelope, method, kind };
    if varying.content.data.varies() || varying.content.metadata.varies() {
        // Render a trial call to find mistakes before the load.
        varying.render(0, 0)?;
        return Ok(Box::new(varying));
    }
    let (headers, messages) = varying.parts(0, 0)?;
    if varying.method.is_client_streaming() {
        return Ok(Box::new(Built(vec![varying.build(&headers, &messages)?])));
    }
    if messages.is_empty() || messages.len() > MAX_TURNS {
        let message = format!("{} messages; expected 1 to {MAX_TURNS}", messages.len());
        return Err(CallError::Data(message));
    }
    let one = |message: &Bytes| varying.build(&headers, std::slice::from_ref(message));
    Ok(Box::new(Built(messages.iter().map(one).collect::<Result<_, _>>()?)))
}
