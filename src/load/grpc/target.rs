//! The target of gRPC calls, shared by all workers of a load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::call::GrpcCall;
use super::message_field::MessageField;
use super::status::{Status, status_name};
use crate::load::attribution::Attribution;
use crate::load::connect::Connector;

/// Number of codes of which the first message is kept.
const CODES: usize = 32;

/// Streaming sides of a method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The client sends a stream of messages.
    pub client_streams: bool,
    /// The server sends a stream of messages.
    pub server_streams: bool,
}

/// Source of the calls of a load.
pub trait Calls: Send + Sync + 'static {
    /// Returns true if calls differ.
    fn varies(&self) -> bool;

    /// Builds call `number` (from 0) of worker `worker` (from 0), or returns an error message.
    fn call(&self, number: u64, worker: usize) -> Result<Arc<GrpcCall>, String>;
}

/// One method of a service, called many times.
pub struct GrpcTarget {
    /// Opens streams to the service.
    pub connector: Connector,
    /// Streaming sides.
    pub shape: Shape,
    /// Timeout for opening a connection.
    pub connect_timeout: Duration,
    /// Interval of PINGs; `None` for none.
    pub keepalive: Option<Duration>,
    /// Time between two messages that the client sends.
    pub interval: Duration,
    /// Source of the calls.
    pub calls: Box<dyn Calls>,
    /// Attribution of responses to versions.
    pub attribution: Option<Arc<Attribution>>,
    /// The field that it reads, if it reads one.
    pub field: Option<MessageField>,
}

/// gRPC to one method.
pub struct Grpc {
    pub(super) target: GrpcTarget,
    /// Number of workers so far.
    workers: AtomicUsize,
    /// Message of the first response with each code.
    messages: [OnceLock<String>; CODES],
}

impl Grpc {
    /// Prepares calls to `target`; opens no connection.
    pub fn new(target: GrpcTarget) -> Self {
        Self { target, workers: AtomicUsize::new(0), messages: [const { OnceLock::new() }; CODES] }
    }

    /// Returns the message of the first response with each error code, if it has one.
    pub fn status_messages(&self) -> BTreeMap<u16, String> {
        let messages = (0_u16..).zip(&self.messages);
        messages.filter_map(|(code, text)| Some((code, text.get().filter(|text| !text.is_empty())?.clone()))).collect()
    }

    /// Describes a code, with the message of the first response that has it.
    pub(super) fn describe(&self, code: u16) -> String {
        match self.messages.get(usize::from(code)).and_then(OnceLock::get).filter(|text| !text.is_empty()) {
            Some(text) => format!("{} ({text})", status_name(code)),
            None => status_name(code),
        }
    }

    /// Returns the number of a new worker, from 0.
    pub(super) fn next_worker(&self) -> usize {
        self.workers.fetch_add(1, Ordering::Relaxed)
    }

    /// Keeps the message if it is the first one of its code.
    pub(super) fn keep_message(&self, status: Status) {
        if let Some(place) = self.messages.get(usize::from(status.code)) {
            // Fails if it is not the first.
            let _ = place.set(status.message);
        }
    }
}
