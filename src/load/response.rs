//! The response to a request, as the load loop counts it.

use std::time::Instant;

use super::cause::Cause;

/// A complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP's status (100 to 999) or gRPC's code (0 to 16).
    pub status: u16,
    /// Arrival of the first byte; for streams of messages, of the first message. `None` if the protocol does not report it.
    pub first: Option<Instant>,
    /// Arrival of the last byte.
    pub ended: Instant,
    /// The response counts as an error.
    pub is_error: bool,
    /// The expectation that it fails; `None` if its status alone makes it an error.
    pub cause: Option<Cause>,
    /// Index of the version that sent it; `None` if its origin is unknown, or if responses are not attributed.
    pub version: Option<usize>,
}
