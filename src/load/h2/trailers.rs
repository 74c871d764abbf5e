//! Finds trailers with pseudo-headers. They make a response malformed (RFC 9113, 8.1 and 8.3), but the `h2` crate drops them, and
//! `:status: 500` after a response would count as a success.
//!
//! Reads the frames of the peer on their way to the `h2` crate, and copies only header blocks. The crate checks everything else: after a
//! frame that it rejects, too, nothing more is read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use h2::StreamId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::header_blocks::Table;
use crate::load::cause::{Cause, Failure};

/// Maximum payload of a frame: we never send SETTINGS_MAX_FRAME_SIZE, so its initial value applies.
const MAX_FRAME: usize = 1 << 14;

/// Maximum length of a header block. The `h2` crate accepts fewer CONTINUATION frames.
const MAX_BLOCK: usize = 1 << 20;

/// Maximum number of unfinished streams, and of marked ones, that are kept. Only streams that the client has given up accumulate; the
/// oldest are dropped first.
const MAX_STREAMS: usize = 100_000;

/// Length of a frame's header.
const HEAD: usize = 9;

/// Frame types.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;

/// Flags.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// Length of the fields that the flag PRIORITY adds.
const PRIORITY_LENGTH: usize = 5;

/// Streams of one connection with malformed trailers.
#[derive(Debug, Default)]
pub struct Trailers {
    malformed: RefCell<BTreeSet<u32>>,
}

impl Trailers {
    /// Fails if the trailers of a stream that has ended are malformed.
    pub(in crate::load) fn check(&self, stream: StreamId) -> Result<(), Failure> {
        if !self.take(stream.as_u32()) {
            return Ok(());
        }
        let failure = Failure::new(Cause::Malformed, "HTTP/2: the trailers contain a pseudo-header");
        Err(Failure { is_response: true, ..failure })
    }

    /// Forgets a stream. Returns true if it was marked.
    fn take(&self, stream: u32) -> bool {
        self.malformed.borrow_mut().remove(&stream)
    }
}

fn insert(streams: &mut BTreeSet<u32>, stream: u32) {
    streams.insert(stream);
    if streams.len() > MAX_STREAMS {
        streams.pop_first();
    }
}

/// A connection whose incoming frames are read before the `h2` crate gets them.
pub(super) struct Watched<S> {
    stream: S,
    frames: Frames,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, frames: Frames::default() }
    }

    pub(super) fn trailers(&self) -> Rc<Trailers> {
        Rc::clone(&self.frames.trailers)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Some(read) = buffer.filled().get(before..) {
            self.frames.read(read);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Reads frames piece by piece.
#[derive(Default)]
struct Frames {
    /// Header of the current frame, and the number of its bytes so far.
    head: [u8; HEAD],
    head_length: usize,
    /// Bytes of the payload that are still to come.
    missing: usize,
    /// Payload of a HEADERS or CONTINUATION frame.
    payload: Vec<u8>,
    /// Flags of the HEADERS frame of the current block.
    flags: u8,
    block: Vec<u8>,
    table: Table,
    /// Streams whose final response has begun and not ended.
    begun: BTreeSet<u32>,
    trailers: Rc<Trailers>,
    /// True after a frame that could not be read: the `h2` crate ends the connection.
    is_lost: bool,
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_lost {
            if self.head_length < HEAD {
                let (now, rest) = bytes.split_at(bytes.len().min(HEAD - self.head_length));
                self.head[self.head_length..][..now.len()].copy_from_slice(now);
                self.head_length += now.len();
                bytes = rest;
                if self.head_length < HEAD {
                    return;
                }
                let [high, middle, low, ..] = self.head;
                self.missing = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.is_lost = self.missing > MAX_FRAME;
            } else {
                let (now, rest) = bytes.split_at(bytes.len().min(self.missing));
                if matches!(self.head[3], HEADERS | CONTINUATION) {
                    self.payload.extend_from_slice(now);
                }
                self.missing -= now.len();
                bytes = rest;
            }
            if self.missing == 0 {
                self.is_lost = self.frame().is_none();
                self.head_length = 0;
                self.payload.clear();
            }
        }
    }

    /// Handles a complete frame. `None` if it is malformed.
    fn frame(&mut self) -> Option<()> {
        let [_, _, _, kind, flags, id @ ..] = self.head;
        let id = u32::from_be_bytes(id) & 0x7fff_ffff;
        match kind {
            DATA if flags & END_STREAM != 0 => {
                self.begun.remove(&id);
            }
            RST_STREAM => {
                self.begun.remove(&id);
            }
            HEADERS => {
                self.block.clear();
                self.block.extend_from_slice(fragment(&self.payload, flags)?);
                self.flags = flags;
            }
            CONTINUATION => self.block.extend_from_slice(&self.payload),
            _ => {}
        }
        if matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0 {
            self.block(id)?;
        }
        (self.block.len() <= MAX_BLOCK).then_some(())
    }

    /// Handles a complete header block.
    fn block(&mut self, id: u32) -> Option<()> {
        let block = self.table.read(&self.block)?;
        let is_end = self.flags & END_STREAM != 0;
        if self.begun.contains(&id) {
            if block.has_pseudo {
                insert(&mut self.trailers.malformed.borrow_mut(), id);
            }
        } else if !block.is_interim && !is_end {
            insert(&mut self.begun, id);
        }
        if is_end {
            self.begun.remove(&id);
        }
        Some(())
    }
}

/// Returns the part of a header block in the payload of a HEADERS frame (RFC 9113, 6.2).
fn fragment(payload: &[u8], flags: u8) -> Option<&[u8]> {
    let mut fragment = payload;
    if flags & PADDED != 0 {
        let (padding, rest) = fragment.split_first()?;
        fragment = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
    }
    if flags & PRIORITY != 0 {
        fragment = fragment.get(PRIORITY_LENGTH..)?;
    }
    Some(fragment)
}

#[cfg(test)]
#[path = "trailers_tests.rs"]
mod tests;
