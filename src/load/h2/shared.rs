//! One HTTP/2 connection, opened by whoever needs it first and shared by all who need it then.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::failure::failure;
use crate::load::cause::{Cause, Failure};

/// What the peer may send ahead on one stream, and on all of a connection: enough for a fast answer not to wait for us.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Longest headers or trailers of one answer, in bytes, uncompressed.
const MAX_HEADERS: u32 = 64 << 10;

/// Streams that we gave up and the peer may still send for.
const GIVEN_UP: usize = 1024;

/// Streams that are opened before the peer has said how many it takes.
const UNASKED: usize = 1;

/// How a connection is watched while nothing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::load) struct Keepalive {
    /// How often a PING is sent.
    pub(in crate::load) every: Duration,
    /// How long its answer may take before the connection is given up.
    pub(in crate::load) patience: Duration,
}

/// One connection for many exchanges of one thread. It is opened again when it broke, once for all.
#[derive(Default)]
pub(in crate::load) struct Shared {
    keepalive: Option<Keepalive>,
    /// Locked while the connection is being opened, so that the others wait.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// Why the last attempt to open it failed.
    failed: Option<Failed>,
}

/// A failure to connect, for all who waited for it.
struct Failed {
    cause: Cause,
    detail: String,
    is_out_of_files: bool,
}

impl Failed {
    fn of(failure: &Failure) -> Self {
        let Failure { cause, detail, is_out_of_files, .. } = failure;
        Self { cause: *cause, detail: detail.clone(), is_out_of_files: *is_out_of_files }
    }

    fn failure(&self) -> Failure {
        Failure { is_out_of_files: self.is_out_of_files, ..Failure::new(self.cause, self.detail.clone()) }
    }
}

/// An open connection. It closes once nobody has a handle on it and its streams have ended, so that those under way when the peer
/// says farewell (GOAWAY) come to their end.
struct Open {
    requests: SendRequest<Bytes>,
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
    /// Whether the connection takes new streams, now or later.
    async fn is_usable(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(!matches!(self.requests.poll_ready(cx), Poll::Ready(Err(_))))).await
    }
}

impl Shared {
    /// A connection that is yet to be opened.
    pub(in crate::load) fn new(keepalive: Option<Keepalive>) -> Self {
        Self { keepalive, ..Self::default() }
    }

    /// A handle on the connection. Where there is none, or a broken one, the first who asks opens it with `connect`, and the others
    /// share what comes of it: the connection, or the failure.
    pub(in crate::load) async fn handle<S, F>(&self, connect: impl FnOnce() -> F) -> Result<SendRequest<Bytes>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
        F: Future<Output = Result<S, Failure>>,
    {
        let (mut state, has_waited) = match self.state.try_lock() {
            Ok(state) => (state, false),
            Err(_) => (self.state.lock().await, true),
        };
        if let Some(open) = &mut state.open
            && open.is_usable().await
        {
            return Ok(open.requests.clone());
        }
        if let Some(failed) = state.failed.as_ref().filter(|_| has_waited) {
            return Err(failed.failure());
        }
        state.open = None;
        state.failed = None;
        let opened = match connect().await {
            Ok(stream) => self.open(stream).await,
            Err(failure) => Err(failure),
        };
        match opened {
            Ok(open) => {
                let requests = open.requests.clone();
                state.open = Some(open);
                Ok(requests)
            }
            Err(failure) => {
                state.failed = Some(Failed::of(&failure));
                Err(failure)
            }
        }
    }

    /// Speaks HTTP/2 on `stream`, on this thread.
    async fn open<S: AsyncRead + AsyncWrite + Unpin + 'static>(&self, stream: S) -> Result<Open, Failure> {
        let (requests, mut connection) = handshake(stream).await?;
        let pings = connection.ping_pong();
        let driver = tokio::task::spawn_local(async move {
            // What goes wrong here, the streams are told.
            let _ = connection.await;
        });
        let keepalive = self.keepalive.zip(pings).map(|(keepalive, pings)| {
            tokio::task::spawn_local(keep_alive(keepalive, pings, driver.abort_handle())).abort_handle()
        });
        Ok(Open { requests, keepalive })
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
        .max_concurrent_reset_streams(GIVEN_UP)
        .initial_max_send_streams(UNASKED)
        .handshake(stream)
        .await;
    shaken.map_err(|error| failure(&error))
}

/// Sends PINGs, and gives the connection up when one is not answered in time: its streams fail then.
async fn keep_alive(keepalive: Keepalive, mut pings: PingPong, driver: AbortHandle) {
    loop {
        tokio::time::sleep(keepalive.every).await;
        match tokio::time::timeout(keepalive.patience, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return,
            Err(_) => return driver.abort(),
        }
    }
}
