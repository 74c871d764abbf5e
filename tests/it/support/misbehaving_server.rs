//! An HTTP/1.1 server whose responses are scripted: it writes bytes, not messages, so that it can break any rule, and it keeps what
//! it received. Every connection has a thread of its own, so a script may block.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::runtime;

/// Longest wait for a request that must come.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Total length of the requests that are kept.
const MAX_KEPT: usize = 64 << 10;

/// Handling of one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Sends these bytes and keeps the connection.
    Send(Vec<u8>),
    /// Sends these bytes and closes the connection.
    SendAndClose(Vec<u8>),
    /// Sends these bytes and resets the connection (plain TCP only).
    SendAndReset(Vec<u8>),
    /// Sends these bytes and closes the idle connection after a delay, unannounced.
    SendAndCloseLater(Vec<u8>, Duration),
    /// Sends nothing and resets the connection after a delay (plain TCP only).
    ResetLater(Duration),
    /// Sends these bytes, closes the sending half of the connection, and counts further requests on it (plain TCP only).
    SendAndHalfClose(Vec<u8>),
    /// Sends these bytes one by one, this far apart.
    Drip(Vec<u8>, Duration),
    /// Sends these bytes, then one byte of an endless body per interval.
    DripForever(Vec<u8>, Duration),
    /// Sends a body of this length for as long as it is read.
    Flood(u64),
    /// Keeps the connection and sends nothing.
    Silence,
}

impl Reply {
    /// A complete response; header lines end with `\r\n`.
    pub fn with(status: u16, headers: &str, body: &str) -> Self {
        Self::Send(response(status, headers, body))
    }

    /// A complete response without further headers.
    pub fn plain(status: u16, body: &str) -> Self {
        Self::with(status, "", body)
    }

    /// A successful response.
    pub fn ok(body: &str) -> Self {
        Self::plain(200, body)
    }
}

/// The bytes of a complete response; header lines end with `\r\n`.
pub fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let (reason, length) = (reason.unwrap_or_default(), body.len());
    format!("HTTP/1.1 {status} {reason}\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

/// A received request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Number of earlier requests.
    pub number: u64,
    /// Number of earlier requests with this method, path and parameters.
    pub repeat: u64,
    /// Number of connections before this request's one.
    pub connection: u64,
    /// Number of earlier requests on the connection.
    pub turn: u64,
    pub method: String,
    pub path: String,
    /// Parameters of the URL and of a form.
    pub params: BTreeMap<String, String>,
    pub head: String,
    pub body: String,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// A parameter; empty if it is missing.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut words = head.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            number: 0,
            repeat: 0,
            connection: 0,
            turn: 0,
            method: method.to_owned(),
            path: path.to_owned(),
            params: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            head: head.to_owned(),
            body: body.to_owned(),
        };
        if request.header("content-type").is_some_and(|kind| kind.contains("form-urlencoded")) {
            request.params.extend(url::form_urlencoded::parse(body.as_bytes()).into_owned());
        }
        request
    }
}

/// A running server; it runs until the test process ends.
pub struct MisbehavingServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<dyn Fn(&Request) -> Reply + Send + Sync>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    connections: u64,
    requests: u64,
    repeats: BTreeMap<(String, String, BTreeMap<String, String>), u64>,
    /// The first requests, parsed and as text.
    kept: Vec<Request>,
    received: String,
    /// Bytes of floods that were sent.
    flooded: u64,
}

impl MisbehavingServer {
    /// Responds to every request with this status and body.
    pub fn responds(status: u16, body: &str) -> Self {
        Self::always(Reply::plain(status, body))
    }

    /// Announces 1,000 bytes, sends 3, closes.
    pub fn closes_mid_response() -> Self {
        Self::always(Reply::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc".to_vec()))
    }

    /// Reads requests and sends nothing.
    pub fn never_responds() -> Self {
        Self::always(Reply::Silence)
    }

    /// Handles all requests alike.
    pub fn always(reply: Reply) -> Self {
        Self::scripted(move |_| reply.clone())
    }

    /// Responds successfully, but stalls as a whole from the first to the second duration after its first request.
    pub fn stalling(from: Duration, to: Duration) -> Self {
        let first = Mutex::new(None);
        Self::scripted(move |_| {
            let since_first = first.lock().unwrap().get_or_insert_with(Instant::now).elapsed();
            if since_first >= from && since_first < to {
                std::thread::sleep(to - since_first);
            }
            Reply::ok("ok")
        })
    }

    /// Decides request by request.
    pub fn scripted(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Box::new(script), None)
    }

    /// Like [`Self::scripted`], over TLS.
    pub fn secure(config: rustls::ServerConfig, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Box::new(script), Some(Arc::new(config)))
    }

    fn start(script: Box<dyn Fn(&Request) -> Reply + Send + Sync>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Shared { script, state: Mutex::default(), changed: Condvar::new() });
        let shared = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, tls) = (Arc::clone(&server), tls.clone());
                let number = server.next_connection();
                std::thread::spawn(move || serve(stream, &server, number, tls));
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Number of accepted connections.
    pub fn connections(&self) -> u64 {
        self.shared.state.lock().unwrap().connections
    }

    /// Number of received requests.
    pub fn requests(&self) -> u64 {
        self.shared.state.lock().unwrap().requests
    }

    /// The first requests.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap().kept.clone()
    }

    /// The first requests as text, over all connections.
    pub fn received(&self) -> String {
        self.shared.state.lock().unwrap().received.clone()
    }

    /// Bytes of floods that were sent.
    pub fn flooded(&self) -> u64 {
        self.shared.state.lock().unwrap().flooded
    }

    /// Waits until `count` requests have arrived, and returns how many did.
    pub fn arrived(&self, count: u64) -> u64 {
        let state = self.shared.state.lock().unwrap();
        let (state, _) =
            self.shared.changed.wait_timeout_while(state, TIMEOUT, |state| state.requests < count).unwrap();
        state.requests
    }

    /// Waits until that many requests have come.
    pub fn wait_for_requests(&self, count: u64) {
        let state = self.shared.state.lock().unwrap();
        let (_state, wait) =
            self.shared.changed.wait_timeout_while(state, TIMEOUT, |state| state.requests < count).unwrap();
        assert!(!wait.timed_out(), "{count} requests did not come within {TIMEOUT:?}");
    }
}

impl Shared {
    /// Counts a connection and returns its number.
    fn next_connection(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.connections += 1;
        state.connections - 1
    }

    /// Numbers a request and keeps it if it is one of the first.
    fn count(&self, request: &mut Request, text: &str) {
        let mut state = self.state.lock().unwrap();
        let key = (request.method.clone(), request.path.clone(), request.params.clone());
        let repeats = state.repeats.entry(key).or_default();
        request.repeat = *repeats;
        *repeats += 1;
        request.number = state.requests;
        state.requests += 1;
        if state.received.len() < MAX_KEPT {
            state.received.push_str(text);
            state.kept.push(request.clone());
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// State of a connection after a reply.
#[derive(PartialEq)]
enum Next {
    Read,
    Close,
    Reset,
    HalfClose,
}

fn serve(mut stream: TcpStream, server: &Shared, number: u64, tls: Option<Arc<rustls::ServerConfig>>) {
    // Fails only if the client has gone.
    let _ = stream.set_nodelay(true);
    match tls {
        None => match converse(&mut stream, server, number) {
            Next::Reset => reset(stream),
            Next::HalfClose => {
                // Fails only if the client has gone.
                let _ = stream.shutdown(std::net::Shutdown::Write);
                read_on(&mut stream, server);
            }
            Next::Read | Next::Close => {}
        },
        Some(config) => {
            let session = rustls::ServerConnection::new(config).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream);
            converse(&mut stream, server, number);
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }
}

/// Closes a connection with RST instead of FIN.
fn reset(stream: TcpStream) {
    runtime::block_on(async {
        stream.set_nonblocking(true).unwrap();
        tokio::net::TcpStream::from_std(stream).unwrap().set_zero_linger().unwrap();
    });
}

fn converse(stream: &mut (impl Read + Write), server: &Shared, connection: u64) -> Next {
    let mut pending = Vec::new();
    let mut buffer = [0; 8192];
    let mut turns = 0..;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Next::Close,
            Ok(read) => pending.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return Next::Close,
        }
        while let Some(length) = request_length(&pending) {
            let bytes: Vec<u8> = pending.drain(..length).collect();
            let text = String::from_utf8_lossy(&bytes);
            let mut request = Request { connection, turn: turns.next().unwrap(), ..Request::parse(&text) };
            server.count(&mut request, &text);
            let next = respond(stream, (server.script)(&request), server);
            if next != Next::Read {
                return next;
            }
        }
    }
}

/// Counts requests on a connection that takes no more.
fn read_on(stream: &mut impl Read, server: &Shared) {
    let mut rest = Vec::new();
    // An error means that the client has gone.
    let _ = stream.read_to_end(&mut rest);
    while let Some(length) = request_length(&rest) {
        let bytes: Vec<u8> = rest.drain(..length).collect();
        let text = String::from_utf8_lossy(&bytes);
        server.count(&mut Request::parse(&text), &text);
    }
}

fn respond(stream: &mut impl Write, reply: Reply, server: &Shared) -> Next {
    let sent = match &reply {
        Reply::Send(bytes)
        | Reply::SendAndClose(bytes)
        | Reply::SendAndReset(bytes)
        | Reply::SendAndHalfClose(bytes) => send(stream, bytes),
        Reply::ResetLater(delay) => pause(*delay),
        Reply::SendAndCloseLater(bytes, delay) => send(stream, bytes) && pause(*delay),
        Reply::Drip(bytes, interval) => bytes.iter().all(|byte| send(stream, &[*byte]) && pause(*interval)),
        Reply::DripForever(start, interval) => {
            let mut is_read = send(stream, start);
            while is_read {
                is_read = pause(*interval) && send(stream, b" ");
            }
            is_read
        }
        Reply::Flood(length) => flood(stream, *length, server),
        Reply::Silence => true,
    };
    match reply {
        Reply::SendAndReset(_) | Reply::ResetLater(_) => Next::Reset,
        Reply::SendAndHalfClose(_) => Next::HalfClose,
        Reply::SendAndClose(_) | Reply::SendAndCloseLater(..) => Next::Close,
        _ if sent => Next::Read,
        _ => Next::Close,
    }
}

/// Returns true if the client has not gone.
fn send(stream: &mut impl Write, bytes: &[u8]) -> bool {
    stream.write_all(bytes).and_then(|()| stream.flush()).is_ok()
}

fn pause(duration: Duration) -> bool {
    std::thread::sleep(duration);
    true
}

fn flood(stream: &mut impl Write, length: u64, server: &Shared) -> bool {
    let part = [b' '; 16 << 10];
    let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n");
    let mut is_read = send(stream, head.as_bytes());
    let mut left = length;
    while is_read && left > 0 {
        let length = left.min(part.len() as u64);
        is_read = send(stream, &part[..length as usize]);
        left -= length;
        server.state.lock().unwrap().flooded += length;
    }
    is_read && send(stream, b"\r\n0\r\n\r\n")
}

/// Length of the first request, if it is complete.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let body = String::from_utf8_lossy(&bytes[..head])
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    (bytes.len() >= head + body).then_some(head + body)
}
