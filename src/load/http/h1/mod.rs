//! An HTTP/1.1 client for load: no allocation per request, one write and one read for small messages.
//!
//! [`Request`] is formatted once and sent many times. [`Connection`] works on any byte stream: it writes the request, parses the
//! response with [`head`] and [`body`], which are pure, and keeps only what the caller wants. One request at a time; there is no
//! pipelining.
//!
//! Responses that the standard (RFC 9112) lets a user agent accept are accepted: folded headers, `Content-Length` beside
//! `Transfer-Encoding`, bytes after the end of a response, bodies where there is none; the connection is not used again if what follows
//! could be misread. Contradicting lengths and transfer codings other than `chunked` are malformed. Lines of a head may end in a bare LF,
//! those of a chunked body may not.

pub mod body;
mod buffers;
mod connection;
pub mod head;
mod outgoing;
mod request;
mod stray;

use std::borrow::Cow;

pub use connection::{Connection, MAX_KEPT, Received, Wants};
pub use request::Request;

use crate::load::cause::{Cause, Failure};

/// A malformed response, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub Cow<'static, str>);

impl From<&'static str> for Malformed {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Malformed {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Failure::new(Cause::Malformed, malformed.0)
    }
}
