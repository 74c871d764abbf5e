//! Failures of requests and their causes.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;

use super::limits::is_limit;
use super::tls_problem::{describe, problem_of};
use crate::model::load::CLIENT_LIMIT;
use crate::model::tls_problem::TlsProblem;

/// Kind of a failure. The document counts failures by the names of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Nothing listens there.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection before the response was complete.
    Closed,
    /// No complete response within the request timeout.
    Timeout,
    /// The host name has no address.
    Dns,
    /// The TLS handshake failed: an untrusted certificate, a rejected client certificate, no common version.
    Tls,
    /// The proxy cannot be connected to, or did not open a tunnel to the target.
    Proxy,
    /// A redirect could not be followed to its end, or its target failed.
    Redirect,
    /// The response violates the protocol.
    Malformed,
    /// The status is not among the expected ones.
    UnexpectedStatus,
    /// An expected header is missing or has another value.
    UnexpectedHeader,
    /// The body does not contain the expected string.
    UnexpectedBody,
    /// The body is not the expected JSON.
    UnexpectedJson,
    /// This machine ran out of files, ports or memory: not the service's failure.
    ClientLimit,
    /// Aborted at the end of the load, which did not wait for it.
    Aborted,
    /// Anything else; see the detail.
    Other,
}

impl Cause {
    /// All causes, in the order of their discriminants.
    pub const ALL: [Cause; 16] = [
        Cause::Refused,
        Cause::Reset,
        Cause::Closed,
        Cause::Timeout,
        Cause::Dns,
        Cause::Tls,
        Cause::Proxy,
        Cause::Redirect,
        Cause::Malformed,
        Cause::UnexpectedStatus,
        Cause::UnexpectedHeader,
        Cause::UnexpectedBody,
        Cause::UnexpectedJson,
        Cause::ClientLimit,
        Cause::Aborted,
        Cause::Other,
    ];

    /// Returns the name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Refused => "refused",
            Cause::Reset => "reset",
            Cause::Closed => "closed",
            Cause::Timeout => "timeout",
            Cause::Dns => "dns",
            Cause::Tls => "tls",
            Cause::Proxy => "proxy",
            Cause::Redirect => "redirect",
            Cause::Malformed => "malformed",
            Cause::UnexpectedStatus => "unexpected-status",
            Cause::UnexpectedHeader => "unexpected-header",
            Cause::UnexpectedBody => "unexpected-body",
            Cause::UnexpectedJson => "unexpected-json",
            Cause::ClientLimit => CLIENT_LIMIT,
            Cause::Aborted => "cut",
            Cause::Other => "other",
        }
    }

    /// Returns the cause of this name, [`Cause::Other`] if it is unknown.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|cause| cause.name() == name).unwrap_or(Self::Other)
    }

    /// Returns the cause as a phrase for messages.
    pub fn description(self) -> &'static str {
        match self {
            Cause::Refused => "connection refused",
            Cause::Reset => "connection reset",
            Cause::Closed => "connection closed before the response was complete",
            Cause::Timeout => "no complete response within the timeout",
            Cause::Dns => "host name not resolved",
            Cause::Tls => "TLS handshake failed",
            Cause::Proxy => "the proxy failed",
            Cause::Redirect => "redirect not followed to its end",
            Cause::Malformed => "malformed response",
            Cause::UnexpectedStatus => "unexpected status",
            Cause::UnexpectedHeader => "unexpected or missing header",
            Cause::UnexpectedBody => "expected string not in the body",
            Cause::UnexpectedJson => "unexpected JSON in the body",
            Cause::ClientLimit => "this machine ran out of files, ports or memory",
            Cause::Aborted => "aborted at the end of the load",
            Cause::Other => "other failure",
        }
    }
}

/// Proof that sending a failed request again hides nothing that the peer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resend {
    /// None: the peer may have taken the request.
    #[default]
    Never,
    /// Nothing of it was sent.
    Unsent,
    /// The peer closed the connection while it was idle, and the request is idempotent (RFC 9110, 9.2.2).
    IdleClose,
    /// The peer takes no more requests on this connection and did not process this one: GOAWAY (RFC 9113, 6.8).
    GoAway,
    /// The peer did not process the request and keeps the connection: REFUSED_STREAM (RFC 9113, 8.7).
    Refused,
}

/// A request without a complete response.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Kind of the failure.
    pub cause: Cause,
    /// Error message; empty if the cause says it all.
    pub detail: String,
    /// Reason for which the request may be sent again, if there is one.
    pub resend: Resend,
    /// Kind of a failed TLS handshake, if it is known.
    pub tls: Option<TlsProblem>,
    /// Cause that stands for the part of the way that failed, if it is not the target itself and `cause` does not say so: that of a
    /// timeout.
    pub hop: Option<Cause>,
    /// The service responded, in a way that is no complete response: it can be reached.
    pub is_response: bool,
    /// Index of the version that responded, too late or with a response that is not valid; `None` if none did, and if its origin is
    /// unknown.
    pub version: Option<usize>,
    /// A response was read to its end. If its origin is unknown, the reason was recorded.
    pub is_complete: bool,
}

impl Failure {
    /// Creates a failure of a request that is not sent again.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
            resend: Resend::Never,
            tls: None,
            hop: None,
            is_response: false,
            version: None,
            is_complete: false,
        }
    }

    /// Creates a failure from `error`. The innermost I/O or TLS error of its chain decides the cause, `otherwise` if there is none.
    pub fn from_error(error: &(dyn Error + 'static), otherwise: Cause) -> Self {
        let mut text = error.to_string();
        let mut cause = None;
        let mut tls = None;
        let mut link = Some(error);
        while let Some(current) = link {
            cause = classify(current).or(cause);
            tls = current.downcast_ref::<rustls::Error>().or(tls);
            let message = current.to_string();
            if !text.contains(&message) {
                text.push_str(": ");
                text.push_str(&message);
            }
            link = inner(current);
        }
        if let Some(described) = tls.and_then(describe) {
            text = described;
        }
        Self { tls: tls.map(problem_of), ..Self::new(cause.unwrap_or(otherwise), text) }
    }
}

impl Failure {
    /// Charges the failure to a hop on the way to the target, such as a proxy. What this machine lacks stays its own failure.
    pub(super) fn of_hop(self, cause: Cause, hop: &str) -> Self {
        let cause = if self.cause == Cause::ClientLimit { self.cause } else { cause };
        Self { cause, detail: format!("{hop}: {self}"), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() { f.write_str(self.cause.description()) } else { f.write_str(&self.detail) }
    }
}

/// Returns the next error of the chain. `io::Error::source` skips the error that it wraps and continues with that one's source.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Returns the cause that one error of the chain stands for, if any.
fn classify(error: &(dyn Error + 'static)) -> Option<Cause> {
    if error.is::<rustls::Error>() {
        return Some(Cause::Tls);
    }
    let error = error.downcast_ref::<std::io::Error>()?;
    if is_limit(error) {
        return Some(Cause::ClientLimit);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Some(Cause::Refused),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Some(Cause::Reset),
        ErrorKind::UnexpectedEof | ErrorKind::NotConnected => Some(Cause::Closed),
        ErrorKind::TimedOut => Some(Cause::Timeout),
        // A lower layer could not parse it.
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Some(Cause::Malformed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use rustls::CertificateError;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::UnixTime;

    use super::*;
    use crate::load::tls_problem::is_ca_as_server;

    #[test]
    fn the_innermost_known_error_decides_the_cause() {
        let tls = io::Error::new(ErrorKind::InvalidData, rustls::Error::HandshakeNotComplete);
        assert_eq!(Failure::from_error(&tls, Cause::Other).cause, Cause::Tls);
        let nested = io::Error::other(io::Error::from(ErrorKind::ConnectionReset));
        assert_eq!(Failure::from_error(&nested, Cause::Other).cause, Cause::Reset);
        assert_eq!(Failure::from_error(&io::Error::other("odd"), Cause::Tls).cause, Cause::Tls);
        let limit = io::Error::new(ErrorKind::InvalidData, io::Error::from(ErrorKind::AddrNotAvailable));
        assert_eq!(Failure::from_error(&limit, Cause::Tls).cause, Cause::ClientLimit);
    }

    #[test]
    fn a_ca_certificate_of_a_server_is_recognized() {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = "localhost".try_into().unwrap();
        let error = verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).unwrap_err();
        assert!(is_ca_as_server(&error), "{error:?}");
        assert!(!is_ca_as_server(&CertificateError::Expired.into()));
    }

    #[test]
    fn causes_are_listed_in_the_order_of_their_discriminants() {
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }
}
