//! Tests of the frames on their way to the `h2` crate: made by hand, and by that crate's own encoder.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::task::{LocalSet, spawn_local};

use super::super::handshake;
use super::*;

/// Further frame types.
const SETTINGS: u8 = 4;
const PING: u8 = 6;

/// `:status: 200` and `:status: 500` of the static table, and a field that is not indexed.
const OK: &[u8] = &[0x88];
const FAILED: &[u8] = &[0x8e];
const FIELD: &[u8] = b"\x00\x01a\x01b";

/// Flags of a header block in one frame, and of one that ends its stream.
const WHOLE: u8 = END_HEADERS;
const LAST: u8 = END_HEADERS | END_STREAM;

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat()
}

/// Streams that are marked after reading `bytes` in pieces that end at `ends`.
fn marked(bytes: &[u8], ends: impl Iterator<Item = usize>) -> Vec<u32> {
    let mut frames = Frames::default();
    let mut from = 0;
    for end in ends.chain([bytes.len()]) {
        frames.read(&bytes[from..end]);
        from = end;
    }
    assert!(!frames.is_lost);
    frames.trailers.malformed.borrow().iter().copied().collect()
}

#[test]
fn frames_are_read_wherever_they_are_split() {
    let bytes = [
        frame(SETTINGS, 0, 0, &[]),
        // An interim response, and one with padding and a priority, whose trailers are malformed in the first of two frames.
        frame(HEADERS, WHOLE, 1, b"\x48\x03103"),
        frame(HEADERS, WHOLE | PADDED | PRIORITY, 1, &[&[2, 0, 0, 0, 0, 9], OK, FAILED, FIELD, &[0; 2]].concat()[..]),
        frame(DATA, 0, 1, FAILED),
        // Good, with an interim response, and trailers between the others' frames.
        frame(HEADERS, WHOLE, 3, &[0xbe]),
        frame(HEADERS, WHOLE, 3, OK),
        frame(HEADERS, END_STREAM | PADDED, 1, &[&[1], FAILED, &[0]].concat()),
        frame(CONTINUATION, 0, 1, &[]),
        frame(CONTINUATION, END_HEADERS, 1, FIELD),
        frame(PING, 0, 0, &[0x8e; 8]),
        frame(HEADERS, LAST, 3, FIELD),
        // Malformed by an entry of the dynamic table, of which the name was sent with the interim response.
        frame(HEADERS, WHOLE, 5, OK),
        frame(HEADERS, LAST, 5, b"\x0f\x2f\x03500"),
        // No body, and no trailers.
        frame(HEADERS, LAST, 7, OK),
        frame(HEADERS, WHOLE, 9, OK),
        frame(DATA, END_STREAM, 9, b"x"),
        frame(HEADERS, WHOLE, 11, OK),
        frame(RST_STREAM, 0, 11, &[0; 4]),
    ]
    .concat();
    assert_eq!(marked(&bytes, 1..bytes.len()), [1, 5], "byte by byte");
    for end in 0..=bytes.len() {
        assert_eq!(marked(&bytes, [end].into_iter()), [1, 5], "split at {end}");
    }
}

#[test]
fn only_streams_that_last_are_remembered() {
    let mut frames = Frames::default();
    for id in (1..).step_by(2).take(1_000) {
        frames.read(&frame(HEADERS, WHOLE, id, OK));
        let end =
            [frame(HEADERS, LAST, id, FIELD), frame(DATA, END_STREAM, id, b"x"), frame(RST_STREAM, 0, id, &[0; 4])];
        frames.read(&end[id as usize / 2 % 3]);
    }
    assert!(frames.begun.is_empty() && frames.trailers.malformed.borrow().is_empty());
    frames.read(&frame(HEADERS, WHOLE, 1, OK));
    frames.read(&frame(HEADERS, LAST, 1, FAILED));
    assert!(frames.trailers.take(1) && !frames.trailers.take(1));
    let mut streams = BTreeSet::new();
    (0..MAX_STREAMS as u32 + 10).for_each(|id| insert(&mut streams, id));
    assert_eq!((streams.len(), streams.first()), (MAX_STREAMS, Some(&10)));
}

#[test]
fn malformed_frames_end_the_reading() {
    let endless: Vec<u8> = (0..70).flat_map(|_| frame(CONTINUATION, 0, 1, &[0; MAX_FRAME])).collect();
    for bytes in [
        frame(HEADERS, WHOLE | PADDED, 1, &[]),
        frame(HEADERS, WHOLE | PADDED, 1, &[3, 0x88, 0]),
        frame(HEADERS, WHOLE | PRIORITY, 1, OK),
        frame(HEADERS, WHOLE, 1, &[0xff]),
        frame(HEADERS, WHOLE, 1, &[0; MAX_FRAME + 1]),
        endless,
    ] {
        let mut frames = Frames::default();
        frames.read(&bytes);
        assert!(frames.is_lost);
        assert!(frames.block.len() <= MAX_BLOCK + MAX_FRAME && frames.payload.capacity() <= 2 * MAX_FRAME);
    }
}

proptest! {
    #[test]
    fn any_frames_are_read_the_same_in_any_pieces(
        frames in prop::collection::vec((0..10_u8, any::<u8>(), 0..6_u32, prop::collection::vec(any::<u8>(), 0..40)), 0..30),
        size in 1..50_usize,
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(kind, flags, id, payload)| frame(*kind, *flags, *id, payload)).collect();
        let (mut whole, mut pieces) = (Frames::default(), Frames::default());
        whole.read(&bytes);
        bytes.chunks(size).for_each(|piece| pieces.read(piece));
        let state = |frames: &Frames| (frames.begun.clone(), frames.trailers.malformed.borrow().clone(), frames.is_lost);
        prop_assert_eq!(state(&whole), state(&pieces));
    }
}

/// A connection that is read in pieces of at most `size` bytes.
struct Pieces {
    stream: DuplexStream,
    size: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut bytes = vec![0; self.size.min(buffer.remaining())];
        let mut piece = ReadBuf::new(&mut bytes);
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        buffer.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Random fields, which keep the encoder's table in motion: few names, values of all bytes.
fn fields(random: &mut fastrand::Rng) -> HeaderMap {
    let field = |random: &mut fastrand::Rng| {
        let name = format!("x-{}", "n".repeat(random.usize(1..20)));
        let value: Vec<u8> = (0..random.usize(0..40)).map(|_| random.u8(0x20..)).filter(|byte| *byte != 0x7f).collect();
        let value = if random.bool() { value } else { b"often".to_vec() };
        (HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(&value).unwrap())
    };
    (0..random.usize(1..6)).map(|_| field(random)).collect()
}

/// Serves responses with a random status, body and trailers.
async fn serve(stream: DuplexStream) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::from_u16(random.u16(200..230)).unwrap();
        *head.headers_mut() = fields(&mut random);
        let mut body = respond.send_response(head, false).unwrap();
        body.send_data(Bytes::from(vec![0x8e; random.usize(0..200)]), false).unwrap();
        body.send_trailers(fields(&mut random)).unwrap();
    }
}

/// True for streams that get a pseudo-header in their trailers.
fn is_malformed(id: u32) -> bool {
    id / 2 % 3 == 1
}

/// Forwards the frames of a server: with another status in some trailers, with padding, and in several frames.
async fn tamper(mut server: impl AsyncRead + Unpin, mut client: impl AsyncWrite + Unpin) {
    let statuses = [FAILED, b"\x08\x03500", b"\x00\x07:status\x03500", b"\x10\x85\xb8\x84\x8d\x36\xa3\x82\x6c\x00"];
    let mut head = [0; HEAD];
    while server.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags, id) = (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        let mut payload = vec![0; length];
        server.read_exact(&mut payload).await.unwrap();
        if kind == HEADERS && flags & END_STREAM != 0 && is_malformed(id) {
            payload.splice(0..0, statuses[id as usize / 6 % statuses.len()].iter().copied());
        }
        let bytes = match id / 2 % 4 {
            0 if kind == HEADERS => {
                let padded = [&[3][..], &payload, &[0; 3]].concat();
                frame(HEADERS, flags | PADDED, id, &padded)
            }
            1 if kind == HEADERS => {
                let (first, second) = payload.split_at(payload.len() / 2);
                [frame(HEADERS, flags & !END_HEADERS, id, first), frame(CONTINUATION, END_HEADERS, id, second)].concat()
            }
            _ => frame(kind, flags, id, &payload),
        };
        client.write_all(&bytes).await.unwrap();
    }
}

/// Makes one request; returns its stream.
async fn request(requests: SendRequest<Bytes>) -> StreamId {
    let mut requests = requests.ready().await.unwrap();
    let (response, _) = requests.send_request(Request::get("http://x/").body(()).unwrap(), true).unwrap();
    let id = response.stream_id();
    let mut body = response.await.unwrap().into_body();
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data.unwrap().len()).unwrap();
    }
    id
}

async fn within_a_minute<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.unwrap()
}

#[tokio::test]
async fn trailers_of_a_real_encoder_are_judged_without_error() {
    for size in [1, 7, 100_000] {
        let test = LocalSet::new();
        within_a_minute(test.run_until(async {
            // Large buffers: the h2 crate does not read while it cannot write.
            let (server, to_server) = duplex(1 << 20);
            let (to_client, stream) = duplex(1 << 20);
            let ((from_server, mut to_server), (mut from_client, to_client)) = (split(to_server), split(to_client));
            spawn_local(serve(server));
            spawn_local(tamper(from_server, to_client));
            spawn_local(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            let watched = Watched::new(Pieces { stream, size });
            let trailers = watched.trailers();
            let (requests, connection) = handshake(watched).await.unwrap();
            spawn_local(connection);
            let mut malformed = 0;
            for _ in 0..60 {
                for id in join_all((0..8).map(|_| request(requests.clone()))).await {
                    let is_err = trailers.check(id).is_err();
                    assert_eq!(is_err, is_malformed(id.as_u32()), "stream {id:?}, pieces of {size}");
                    malformed += u32::from(is_err);
                }
            }
            assert_eq!(malformed, 160);
        }))
        .await;
    }
}
