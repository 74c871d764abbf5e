//! A well-behaved server of HTTP/1.1 and HTTP/2, over TCP, TLS or a Unix socket, that remembers what it saw.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub version: Version,
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Default)]
struct State {
    connections: AtomicU64,
    requests: AtomicU64,
    seen: Mutex<Vec<Seen>>,
    /// Answers wait until this many requests are there at once.
    crowd: Option<tokio::sync::Barrier>,
}

/// A running server; it ends with the runtime.
pub struct EchoServer {
    pub address: SocketAddr,
    state: Arc<State>,
}

/// What a server can be besides plain.
#[derive(Default)]
pub struct EchoOptions {
    pub tls: Option<rustls::ServerConfig>,
    pub crowd: Option<usize>,
    pub is_ipv6: bool,
}

impl EchoServer {
    pub async fn start(kind: EchoOptions) -> Self {
        let listener = TcpListener::bind(if kind.is_ipv6 { "[::1]:0" } else { "127.0.0.1:0" }).await.unwrap();
        let address = listener.local_addr().unwrap();
        let crowd = kind.crowd.map(tokio::sync::Barrier::new);
        let state = Arc::new(State { crowd, ..State::default() });
        let tls = kind.tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, state).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, state }
    }

    /// A plain server on a Unix socket; its address is no one's.
    pub async fn on_socket(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address: SocketAddr::from(([0, 0, 0, 0], 0)), state }
    }

    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// The first few requests.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    state.connections.fetch_add(1, Ordering::SeqCst);
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// Answers with the request's body, or with `ok`.
async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    state.requests.fetch_add(1, Ordering::SeqCst);
    {
        let mut seen = state.seen.lock().unwrap();
        if seen.len() < 16 {
            let http::request::Parts { method, uri, version, headers, .. } = head;
            seen.push(Seen { version, method, uri, headers, body: body.clone() });
        }
    }
    if let Some(crowd) = &state.crowd {
        crowd.wait().await;
    }
    Ok(Response::new(Full::new(if body.is_empty() { Bytes::from_static(b"ok") } else { body })))
}
