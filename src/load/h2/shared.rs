//! One HTTP/2 connection, opened by the first task that needs it and shared by the others.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::failure::failure;
use super::trailers::{Trailers, Watched};
use crate::load::cause::{Failure, Resend};
use crate::load::progress::Progress;

/// Flow-control windows, large enough that a fast response does not wait for window updates.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Longest headers or trailers of one response, in bytes, uncompressed.
const MAX_HEADERS: u32 = 64 << 10;

/// Maximum locally reset streams for which late frames are still ignored.
const MAX_RESET_STREAMS: usize = 1024;

/// Streams opened before the peer's SETTINGS arrive.
const INITIAL_STREAMS: usize = 1;

/// Detection of dead connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::load) struct Keepalive {
    /// Interval of PINGs.
    pub(in crate::load) every: Duration,
    /// Timeout of a PING; the connection is closed afterwards.
    pub(in crate::load) timeout: Duration,
}

/// One connection for many exchanges of one thread. If it breaks it is reopened once for all of them.
#[derive(Default)]
pub(in crate::load) struct Shared {
    keepalive: Option<Keepalive>,
    /// Locked while the connection is being opened, so that the other tasks wait.
    state: Mutex<State>,
    /// Progress of opening it.
    progress: Arc<Progress>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// Failure of the last attempt to open it, for all tasks that waited for it.
    failed: Option<Failure>,
}

/// Handle of an open connection.
#[derive(Clone)]
pub struct Handle {
    pub(in crate::load) requests: SendRequest<Bytes>,
    /// Streams with malformed trailers, which the `h2` crate accepts.
    pub(in crate::load) trailers: Rc<Trailers>,
}

impl Handle {
    /// Waits until the connection accepts another stream. Returns false if it has ended.
    pub(in crate::load) async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| self.requests.poll_ready(cx)).await.is_ok()
    }
}

/// An open connection. It closes once all handles are dropped and its streams have ended, so that streams that are open when the
/// peer sends GOAWAY can complete.
struct Open {
    handle: Handle,
    keepalive: Option<AbortHandle>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(task) = &self.keepalive {
            task.abort();
        }
    }
}

impl Open {
    /// Returns true if the connection takes new streams, now or later.
    async fn is_usable(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(!matches!(self.handle.requests.poll_ready(cx), Poll::Ready(Err(_))))).await
    }
}

impl Shared {
    /// Creates a connection that opens on first use.
    pub(in crate::load) fn new(keepalive: Option<Keepalive>) -> Self {
        Self { keepalive, ..Self::default() }
    }

    /// Returns a handle on the connection. If there is none, or it broke, the first caller opens it with `connect`, and the others
    /// share the progress and the result: the connection or the failure.
    pub(in crate::load) async fn handle<S>(
        &self,
        progress: &Progress,
        connect: impl AsyncFnOnce(&Progress) -> Result<S, Failure>,
    ) -> Result<Handle, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        progress.share(&self.progress);
        let (mut state, has_waited) = match self.state.try_lock() {
            Ok(state) => (state, false),
            Err(_) => (self.state.lock().await, true),
        };
        if let Some(open) = &mut state.open
            && open.is_usable().await
        {
            return Ok(open.handle.clone());
        }
        if let Some(failed) = state.failed.as_ref().filter(|_| has_waited) {
            return Err(failed.clone());
        }
        state.open = None;
        state.failed = None;
        let opened = match connect(&self.progress).await {
            Ok(stream) => self.open(stream).await,
            Err(failure) => Err(failure),
        };
        match opened {
            Ok(open) => {
                let handle = open.handle.clone();
                state.open = Some(open);
                Ok(handle)
            }
            Err(failure) => {
                state.failed = Some(Failure { resend: Resend::Never, ..failure.clone() });
                Err(failure)
            }
        }
    }

    /// Starts HTTP/2 on `stream`, driven by this thread.
    async fn open<S: AsyncRead + AsyncWrite + Unpin + 'static>(&self, stream: S) -> Result<Open, Failure> {
        let stream = Watched::new(stream);
        let trailers = stream.trailers();
        let (requests, mut connection) = handshake(stream).await?;
        let pings = connection.ping_pong();
        let driver = tokio::task::spawn_local(async move {
            // The streams report the error.
            let _ = connection.await;
        });
        let keepalive = self.keepalive.zip(pings).map(|(keepalive, pings)| {
            tokio::task::spawn_local(keep_alive(keepalive, pings, driver.abort_handle())).abort_handle()
        });
        Ok(Open { handle: Handle { requests, trailers }, keepalive })
    }
}

/// Starts HTTP/2 on a stream. The connection must be polled for anything to happen.
pub(in crate::load) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
) -> Result<(SendRequest<Bytes>, Connection<S, Bytes>), Failure> {
    let shaken = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .max_concurrent_reset_streams(MAX_RESET_STREAMS)
        .initial_max_send_streams(INITIAL_STREAMS)
        .handshake(stream)
        .await;
    shaken.map_err(|error| failure(&error))
}

/// Sends PINGs, and closes the connection when one times out, which fails its streams.
async fn keep_alive(keepalive: Keepalive, mut pings: PingPong, driver: AbortHandle) {
    loop {
        tokio::time::sleep(keepalive.every).await;
        match tokio::time::timeout(keepalive.timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return,
            Err(_) => return driver.abort(),
        }
    }
}
