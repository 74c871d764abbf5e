//! Opens a stream to a target: directly, through a proxy or a Unix socket, with or without TLS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::endpoint::Endpoint;
use super::proxy::Proxy;
use super::stream::Stream;
use crate::load::cause::{Cause, Failure};
use crate::load::progress::{Peer, Phase, Progress};
use crate::model::tls_problem::TlsProblem;

/// Route of a stream to its target.
#[derive(Debug, Default)]
pub enum Route {
    /// Over TCP.
    #[default]
    Direct,
    /// Through a tunnel of an HTTP proxy.
    Tunnel(Proxy),
    /// To an HTTP proxy that forwards requests; only for plain HTTP/1.1.
    Forward(Proxy),
    /// Through a Unix socket.
    Unix(PathBuf),
}

/// Encryption of a stream.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Trusted authorities, client certificate, and the protocols offered (ALPN).
    pub config: Arc<ClientConfig>,
    /// Server name for SNI and certificate verification; `None` for the target's host.
    pub server_name: Option<ServerName<'static>>,
}

/// Opens streams to one target.
#[derive(Debug)]
pub struct Connector {
    /// The target.
    pub endpoint: Endpoint,
    /// Route to the target.
    pub route: Route,
    /// Encryption, if the target's scheme is `https`.
    pub tls: Option<Tls>,
}

/// An open stream.
#[derive(Debug)]
pub struct Connected {
    /// The stream.
    pub stream: Stream,
    /// HTTP/2 was negotiated (ALPN).
    pub is_h2: bool,
}

impl Connector {
    /// Opens a stream, and reports the progress.
    pub async fn connect(&self, progress: &Progress) -> Result<Connected, Failure> {
        let stream = match &self.route {
            Route::Direct => Stream::Tcp(self.endpoint.connect(progress, Peer::Server).await?),
            Route::Forward(proxy) => Stream::Tcp(proxy.connect(progress).await?),
            Route::Tunnel(proxy) => {
                let mut stream = Stream::Tcp(proxy.connect(progress).await?);
                proxy.tunnel(&mut stream, &self.endpoint, progress).await?;
                stream
            }
            Route::Unix(path) => {
                progress.open(Phase::Connect, Peer::Socket(path.display().to_string()));
                unix(path).await?
            }
        };
        if let Stream::Tcp(tcp) = &stream {
            // A failure only costs latency.
            let _ = tcp.set_nodelay(true);
        }
        if !self.endpoint.is_tls() {
            return Ok(Connected { stream, is_h2: false });
        }
        progress.open(Phase::Tls, Peer::Server(self.endpoint.authority()));
        self.encrypt(stream).await
    }

    /// Opens a stream for HTTP/2, negotiated by ALPN if it is encrypted, else with prior knowledge.
    pub async fn connect_h2(&self, progress: &Progress) -> Result<Stream, Failure> {
        let Connected { stream, is_h2 } = self.connect(progress).await?;
        if self.endpoint.is_tls() && !is_h2 {
            let failure = Failure::new(Cause::Tls, "the server does not offer HTTP/2 (ALPN `h2`)");
            return Err(Failure { tls: Some(TlsProblem::Protocol), ..failure });
        }
        Ok(stream)
    }

    /// Returns the shortest round trip to the peer, or to its proxy, that was seen so far.
    pub fn round_trip(&self) -> Duration {
        match &self.route {
            Route::Direct => self.endpoint.round_trip(),
            Route::Forward(proxy) | Route::Tunnel(proxy) => proxy.endpoint.round_trip(),
            Route::Unix(_) => Duration::ZERO,
        }
    }

    async fn encrypt(&self, stream: Stream) -> Result<Connected, Failure> {
        let Some(tls) = &self.tls else { return Err(Failure::new(Cause::Tls, "TLS is not set up")) };
        let name = match &tls.server_name {
            Some(name) => name.clone(),
            None => self.endpoint.server_name()?,
        };
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(name, stream).await.map_err(|error| {
            let failure = Failure::from_error(&error, Cause::Tls);
            // A peer that closes the connection during the handshake rejects TLS.
            let cause = if failure.cause == Cause::Closed { Cause::Tls } else { failure.cause };
            Failure { cause, ..failure }
        })?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Connected { stream: Stream::Tls(Box::new(stream)), is_h2 })
    }
}

#[cfg(unix)]
async fn unix(path: &std::path::Path) -> Result<Stream, Failure> {
    let stream = tokio::net::UnixStream::connect(path).await;
    stream.map(Stream::Unix).map_err(|error| {
        let failure = Failure::from_error(&error, Cause::Other);
        Failure { detail: format!("Unix socket `{}`: {error}", path.display()), ..failure }
    })
}

#[cfg(not(unix))]
async fn unix(path: &std::path::Path) -> Result<Stream, Failure> {
    Err(Failure::new(Cause::Other, format!("`{}`: this system has no Unix sockets", path.display())))
}
