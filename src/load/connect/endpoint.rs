//! Scheme, host and port of a connection's other end. Uses the addresses of a name in turn and avoids broken ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::load::cause::{Cause, Failure};
use crate::load::limits::is_limit;
use crate::load::progress::{Peer, Phase, Progress};

/// Time for which a name lookup is cached.
const DNS_TTL: Duration = Duration::from_secs(1);

/// Connect timeout of one of several addresses.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for which an address that could not be connected to comes after the others.
const PENALTY: Duration = Duration::from_secs(10);

/// Other end of connections.
#[derive(Debug)]
pub struct Endpoint {
    is_tls: bool,
    host: Host<String>,
    port: u16,
    /// The latest lookup; locked while one is running, so that all waiting tasks share it.
    known: Mutex<Option<Lookup>>,
    /// Rotates the addresses.
    turn: AtomicUsize,
    /// Shortest time that connecting took, in microseconds: about one round trip, however busy this machine is.
    round_trip: AtomicU64,
    /// Addresses that could not be connected to, and since when.
    broken: parking_lot::Mutex<BTreeMap<SocketAddr, Instant>>,
}

/// Result of a name lookup.
#[derive(Clone, Debug)]
struct Lookup {
    ended: Instant,
    addresses: Result<Arc<[SocketAddr]>, Failure>,
}

/// Parses a server name for certificate verification; `None` if it is neither a DNS name nor an IP address.
pub fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        (self.is_tls, &self.host, self.port) == (other.is_tls, &other.host, other.port)
    }
}

impl Endpoint {
    /// Returns the endpoint of an `http` or `https` URL.
    pub fn from_url(url: &Url) -> Option<Self> {
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = url.host()?.to_owned();
        let port = url.port_or_known_default()?;
        Some(Self {
            is_tls,
            host,
            port,
            known: Mutex::default(),
            turn: AtomicUsize::new(0),
            round_trip: AtomicU64::new(u64::MAX),
            broken: Default::default(),
        })
    }

    /// Returns true if connections are encrypted.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Returns host and port, as in `CONNECT`.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Returns the server name for certificate verification.
    pub fn server_name(&self) -> Result<ServerName<'static>, Failure> {
        match &self.host {
            Host::Domain(name) => {
                let invalid = |error| Failure::new(Cause::Tls, format!("`{name}` is not a valid server name: {error}"));
                ServerName::try_from(name.clone()).map_err(invalid)
            }
            Host::Ipv4(address) => Ok(ServerName::IpAddress((*address).into())),
            Host::Ipv6(address) => Ok(ServerName::IpAddress((*address).into())),
        }
    }

    /// Opens a TCP connection. The addresses of a name are used in turn; if one fails, the others are tried.
    /// `peer` is the endpoint's role in the progress.
    pub(super) async fn connect(
        &self,
        progress: &Progress,
        peer: impl Fn(String) -> Peer,
    ) -> Result<TcpStream, Failure> {
        if let Host::Domain(_) = self.host {
            progress.open(Phase::Resolve, peer(self.authority()));
        }
        let addresses = self.in_turn(&self.addresses().await?);
        progress.open(Phase::Connect, peer(self.authority()));
        let mut failure = Failure::new(Cause::Dns, format!("{} has no address", self.host));
        for (step, address) in addresses.iter().enumerate() {
            let is_last = step + 1 == addresses.len();
            let mut trial = Trial { endpoint: self, address: *address, is_blameless: addresses.len() == 1 };
            let started = Instant::now();
            let attempt = TcpStream::connect(*address);
            let connected = if is_last {
                attempt.await
            } else {
                let too_slow = |_| Err(std::io::ErrorKind::TimedOut.into());
                tokio::time::timeout(ADDRESS_TIMEOUT, attempt).await.unwrap_or_else(too_slow)
            };
            match connected {
                Ok(stream) => {
                    trial.is_blameless = true;
                    let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                    self.round_trip.fetch_min(took, Ordering::Relaxed);
                    return Ok(stream);
                }
                Err(error) => {
                    let mut attempted = Failure::from_error(&error, Cause::Other);
                    if addresses.len() > 1 {
                        attempted.detail = format!("{address}: {}", attempted.detail);
                    }
                    trial.is_blameless |= attempted.cause == Cause::ClientLimit;
                    // A machine without IPv6 has no local address for `::1`; the other address tells what is wrong.
                    if step == 0 || attempted.cause != Cause::ClientLimit {
                        failure = attempted;
                    }
                }
            }
        }
        Err(failure)
    }

    /// Returns the shortest round trip seen so far; zero before the first connection.
    pub(super) fn round_trip(&self) -> Duration {
        match self.round_trip.load(Ordering::Relaxed) {
            u64::MAX => Duration::ZERO,
            micros => Duration::from_micros(micros),
        }
    }

    /// Rotates the addresses and moves those that failed recently to the end, so that a dead one costs its timeout once.
    fn in_turn(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let broken = &mut *self.broken.lock();
        broken.retain(|_, since| since.elapsed() < PENALTY);
        let (mut good, bad): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| !broken.contains_key(address));
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if !good.is_empty() {
            let first = turn % good.len();
            good.rotate_left(first);
        }
        good.extend(bad);
        good
    }

    async fn addresses(&self) -> Result<Arc<[SocketAddr]>, Failure> {
        let name = match &self.host {
            Host::Domain(name) => name,
            Host::Ipv4(address) => return Ok(Arc::new([SocketAddr::from((*address, self.port))])),
            Host::Ipv6(address) => return Ok(Arc::new([SocketAddr::from((*address, self.port))])),
        };
        let requested_at = Instant::now();
        let mut known = self.known.lock().await;
        // Tasks that waited for a failed lookup share the failure; later ones try again.
        let is_fresh = |lookup: &Lookup| {
            lookup.ended >= requested_at || (lookup.addresses.is_ok() && lookup.ended.elapsed() < DNS_TTL)
        };
        let lookup = match known.clone().filter(is_fresh) {
            Some(lookup) => lookup,
            None => {
                let resolved = tokio::net::lookup_host((name.as_str(), self.port)).await;
                let addresses = resolved.map(Iterator::collect).map_err(|error| unresolved(name, &error));
                known.insert(Lookup { ended: Instant::now(), addresses }).clone()
            }
        };
        lookup.addresses
    }
}

/// Returns the failure of a name lookup. Without files a name cannot be looked up either.
fn unresolved(name: &str, error: &std::io::Error) -> Failure {
    let cause = if is_limit(error) { Cause::ClientLimit } else { Cause::Dns };
    // The resolvers of Linux (glibc, musl) and macOS have no common code for it.
    const UNKNOWN: [&str; 4] =
        ["Name or service not known", "Name does not resolve", "nodename nor servname", "No address associated"];
    let text = error.to_string();
    let is_unknown = UNKNOWN.iter().any(|message| text.contains(message));
    Failure::new(
        cause,
        if is_unknown { format!("no such host: {name}") } else { format!("{name} cannot be resolved: {text}") },
    )
}

/// A connection attempt. Dropping it marks the address as broken unless it is blameless, so an attempt that is aborted by the
/// request's timeout counts like a refused connection.
struct Trial<'a> {
    endpoint: &'a Endpoint,
    address: SocketAddr,
    is_blameless: bool,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.is_blameless {
            self.endpoint.broken.lock().insert(self.address, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_broken_address_is_remembered_and_another_used() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let endpoint = Endpoint::from_url(&format!("http://name.example:{}/", good.port()).parse().unwrap()).unwrap();
        let lookup = Lookup { ended: Instant::now() + DNS_TTL, addresses: Ok(Arc::new([refusing, good])) };
        *endpoint.known.lock().await = Some(lookup);
        let progress = Progress::default();
        for _ in 0..3 {
            assert_eq!(endpoint.connect(&progress, Peer::Server).await.unwrap().peer_addr().unwrap(), good);
        }
        assert_eq!(endpoint.broken.lock().keys().collect::<Vec<_>>(), [&refusing]);
        // A name that cannot be resolved: waiting tasks share the outcome of the lookup.
        let ended = Instant::now() + DNS_TTL;
        *endpoint.known.lock().await = Some(Lookup { ended, addresses: Err(Failure::new(Cause::Dns, "no")) });
        assert_eq!(endpoint.connect(&progress, Peer::Server).await.unwrap_err().cause, Cause::Dns);
    }

    #[test]
    fn addresses_take_turns_and_broken_ones_come_last() {
        let endpoint = Endpoint::from_url(&"http://name.example/".parse().unwrap()).unwrap();
        let all: Vec<SocketAddr> = (1..=3).map(|last| SocketAddr::from(([127, 0, 0, last], 80))).collect();
        let firsts = |endpoint: &Endpoint| (0..6).map(|_| endpoint.in_turn(&all)[0]).collect::<Vec<_>>();
        assert_eq!(firsts(&endpoint), [all[0], all[1], all[2], all[0], all[1], all[2]]);
        endpoint.broken.lock().insert(all[1], Instant::now());
        assert_eq!(firsts(&endpoint), [all[0], all[2], all[0], all[2], all[0], all[2]]);
        assert_eq!(endpoint.in_turn(&all)[2], all[1]);
        endpoint.broken.lock().extend(all.iter().map(|address| (*address, Instant::now())));
        assert_eq!(endpoint.in_turn(&all).len(), 3, "broken addresses are tried if there are no others");
    }
}
