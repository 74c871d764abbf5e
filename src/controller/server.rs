//! HTTP server of metrics and health. It has no TLS and no secrets, and each connection serves one request within bounds. If there are too
//! many connections, new ones replace the oldest: clients that are silent must not keep out the kubelet's probes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics::{self, Metrics};

/// Open connections.
const CONNECTIONS: usize = 64;

/// Time for which a connection is not replaced: enough for a request.
const GRACE: Duration = Duration::from_millis(200);

/// Time for the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for a connection.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest headers in bytes.
const MAX_HEADERS: usize = 16 * 1024;

/// Delay after a failed accept, usually a lack of file descriptors: retrying immediately would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Probe of the controller; fails with the reason.
pub(crate) type Probe = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Sources of the responses.
pub(crate) struct Endpoints {
    pub(crate) metrics: Metrics,
    pub(crate) healthy: Probe,
    pub(crate) ready: Probe,
}

/// Listens on `address` and serves in the background until `stop`. Returns the address with its port.
pub(crate) async fn start(
    address: SocketAddr,
    endpoints: Endpoints,
    stop: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, Arc::new(endpoints), stop));
    Ok(address)
}

async fn serve(listener: TcpListener, endpoints: Arc<Endpoints>, stop: CancellationToken) {
    let mut open = Open::default();
    while let Some(stream) = accept(&listener, &mut open, &stop).await {
        let connection = connection(stream, Arc::clone(&endpoints), stop.clone());
        let task = tokio::spawn(async move {
            let _ = tokio::time::timeout(TIMEOUT, connection).await;
        });
        open.0.push_back((Instant::now(), task.abort_handle()));
    }
}

/// Open connections, the oldest first.
#[derive(Default)]
struct Open(VecDeque<(Instant, AbortHandle)>);

impl Open {
    /// Makes room for a connection.
    async fn make_room(&mut self) {
        self.0.retain(|(_, task)| !task.is_finished());
        if self.0.len() < CONNECTIONS {
            return;
        }
        if let Some((since, task)) = self.0.pop_front() {
            tokio::time::sleep_until(since + GRACE).await;
            task.abort();
        }
    }
}

/// Returns the next connection; `None` after a stop.
async fn accept(listener: &TcpListener, open: &mut Open, stop: &CancellationToken) -> Option<TcpStream> {
    let next = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    };
    let next = async {
        let stream = next.await;
        open.make_room().await;
        stream
    };
    stop.run_until_cancelled(next).await
}

async fn connection(stream: TcpStream, endpoints: Arc<Endpoints>, stop: CancellationToken) {
    let service = service_fn(move |request| {
        let response = respond(&endpoints, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEADERS).keep_alive(false);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    // The client sees errors of the connection, too, and reports them.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

fn respond(endpoints: &Endpoints, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/metrics" if is_read => response(StatusCode::OK, metrics::CONTENT_TYPE, endpoints.metrics.render()),
        "/healthz" if is_read => probe(&endpoints.healthy),
        "/readyz" if is_read => probe(&endpoints.ready),
        _ => text(StatusCode::NOT_FOUND, "not found"),
    }
}

fn probe(probe: &Probe) -> Response<Full<Bytes>> {
    match probe() {
        Ok(()) => text(StatusCode::OK, "ok"),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}

fn text(status: StatusCode, line: &str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn serve_probes(ready: Result<(), String>) -> (SocketAddr, CancellationToken) {
        let stop = CancellationToken::new();
        let endpoints = Endpoints {
            metrics: Metrics::new(true),
            healthy: Box::new(|| Ok(())),
            ready: Box::new(move || ready.clone()),
        };
        let address = start(SocketAddr::from(([127, 0, 0, 1], 0)), endpoints, stop.clone()).await.unwrap();
        (address, stop)
    }

    /// Sends bytes, and returns everything that the server sends until it closes the connection.
    async fn send(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    async fn request(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
        let response = send(address, &format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
    }

    #[tokio::test]
    async fn metrics_are_open_metrics() {
        let (address, _stop) = serve_probes(Ok(())).await;
        let (status, head, body) = request(address, "GET", "/metrics?debug=1").await;
        assert_eq!(status, 200);
        assert!(head.contains(&format!("content-type: {}", metrics::CONTENT_TYPE)), "{head}");
        assert!(body.contains("iter8_controller_leader 0\n") && body.ends_with("# EOF\n"), "{body}");
    }

    #[tokio::test]
    async fn probes_say_why_they_fail() {
        let (address, _stop) = serve_probes(Err("waiting for inferenceservices".to_owned())).await;
        let (status, _, body) = request(address, "GET", "/healthz").await;
        assert_eq!((status, body.as_str()), (200, "ok\n"));
        let (status, _, body) = request(address, "GET", "/readyz").await;
        assert_eq!((status, body.as_str()), (503, "waiting for inferenceservices\n"));
    }

    #[tokio::test]
    async fn head_has_no_body_and_other_requests_are_404() {
        let (address, _stop) = serve_probes(Ok(())).await;
        let (status, head, body) = request(address, "HEAD", "/healthz").await;
        assert_eq!((status, body.as_str()), (200, ""));
        assert!(head.contains("content-length: 3"), "{head}");
        for (method, path) in [("GET", "/"), ("GET", "/metrics/"), ("POST", "/metrics"), ("DELETE", "/healthz")] {
            assert_eq!(request(address, method, path).await.0, 404, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn long_headers_are_rejected() {
        let (address, _stop) = serve_probes(Ok(())).await;
        let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}", "a".repeat(MAX_HEADERS));
        assert!(send(address, &request).await.starts_with("HTTP/1.1 431 "));
    }

    #[tokio::test(start_paused = true)]
    async fn silent_clients_are_disconnected() {
        let (address, _stop) = serve_probes(Ok(())).await;
        let start = Instant::now();
        assert_eq!(send(address, "GET /healthz HTTP/1.1\r\n").await, "");
        assert!(start.elapsed() < 2 * HEADER_TIMEOUT, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn silent_clients_do_not_keep_out_probes() {
        let (address, _stop) = serve_probes(Ok(())).await;
        let mut silent = Vec::new();
        for _ in 0..3 * CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let probe = tokio::time::timeout(HEADER_TIMEOUT / 2, request(address, "GET", "/healthz")).await;
        assert_eq!(probe.unwrap().0, 200);
        // The oldest ones were closed, and the newest are open.
        assert_eq!(silent[0].read(&mut [0]).await.unwrap_or_default(), 0);
        let newest = silent.last_mut().unwrap();
        newest.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut response = String::new();
        newest.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }

    #[tokio::test]
    async fn silent_clients_do_not_delay_the_stop() {
        let (address, stop) = serve_probes(Ok(())).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert_eq!(request(address, "GET", "/healthz").await.0, 200);
        stop.cancel();
        let end = tokio::time::timeout(HEADER_TIMEOUT / 2, silent.read(&mut [0])).await;
        assert_eq!(end.unwrap().unwrap(), 0);
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
