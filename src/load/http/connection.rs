//! The connection of a request in flight to its target, and those to which redirects lead.

use super::h1::{Connection, Received, Request, Wants};
use crate::load::cause::Failure;
use crate::load::connect::{Connector, Endpoint, Route, Stream, Tls};
use crate::load::progress::Progress;
use crate::load::stats_recorder::StatsRecorder;

/// Maximum connections to other endpoints that are kept for redirects.
const FOREIGN: usize = 4;

/// A connection that counts its bytes.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection<Stream>,
    stats: StatsRecorder,
    /// Body bytes received that are counted already.
    counted: u64,
}

impl Drop for Link {
    fn drop(&mut self) {
        // An exchange that was aborted within its body.
        self.count_received();
    }
}

impl Link {
    /// Opens a connection.
    pub(super) async fn open(
        connector: &Connector,
        stats: &StatsRecorder,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        let stream = connector.connect(progress).await?.stream;
        let connection = Connection::new(stream, connector.round_trip());
        Ok(Self { connection, stats: stats.clone(), counted: 0 })
    }

    /// Returns true if the next request can be sent.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.connection.is_ready().await
    }

    /// Sends one request and reads the whole response.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        wants: Wants,
        progress: &Progress,
    ) -> Result<Received, Failure> {
        self.stats.bytes_sent(request.body_length());
        let received = self.connection.exchange(request, wants, progress).await;
        self.count_received();
        received
    }

    /// Returns the head of the latest response, if it was wanted.
    pub(super) fn head(&self) -> &[u8] {
        self.connection.head()
    }

    /// Returns the first part of the latest response's body, if it was wanted.
    pub(super) fn body(&self) -> &[u8] {
        self.connection.body()
    }

    fn count_received(&mut self) {
        let total = self.connection.body_received();
        let fresh = total - std::mem::replace(&mut self.counted, total);
        if fresh > 0 {
            self.stats.bytes_received(usize::try_from(fresh).unwrap_or(usize::MAX));
        }
    }
}

/// A connection to the target, and those to the endpoints to which redirects lead.
#[derive(Debug)]
pub struct HttpConnection {
    pub(super) target: Link,
    foreign: Vec<(Connector, Link)>,
}

impl HttpConnection {
    pub(super) fn new(target: Link) -> Self {
        Self { target, foreign: Vec::new() }
    }

    /// Returns a connection: that to the target, or the one with a number from [`HttpConnection::to`].
    pub(super) fn link(&self, number: Option<usize>) -> &Link {
        number.and_then(|number| self.foreign.get(number)).map_or(&self.target, |(_, link)| link)
    }

    /// Like [`HttpConnection::link`], mutable.
    pub(super) fn link_mut(&mut self, number: Option<usize>) -> &mut Link {
        number.and_then(|number| self.foreign.get_mut(number)).map_or(&mut self.target, |(_, link)| link)
    }

    /// Returns the number of the connection to another endpoint: an open one, or a new one if there is none or `is_new`.
    pub(super) async fn to(
        &mut self,
        endpoint: Endpoint,
        tls: Option<&Tls>,
        is_new: bool,
        stats: &StatsRecorder,
        progress: &Progress,
    ) -> Result<usize, Failure> {
        let known = self.foreign.iter().position(|(known, _)| known.endpoint == endpoint);
        if let Some(index) = known
            && (is_new || !self.foreign[index].1.is_ready().await)
        {
            self.foreign.remove(index);
        }
        let index = match self.foreign.iter().position(|(known, _)| known.endpoint == endpoint) {
            Some(index) => index,
            None => {
                if self.foreign.len() >= FOREIGN {
                    self.foreign.remove(0);
                }
                let connector = Connector { endpoint, route: Route::Direct, tls: tls.cloned() };
                let link = Link::open(&connector, stats, progress).await?;
                self.foreign.push((connector, link));
                self.foreign.len() - 1
            }
        };
        Ok(index)
    }
}
