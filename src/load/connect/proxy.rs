//! Tunnels through HTTP proxies (`CONNECT`), for traffic that is encrypted or not HTTP/1.1.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::endpoint::Endpoint;
use super::stream::Stream;
use crate::load::cause::{Cause, Failure};
use crate::load::progress::{Peer, Phase, Progress};

/// Longest response to `CONNECT`, in bytes; it has no body.
const MAX_RESPONSE: usize = 16 * 1024;

/// Timeout of `CONNECT`, for callers without their own.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(30);

/// An HTTP proxy.
#[derive(Debug)]
pub struct Proxy {
    pub(super) endpoint: Endpoint,
    /// Value of the `Proxy-Authorization` header, if the proxy needs one.
    authorization: Option<String>,
}

impl Proxy {
    /// Creates the proxy at an `http` URL. `authorization` is the value of its `Proxy-Authorization` header.
    pub fn new(url: &Url, authorization: Option<String>) -> Option<Self> {
        let endpoint = Endpoint::from_url(url).filter(|endpoint| !endpoint.is_tls())?;
        Some(Self { endpoint, authorization })
    }

    /// Returns the value of the `Proxy-Authorization` header, if the proxy needs one.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// Opens a TCP connection to the proxy.
    pub(super) async fn connect(&self, progress: &Progress) -> Result<TcpStream, Failure> {
        let hop = |failure: Failure| failure.of_hop(Cause::Proxy, &format!("proxy {}", self.endpoint.authority()));
        self.endpoint.connect(progress, Peer::Proxy).await.map_err(hop)
    }

    /// Opens a tunnel to `target` on a stream to the proxy. Reads nothing beyond the proxy's response.
    pub(super) async fn tunnel(
        &self,
        stream: &mut Stream,
        target: &Endpoint,
        progress: &Progress,
    ) -> Result<(), Failure> {
        progress.open(Phase::Tunnel, Peer::Proxy(self.endpoint.authority()));
        let authority = target.authority();
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        request.push_str("\r\n");
        let exchange = async {
            stream.write_all(request.as_bytes()).await.map_err(|error| Failure::from_error(&error, Cause::Proxy))?;
            read_response(stream).await
        };
        let late = |_| Err(Failure::new(Cause::Proxy, "the proxy did not respond to CONNECT"));
        tokio::time::timeout(TUNNEL_TIMEOUT, exchange).await.unwrap_or_else(late)
    }
}

/// Reads the response to `CONNECT`, byte by byte because what follows belongs to the tunnel.
async fn read_response(stream: &mut Stream) -> Result<(), Failure> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_RESPONSE {
            return Err(Failure::new(
                Cause::Proxy,
                format!("the proxy's response to CONNECT exceeds {MAX_RESPONSE} bytes"),
            ));
        }
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(Failure::new(
                    Cause::Proxy,
                    "the proxy closed the connection without responding to CONNECT",
                ));
            }
            Err(error) => return Err(Failure::from_error(&error, Cause::Proxy)),
        }
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(status) => Err(Failure::new(Cause::Proxy, format!("the proxy rejected CONNECT with status {status}"))),
        None => Err(Failure::new(Cause::Proxy, "the proxy did not respond to CONNECT with HTTP/1.1")),
    }
}
