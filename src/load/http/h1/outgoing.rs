//! The sending half of an exchange, driven while its answer is already awaited.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::request::Request;

/// What is left to send of a request.
///
/// A server that refuses a large body answers (413, say) and closes before it has read all of it: our next write fails while the
/// answer waits to be read. So that failure is only remembered, and told by who reads once there is nothing left to read.
pub(super) struct Outgoing<'r> {
    request: &'r Request,
    /// Bytes sent.
    sent: usize,
    /// Whether all of it is sent, and not only kept by a layer below.
    is_flushed: bool,
    broken: Option<io::Error>,
}

impl<'r> Outgoing<'r> {
    pub(super) fn new(request: &'r Request) -> Self {
        Self { request, sent: 0, is_flushed: false, broken: None }
    }

    /// Whether the whole request has gone out.
    pub(super) fn is_done(&self) -> bool {
        self.is_flushed
    }

    /// Bytes sent so far.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// The request.
    pub(super) fn request(&self) -> &'r Request {
        self.request
    }

    /// Why nothing could be sent any more, if so.
    pub(super) fn take_broken(&mut self) -> Option<io::Error> {
        self.broken.take()
    }

    /// Sends as much as can be sent now.
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
                Poll::Ready(Ok(Some(count))) => self.sent += count,
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

/// Whether the peer has gone, so that an answer may still wait to be read.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
}
