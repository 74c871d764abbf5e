//! A worker's gRPC client: makes calls on shared connections.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use http::HeaderValue;

use super::call::GrpcCall;
use super::frame::{Keep, PREFIX};
use super::response::{Listener, Received, read};
use super::status::OK;
use super::target::Grpc;
use crate::load::attribution::Source;
use crate::load::cause::{Cause, Failure};
use crate::load::h2::{Handle, Keepalive, Shared, failure, unsent};
use crate::load::progress::{Phase, Progress};
use crate::load::protocol::{Client, Protocol};
use crate::load::response::Response;
use crate::load::stats_recorder::StatsRecorder;

/// Longest message, in bytes, whose field is read.
const MAX_KEPT: usize = 1 << 20;

/// Shortest timeout of a keep-alive PING.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// A worker's gRPC client.
pub struct GrpcClient {
    grpc: Arc<Grpc>,
    worker: usize,
    connections: Vec<Shared>,
    stats: StatsRecorder,
}

impl Protocol for Grpc {
    type Client = GrpcClient;

    fn client(self: &Arc<Self>, connections: usize, stats: StatsRecorder) -> GrpcClient {
        let keepalive = self.target.keepalive;
        let keepalive = keepalive.map(|every| Keepalive { every, timeout: every.max(PING_TIMEOUT) });
        let connections = (0..connections.max(1)).map(|_| Shared::new(keepalive)).collect();
        GrpcClient { grpc: Arc::clone(self), worker: self.next_worker(), connections, stats }
    }

    fn status(&self, status: u16) -> String {
        self.describe(status)
    }
}

impl GrpcClient {
    /// Sends the messages as fast as the interval and the peer's window allow.
    async fn send(&self, stream: &mut SendStream<Bytes>, messages: &[Bytes]) -> Result<(), h2::Error> {
        let interval = self.grpc.target.interval;
        for (index, message) in messages.iter().enumerate() {
            if index > 0 {
                if !interval.is_zero() {
                    tokio::time::sleep(interval).await;
                }
                // One message may be buffered by the connection; the others wait here.
                window(stream).await?;
            }
            stream.send_data(message.clone(), index + 1 == messages.len())?;
            self.sent(message);
        }
        Ok(())
    }

    fn sent(&self, message: &Bytes) {
        self.stats.bytes_sent(message.len() - PREFIX);
        self.stats.messages_sent(1);
    }

    async fn receive(&self, response: ResponseFuture, progress: &Progress) -> Result<Call, Failure> {
        progress.enter(Phase::Response);
        let response = response.await.map_err(|error| {
            let is_response = error.is_remote() && error.is_reset();
            Failure { is_response, ..failure(&error) }
        })?;
        progress.enter(Phase::Messages);
        let target = &self.grpc.target;
        let keep = if target.field.is_some() { Keep::First(MAX_KEPT) } else { Keep::Nothing };
        let is_stream = target.shape.server_streams;
        let mut recorder = MessageRecorder { client: self, is_stream, first: None, last: None, kept: None };
        let received = read(response, keep, &mut recorder).await?;
        let version = self.version(&received, recorder.kept.as_deref());
        Ok(Call { received, first: recorder.first, version })
    }

    /// Returns the version that sent a response, and records the reason if it is unknown.
    fn version(&self, received: &Received, message: Option<&[u8]>) -> Option<usize> {
        let target = &self.grpc.target;
        let attribution = target.attribution.as_ref()?;
        let origin = match (&attribution.source, &target.field) {
            (Source::Header(name), _) => {
                let all = [&received.head, &received.trailers].into_iter().flat_map(|headers| headers.get_all(name));
                attribution.of_header(name, all.map(HeaderValue::as_bytes))
            }
            (Source::Field(_), Some(_)) if received.messages == 0 => Err("the response has no message".to_owned()),
            (Source::Field(name), Some(field)) => match message {
                Some(message) => attribution.of_field(name, field.value(message).as_deref()),
                None => Err(format!("the message is longer than {} KiB", MAX_KEPT >> 10)),
            },
            _ => Err("the responses are not JSON".to_owned()),
        };
        origin.map_err(|reason| self.stats.unknown_origin(&reason)).ok()
    }

    fn check(&self, received: &Received) -> Result<(), Failure> {
        let is_single = received.messages == 1;
        if received.status.code != OK || is_single || self.grpc.target.shape.server_streams {
            return Ok(());
        }
        let count = received.messages;
        let failure = Failure::new(Cause::Malformed, format!("the status is OK with {count} messages; expected one"));
        Err(Failure { is_response: true, ..failure })
    }
}

/// A call whose response is complete.
struct Call {
    received: Received,
    /// Arrival of the first message of a stream.
    first: Option<Instant>,
    version: Option<usize>,
}

/// Waits until the peer's window is open.
async fn window(stream: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(capacity) => capacity?,
            None => return Ok(()),
        };
    }
    Ok(())
}

/// Records messages as they arrive.
struct MessageRecorder<'a> {
    client: &'a GrpcClient,
    is_stream: bool,
    first: Option<Instant>,
    last: Option<Instant>,
    /// The first message, if it is kept.
    kept: Option<Bytes>,
}

impl Listener for MessageRecorder<'_> {
    fn message(&mut self, length: usize, message: Option<Bytes>) {
        self.kept = self.kept.take().or(message);
        self.client.stats.bytes_received(length);
        self.client.stats.messages_received(1);
        if !self.is_stream {
            return;
        }
        let now = Instant::now();
        match self.last.replace(now) {
            Some(last) => self.client.stats.between_messages(now - last),
            None => self.first = Some(now),
        }
    }
}

impl Client for GrpcClient {
    type Connection = Handle;
    type Request = Arc<GrpcCall>;

    fn varies(&self) -> bool {
        self.grpc.target.calls.varies()
    }

    fn prepare(&self, number: u64) -> Result<Arc<GrpcCall>, Failure> {
        let call = self.grpc.target.calls.call(number, self.worker);
        call.map_err(|error| Failure::new(Cause::Other, format!("request {number} cannot be built: {error}")))
    }

    async fn connect(&self, index: usize, progress: &Progress) -> Result<Handle, Failure> {
        let target = &self.grpc.target;
        let open = async |progress: &Progress| {
            let start = Instant::now();
            let connected = tokio::time::timeout(target.connect_timeout, target.connector.connect_h2(progress)).await;
            let stream = connected.unwrap_or_else(|_| Err(progress.timed_out(target.connect_timeout)))?;
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
        call: &Arc<GrpcCall>,
        progress: &Progress,
    ) -> Result<Response, Failure> {
        let has_no_messages = call.messages.is_empty();
        let sent = connection.requests.send_request(call.request.clone(), has_no_messages);
        let (response, mut stream) = sent.map_err(|error| unsent(&error))?;
        let id = stream.stream_id();
        let Call { received, first, version } = if let [message] = &call.messages[..] {
            stream.send_data(message.clone(), true).map_err(|error| failure(&error))?;
            self.sent(message);
            self.receive(response, progress).await?
        } else {
            let mut receiving = pin!(self.receive(response, progress));
            let sending = async {
                // If it fails, the stream is over, and the response has the reason.
                let _ = self.send(&mut stream, &call.messages).await;
                pending().await
            };
            tokio::select! {
                biased;
                received = &mut receiving => received?,
                () = sending => return Err(Failure::new(Cause::Other, "")),
            }
        };
        let checked = connection.trailers.check(id).and_then(|()| self.check(&received));
        checked.map_err(|failure| Failure { version, is_complete: true, ..failure })?;
        let status = received.status.code;
        let is_error = status != OK;
        if is_error {
            self.grpc.keep_message(received.status);
        }
        Ok(Response { status, first, ended: Instant::now(), is_error, cause: None, version })
    }
}
