//! What a protocol must offer the load loop.

use std::sync::Arc;

use super::cause::Failure;
use super::response::Response;
use super::stats_recorder::StatsRecorder;

/// A target and how it is spoken to; all workers share it.
pub trait Protocol: Send + Sync + 'static {
    /// A worker's end of it.
    type Client: Client;

    /// Makes the end of one worker, on its thread. It has up to `connections` connections, and tells `stats` what the load loop
    /// can't see.
    fn client(self: &Arc<Self>, connections: usize, stats: StatsRecorder) -> Self::Client;

    /// A status in words, for messages.
    fn status(&self, status: u16) -> String {
        format!("status {status}")
    }
}

/// A worker's end of a protocol: opens connections and makes exchanges on them. All of it happens on one thread.
///
/// A *seat* is one request in flight. Where a connection carries one request at a time there are as many seats as connections;
/// where it carries several (HTTP/2), seat `s` uses connection `s % connections`, and [`Client::Connection`] is its handle.
pub trait Client: 'static {
    /// What one seat drives; dropping it ends its exchange.
    type Connection: 'static;
    /// What differs from request to request; `()` where nothing does.
    type Request: 'static;

    /// Whether every request needs one of its own from [`Client::prepare`]; otherwise that of number 0 serves all.
    fn varies(&self) -> bool;

    /// Makes request `number` (from 0, each once by whichever machine), ahead of the instant it is due. A failure counts in the request's place.
    fn prepare(&self, number: u64) -> Result<Self::Request, Failure>;

    /// Opens the connection of a seat, or finds the open one.
    fn connect(&self, seat: usize) -> impl Future<Output = Result<Self::Connection, Failure>>;

    /// Waits until the next request can be sent; `false` when the connection can take no more of them.
    fn ready(&self, connection: &mut Self::Connection) -> impl Future<Output = bool>;

    /// Sends one request and reads the whole answer. After a failure the connection is dropped; a request that failed
    /// [`Failure::is_repeatable`] is tried once more on a new connection. The loop may drop the future at any point, and then
    /// drops the connection too.
    fn exchange(
        &self,
        connection: &mut Self::Connection,
        request: &Self::Request,
    ) -> impl Future<Output = Result<Response, Failure>>;
}
