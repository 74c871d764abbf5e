//! A server that gives every request the same scripted answer and keeps what it received: for answers no real server gives on
//! demand, and for seeing what was sent.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Scripted {
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
}

#[derive(Clone)]
enum Script {
    Answer(String),
    AnswerAndClose(String),
    Silence,
}

impl Scripted {
    /// Answers every request with this status and body, and keeps the connection.
    pub fn answers(status: &str, body: &str) -> Self {
        Self::start(Script::Answer(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())))
    }

    /// Announces 1,000 bytes, sends 3, closes.
    pub fn closes_mid_answer() -> Self {
        Self::start(Script::AnswerAndClose("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc".to_owned()))
    }

    /// Takes requests and says nothing.
    pub fn never_answers() -> Self {
        Self::start(Script::Silence)
    }

    fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        // The threads end with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (script.clone(), Arc::clone(&shared));
                seen.state.lock().unwrap().connections += 1;
                std::thread::spawn(move || converse(stream, &script, &seen));
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

    /// Waits until that many requests have come.
    pub fn wait_for_requests(&self, count: usize) {
        let state = self.seen.state.lock().unwrap();
        let (_state, wait) =
            self.seen.changed.wait_timeout_while(state, PATIENCE, |state| state.requests < count).unwrap();
        assert!(!wait.timed_out(), "{count} requests did not come within {PATIENCE:?}");
    }
}

fn converse(mut stream: TcpStream, script: &Script, seen: &Seen) {
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
            let request: String = pending.drain(..length).collect();
            let mut state = seen.state.lock().unwrap();
            state.requests += 1;
            if state.received.len() < 64 << 10 {
                state.received.push_str(&request);
            }
            drop(state);
            seen.changed.notify_all();
            let sent = match script {
                Script::Answer(answer) => stream.write_all(answer.as_bytes()).is_ok(),
                Script::AnswerAndClose(answer) => {
                    let _ = stream.write_all(answer.as_bytes());
                    false
                }
                Script::Silence => true,
            };
            if !sent {
                return;
            }
        }
    }
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
