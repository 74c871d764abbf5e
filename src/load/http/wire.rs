//! What a connection's bytes go through: counts what is heard, and lets an early answer win over a write that fails.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose failed writes are told by its reads.
///
/// A server that refuses a large body answers (413, say) and closes before it has read all of it: our next write fails while the
/// answer waits to be read. So what can't be written any more is swallowed, and the failure told once there is nothing left to read.
pub(super) struct Wire<S> {
    stream: S,
    heard: Rc<Cell<u64>>,
    /// Why nothing can be written any more.
    broken: Option<io::Error>,
}

impl<S> Wire<S> {
    /// Counts the bytes that are read in `heard`.
    pub(super) fn new(stream: S, heard: Rc<Cell<u64>>) -> Self {
        Self { stream, heard, broken: None }
    }

    /// Passes a write's outcome on; one that fails as the peer has gone is taken for done, with `instead`.
    fn outcome<T>(&mut self, written: io::Result<T>, instead: T) -> Poll<io::Result<T>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match written {
            Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted) => {
                self.broken = Some(error);
                Poll::Ready(Ok(instead))
            }
            other => Poll::Ready(other),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        let count = buffer.filled().len() - before;
        self.heard.set(self.heard.get() + count as u64);
        match self.broken.take() {
            // The end, or an error: either way the write's failure came first.
            Some(error) if count == 0 => Poll::Ready(Err(error)),
            kept => {
                self.broken = kept;
                Poll::Ready(read)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.outcome(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = slices.iter().map(|slice| slice.len()).sum();
        if self.broken.is_some() {
            return Poll::Ready(Ok(all));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices));
        self.outcome(written, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken.is_some() {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.outcome(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
