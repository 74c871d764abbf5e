//! HTTP/2 for the load loop: requests in flight share connections, and each request is a stream.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Request, Uri, Version};

use super::h1::{MAX_KEPT, Received};
use super::message::Message;
use super::target::{HTTP2, HttpTarget, Judge, Prepared, TargetError};
use crate::load::cause::{Cause, Failure};
use crate::load::h2::{Handle, Shared, failure, interrupted, unsent};
use crate::load::progress::{Phase, Progress};
use crate::load::protocol::{Client, Protocol};
use crate::load::response::Response;
use crate::load::stats_recorder::StatsRecorder;

/// Connection headers of HTTP/1.1, which HTTP/2 forbids (RFC 9113, 8.2.2). `Host` becomes the authority.
const NOT_IN_HTTP2: [HeaderName; 7] = [
    CONNECTION,
    HOST,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A request as HTTP/2 sends it.
#[derive(Debug)]
pub struct Outgoing {
    request: Request<()>,
    body: Bytes,
}

/// HTTP/2 to one target.
#[derive(Debug)]
pub struct Http2 {
    prepared: Prepared,
    outgoing: Outgoing,
    judge: Judge,
}

impl Http2 {
    /// Prepares requests to `target`; opens no connection. HTTP/2 is negotiated by ALPN with `https` and used with prior knowledge
    /// with `http`. Redirects are not followed.
    pub fn new(target: HttpTarget) -> Result<Self, TargetError> {
        let unusable = TargetError::unusable(&target.url);
        let prepared = Prepared::new(&target, HTTP2)?;
        let outgoing = outgoing(&prepared.message, prepared.connector.endpoint.is_tls()).ok_or(unusable)?;
        Ok(Self { prepared, outgoing, judge: Judge::of(&target) })
    }
}

/// Converts a message to HTTP/2; `None` if it cannot be expressed in HTTP/2.
fn outgoing(message: &Message, is_tls: bool) -> Option<Outgoing> {
    let authority = Authority::try_from(message.headers.get(HOST)?.as_bytes()).ok()?;
    let mut uri = message.uri.clone().into_parts();
    uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(authority);
    let mut request = Request::new(());
    *request.method_mut() = message.method.clone();
    *request.uri_mut() = Uri::from_parts(uri).ok()?;
    *request.version_mut() = Version::HTTP_2;
    let mut headers = message.headers.clone();
    for name in NOT_IN_HTTP2 {
        headers.remove(name);
    }
    if !message.body.is_empty() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(message.body.len()));
    }
    *request.headers_mut() = headers;
    Some(Outgoing { request, body: message.body.clone() })
}

/// A worker's HTTP/2 client.
pub struct Http2Client {
    http: Arc<Http2>,
    connections: Vec<Shared>,
    stats: StatsRecorder,
}

impl Protocol for Http2 {
    type Client = Http2Client;

    fn client(self: &Arc<Self>, connections: usize, stats: StatsRecorder) -> Http2Client {
        let connections = (0..connections.max(1)).map(|_| Shared::new(None)).collect();
        Http2Client { http: Arc::clone(self), connections, stats }
    }
}

impl Client for Http2Client {
    type Connection = Handle;
    type Request = Option<Box<Outgoing>>;

    fn varies(&self) -> bool {
        self.http.prepared.varies()
    }

    fn prepare(&self, number: u64) -> Result<Self::Request, Failure> {
        let Some((_, message)) = self.http.prepared.rendered(number)? else { return Ok(None) };
        let outgoing = outgoing(&message, self.http.prepared.connector.endpoint.is_tls());
        let inexpressible = || Failure::new(Cause::Other, "the request cannot be expressed in HTTP/2");
        Ok(Some(Box::new(outgoing.ok_or_else(inexpressible)?)))
    }

    async fn connect(&self, index: usize, progress: &Progress) -> Result<Handle, Failure> {
        let open = async |progress: &Progress| {
            let start = Instant::now();
            let stream = self.http.prepared.connector.connect_h2(progress).await?;
            self.stats.connected(start.elapsed());
            Ok(stream)
        };
        self.connections[index % self.connections.len()].handle(progress, open).await
    }

    async fn ready(&self, connection: &mut Handle) -> bool {
        connection.is_ready().await
    }

    async fn exchange(
        &self,
        connection: &mut Handle,
        rendered: &Self::Request,
        progress: &Progress,
    ) -> Result<Response, Failure> {
        let http = &*self.http;
        let outgoing = rendered.as_deref().unwrap_or(&http.outgoing);
        let has_no_body = outgoing.body.is_empty();
        let (response, mut body) =
            connection.requests.send_request(outgoing.request.clone(), has_no_body).map_err(|error| unsent(&error))?;
        if !has_no_body {
            // Sent as the peer's window allows, while the response is awaited: it may come early.
            body.send_data(outgoing.body.clone(), true).map_err(|error| failure(&error))?;
            self.stats.bytes_sent(outgoing.body.len());
        }
        progress.enter(Phase::Response);
        let (head, mut received) = response.await.map_err(|error| failure(&error))?.into_parts();
        progress.enter(Phase::Body);
        let first = Instant::now();
        let (mut length, mut kept) = (0, Vec::new());
        while let Some(data) = received.data().await {
            let data = data.map_err(|error| interrupted(&error))?;
            self.stats.bytes_received(data.len());
            length += data.len() as u64;
            if http.judge.needs_body() {
                kept.extend_from_slice(&data[..data.len().min(MAX_KEPT - kept.len())]);
            }
            // Fails only if the stream has ended.
            let _ = received.flow_control().release_capacity(data.len());
        }
        connection.trailers.check(received.stream_id())?;
        let received = Received { status: head.status.as_u16(), first, ended: Instant::now(), body: length };
        let values = |name: &str| head.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        Ok(http.judge.judge(received, values, &kept, &self.stats))
    }
}
