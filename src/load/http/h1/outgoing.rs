//! The sending half of an exchange, driven while the response is already awaited.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::AsyncWrite;

use super::request::Request;

/// The unsent rest of a request.
///
/// A server that rejects a large body responds (for example with 413) and closes the connection before it has read all of it: the
/// next write fails while the response is waiting to be read. So the error is kept, and returned once there is nothing left to read.
pub(super) struct Outgoing<'r> {
    request: &'r Request,
    /// Bytes sent.
    sent: usize,
    /// Instant at which the first of them were sent.
    started: Option<Instant>,
    /// All of it is sent, not only buffered by a lower layer.
    is_flushed: bool,
    broken: Option<io::Error>,
}

impl<'r> Outgoing<'r> {
    pub(super) fn new(request: &'r Request) -> Self {
        Self { request, sent: 0, started: None, is_flushed: false, broken: None }
    }

    /// Returns true if the whole request is sent.
    pub(super) fn is_done(&self) -> bool {
        self.is_flushed
    }

    /// Bytes sent so far.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// Instant at which the first bytes were sent; `None` if none were.
    pub(super) fn started(&self) -> Option<Instant> {
        self.started
    }

    pub(super) fn request(&self) -> &'r Request {
        self.request
    }

    /// Takes the error of the last write, if it failed.
    pub(super) fn take_broken(&mut self) -> Option<io::Error> {
        self.broken.take()
    }

    /// Sends as much as possible without waiting.
    pub(super) fn advance<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.is_flushed && self.broken.is_none() {
            let left = self.left();
            let step = if left.is_empty() {
                Pin::new(&mut *stream).poll_flush(cx).map_ok(|()| None)
            } else {
                Pin::new(&mut *stream).poll_write(cx, left).map_ok(Some)
            };
            match step {
                Poll::Pending => break,
                Poll::Ready(Ok(None)) => self.is_flushed = true,
                Poll::Ready(Ok(Some(0))) => self.broken = Some(io::ErrorKind::BrokenPipe.into()),
                Poll::Ready(Ok(Some(count))) => {
                    self.started = self.started.or_else(|| Some(Instant::now()));
                    self.sent += count;
                }
                Poll::Ready(Err(error)) if is_gone(&error) => self.broken = Some(error),
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn left(&self) -> &'r [u8] {
        let front = self.request.front.len();
        match self.request.front.get(self.sent..) {
            Some(left) if !left.is_empty() => left,
            _ => self.request.rest.get(self.sent.saturating_sub(front)..).unwrap_or_default(),
        }
    }
}

/// Returns true if the peer closed the connection, in which case a response may be waiting to be read.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
}
