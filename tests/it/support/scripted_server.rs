//! A server that answers as the test says and keeps what it received: for answers no real server gives on demand, and for seeing
//! what was sent.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct ScriptedServer {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    connections: usize,
    requests: usize,
    /// The first 64 KiB received, over all connections.
    received: String,
    /// The requests in `received`.
    kept: Vec<Request>,
    /// Requests so far by method, path and parameters.
    repeats: BTreeMap<(String, String, BTreeMap<String, String>), usize>,
    /// Bytes of floods that were taken.
    flooded: u64,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Parameters of the URL and of a form.
    pub params: BTreeMap<String, String>,
    pub head: String,
    pub body: String,
    /// Number of earlier requests with this method, path and parameters.
    pub earlier: usize,
}

/// What the server does with one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Writes these bytes and keeps the connection.
    Send(Vec<u8>),
    /// Writes these bytes and closes the connection.
    SendAndClose(Vec<u8>),
    /// Writes these bytes, then one more of a body without end each time this long has passed.
    Drip(Vec<u8>, Duration),
    /// Says that a body of so many bytes comes, and writes it for as long as it is taken.
    Flood(u64),
    /// Says nothing.
    Silence,
}

impl Reply {
    /// A whole answer; header lines end with `\r\n`.
    pub fn with(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Send(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes())
    }

    /// A whole answer without headers of its own.
    pub fn plain(status: &str, body: &str) -> Self {
        Self::with(status, "", body)
    }

    /// A good answer.
    pub fn ok(body: &str) -> Self {
        Self::plain("200 OK", body)
    }
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// A parameter; empty without it.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }

    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut words = head.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            params: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            head: head.to_owned(),
            body: body.to_owned(),
            earlier: 0,
        };
        if request.header("content-type").is_some_and(|kind| kind.contains("form-urlencoded")) {
            request.params.extend(url::form_urlencoded::parse(body.as_bytes()).into_owned());
        }
        request
    }
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;

impl ScriptedServer {
    /// Answers every request with this status and body, and keeps the connection.
    pub fn answers(status: &str, body: &str) -> Self {
        Self::always(Reply::plain(status, body))
    }

    /// A server that answers every request well.
    pub fn good() -> Self {
        Self::answers("200 OK", "{\"ok\":true}\n")
    }

    /// Announces 1,000 bytes, sends 3, closes.
    pub fn closes_mid_answer() -> Self {
        Self::always(Reply::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc".to_vec()))
    }

    /// Takes requests and says nothing.
    pub fn never_answers() -> Self {
        Self::always(Reply::Silence)
    }

    /// Does the same with every request.
    pub fn always(reply: Reply) -> Self {
        Self::replies(move |_| reply.clone())
    }

    /// Decides request by request.
    pub fn replies(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(script), None)
    }

    /// The same over TLS.
    pub fn secure(config: rustls::ServerConfig, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(script), Some(Arc::new(config)))
    }

    fn start(script: Arc<Script>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        // The threads end with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen, tls) = (Arc::clone(&script), Arc::clone(&shared), tls.clone());
                seen.state.lock().unwrap().connections += 1;
                std::thread::spawn(move || match tls {
                    None => converse(stream, &*script, &seen),
                    Some(config) => {
                        let session = rustls::ServerConnection::new(config).unwrap();
                        converse(rustls::StreamOwned::<_, TcpStream>::new(session, stream), &*script, &seen);
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn connections(&self) -> usize {
        self.seen.state.lock().unwrap().connections
    }

    pub fn received(&self) -> String {
        self.seen.state.lock().unwrap().received.clone()
    }

    /// The first requests.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.state.lock().unwrap().kept.clone()
    }

    /// How many bytes of floods were taken.
    pub fn flooded(&self) -> u64 {
        self.seen.state.lock().unwrap().flooded
    }

    /// Waits until that many requests have come.
    pub fn wait_for_requests(&self, count: usize) {
        let state = self.seen.state.lock().unwrap();
        let (_state, wait) =
            self.seen.changed.wait_timeout_while(state, PATIENCE, |state| state.requests < count).unwrap();
        assert!(!wait.timed_out(), "{count} requests did not come within {PATIENCE:?}");
    }
}

fn converse(mut stream: impl Read + Write, script: &Script, seen: &Seen) {
    let mut pending = String::new();
    let mut buffer = [0; 8192];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => pending.push_str(&String::from_utf8_lossy(&buffer[..read])),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        while let Some(length) = request_length(&pending) {
            let text: String = pending.drain(..length).collect();
            let mut request = Request::read(&text);
            let mut state = seen.state.lock().unwrap();
            let key = (request.method.clone(), request.path.clone(), request.params.clone());
            let repeats = state.repeats.entry(key).or_default();
            request.earlier = *repeats;
            *repeats += 1;
            state.requests += 1;
            if state.received.len() < 64 << 10 {
                state.received.push_str(&text);
                state.kept.push(request.clone());
            }
            drop(state);
            seen.changed.notify_all();
            let goes_on = match script(&request) {
                Reply::Send(answer) => write(&mut stream, &answer),
                Reply::SendAndClose(answer) => {
                    write(&mut stream, &answer);
                    false
                }
                Reply::Drip(start, pause) => {
                    let mut goes_on = write(&mut stream, &start);
                    while goes_on {
                        std::thread::sleep(pause);
                        goes_on = write(&mut stream, b" ");
                    }
                    false
                }
                Reply::Flood(bytes) => flood(&mut stream, bytes, seen),
                Reply::Silence => true,
            };
            if !goes_on {
                return;
            }
        }
    }
}

fn write(stream: &mut impl Write, bytes: &[u8]) -> bool {
    stream.write_all(bytes).and_then(|()| stream.flush()).is_ok()
}

fn flood(stream: &mut impl Write, bytes: u64, seen: &Seen) -> bool {
    let part = [b' '; 16 << 10];
    let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{bytes:x}\r\n");
    let mut goes_on = write(stream, head.as_bytes());
    let mut left = bytes;
    while goes_on && left > 0 {
        let length = left.min(part.len() as u64);
        goes_on = write(stream, &part[..length as usize]);
        left -= length;
        seen.state.lock().unwrap().flooded += length;
    }
    goes_on && write(stream, b"\r\n0\r\n\r\n")
}

/// Length of the first whole request in the text, if there is one.
fn request_length(text: &str) -> Option<usize> {
    let head = text.find("\r\n\r\n")? + 4;
    let body = text[..head]
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    (text.len() >= head + body).then_some(head + body)
}
