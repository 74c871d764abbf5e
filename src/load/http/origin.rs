//! Scheme, host and port: where a connection goes, and its addresses in turn.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use url::{Host, Url};

use crate::load::cause::{Cause, Failure};

/// How long a name's addresses are used before it is looked up again.
const FRESH: Duration = Duration::from_secs(1);

/// How long one of several addresses may take to connect before the next one is tried.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where connections go.
#[derive(Debug)]
pub(super) struct Origin {
    is_tls: bool,
    host: Host<String>,
    port: u16,
    known: Mutex<Option<(Instant, Arc<[SocketAddr]>)>>,
    /// Which address is next.
    turn: AtomicUsize,
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        (self.is_tls, &self.host, self.port) == (other.is_tls, &other.host, other.port)
    }
}

impl Origin {
    /// The origin of an `http` or `https` URL.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = url.host()?.to_owned();
        let port = url.port_or_known_default()?;
        Some(Self { is_tls, host, port, known: Mutex::default(), turn: AtomicUsize::new(0) })
    }

    /// Whether connections are encrypted.
    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The name that the server's certificate must bear.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, Failure> {
        match &self.host {
            Host::Domain(name) => {
                let invalid = |error| Failure::new(Cause::Tls, format!("`{name}` can't be a server's name: {error}"));
                ServerName::try_from(name.clone()).map_err(invalid)
            }
            Host::Ipv4(address) => Ok(ServerName::IpAddress((*address).into())),
            Host::Ipv6(address) => Ok(ServerName::IpAddress((*address).into())),
        }
    }

    /// Opens a TCP connection; the addresses of a name are used in turn, and the others tried where one fails.
    pub(super) async fn connect(&self) -> Result<TcpStream, Failure> {
        let addresses = self.addresses().await?;
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut failure = Failure::new(Cause::Dns, format!("{} has no address", self.host));
        for step in 0..addresses.len() {
            let address = addresses[first.wrapping_add(step) % addresses.len()];
            let is_last = step + 1 == addresses.len();
            let attempt = TcpStream::connect(address);
            let connected = if is_last {
                attempt.await
            } else {
                let too_slow = |_| Err(std::io::ErrorKind::TimedOut.into());
                tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(too_slow)
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Failure::of(&error, Cause::Other),
            }
        }
        Err(failure)
    }

    async fn addresses(&self) -> Result<Arc<[SocketAddr]>, Failure> {
        let name = match &self.host {
            Host::Domain(name) => name,
            Host::Ipv4(address) => return Ok(Arc::new([SocketAddr::from((*address, self.port))])),
            Host::Ipv6(address) => return Ok(Arc::new([SocketAddr::from((*address, self.port))])),
        };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, addresses)) = known.filter(|(when, _)| when.elapsed() < FRESH) {
            return Ok(addresses);
        }
        let found = tokio::net::lookup_host((name.as_str(), self.port)).await;
        let unresolved = |error| Failure::new(Cause::Dns, format!("{name} can't be resolved: {error}"));
        let addresses: Arc<[SocketAddr]> = found.map_err(unresolved)?.collect();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&addresses)));
        Ok(addresses)
    }
}
