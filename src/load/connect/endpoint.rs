//! Scheme, host and port: where a connection goes, and its addresses in turn.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::load::cause::{Cause, Failure};
use crate::load::lock::lock;

/// How long a name's addresses are used before it is looked up again.
const FRESH: Duration = Duration::from_secs(1);

/// How long one of several addresses may take to connect before the next one is tried.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an address that could not be connected to comes after the others.
const SHUNNED: Duration = Duration::from_secs(10);

/// Where connections go.
#[derive(Debug)]
pub struct Endpoint {
    is_tls: bool,
    host: Host<String>,
    port: u16,
    /// The newest lookup; locked while one is under way, so that a name is looked up once for all who wait.
    known: Mutex<Option<Lookup>>,
    /// Which address is next.
    turn: AtomicUsize,
    /// Addresses that could not be connected to, and when.
    broken: std::sync::Mutex<BTreeMap<SocketAddr, Instant>>,
}

/// The outcome of a name's lookup.
#[derive(Clone, Debug)]
struct Lookup {
    ended: Instant,
    addresses: Result<Arc<[SocketAddr]>, String>,
}

/// A DNS name or an IP address as the name that a server's certificate must bear; `None` if it is neither.
pub fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        (self.is_tls, &self.host, self.port) == (other.is_tls, &other.host, other.port)
    }
}

impl Endpoint {
    /// The endpoint of an `http` or `https` URL.
    pub fn of(url: &Url) -> Option<Self> {
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
            broken: Default::default(),
        })
    }

    /// Whether connections are encrypted.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Host and port, as `CONNECT` names them.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The name that the server's certificate must bear.
    pub fn server_name(&self) -> Result<ServerName<'static>, Failure> {
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
    pub async fn connect(&self) -> Result<TcpStream, Failure> {
        let addresses = self.in_turn(&self.addresses().await?);
        let mut failure = Failure::new(Cause::Dns, format!("{} has no address", self.host));
        for (step, address) in addresses.iter().enumerate() {
            let is_last = step + 1 == addresses.len();
            let mut trial = Trial { endpoint: self, address: *address, is_blameless: addresses.len() == 1 };
            let attempt = TcpStream::connect(*address);
            let connected = if is_last {
                attempt.await
            } else {
                let too_slow = |_| Err(std::io::ErrorKind::TimedOut.into());
                tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(too_slow)
            };
            match connected {
                Ok(stream) => {
                    trial.is_blameless = true;
                    return Ok(stream);
                }
                Err(error) => {
                    failure = Failure::of(&error, Cause::Other);
                    trial.is_blameless |= failure.is_out_of_files;
                }
            }
        }
        Err(failure)
    }

    /// The addresses, each first in its turn, those that failed lately at the end: a dead one costs its time once, not every time.
    fn in_turn(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let broken = &mut *lock(&self.broken);
        broken.retain(|_, since| since.elapsed() < SHUNNED);
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
        let asked = Instant::now();
        let mut known = self.known.lock().await;
        // A failure counts for those who waited for it; whoever comes later tries again.
        let is_fresh =
            |lookup: &Lookup| lookup.ended >= asked || (lookup.addresses.is_ok() && lookup.ended.elapsed() < FRESH);
        let lookup = match known.clone().filter(is_fresh) {
            Some(lookup) => lookup,
            None => {
                let found = tokio::net::lookup_host((name.as_str(), self.port)).await;
                let addresses = found.map(Iterator::collect).map_err(|error| error.to_string());
                known.insert(Lookup { ended: Instant::now(), addresses }).clone()
            }
        };
        lookup.addresses.map_err(|error| Failure::new(Cause::Dns, format!("{name} can't be resolved: {error}")))
    }
}

/// An address being connected to. One that is given up on, as the request's time is over, is as broken as one that refuses.
struct Trial<'a> {
    endpoint: &'a Endpoint,
    address: SocketAddr,
    is_blameless: bool,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.is_blameless {
            lock(&self.endpoint.broken).insert(self.address, Instant::now());
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
        let endpoint = Endpoint::of(&format!("http://name.example:{}/", good.port()).parse().unwrap()).unwrap();
        let lookup = Lookup { ended: Instant::now() + FRESH, addresses: Ok(Arc::new([refusing, good])) };
        *endpoint.known.lock().await = Some(lookup);
        for _ in 0..3 {
            assert_eq!(endpoint.connect().await.unwrap().peer_addr().unwrap(), good);
        }
        assert_eq!(lock(&endpoint.broken).keys().collect::<Vec<_>>(), [&refusing]);
        // A name that can't be resolved: whoever waits for the lookup shares its outcome.
        let ended = Instant::now() + FRESH;
        *endpoint.known.lock().await = Some(Lookup { ended, addresses: Err("no".into()) });
        assert_eq!(endpoint.connect().await.unwrap_err().cause, Cause::Dns);
    }

    #[test]
    fn addresses_take_turns_and_broken_ones_come_last() {
        let endpoint = Endpoint::of(&"http://name.example/".parse().unwrap()).unwrap();
        let all: Vec<SocketAddr> = (1..=3).map(|last| SocketAddr::from(([127, 0, 0, last], 80))).collect();
        let firsts = |endpoint: &Endpoint| (0..6).map(|_| endpoint.in_turn(&all)[0]).collect::<Vec<_>>();
        assert_eq!(firsts(&endpoint), [all[0], all[1], all[2], all[0], all[1], all[2]]);
        lock(&endpoint.broken).insert(all[1], Instant::now());
        assert_eq!(firsts(&endpoint), [all[0], all[2], all[0], all[2], all[0], all[2]]);
        assert_eq!(endpoint.in_turn(&all)[2], all[1]);
        lock(&endpoint.broken).extend(all.iter().map(|address| (*address, Instant::now())));
        assert_eq!(endpoint.in_turn(&all).len(), 3, "what is broken is tried where there is nothing else");
    }
}
