//! What is called, and how: shared by all workers of a load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::call::GrpcCall;
use super::status::{Status, status_name};
use crate::load::connect::Connector;

/// Codes whose first message is kept.
const CODES: usize = 32;

/// Which sides of a method send streams of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The client does.
    pub client_streams: bool,
    /// The server does.
    pub server_streams: bool,
}

/// Makes the calls of a load.
pub trait Calls: Send + Sync + 'static {
    /// Whether calls differ.
    fn varies(&self) -> bool;

    /// Call `number` (from 0), as worker `worker` (from 0) makes it; or why it can't be made.
    fn call(&self, number: u64, worker: usize) -> Result<Arc<GrpcCall>, String>;
}

/// One method of a service, to be called many times.
pub struct GrpcTarget {
    /// The way to the service.
    pub connector: Connector,
    /// Which sides stream.
    pub shape: Shape,
    /// Time for opening a connection.
    pub connect_timeout: Duration,
    /// How often a PING is sent; `None` for never.
    pub keepalive: Option<Duration>,
    /// Time between two messages that the client sends.
    pub interval: Duration,
    /// The calls.
    pub calls: Box<dyn Calls>,
}

/// gRPC to one method.
pub struct Grpc {
    pub(super) target: GrpcTarget,
    /// Workers so far.
    workers: AtomicUsize,
    /// What the service said when it first answered with a code.
    said: [OnceLock<String>; CODES],
}

impl Grpc {
    /// Prepares calls to `target`; opens nothing.
    pub fn new(target: GrpcTarget) -> Self {
        Self { target, workers: AtomicUsize::new(0), said: [const { OnceLock::new() }; CODES] }
    }

    /// What the service said when it first answered with a code that is an error; only codes with a message.
    pub fn said(&self) -> BTreeMap<u16, String> {
        let said = (0_u16..).zip(&self.said);
        said.filter_map(|(code, text)| Some((code, text.get().filter(|text| !text.is_empty())?.clone()))).collect()
    }

    /// A code in words, with what the service said when it first answered with it.
    pub(super) fn words(&self, code: u16) -> String {
        match self.said.get(usize::from(code)).and_then(OnceLock::get).filter(|text| !text.is_empty()) {
            Some(text) => format!("{} ({text})", status_name(code)),
            None => status_name(code),
        }
    }

    /// The number of one more worker, from 0.
    pub(super) fn next_worker(&self) -> usize {
        self.workers.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes note of what the service says.
    pub(super) fn hear(&self, status: Status) {
        if let Some(place) = self.said.get(usize::from(status.code)) {
            // Fails where it is not the first.
            let _ = place.set(status.message);
        }
    }
}
