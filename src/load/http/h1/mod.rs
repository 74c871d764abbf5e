//! A client's side of HTTP/1.1, written for load: no allocation per request, one write and one read where the messages are small.
//!
//! [`Request`] is formatted once and sent many times. [`Connection`] works on any byte stream: it writes the request, reads the
//! answer with [`head`] and [`body`], which are pure, and forgets what it was not asked to keep. One request is under way at a
//! time; there is no pipelining.
//!
//! Where the standard (RFC 9110, RFC 9112) leaves a choice, a message that two readers could understand differently is malformed:
//! `Content-Length` beside `Transfer-Encoding`, contradicting lengths, a transfer coding other than `chunked`, folded headers.
//! Lines of a head may end in a bare LF; those of a chunked body may not. Bytes that come along after the end of an answer make
//! that answer malformed, since it is not known which of them was meant.

pub mod body;
mod connection;
pub mod head;
mod outgoing;
mod request;

use std::borrow::Cow;

pub use connection::{Connection, MAX_KEPT, Received, Wants};
pub use request::Request;

use crate::load::cause::{Cause, Failure};

/// What is wrong with an answer, in words.
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
