//! A well-behaved server of HTTP/1.1 and HTTP/2, over TCP, TLS or a Unix socket, that echoes bodies and keeps the first requests.

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

use super::runtime::{runtime, spawn};

/// A received request.
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
    /// Responses wait until this many requests are in flight.
    crowd: Option<tokio::sync::Barrier>,
}

/// A running server; it runs until the test process ends.
pub struct EchoServer {
    pub address: SocketAddr,
    state: Arc<State>,
}

/// Deviations from a plain server on IPv4.
#[derive(Default)]
pub struct EchoOptions {
    pub tls: Option<rustls::ServerConfig>,
    pub crowd: Option<usize>,
    pub is_ipv6: bool,
}

impl EchoServer {
    /// Starts a server without TLS on IPv4.
    pub fn plain() -> Self {
        Self::start(EchoOptions::default())
    }

    pub fn start(options: EchoOptions) -> Self {
        let _runtime = runtime().enter();
        let listener = std::net::TcpListener::bind(if options.is_ipv6 { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let address = listener.local_addr().unwrap();
        let crowd = options.crowd.map(tokio::sync::Barrier::new);
        let state = Arc::new(State { crowd, ..State::default() });
        let tls = options.tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let shared = Arc::clone(&state);
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                spawn(async move {
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

    /// Starts a plain server on a Unix socket; its address is unspecified.
    pub fn on_socket(path: &Path) -> Self {
        let _runtime = runtime().enter();
        let listener = UnixListener::bind(path).unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address: SocketAddr::from(([0, 0, 0, 0], 0)), state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
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
    let service = service_fn(move |request| respond(request, Arc::clone(&state)));
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// Responds with the request's body, or `ok` if it is empty.
async fn respond(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, Infallible> {
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
