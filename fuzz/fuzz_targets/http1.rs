//! Reads arbitrary bytes as responses, whole and in arbitrary pieces: both reads end, and with the same outcome.
#![no_main]

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method};
use iter8::load::cause::Cause;
use iter8::load::http::h1::{Connection, Request, Wants};
use iter8::load::progress::Progress;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Gives pieces, one per read, then the end.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(into.remaining()));
            into.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Status, length and kept bytes of the body; or the cause.
type Outcome = Result<(u16, u64, Vec<u8>), Cause>;

fn read(pieces: VecDeque<Vec<u8>>, method: Method) -> Outcome {
    let request = Request::new(&method, &"/".parse().unwrap(), &HeaderMap::new(), &Bytes::new());
    let mut connection = Connection::new(Pieces(pieces), std::time::Duration::ZERO);
    let wants = Wants { head: true, redirect: true, body: true };
    let progress = Progress::default();
    let received = {
        let exchange = pin!(connection.exchange(&request, wants, &progress));
        match exchange.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(received) => received,
            Poll::Pending => panic!("the stream never waits, so neither may the exchange"),
        }
    };
    match received {
        Ok(received) => Ok((received.status, received.body, connection.body().to_vec())),
        Err(failure) => Err(failure.cause),
    }
}

fuzz_target!(|input: (bool, Vec<u8>, &[u8])| {
    let (is_head, sizes, bytes) = input;
    let method = if is_head { Method::HEAD } else { Method::GET };
    let whole = read(VecDeque::from([bytes.to_vec()]), method.clone());
    let mut rest = bytes;
    let mut pieces = VecDeque::new();
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| usize::from(*size) + 1).min(rest.len());
        let (piece, more) = rest.split_at(size);
        pieces.push_back(piece.to_vec());
        rest = more;
    }
    assert_eq!(read(pieces, method), whole);
});
