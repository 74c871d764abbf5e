//! One HTTP/1.1 connection.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::response::Parts;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::message::Message;
use super::wire::Wire;
use crate::load::cause::{Cause, Failure};
use crate::load::dial::{Dialer, Origin, Tls, Via};
use crate::load::meter::Meter;

/// Other origins whose connections are kept for redirects.
const FOREIGN: usize = 4;

/// Most headers of an answer; hyper sets memory for them aside with every answer, so that it can't be arbitrarily many.
const MAX_HEADERS: usize = 256;

/// The head of a complete answer, and when it came.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) head: Parts,
    pub(super) first: Instant,
}

/// The sending end of a connection; dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Sender {
    requests: SendRequest<Full<Bytes>>,
    task: AbortHandle,
    /// Bytes heard of the peer so far.
    heard: Rc<Cell<u64>>,
    /// Whether there was an exchange before.
    is_used: bool,
}

impl Drop for Sender {
    fn drop(&mut self) {
        // hyper would go on writing a body to a peer that reads slowly.
        self.task.abort();
    }
}

impl Sender {
    /// Waits until the next request can be sent; `false` when the connection is closed.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.requests.ready().await.is_ok()
    }

    /// Sends one request and reads the whole answer; returns its head.
    ///
    /// A peer may close an idle connection at the very moment a request goes out on it. That is no failure of the service, and HTTP
    /// (RFC 9110, 9.2.2) has clients send the request again where that does no harm; such a failure is repeatable.
    pub(super) async fn exchange(&mut self, message: &Message, meter: &Meter) -> Result<Answered, Failure> {
        meter.sent(message.body.len());
        let before = self.heard.get();
        let is_reused = std::mem::replace(&mut self.is_used, true);
        let sent = self.requests.try_send_request(message.to_request()).await;
        let response = sent.map_err(|mut refused| {
            let is_unsent = refused.take_message().is_some();
            let failure = Failure::of(refused.error(), Cause::Other);
            let is_unheard = is_reused
                && self.heard.get() == before
                && matches!(failure.cause, Cause::Closed | Cause::Reset)
                && message.method.is_idempotent();
            Failure { is_repeatable: is_unsent || is_unheard, ..failure }
        })?;
        let first = Instant::now();
        let (head, mut body) = response.into_parts();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::of(&error, Cause::Closed))?;
            meter.received(frame.data_ref().map_or(0, Bytes::len));
        }
        Ok(Answered { head, first })
    }
}

/// A connection to the target, and those to the origins that its redirects lead to.
#[derive(Debug)]
pub struct HttpConnection {
    pub(super) sender: Sender,
    foreign: Vec<(Dialer, Sender)>,
}

impl HttpConnection {
    pub(super) fn new(sender: Sender) -> Self {
        Self { sender, foreign: Vec::new() }
    }

    /// The connection to another origin: an open one, unless `is_new` is asked for, or a new one.
    pub(super) async fn to(&mut self, origin: Origin, tls: Option<&Tls>, is_new: bool) -> Result<&mut Sender, Failure> {
        let known = self.foreign.iter().position(|(known, _)| known.origin == origin);
        if let Some(index) = known
            && (is_new || !self.foreign[index].1.is_ready().await)
        {
            self.foreign.remove(index);
        }
        let index = match self.foreign.iter().position(|(known, _)| known.origin == origin) {
            Some(index) => index,
            None => {
                if self.foreign.len() >= FOREIGN {
                    self.foreign.remove(0);
                }
                let dialer = Dialer { origin, via: Via::Direct, tls: tls.cloned() };
                let sender = open(&dialer).await?;
                self.foreign.push((dialer, sender));
                self.foreign.len() - 1
            }
        };
        Ok(&mut self.foreign[index].1)
    }
}

/// Opens a connection.
pub(super) async fn open(dialer: &Dialer) -> Result<Sender, Failure> {
    let stream = dialer.dial().await?.stream;
    let heard = Rc::default();
    let wire = TokioIo::new(Wire::new(stream, Rc::clone(&heard)));
    let shaken = http1::Builder::new().max_headers(MAX_HEADERS).handshake(wire).await;
    let (requests, connection) = shaken.map_err(|error| Failure::of(&error, Cause::Other))?;
    let task = tokio::task::spawn_local(async move {
        // What goes wrong here, the request under way is told.
        let _ = connection.await;
    });
    Ok(Sender { requests, task: task.abort_handle(), heard, is_used: false })
}
