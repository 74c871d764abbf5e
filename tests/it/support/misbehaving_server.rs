//! An HTTP/1.1 server that misbehaves on purpose: it writes bytes, not messages, so that it can break any rule.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What the server does with one request.
#[derive(Clone, Debug)]
pub enum Behavior {
    /// Writes these bytes and goes on.
    Write(Vec<u8>),
    /// Writes these bytes and closes the connection.
    WriteAndClose(Vec<u8>),
    /// Writes these bytes and resets the connection (plain TCP only).
    WriteAndReset(Vec<u8>),
    /// Writes these bytes and closes the connection some time after, without a word.
    WriteAndLeave(Vec<u8>, Duration),
    /// Writes these bytes one by one, this far apart.
    Drip(Vec<u8>, Duration),
    /// Keeps the connection open and says nothing.
    Silent,
}

/// A complete answer.
pub fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// A good answer of two bytes.
pub fn ok() -> Behavior {
    Behavior::Write(answer(200, "", "ok"))
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its number, from 0.
    pub number: u64,
    /// Its connection's number, from 0.
    pub connection: u64,
    /// Its number on its connection, from 0.
    pub turn: u64,
    /// Head, as it was sent.
    pub head: String,
    /// Body.
    pub body: Vec<u8>,
}

type Script = dyn Fn(&Arrival) -> Behavior + Send + Sync;

struct State {
    script: Box<Script>,
    arrivals: AtomicU64,
    connections: AtomicU64,
    /// The first few requests, for tests that look at them.
    seen: Mutex<Vec<Arrival>>,
    /// After the first request, the whole server stands still from the first to the second duration.
    stall: Option<(Duration, Duration)>,
    first: Mutex<Option<Instant>>,
}

impl State {
    fn remember(&self, arrival: &Arrival) {
        let mut seen = self.seen.lock().unwrap();
        if seen.len() < 16 {
            seen.push(arrival.clone());
        }
    }
}

/// A running server; it ends with the runtime.
pub struct MisbehavingServer {
    pub address: SocketAddr,
    state: Arc<State>,
}

impl MisbehavingServer {
    /// Starts a server that does the same to every request.
    pub async fn always(act: Behavior) -> Self {
        Self::start(move |_| act.clone(), None, None).await
    }

    /// Starts a server that decides request by request.
    pub async fn scripted(script: impl Fn(&Arrival) -> Behavior + Send + Sync + 'static) -> Self {
        Self::start(script, None, None).await
    }

    /// Starts a good server that stands still for a while.
    pub async fn stalling(from: Duration, to: Duration) -> Self {
        Self::start(|_| ok(), Some((from, to)), None).await
    }

    /// Starts a good server that speaks TLS.
    pub async fn secure(config: rustls::ServerConfig) -> Self {
        Self::start(|_| ok(), None, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// Starts a server that speaks TLS and decides request by request.
    pub async fn secure_scripted(
        config: rustls::ServerConfig,
        script: impl Fn(&Arrival) -> Behavior + Send + Sync + 'static,
    ) -> Self {
        Self::start(script, None, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(
        script: impl Fn(&Arrival) -> Behavior + Send + Sync + 'static,
        stall: Option<(Duration, Duration)>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script: Box::new(script),
            arrivals: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            seen: Mutex::default(),
            stall,
            first: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve_tcp(stream, &state, number).await,
                        Some(tls) => {
                            if let Ok(mut stream) = tls.accept(stream).await {
                                serve(&mut stream, &state, number).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Requests that arrived.
    pub fn arrivals(&self) -> u64 {
        self.state.arrivals.load(Ordering::SeqCst)
    }

    /// Connections that were accepted.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The first requests.
    pub fn seen(&self) -> Vec<Arrival> {
        self.state.seen.lock().unwrap().clone()
    }
}

async fn serve_tcp(mut stream: TcpStream, state: &State, number: u64) {
    if serve(&mut stream, state, number).await == End::Reset {
        stream.set_zero_linger().unwrap();
    }
}

#[derive(PartialEq)]
enum End {
    Closed,
    Reset,
}

async fn serve(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), state: &State, connection: u64) -> End {
    let mut buffer = Vec::new();
    let mut turns = 0..;
    while let Some(request) = read(stream, &mut buffer, state).await {
        let arrival = Arrival { connection, turn: turns.next().unwrap(), ..request };
        state.remember(&arrival);
        let since_first = state.first.lock().unwrap().get_or_insert_with(Instant::now).elapsed();
        if let Some((from, to)) = state.stall
            && since_first >= from
            && since_first < to
        {
            tokio::time::sleep(to - since_first).await;
        }
        match (state.script)(&arrival) {
            Behavior::Write(bytes) => drop(stream.write_all(&bytes).await),
            Behavior::WriteAndClose(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return End::Closed;
            }
            Behavior::WriteAndReset(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return End::Reset;
            }
            Behavior::WriteAndLeave(bytes, pause) => {
                let _ = stream.write_all(&bytes).await;
                tokio::time::sleep(pause).await;
                return End::Closed;
            }
            Behavior::Drip(bytes, pause) => {
                for byte in bytes {
                    if stream.write_all(&[byte]).await.is_err() {
                        return End::Closed;
                    }
                    tokio::time::sleep(pause).await;
                }
            }
            Behavior::Silent => {
                let _ = stream.read(&mut [0; 1]).await;
                return End::Closed;
            }
        }
    }
    End::Closed
}

/// Reads one request; `None` when the client is gone.
async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>, state: &State) -> Option<Arrival> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let whole = end + length.unwrap_or(0_usize);
    while buffer.len() < whole {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer[end..whole].to_vec();
    buffer.drain(..whole);
    Some(Arrival { number: state.arrivals.fetch_add(1, Ordering::SeqCst), connection: 0, turn: 0, head, body })
}
