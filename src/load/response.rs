//! What becomes of a request that is answered.

use std::time::Instant;

use super::cause::Cause;

/// A complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status: HTTP's 100 to 999, gRPC's 0 to 16.
    pub status: u16,
    /// When its first byte came; for streams of messages, the first message. `None` where that is not told apart.
    pub first: Option<Instant>,
    /// When it was complete.
    pub ended: Instant,
    /// Whether it counts as an error nevertheless.
    pub is_error: bool,
    /// Why it counts as one, where its status alone does not say so.
    pub cause: Option<Cause>,
}
