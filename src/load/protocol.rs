//! Interface between the load loop and a protocol.

use std::sync::Arc;

use super::cause::Failure;
use super::progress::Progress;
use super::response::Response;
use super::stats_recorder::StatsRecorder;

/// A target and the protocol it speaks, shared by all workers.
pub trait Protocol: Send + Sync + 'static {
    /// The state of one worker.
    type Client: Client;

    /// Creates a worker's client, on its thread. It opens up to `connections` connections, and records in `stats` what the load
    /// loop cannot see.
    fn client(self: &Arc<Self>, connections: usize, stats: StatsRecorder) -> Self::Client;

    /// Describes a status in messages.
    fn status(&self, status: u16) -> String {
        format!("status {status}")
    }
}

/// A worker's client: opens connections and makes exchanges on them, all on one thread.
///
/// Requests in flight are numbered from 0. If a connection carries one request at a time there are as many of either; if it
/// multiplexes (HTTP/2), request in flight `n` uses connection `n % connections`, and [`Client::Connection`] is its handle.
pub trait Client: 'static {
    /// Connection of one request in flight; dropping it aborts the exchange.
    type Connection: 'static;
    /// The part that differs from request to request; `()` if all requests are the same.
    type Request: 'static;

    /// Returns true if every request must be prepared. Otherwise request 0 serves all.
    fn varies(&self) -> bool;

    /// Prepares request `number` ahead of the instant it is due. Numbers start at 0 and are unique over all pods. A failure counts
    /// in the request's place.
    fn prepare(&self, number: u64) -> Result<Self::Request, Failure>;

    /// Opens the connection of request in flight `index`, or returns a handle on the open one. This and [`Client::exchange`] report
    /// their progress, for the message if they time out.
    fn connect(&self, index: usize, progress: &Progress) -> impl Future<Output = Result<Self::Connection, Failure>>;

    /// Waits until the next request can be sent. Returns false if the connection takes no more requests.
    fn ready(&self, connection: &mut Self::Connection) -> impl Future<Output = bool>;

    /// Sends one request and reads the whole response. After a failure the caller drops the connection, and sends the request again
    /// if [`Failure::resend`] allows. The caller may drop the future at any point, and then drops the connection too.
    fn exchange(
        &self,
        connection: &mut Self::Connection,
        request: &Self::Request,
        progress: &Progress,
    ) -> impl Future<Output = Result<Response, Failure>>;
}
