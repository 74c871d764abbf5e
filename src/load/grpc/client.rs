//! A worker's gRPC client: makes calls on shared connections.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;

use super::call::GrpcCall;
use super::frame::PREFIX;
use super::response::{Listener, Received, read};
use super::status::OK;
use super::target::Grpc;
use crate::load::cause::{Cause, Failure};
use crate::load::h2::{Handle, Keepalive, Shared, failure, unsent};
use crate::load::progress::{Phase, Progress};
use crate::load::protocol::{Client, Protocol};
use crate::load::response::Response;
use crate::load::stats_recorder::StatsRecorder;

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

    async fn receive(
        &self,
        response: ResponseFuture,
        progress: &Progress,
    ) -> Result<(Received, Option<Instant>), Failure> {
        progress.enter(Phase::Response);
        let response = response.await.map_err(|error| {
            let is_response = error.is_remote() && error.is_reset();
            Failure { is_response, ..failure(&error) }
        })?;
        progress.enter(Phase::Messages);
        let mut recorder =
            MessageRecorder { client: self, is_stream: self.grpc.target.shape.server_streams, first: None, last: None };
        let received = read(response, false, &mut recorder).await?;
        Ok((received, recorder.first))
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
}

impl Listener for MessageRecorder<'_> {
    fn message(&mut self, length: usize, _: Bytes) {
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
        let (received, first) = if let [message] = &call.messages[..] {
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
        connection.trailers.check(id)?;
        self.check(&received)?;
        let status = received.status.code;
        let is_error = status != OK;
        if is_error {
            self.grpc.keep_message(received.status);
        }
        Ok(Response { status, first, ended: Instant::now(), is_error, cause: None })
    }
}
