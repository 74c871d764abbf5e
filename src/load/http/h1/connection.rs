//! One connection: sends a request and receives its response.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::Decoder;
use super::buffers::{self, BUFFER};
use super::head::{self, Framing, Head, MAX_HEAD};
use super::outgoing::Outgoing;
use super::request::Request;
use super::stray::Stray;
use crate::load::cause::{Cause, Failure, Resend};
use crate::load::progress::{Phase, Progress};

/// Maximum interim responses (1xx) before the final one.
const MAX_INTERIM: usize = 64;

/// Longest time from sending a request to seeing that its connection had been closed before, besides the round trip.
const RACE: Duration = Duration::from_millis(5);

/// Longest round trip that extends it.
const MAX_ROUND_TRIP: Duration = Duration::from_millis(200);

/// Maximum bytes of a body that are kept.
pub const MAX_KEPT: usize = 1 << 20;

/// Parts of a response that are kept until the next exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The head.
    pub head: bool,
    /// The head, if it redirects (3xx).
    pub redirect: bool,
    /// The first [`MAX_KEPT`] bytes of the body.
    pub body: bool,
}

/// A complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Status, 200 to 999.
    pub status: u16,
    /// Arrival of the first byte of the final head.
    pub first: Instant,
    /// Arrival of the last byte.
    pub ended: Instant,
    /// Body bytes, without framing.
    pub body: u64,
}

/// A complete final head.
struct Start {
    head: Head,
    /// Start in the buffer.
    at: usize,
    /// Arrival of its first byte, and of its end.
    first: Instant,
    read: Instant,
}

/// A connection for one request at a time. It may be dropped at any point, and so may its futures; after one was dropped early, the
/// connection takes no more requests.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    /// Read buffer, of which the first `filled` bytes are used; empty unless there are any. It grows up to [`MAX_HEAD`] for a long head.
    buffer: Vec<u8>,
    filled: usize,
    /// The next request may be sent.
    is_free: bool,
    /// There was an exchange before.
    is_used: bool,
    round_trip: Duration,
    /// Body that may come before the next head, although the last response has none.
    stray: Stray,
    sent: u64,
    received: u64,
    body_received: u64,
    /// Wanted parts of the latest response.
    kept_head: Vec<u8>,
    kept_body: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Creates a connection on an open stream. `round_trip` is the time that a packet takes to the peer and back.
    pub fn new(stream: S, round_trip: Duration) -> Self {
        Self {
            stream,
            round_trip: round_trip.min(MAX_ROUND_TRIP),
            buffer: Vec::new(),
            filled: 0,
            is_free: true,
            is_used: false,
            stray: Stray::None,
            sent: 0,
            received: 0,
            body_received: 0,
            kept_head: Vec::new(),
            kept_body: Vec::new(),
        }
    }

    /// Bytes sent so far, heads included.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes received so far, heads and framing included.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Body bytes received so far, including those of incomplete responses.
    pub fn body_received(&self) -> u64 {
        self.body_received
    }

    /// Returns the latest response's head, if it was wanted.
    pub fn head(&self) -> &[u8] {
        &self.kept_head
    }

    /// Returns the first [`MAX_KEPT`] bytes of the latest response's body, if they were wanted.
    pub fn body(&self) -> &[u8] {
        &self.kept_body
    }

    /// Returns true if the next request can be sent: the last response left the connection open, and the peer has neither closed it
    /// since nor sent unsolicited bytes. Needs no system call unless there is something to read.
    pub async fn is_ready(&mut self) -> bool {
        if !self.is_free {
            return false;
        }
        let mut bytes = [0; 64];
        poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
            self.received += buffer.filled().len() as u64;
            self.is_free = read.is_pending();
            Poll::Ready(self.is_free)
        })
        .await
    }

    /// Sends one request, reads the whole response, and keeps the parts that the caller `wants`.
    ///
    /// A peer may close an idle connection just when a request is sent. That is not a failure of the service, and the failure's
    /// [`Resend`] says so.
    pub async fn exchange(
        &mut self,
        request: &Request,
        wants: Wants,
        progress: &Progress,
    ) -> Result<Received, Failure> {
        if !std::mem::replace(&mut self.is_free, false) {
            let failure = Failure::new(Cause::Closed, "the connection takes no more requests");
            return Err(Failure { resend: Resend::Unsent, ..failure });
        }
        let is_reused = std::mem::replace(&mut self.is_used, true);
        let received = self.received;
        self.filled = 0;
        self.kept_head.clear();
        self.kept_head.shrink_to(BUFFER);
        self.kept_body.clear();
        let mut outgoing = Outgoing::new(request);
        let response = self.response(&mut outgoing, wants, progress).await;
        self.release_buffer();
        response.map_err(|failure| {
            let is_gone = matches!(failure.cause, Cause::Closed | Cause::Reset);
            let is_unanswered = self.received == received;
            let resend = match outgoing.started() {
                None if is_reused && is_gone => Resend::Unsent,
                Some(started) if is_reused && is_gone && is_unanswered && request.is_idempotent => {
                    self.closed_after(started.elapsed())
                }
                _ => Resend::Never,
            };
            Failure { resend, ..failure }
        })
    }

    /// Judges the end of a connection that was seen `time` after a request was sent on it. An end within a round trip, and a little more
    /// for a busy machine, is taken for one that was on its way before. A later one may be a reaction to the request.
    fn closed_after(&self, time: Duration) -> Resend {
        if time <= RACE + self.round_trip { Resend::IdleClose } else { Resend::Never }
    }

    fn release_buffer(&mut self) {
        buffers::give_back(std::mem::take(&mut self.buffer));
    }

    async fn response(
        &mut self,
        outgoing: &mut Outgoing<'_>,
        wants: Wants,
        progress: &Progress,
    ) -> Result<Received, Failure> {
        progress.enter(Phase::Response);
        let Start { head, at: start, first, read } = self.read_head(outgoing).await?;
        progress.enter(Phase::Body);
        if wants.head || (wants.redirect && matches!(head.status, 300..=399)) {
            self.kept_head.extend_from_slice(&self.buffer[start..start + head.length]);
        }
        self.stray = Stray::after(head.announced);
        let (body, ended, is_clean) = self.read_body(outgoing, &head, start + head.length, read, wants.body).await?;
        // A server that responds early need not read the rest of the request, so a further request could be misread.
        self.is_free = is_clean && head.is_keep_alive && outgoing.is_done() && !outgoing.request().is_last;
        Ok(Received { status: head.status, first, ended, body })
    }

    /// Reads up to the end of the final head.
    async fn read_head(&mut self, outgoing: &mut Outgoing<'_>) -> Result<Start, Failure> {
        let mut first = None;
        let mut read = None;
        let (mut start, mut interim) = (0, 0);
        // Length of the head when it was last parsed, and when its end was last searched for.
        let (mut parsed_at, mut seen) = (0, 0);
        loop {
            let skipped = self.stray.skip(&self.buffer[start..self.filled])?;
            if skipped.count > 0 {
                start += skipped.count;
                first = read.filter(|_| start < self.filled);
            }
            let fresh = &self.buffer[start..self.filled];
            // Parsing starts over each time: a head that arrives in small pieces is parsed when it may be complete or has doubled.
            let is_worth_parsing = !fresh.is_empty()
                && !skipped.is_partial
                && (fresh.len() >= 2 * parsed_at || fresh.len() >= MAX_HEAD || head::may_end(fresh, seen));
            seen = fresh.len();
            parsed_at = if is_worth_parsing { seen } else { parsed_at };
            let parsed = if is_worth_parsing { head::parse(fresh, outgoing.request().is_head)? } else { None };
            match parsed {
                Some(Head { status: 101, .. }) => {
                    return Err(Failure::new(Cause::Malformed, "unexpected status 101 (switching protocols)"));
                }
                Some(head) if head.status < 200 => {
                    interim += 1;
                    if interim > MAX_INTERIM {
                        let detail = format!("more than {MAX_INTERIM} interim responses (1xx)");
                        return Err(Failure::new(Cause::Malformed, detail));
                    }
                    start += head.length;
                    self.stray = Stray::after(head.announced);
                    (parsed_at, seen) = (0, 0);
                    first = read.filter(|_| start < self.filled);
                }
                Some(head) => {
                    let read = read.unwrap_or_else(Instant::now);
                    return Ok(Start { head, at: start, first: first.unwrap_or(read), read });
                }
                None => {
                    self.make_room(&mut start);
                    if self.read(outgoing).await? == 0 {
                        return Err(self.closed_within_head(start, outgoing));
                    }
                    read = Some(Instant::now());
                    first = first.or(read);
                }
            }
        }
    }

    /// Makes room in the buffer for more of a head that starts at `start`.
    fn make_room(&mut self, start: &mut usize) {
        if *start > 0 {
            self.buffer.copy_within(*start..self.filled, 0);
            self.filled -= *start;
            *start = 0;
        }
        if self.filled == self.buffer.len() && self.filled > 0 {
            let longer = (2 * self.buffer.len()).min(MAX_HEAD).max(self.filled + 1);
            self.buffer.resize(longer, 0);
        }
    }

    fn closed_within_head(&self, start: usize, outgoing: &Outgoing<'_>) -> Failure {
        let got = &self.buffer[start..self.filled];
        match head::parse(got, outgoing.request().is_head) {
            Err(malformed) => malformed.into(),
            Ok(_) if got.is_empty() => Failure::new(Cause::Closed, "the connection was closed before the response"),
            Ok(_) => Failure::new(Cause::Closed, "the connection was closed within the head of the response"),
        }
    }

    /// Reads up to the end of the body, which starts at `at` in the buffer. Returns its length, the arrival of its last byte (`read` if
    /// it arrived together with the head), and whether nothing but line ends came after it.
    async fn read_body(
        &mut self,
        outgoing: &mut Outgoing<'_>,
        head: &Head,
        mut at: usize,
        read: Instant,
        is_kept: bool,
    ) -> Result<(u64, Instant, bool), Failure> {
        let mut decoder = Decoder::new(head.framing);
        let (mut length, mut ended) = (0, Some(read));
        loop {
            let fresh = &self.buffer[at..self.filled];
            let kept = &mut self.kept_body;
            let before = length;
            let consumed = decoder.feed(fresh, |range| {
                length += range.len() as u64;
                if is_kept {
                    let room = MAX_KEPT.saturating_sub(kept.len());
                    kept.extend_from_slice(&fresh[range.start..range.end.min(range.start.saturating_add(room))]);
                }
            });
            self.body_received += length - before;
            let consumed = consumed?;
            if decoder.is_done() {
                let is_clean = fresh[consumed..].iter().all(|byte| matches!(byte, b'\r' | b'\n'));
                return Ok((length, ended.unwrap_or_else(Instant::now), is_clean));
            }
            (self.filled, at, ended) = (0, 0, None);
            if self.read(outgoing).await? == 0 {
                if decoder.is_until_close() {
                    return Ok((length, Instant::now(), true));
                }
                let whole = match head.framing {
                    Framing::Length(whole) => format!(" of {whole}"),
                    _ => String::new(),
                };
                let detail = format!("the connection was closed within the body, after {length}{whole} bytes");
                return Err(Failure::new(Cause::Closed, detail));
            }
        }
    }

    /// Waits for data and reads it, while sending continues. Returns 0 at the end of the stream.
    async fn read(&mut self, outgoing: &mut Outgoing<'_>) -> Result<usize, Failure> {
        poll_fn(|cx| self.poll_io(outgoing, cx)).await.map_err(|error| Failure::from_error(&error, Cause::Other))
    }

    fn poll_io(&mut self, outgoing: &mut Outgoing<'_>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !outgoing.is_done() {
            let before = outgoing.sent();
            let advanced = outgoing.advance(&mut self.stream, cx);
            self.sent += (outgoing.sent() - before) as u64;
            advanced?;
        }
        if self.buffer.is_empty() {
            self.buffer = buffers::take();
        }
        let mut buffer = ReadBuf::new(&mut self.buffer[self.filled..]);
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) else {
            if self.filled == 0 {
                self.release_buffer();
            }
            return Poll::Pending;
        };
        let count = buffer.filled().len();
        self.filled += count;
        self.received += count as u64;
        let broken = if count == 0 { outgoing.take_broken() } else { None };
        match broken {
            // The failed write came first.
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(read.map(|()| count)),
        }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
