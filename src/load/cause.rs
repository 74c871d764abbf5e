//! Why a request got no complete answer.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;

/// What kind of failure it was; the names are those in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Nothing listens there.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection before or amid the answer.
    Closed,
    /// No complete answer within the request time-out.
    Timeout,
    /// The host name has no address.
    Dns,
    /// No TLS session: an untrusted certificate, a refused client certificate, no common version.
    Tls,
    /// The proxy did not open a way to the target.
    Proxy,
    /// What came is not the protocol.
    Malformed,
    /// The status is none of those expected.
    UnexpectedStatus,
    /// A header that is expected is missing, or says something else.
    UnexpectedHeader,
    /// The body does not contain the expected text.
    UnexpectedBody,
    /// The body is not the JSON that is expected.
    UnexpectedJson,
    /// Cut off at the end of the load, which did not wait for it.
    Aborted,
    /// Anything else; the detail says what.
    Other,
}

impl Cause {
    /// All causes, in the order of their discriminants.
    pub const ALL: [Cause; 14] = [
        Cause::Refused,
        Cause::Reset,
        Cause::Closed,
        Cause::Timeout,
        Cause::Dns,
        Cause::Tls,
        Cause::Proxy,
        Cause::Malformed,
        Cause::UnexpectedStatus,
        Cause::UnexpectedHeader,
        Cause::UnexpectedBody,
        Cause::UnexpectedJson,
        Cause::Aborted,
        Cause::Other,
    ];

    /// The name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Refused => "refused",
            Cause::Reset => "reset",
            Cause::Closed => "closed",
            Cause::Timeout => "timeout",
            Cause::Dns => "dns",
            Cause::Tls => "tls",
            Cause::Proxy => "proxy",
            Cause::Malformed => "malformed",
            Cause::UnexpectedStatus => "unexpected-status",
            Cause::UnexpectedHeader => "unexpected-header",
            Cause::UnexpectedBody => "unexpected-body",
            Cause::UnexpectedJson => "unexpected-json",
            Cause::Aborted => "cut",
            Cause::Other => "other",
        }
    }

    /// The cause of this name; [`Cause::Other`] for one that is not known.
    pub fn of_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|cause| cause.name() == name).unwrap_or(Self::Other)
    }

    /// The cause in words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Cause::Refused => "connection refused",
            Cause::Reset => "connection reset",
            Cause::Closed => "connection closed before the answer was complete",
            Cause::Timeout => "no complete answer within the time-out",
            Cause::Dns => "host name not resolved",
            Cause::Tls => "TLS handshake failed",
            Cause::Proxy => "no way through the proxy",
            Cause::Malformed => "malformed answer",
            Cause::UnexpectedStatus => "unexpected status",
            Cause::UnexpectedHeader => "unexpected or missing header",
            Cause::UnexpectedBody => "expected text not in the body",
            Cause::UnexpectedJson => "body not the expected JSON",
            Cause::Aborted => "cut off at the end of the load",
            Cause::Other => "other failure",
        }
    }
}

/// What is said of a server that shows a certificate of the wrong kind.
const AUTHORITY_AS_SERVER: &str = "invalid peer certificate: it is an authority's certificate (CA:TRUE), not a server's; name \
                                   it as the authority to trust, or let it issue one for the server";

/// A request that got no complete answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind it was.
    pub cause: Cause,
    /// The error in words; empty where the cause says it all.
    pub detail: String,
    /// Whether the peer had closed an idle connection, so that the request may be sent again on a new one: nothing of it was sent,
    /// or nothing was heard of it and sending it twice does no harm.
    pub is_repeatable: bool,
    /// Whether this process has too many files or connections open.
    pub is_out_of_files: bool,
}

impl Failure {
    /// A failure with its detail.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into(), is_repeatable: false, is_out_of_files: false }
    }

    /// A failure of `error`, whose chain of sources decides the cause; `otherwise` where it holds no I/O or TLS error.
    pub fn of(error: &(dyn Error + 'static), otherwise: Cause) -> Self {
        let mut text = error.to_string();
        let mut cause = None;
        let mut out_of_files = false;
        let mut link = Some(error);
        while let Some(current) = link {
            cause = classify(current).or(cause);
            out_of_files |= current.downcast_ref().is_some_and(is_out_of_files);
            let shown = current.to_string();
            if !text.contains(&shown) {
                text.push_str(": ");
                text.push_str(&shown);
            }
            link = inner(current);
        }
        if text.contains("CaUsedAsEndEntity") {
            // rustls has no words for this one, the usual outcome of `openssl req -x509`.
            text = AUTHORITY_AS_SERVER.to_owned();
        }
        Self { is_out_of_files: out_of_files, ..Self::new(cause.unwrap_or(otherwise), text) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() { f.write_str(self.cause.words()) } else { f.write_str(&self.detail) }
    }
}

/// Whether the process, or the whole machine, has too many files open.
pub(super) fn is_out_of_files(error: &std::io::Error) -> bool {
    // EMFILE and ENFILE, whose numbers all Unix systems share.
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

/// The next link of the chain. `io::Error::source` skips the error that it wraps and goes on with that one's source.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// The cause that one link of the chain tells, if it does.
fn classify(error: &(dyn Error + 'static)) -> Option<Cause> {
    if error.is::<rustls::Error>() {
        return Some(Cause::Tls);
    }
    match error.downcast_ref::<std::io::Error>()?.kind() {
        ErrorKind::ConnectionRefused => Some(Cause::Refused),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Some(Cause::Reset),
        ErrorKind::UnexpectedEof | ErrorKind::NotConnected => Some(Cause::Closed),
        ErrorKind::TimedOut => Some(Cause::Timeout),
        // What a layer below us can't read.
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Some(Cause::Malformed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn the_innermost_telling_link_decides() {
        let tls = io::Error::new(ErrorKind::InvalidData, rustls::Error::HandshakeNotComplete);
        assert_eq!(Failure::of(&tls, Cause::Other).cause, Cause::Tls);
        let nested = io::Error::other(io::Error::from(ErrorKind::ConnectionReset));
        assert_eq!(Failure::of(&nested, Cause::Other).cause, Cause::Reset);
        assert_eq!(Failure::of(&io::Error::other("odd"), Cause::Tls).cause, Cause::Tls);
    }

    #[test]
    fn causes_are_listed_in_the_order_of_their_discriminants() {
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }
}
