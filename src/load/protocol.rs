//! What a protocol must offer the load loop.

use super::cause::Failure;

/// A complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status; for HTTP 100 to 999.
    pub status: u16,
    /// Body bytes received.
    pub bytes: u64,
    /// Whether it counts as an error nevertheless.
    pub is_error: bool,
}

/// Opens connections and makes exchanges on them. All work on one connection happens on one thread.
pub trait Protocol: Send + Sync + 'static {
    /// An open connection; dropping it closes it.
    type Connection: 'static;

    /// Opens a connection.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Failure>>;

    /// Waits until the next request can be sent; `false` when the connection can take no more of them.
    fn ready(&self, connection: &mut Self::Connection) -> impl Future<Output = bool>;

    /// Sends one request and reads the whole answer. After a failure the connection is dropped; one that is
    /// [`Failure::is_repeatable`] is tried once more on a new connection. The loop may drop the future at any point, and then drops the connection too.
    fn exchange(&self, connection: &mut Self::Connection) -> impl Future<Output = Result<Answer, Failure>>;
}
