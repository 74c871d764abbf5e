//! Progress of an exchange, for the message if it times out: who or what was awaited.
//!
//! Reporting costs a store of one byte on an open connection; names are only written when a connection is opened.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::cause::{Cause, Failure};
use crate::model::duration::GoDuration;
use crate::model::tls_problem::TlsProblem;

/// Phase of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The connection is open and does not take the request yet: all of its HTTP/2 streams are in use.
    Queued,
    /// Another exchange opens the connection for all.
    Shared,
    /// The peer's host name is looked up.
    Resolve,
    /// The peer is connected to.
    Connect,
    /// The proxy is to open a tunnel.
    Tunnel,
    /// The TLS handshake with the peer.
    Tls,
    /// The head of the response is awaited.
    Response,
    /// The body of the response is read.
    Body,
    /// Messages of a gRPC response are received.
    Messages,
}

impl Phase {
    /// Phases in the order of their discriminants.
    const ALL: [Phase; 9] = [
        Phase::Queued,
        Phase::Shared,
        Phase::Resolve,
        Phase::Connect,
        Phase::Tunnel,
        Phase::Tls,
        Phase::Response,
        Phase::Body,
        Phase::Messages,
    ];
}

/// Other end of a connection that is opened.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// A server, as `HOST:PORT`: the target, or one to which a redirect leads.
    Server(String),
    /// The proxy, as `HOST:PORT`.
    Proxy(String),
    /// A Unix socket.
    Socket(String),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(authority) => f.write_str(authority),
            Self::Proxy(authority) => write!(f, "proxy {authority}"),
            Self::Socket(path) => write!(f, "Unix socket `{path}`"),
        }
    }
}

/// Progress of one exchange, or of a connection that several exchanges wait for.
#[derive(Debug, Default)]
pub struct Progress {
    /// A [`Phase`].
    phase: AtomicU8,
    /// The exchange is with the target of a redirect, another server.
    is_redirected: AtomicBool,
    names: Mutex<Names>,
}

/// Names that the phases refer to.
#[derive(Debug, Default)]
struct Names {
    /// Other end of the connection that is being opened, or was opened last.
    peer: Option<Peer>,
    /// Authority of the redirect's target.
    redirect: String,
    /// Progress of the connection that another exchange opens.
    shared: Option<Arc<Progress>>,
}

impl Progress {
    /// Starts an exchange.
    pub(super) fn start(&self) {
        self.is_redirected.store(false, Ordering::Relaxed);
        self.enter(Phase::Queued);
    }

    /// Enters a phase of an open connection.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Enters a phase of opening a connection to `peer`.
    pub(super) fn open(&self, phase: Phase, peer: Peer) {
        self.names.lock().peer = Some(peer);
        self.enter(phase);
    }

    /// Continues with the server at `authority`, to which a redirect led; `None` for the target itself.
    pub(super) fn redirected(&self, authority: Option<String>) {
        self.is_redirected.store(authority.is_some(), Ordering::Relaxed);
        self.names.lock().redirect = authority.unwrap_or_default();
    }

    /// Waits for a connection that this exchange or another one opens.
    pub(super) fn share(&self, connection: &Arc<Progress>) {
        self.names.lock().shared = Some(Arc::clone(connection));
        self.enter(Phase::Shared);
    }

    /// Returns the failure of an exchange that timed out. The detail is the same for all that got equally far, so that they are
    /// counted together.
    pub(super) fn timed_out(&self, after: Duration) -> Failure {
        let failure = Failure::new(Cause::Timeout, format!("timed out after {} {self}", GoDuration(after)));
        let hop = self.hop();
        // A server without TLS may wait for more of what it takes for a request.
        let tls = (hop == Some(Cause::Tls)).then_some(TlsProblem::NoTls);
        Failure { hop, tls, ..failure }
    }

    fn phase(&self) -> Phase {
        Phase::ALL.get(usize::from(self.phase.load(Ordering::Relaxed))).copied().unwrap_or(Phase::Queued)
    }

    /// Returns the part of the way that the current phase belongs to; `None` for the target itself.
    fn hop(&self) -> Option<Cause> {
        let names = self.names.lock();
        match self.phase() {
            Phase::Shared => names.shared.as_ref().and_then(|shared| shared.hop()),
            Phase::Resolve | Phase::Connect | Phase::Tunnel if matches!(names.peer, Some(Peer::Proxy(_))) => {
                Some(Cause::Proxy)
            }
            _ if self.is_redirected.load(Ordering::Relaxed) => Some(Cause::Redirect),
            Phase::Tls => Some(Cause::Tls),
            _ => None,
        }
    }
}

/// Formats the phase as a clause: `while connecting to shop:8080`.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.lock();
        let is_redirected = self.is_redirected.load(Ordering::Relaxed);
        let role = if is_redirected { "redirect target " } else { "" };
        let peer = names.peer.as_ref().map_or_else(|| "the service".to_owned(), |peer| format!("{role}{peer}"));
        let of = if is_redirected { format!(" of redirect target {}", names.redirect) } else { String::new() };
        match self.phase() {
            Phase::Queued => f.write_str("while waiting for a free stream of the connection"),
            Phase::Shared => match &names.shared {
                Some(shared) => shared.fmt(f),
                None => f.write_str("while waiting for a connection"),
            },
            Phase::Resolve => write!(f, "while resolving the host name of {peer}"),
            Phase::Connect => write!(f, "while connecting to {peer}"),
            Phase::Tunnel => write!(f, "while waiting for {peer} to respond to CONNECT"),
            Phase::Tls => write!(f, "during the TLS handshake with {peer}"),
            Phase::Response => write!(f, "while waiting for the response{of}"),
            Phase::Body => write!(f, "while reading the body of the response{of}"),
            Phase::Messages => f.write_str("while receiving the messages of the response"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_listed_in_the_order_of_their_discriminants() {
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, index);
        }
    }

    #[test]
    fn a_timeout_names_the_phase_and_the_hop() {
        let progress = Progress::default();
        let detail = || {
            let Failure { detail, hop, .. } = progress.timed_out(Duration::from_secs(2));
            (detail.trim_start_matches("timed out after 2s ").to_owned(), hop)
        };
        let server = || Peer::Server("shop:8080".to_owned());
        let proxy = || Peer::Proxy("proxy.example:3128".to_owned());
        let of_proxy = |clause: &str| (clause.to_owned(), Some(Cause::Proxy));
        progress.open(Phase::Resolve, server());
        assert_eq!(detail(), ("while resolving the host name of shop:8080".to_owned(), None));
        progress.open(Phase::Connect, server());
        assert_eq!(detail(), ("while connecting to shop:8080".to_owned(), None));
        progress.open(Phase::Resolve, proxy());
        assert_eq!(detail(), of_proxy("while resolving the host name of proxy proxy.example:3128"));
        progress.open(Phase::Tunnel, proxy());
        assert_eq!(detail(), of_proxy("while waiting for proxy proxy.example:3128 to respond to CONNECT"));
        progress.open(Phase::Tls, server());
        assert_eq!(detail(), ("during the TLS handshake with shop:8080".to_owned(), Some(Cause::Tls)));
        progress.enter(Phase::Response);
        assert_eq!(detail(), ("while waiting for the response".to_owned(), None));

        progress.redirected(Some("other:80".to_owned()));
        progress.open(Phase::Connect, Peer::Server("other:80".to_owned()));
        assert_eq!(detail(), ("while connecting to redirect target other:80".to_owned(), Some(Cause::Redirect)));
        progress.enter(Phase::Body);
        let body = "while reading the body of the response of redirect target other:80";
        assert_eq!(detail(), (body.to_owned(), Some(Cause::Redirect)));
        progress.start();
        progress.enter(Phase::Body);
        assert_eq!(detail(), ("while reading the body of the response".to_owned(), None));

        let connection = Arc::new(Progress::default());
        progress.share(&connection);
        connection.open(Phase::Tunnel, proxy());
        assert_eq!(detail(), of_proxy("while waiting for proxy proxy.example:3128 to respond to CONNECT"));
    }
}
