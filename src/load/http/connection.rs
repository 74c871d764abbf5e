//! One HTTP/1.1 connection.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use super::message::Message;
use super::origin::Origin;
use super::wire::Wire;
use crate::load::cause::{Cause, Failure};

/// Other origins whose connections are kept for redirects.
const FOREIGN: usize = 4;

/// Most headers of an answer; hyper sets memory for them aside with every answer, so that it can't be arbitrarily many.
const MAX_HEADERS: usize = 256;

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

    /// Sends one request and reads the whole answer; returns its head and the length of its body.
    ///
    /// A peer may close an idle connection at the very moment a request goes out on it. That is no failure of the service, and HTTP
    /// (RFC 9110, 9.2.2) has clients send the request again where that does no harm; such a failure is repeatable.
    pub(super) async fn exchange(&mut self, message: &Message) -> Result<(Parts, u64), Failure> {
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
        let (head, mut body) = response.into_parts();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::of(&error, Cause::Closed))?;
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok((head, bytes))
    }
}

/// A connection to the target, and those to the origins that its redirects lead to.
#[derive(Debug)]
pub struct HttpConnection {
    pub(super) sender: Sender,
    foreign: Vec<(Origin, Sender)>,
}

impl HttpConnection {
    pub(super) fn new(sender: Sender) -> Self {
        Self { sender, foreign: Vec::new() }
    }

    /// The connection to another origin: an open one, unless `is_new` is asked for, or a new one.
    pub(super) async fn to(
        &mut self,
        origin: Origin,
        tls: Option<&Arc<ClientConfig>>,
        is_new: bool,
    ) -> Result<&mut Sender, Failure> {
        let known = self.foreign.iter().position(|(known, _)| *known == origin);
        if let Some(index) = known
            && (is_new || !self.foreign[index].1.is_ready().await)
        {
            self.foreign.remove(index);
        }
        let index = match self.foreign.iter().position(|(known, _)| *known == origin) {
            Some(index) => index,
            None => {
                if self.foreign.len() >= FOREIGN {
                    self.foreign.remove(0);
                }
                let sender = open(&origin, tls).await?;
                self.foreign.push((origin, sender));
                self.foreign.len() - 1
            }
        };
        Ok(&mut self.foreign[index].1)
    }
}

/// Opens a connection.
pub(super) async fn open(origin: &Origin, tls: Option<&Arc<ClientConfig>>) -> Result<Sender, Failure> {
    let stream = origin.connect().await?;
    // Only latency is lost where this fails.
    let _ = stream.set_nodelay(true);
    if !origin.is_tls() {
        return handshake(stream).await;
    }
    let Some(config) = tls else { return Err(Failure::new(Cause::Tls, "TLS is not set up")) };
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    let stream = connector.connect(origin.server_name()?, stream).await.map_err(|error| {
        let failure = Failure::of(&error, Cause::Tls);
        // A peer that hangs up amid the handshake refuses TLS; it has not been asked anything yet.
        let cause = if failure.cause == Cause::Closed { Cause::Tls } else { failure.cause };
        Failure { cause, ..failure }
    })?;
    handshake(stream).await
}

async fn handshake<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S) -> Result<Sender, Failure> {
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
