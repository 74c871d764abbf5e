//! From a target to an open stream: directly, through a proxy or a Unix socket, encrypted or not.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::endpoint::Endpoint;
use super::proxy::Proxy;
use super::stream::Stream;
use crate::load::cause::{Cause, Failure};

/// How a stream gets to its target.
#[derive(Debug, Default)]
pub enum Route {
    /// Over TCP.
    #[default]
    Direct,
    /// Through an HTTP proxy, which is asked for a tunnel.
    Tunnel(Proxy),
    /// To an HTTP proxy, which is spoken to instead of the target; only for plain HTTP/1.1.
    Forward(Proxy),
    /// Through a Unix socket of this machine.
    Unix(PathBuf),
}

/// How a stream is encrypted.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Authorities, our certificate, and the protocols that are offered (ALPN).
    pub config: Arc<ClientConfig>,
    /// The name that the server's certificate must bear and SNI tells; `None` for the target's host.
    pub server_name: Option<ServerName<'static>>,
}

/// Opens streams to one target.
#[derive(Debug)]
pub struct Connector {
    /// The target.
    pub endpoint: Endpoint,
    /// The way there.
    pub route: Route,
    /// Encryption; used if the target's scheme is `https`.
    pub tls: Option<Tls>,
}

/// An open stream.
#[derive(Debug)]
pub struct Connected {
    /// The stream.
    pub stream: Stream,
    /// Whether both sides agreed on HTTP/2 (ALPN).
    pub is_h2: bool,
}

impl Connector {
    /// Opens a stream.
    pub async fn connect(&self) -> Result<Connected, Failure> {
        let stream = match &self.route {
            Route::Direct => Stream::Tcp(self.endpoint.connect().await?),
            Route::Forward(proxy) => Stream::Tcp(proxy.endpoint.connect().await?),
            Route::Tunnel(proxy) => {
                let mut stream = Stream::Tcp(proxy.endpoint.connect().await?);
                proxy.tunnel(&mut stream, &self.endpoint).await?;
                stream
            }
            Route::Unix(path) => unix(path).await?,
        };
        if let Stream::Tcp(tcp) = &stream {
            // Only latency is lost where this fails.
            let _ = tcp.set_nodelay(true);
        }
        if self.endpoint.is_tls() { self.encrypt(stream).await } else { Ok(Connected { stream, is_h2: false }) }
    }

    /// Opens a stream for HTTP/2: agreed on by ALPN where it is encrypted, else assumed.
    pub async fn connect_h2(&self) -> Result<Stream, Failure> {
        let Connected { stream, is_h2 } = self.connect().await?;
        if self.endpoint.is_tls() && !is_h2 {
            return Err(Failure::new(Cause::Tls, "the server does not offer HTTP/2 (ALPN `h2`)"));
        }
        Ok(stream)
    }

    async fn encrypt(&self, stream: Stream) -> Result<Connected, Failure> {
        let Some(tls) = &self.tls else { return Err(Failure::new(Cause::Tls, "TLS is not set up")) };
        let name = match &tls.server_name {
            Some(name) => name.clone(),
            None => self.endpoint.server_name()?,
        };
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(name, stream).await.map_err(|error| {
            let failure = Failure::of(&error, Cause::Tls);
            // A peer that hangs up amid the handshake refuses TLS; it has not been asked anything yet.
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
        let failure = Failure::of(&error, Cause::Other);
        Failure { detail: format!("Unix socket `{}`: {error}", path.display()), ..failure }
    })
}

#[cfg(not(unix))]
async fn unix(path: &std::path::Path) -> Result<Stream, Failure> {
    Err(Failure::new(Cause::Other, format!("`{}`: this system has no Unix sockets", path.display())))
}
