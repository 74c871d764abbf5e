//! An HTTP/2 server made of frames (RFC 9113), so that it can end streams and connections in any way, and count every request that
//! arrives, even after its GOAWAY. It reads no header: it responds to HTTP and gRPC alike.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longest wait for a request that must come.
const TIMEOUT: Duration = Duration::from_secs(30);

const PREFACE: usize = 24;

/// Frame types.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// Flags.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Error codes.
pub const INTERNAL_ERROR: u32 = 2;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;

/// Handling of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stream {
    /// Responds.
    Respond,
    /// Resets it with this error code.
    Reset(u32),
    /// Sends the head of a response, then resets the stream with this error code.
    HeadAndReset(u32),
    /// Sends the head and the data of a response, then resets the stream with this error code.
    DataAndReset(u32),
    /// Responds, and takes no more streams: GOAWAY.
    RespondAndGoAway,
    /// Does not process it, and takes no more streams: GOAWAY.
    GoAway,
    /// Responds successfully, with `:status: 500` in the trailers.
    PseudoTrailers,
    /// Closes the connection.
    Close,
}

type Script = dyn Fn(u64) -> Stream + Send + Sync;

#[derive(Default)]
struct Books {
    arrived: u64,
    processed: u64,
}

/// A running server; it runs until the test process ends.
pub struct FrameServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    books: Mutex<Books>,
    changed: Condvar,
}

impl FrameServer {
    /// Decides stream by stream, by the number of earlier ones on the connection.
    pub fn scripted(script: impl Fn(u64) -> Stream + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { script: Box::new(script), books: Mutex::default(), changed: Condvar::new() });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                std::thread::spawn(move || serve(stream, &server));
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Number of streams that were processed: a response was sent, or a part of one.
    pub fn processed(&self) -> u64 {
        self.shared.books.lock().unwrap().processed
    }

    /// Waits until `count` requests have arrived, and returns how many did.
    pub fn arrived(&self, count: u64) -> u64 {
        let books = self.shared.books.lock().unwrap();
        let (books, _) = self.shared.changed.wait_timeout_while(books, TIMEOUT, |books| books.arrived < count).unwrap();
        books.arrived
    }
}

/// Talks HTTP/2 on a connection. An error means that the client has gone.
fn serve(mut stream: TcpStream, server: &Shared) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    stream.read_exact(&mut [0; PREFACE]).ok()?;
    send(&mut stream, SETTINGS, 0, 0, &[])?;
    let (mut streams, mut last, mut is_leaving) = (0, 0, false);
    loop {
        let (kind, flags, id) = receive(&mut stream)?;
        if kind == SETTINGS && flags == 0 {
            send(&mut stream, SETTINGS, 1, 0, &[])?;
        }
        if kind != HEADERS {
            continue;
        }
        let action = (server.script)(streams);
        streams += 1;
        {
            let mut books = server.books.lock().unwrap();
            books.arrived += 1;
            let is_processed = !matches!(action, Stream::Reset(_) | Stream::GoAway | Stream::Close);
            books.processed += u64::from(is_processed && !is_leaving);
            server.changed.notify_all();
        }
        if is_leaving {
            continue;
        }
        match action {
            Stream::Respond => respond(&mut stream, id)?,
            Stream::Reset(code) => send(&mut stream, RST_STREAM, 0, id, &code.to_be_bytes())?,
            Stream::HeadAndReset(code) => {
                head(&mut stream, id)?;
                send(&mut stream, RST_STREAM, 0, id, &code.to_be_bytes())?;
            }
            Stream::DataAndReset(code) => {
                head(&mut stream, id)?;
                send(&mut stream, DATA, 0, id, &[0; 5])?;
                send(&mut stream, RST_STREAM, 0, id, &code.to_be_bytes())?;
            }
            Stream::RespondAndGoAway => {
                // In this order, so that the client knows before it sends the next one.
                go_away(&mut stream, id)?;
                respond(&mut stream, id)?;
            }
            Stream::GoAway => go_away(&mut stream, last)?,
            Stream::PseudoTrailers => pseudo_trailers(&mut stream, id)?,
            // Half of it, so that the books stay complete.
            Stream::Close => stream.shutdown(Shutdown::Write).ok()?,
        }
        is_leaving = matches!(action, Stream::RespondAndGoAway | Stream::GoAway | Stream::Close);
        last = id;
    }
}

/// Reads a frame; returns its type, flags and stream.
fn receive(stream: &mut TcpStream) -> Option<(u8, u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    stream.read_exact(&mut vec![0; length]).ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]])))
}

fn send(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) -> Option<()> {
    let mut frame = vec![0, (payload.len() >> 8) as u8, payload.len() as u8, kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    stream.write_all(&frame).ok()
}

fn go_away(stream: &mut TcpStream, last: u32) -> Option<()> {
    send(stream, GOAWAY, 0, 0, &[last.to_be_bytes(), 0_u32.to_be_bytes()].concat())
}

/// Sends `:status: 200` and gRPC's content type, encoded without HPACK's dynamic table.
fn head(stream: &mut TcpStream, id: u32) -> Option<()> {
    let block = [&[0x88][..], &literal("content-type", "application/grpc")].concat();
    send(stream, HEADERS, END_HEADERS, id, &block)
}

/// Sends a response of an empty message.
fn respond(stream: &mut TcpStream, id: u32) -> Option<()> {
    head(stream, id)?;
    send(stream, DATA, 0, id, &[0; 5])?;
    send(stream, HEADERS, END_HEADERS | END_STREAM, id, &literal("grpc-status", "0"))
}

/// Sends a response whose trailers, in two frames, have another status. It is their first field: elsewhere, clients notice it more easily.
fn pseudo_trailers(stream: &mut TcpStream, id: u32) -> Option<()> {
    let interim = [&[0x08, 3][..], b"103"].concat();
    send(stream, HEADERS, END_HEADERS, id, &interim)?;
    head(stream, id)?;
    send(stream, DATA, 0, id, &[0; 5])?;
    send(stream, HEADERS, END_STREAM, id, &[0x8e])?;
    send(stream, CONTINUATION, END_HEADERS, id, &literal("grpc-status", "0"))
}

fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}
