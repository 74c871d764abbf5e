//! Exchanges over streams in memory, whole and in pieces.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// A stream that gives pieces, one per read, then the end; it takes whatever is written.
#[derive(Debug)]
struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    fn of(bytes: &[u8], size: usize) -> Self {
        Self(bytes.chunks(size.max(1)).map(<[u8]>::to_vec).collect())
    }
}

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

fn request(method: Method, body: &[u8]) -> Request {
    Request::new(&method, &"/".parse().unwrap(), &HeaderMap::new(), &Bytes::copy_from_slice(body))
}

fn get() -> Request {
    request(Method::GET, b"")
}

const ALL: Wants = Wants { head: true, redirect: true, body: true };

/// The parts of a response that do not depend on how the bytes arrive.
#[derive(Debug, PartialEq)]
struct Read {
    status: u16,
    body: u64,
    kept: Vec<u8>,
    is_free: bool,
}

/// Reads a response that arrives in pieces of `size` bytes. The stream never waits, so neither may the exchange.
fn read(bytes: &[u8], size: usize) -> Result<Read, (Cause, String)> {
    let mut connection = Connection::new(Pieces::of(bytes, size), Duration::ZERO);
    let request = get();
    let received = {
        let progress = Progress::default();
        let exchange = std::pin::pin!(connection.exchange(&request, ALL, &progress));
        match exchange.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(received) => received,
            Poll::Pending => panic!("it waits for nothing"),
        }
    };
    let received = received.map_err(|failure| (failure.cause, failure.detail))?;
    assert!(received.first <= received.ended);
    let kept = connection.kept_body.clone();
    Ok(Read { status: received.status, body: received.body, kept, is_free: connection.is_free })
}

const WHOLE: [&[u8]; 7] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n3\r\nyes\r\n0\r\nT: 1\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\nContent-Length: 1\nConnection: close\n\nx",
];

#[test]
fn a_response_is_the_same_in_pieces_of_any_size() {
    let expected = [(200, 5, true), (200, 2, true), (200, 5, true), (204, 0, true), (200, 13, false), (200, 1, true)];
    for (bytes, (status, body, is_free)) in WHOLE.into_iter().zip(expected.into_iter().chain([(200, 1, false)])) {
        let whole = read(bytes, bytes.len()).unwrap();
        assert_eq!((whole.status, whole.body, whole.is_free), (status, body, is_free));
        assert_eq!(whole.kept.len() as u64, body);
        for size in 1..bytes.len() {
            assert_eq!(read(bytes, size).unwrap(), whole, "{size}");
        }
    }
}

#[test]
fn a_response_cut_off_anywhere_is_a_closed_connection() {
    for bytes in WHOLE {
        for end in 0..bytes.len() {
            match read(&bytes[..end], 7) {
                Err((Cause::Closed, detail)) => assert!(detail.starts_with("the connection was closed "), "{detail}"),
                // A body that ends with the connection is complete wherever the connection ends.
                Ok(read) => assert!(!read.is_free && bytes.ends_with(b"until the end"), "{end}"),
                other => panic!("{end}: {other:?}"),
            }
        }
    }
    let short = read(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel", 9).unwrap_err();
    assert_eq!(short.1, "the connection was closed within the body, after 3 of 10 bytes");
}

#[test]
fn endless_and_odd_responses_are_malformed() {
    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    let chunked = [&head[..], b"Transfer-Encoding: chunked\r\n\r\n"].concat();
    for (start, more, detail) in [
        (head.clone(), b"A: b\r\n".to_vec(), "more than 256 headers"),
        (head.clone(), b"x".repeat(100), "the head is longer than 1024 KiB"),
        (Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), "more than 64 interim responses (1xx)"),
        ([&chunked[..], b"1;"].concat(), b"xxxxxxxx".to_vec(), "more than 16 KiB of chunk extensions"),
        ([&chunked[..], b"0\r\n"].concat(), b"A: b\r\n".to_vec(), "more than 16 KiB of trailers"),
    ] {
        let endless = [start, more.repeat(12_000)].concat();
        for size in [1, 1_000, endless.len()] {
            assert_eq!(read(&endless, size), Err((Cause::Malformed, detail.to_owned())), "{size}");
        }
    }
    let upgraded = read(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 99).unwrap_err();
    assert_eq!(upgraded.0, Cause::Malformed);
    // Bytes after the end are no part of the response, but the next one could start with them.
    let stray = |rest| read(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{rest}").as_bytes(), 99).unwrap();
    assert_eq!([stray("ay"), stray("\r\n")].map(|read| (read.body, read.is_free)), [(2, false), (2, true)]);
}

#[test]
fn a_large_body_is_counted_and_kept_up_to_the_limit() {
    let body = vec![b'x'; MAX_KEPT + 5];
    let text = [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes(), body].concat();
    let large = read(&text, 100_000).unwrap();
    assert_eq!((large.body, large.kept.len()), (MAX_KEPT as u64 + 5, MAX_KEPT));
}

#[test]
fn the_first_byte_is_that_of_the_final_head() {
    // The first read brings the start of the final head after an interim one, or not.
    for (cut, is_told_apart) in [(30, true), (25, false)] {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let pieces = [bytes[..cut].to_vec(), bytes[cut..].to_vec()];
        let mut connection = Connection::new(Pieces(VecDeque::from(pieces)), Duration::ZERO);
        let request = get();
        let progress = Progress::default();
        let exchange = std::pin::pin!(connection.exchange(&request, Wants::default(), &progress));
        let Poll::Ready(Ok(received)) = exchange.poll(&mut Context::from_waker(Waker::noop())) else { panic!() };
        assert_eq!(received.first < received.ended, is_told_apart, "{cut}");
    }
}

#[test]
fn bytes_of_one_read_arrive_at_one_instant() {
    let mut connection = Connection::new(Pieces::of(WHOLE[0], 99), Duration::ZERO);
    let request = get();
    let received = {
        let progress = Progress::default();
        let exchange = std::pin::pin!(connection.exchange(&request, Wants::default(), &progress));
        let Poll::Ready(Ok(received)) = exchange.poll(&mut Context::from_waker(Waker::noop())) else { panic!() };
        received
    };
    assert_eq!(received.first, received.ended);
    assert_eq!(connection.received(), WHOLE[0].len() as u64);
    assert_eq!(connection.sent(), "GET / HTTP/1.1\r\n\r\n".len() as u64);
    assert!(connection.body().is_empty() && connection.head().is_empty(), "nothing was requested");
}

proptest! {
    #[test]
    fn any_response_in_any_pieces_gives_the_same_result(
        text in "(HTTP/1\\.[01] (200|100|204|302|999)( OK)?\r?\n|Content-Length: [0-9]{1,2}\r\n|Transfer-Encoding: chunked\r\n|\
                 Connection: (close|keep-alive)\r\n|A: b\r\n|\r\n|[0-9a-f]\r\n|0\r\n\r\n|[a-z]{0,5}){0,10}",
        size in 1_usize..50,
    ) {
        let whole = read(text.as_bytes(), text.len());
        // In pieces, bytes after the end may not have arrived yet. Messages may quote more bytes if they arrive together.
        let is_free = whole.as_ref().is_ok_and(|read| read.is_free);
        let comparable = |read: Result<Read, (Cause, String)>| match read {
            Ok(read) => Ok(Read { is_free: read.is_free && is_free, ..read }),
            Err((cause, _)) => Err(cause),
        };
        prop_assert_eq!(comparable(read(text.as_bytes(), size)), comparable(whole));
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..50) {
        let _ = read(&bytes, size);
        let _ = read(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes[..]].concat(), size);
    }
}

/// Returns a connection and its peer, with a buffer of `room` bytes in between.
fn pair(room: usize) -> (Connection<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(room);
    (Connection::new(ours, Duration::ZERO), theirs)
}

#[tokio::test]
async fn a_connection_is_used_again_and_again() {
    let (mut connection, mut peer) = pair(1 << 16);
    let request = get();
    for _ in 0..3 {
        assert!(connection.is_ready().await);
        peer.write_all(WHOLE[0]).await.unwrap();
        let received = connection.exchange(&request, ALL, &Progress::default()).await.unwrap();
        assert_eq!((received.status, received.body, connection.body()), (200, 5, &b"hello"[..]));
        assert_eq!(head::values(connection.head(), "content-length"), [b"5"]);
        let mut sent = vec![0; request.front.len()];
        peer.read_exact(&mut sent).await.unwrap();
        assert_eq!(sent, request.front);
    }
    assert_eq!(connection.received(), 3 * WHOLE[0].len() as u64);
}

#[tokio::test]
async fn bodies_where_there_is_none_are_skipped() {
    let request = |is_head| if is_head { request(Method::HEAD, b"") } else { get() };
    for (is_head, head, body) in [
        (true, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok"),
        (true, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", ""),
        (true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nok\r\n0\r\n\r\n"),
        (true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
        (false, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "unchanged"),
        (false, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", ""),
    ] {
        let (mut connection, mut peer) = pair(1 << 16);
        let mut waiting = "";
        for _ in 0..3 {
            assert!(connection.is_ready().await);
            // The body arrives when the next request is being sent.
            peer.write_all(format!("{waiting}{head}").as_bytes()).await.unwrap();
            let received = connection.exchange(&request(is_head), ALL, &Progress::default()).await.unwrap();
            assert_eq!(received.body, 0, "{head}{body}");
            assert_eq!(connection.head(), head.as_bytes(), "{head}{body}");
            waiting = body;
        }
    }
    let interim =
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for size in 1..interim.len() {
        let read = read(interim, size).unwrap();
        assert_eq!((read.status, read.body, read.is_free), (200, 2, true), "{size}");
    }
    // It will come, so the connection is not used again.
    let no_content = read(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", 99).unwrap();
    assert_eq!((no_content.status, no_content.is_free), (204, false));
}

#[tokio::test]
async fn a_connection_that_was_closed_or_received_bytes_while_idle_is_not_used() {
    for is_closed in [true, false] {
        let (mut connection, mut peer) = pair(1 << 16);
        peer.write_all(WHOLE[0]).await.unwrap();
        connection.exchange(&get(), Wants::default(), &Progress::default()).await.unwrap();
        assert!(connection.is_ready().await);
        if is_closed {
            drop(peer);
        } else {
            peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        }
        assert!(!connection.is_ready().await);
        assert!(!connection.is_ready().await, "and stays unusable");
        assert_eq!(
            connection.exchange(&get(), Wants::default(), &Progress::default()).await.unwrap_err().resend,
            Resend::Unsent
        );
    }
}

#[tokio::test]
async fn only_idempotent_requests_on_idle_connections_are_sent_again() {
    for (method, is_used, response, expected) in [
        (Method::GET, true, &b""[..], Resend::IdleClose),
        (Method::POST, true, b"", Resend::Never),
        (Method::GET, false, b"", Resend::Never),
        (Method::GET, true, b"HTTP/1.1 200", Resend::Never),
    ] {
        let (mut connection, mut peer) = pair(1 << 16);
        // However busy this machine is.
        connection.round_trip = Duration::from_secs(60);
        if is_used {
            peer.write_all(WHOLE[0]).await.unwrap();
            connection.exchange(&get(), Wants::default(), &Progress::default()).await.unwrap();
        }
        let request = request(method.clone(), b"");
        let ended = async {
            // The request arrives, and the connection ends: as if the end had come first.
            while peer.read(&mut [0; 512]).await.unwrap() == 512 {}
            peer.write_all(response).await.unwrap();
            drop(peer);
        };
        let progress = Progress::default();
        let (failure, ()) = tokio::join!(connection.exchange(&request, Wants::default(), &progress), ended);
        let failure = failure.unwrap_err();
        assert_eq!((failure.cause, failure.resend), (Cause::Closed, expected), "{method} {is_used} {response:?}");
    }
    // Nothing of a POST could be sent.
    let (mut connection, mut peer) = pair(1 << 16);
    peer.write_all(WHOLE[0]).await.unwrap();
    connection.exchange(&get(), Wants::default(), &Progress::default()).await.unwrap();
    drop(peer);
    let failure =
        connection.exchange(&request(Method::POST, b"body"), Wants::default(), &Progress::default()).await.unwrap_err();
    assert_eq!((failure.cause, failure.resend), (Cause::Reset, Resend::Unsent));
}

#[test]
fn an_end_after_a_round_trip_may_be_a_reaction_to_the_request() {
    let connection = |round_trip| Connection::new(Pieces::of(b"", 1), Duration::from_millis(round_trip));
    let is_idle =
        |round_trip, time| connection(round_trip).closed_after(Duration::from_micros(time)) == Resend::IdleClose;
    assert_eq!(
        [is_idle(0, 5_000), is_idle(0, 5_001), is_idle(40, 45_000), is_idle(40, 46_000)],
        [true, false, true, false]
    );
    assert_eq!([is_idle(1_000, 205_000), is_idle(1_000, 206_000)], [true, false]);
}

#[tokio::test]
async fn a_response_before_the_body_was_read_counts() {
    let request = request(Method::POST, &vec![b'x'; 1 << 20]);
    for is_closed in [true, false] {
        let (mut connection, mut peer) = pair(1 << 10);
        let refuse = async {
            peer.read_exact(&mut [0; 100]).await.unwrap();
            peer.write_all(b"HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
            if is_closed { None } else { Some(peer) }
        };
        let progress = Progress::default();
        let (received, _peer) = tokio::join!(connection.exchange(&request, Wants::default(), &progress), refuse);
        assert_eq!(received.unwrap().status, 413);
        assert!(!connection.is_ready().await, "half a request was sent");
    }
}

#[tokio::test]
async fn a_body_larger_than_all_buffers_is_sent_whole() {
    let body: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    let request = request(Method::PUT, &body);
    let (mut connection, mut peer) = pair(1 << 10);
    let serve = async {
        let mut sent = vec![0; request.front.len() + body.len()];
        peer.read_exact(&mut sent).await.unwrap();
        peer.write_all(WHOLE[0]).await.unwrap();
        sent
    };
    let progress = Progress::default();
    let (received, sent) = tokio::join!(connection.exchange(&request, Wants::default(), &progress), serve);
    assert_eq!(received.unwrap().status, 200);
    assert!(sent.ends_with(&body) && connection.sent() == sent.len() as u64);
    assert!(connection.is_ready().await);
}

#[tokio::test]
async fn a_connection_whose_exchange_was_aborted_takes_no_more_requests() {
    for sent in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"] {
        let (mut connection, mut peer) = pair(1 << 10);
        peer.write_all(sent).await.unwrap();
        let request = get();
        {
            let progress = Progress::default();
            let exchange = std::pin::pin!(connection.exchange(&request, Wants::default(), &progress));
            assert!(exchange.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert!(!connection.is_ready().await);
    }
}
