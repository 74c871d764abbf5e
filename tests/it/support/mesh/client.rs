//! An HTTP/1.1 client of a port on 127.0.0.1, which sends one request at a time.

use std::io;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::support::kubernetes::TIMEOUT;

/// A client with at most one connection. Servers may close it between two requests; then the next request opens another.
pub struct Client {
    port: u16,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// A response with its body.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    pub fn new(port: u16) -> Self {
        Self { port, connection: None }
    }

    /// Sends a request to this host, and receives the response. It is a POST if there is a body, otherwise a GET. It is sent once.
    pub async fn send(
        &mut self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> io::Result<Answer> {
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default().to_owned()))).unwrap();
        tokio::time::timeout(TIMEOUT, self.exchange(request)).await?
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> io::Result<Answer> {
        // A connection is kept only after a complete response.
        let kept = match self.connection.take() {
            Some(mut connection) => connection.ready().await.is_ok().then_some(connection),
            None => None,
        };
        let mut connection = match kept {
            Some(connection) => connection,
            None => open(self.port).await?,
        };
        let (head, body) = connection.send_request(request).await.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        self.connection = Some(connection);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

async fn open(port: u16) -> io::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Body of the response to a GET on a new connection, which must have status 200.
pub async fn get(port: u16, path: &str) -> io::Result<String> {
    let answer = Client::new(port).send("localhost", path, &[], None).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status == StatusCode::OK { Ok(text) } else { Err(io::Error::other(format!("{} {text}", answer.status))) }
}

/// Returns true if the response to a GET has status 200.
pub async fn is_ready(port: u16, path: &str) -> bool {
    get(port, path).await.is_ok()
}
