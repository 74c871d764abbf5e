//! A seat's connection to the target, and those that redirects led it to.

use super::h1::{Connection, Received, Request, Wants};
use crate::load::cause::Failure;
use crate::load::connect::{Connector, Endpoint, Route, Stream, Tls};
use crate::load::stats_recorder::StatsRecorder;

/// Other origins whose connections are kept for redirects.
const FOREIGN: usize = 4;

/// One connection, which tells the stats what goes over it.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection<Stream>,
    stats: StatsRecorder,
    /// Bytes of received bodies that the stats knows of.
    metered: u64,
}

impl Drop for Link {
    fn drop(&mut self) {
        // An exchange that was given up amid its body.
        self.tell();
    }
}

impl Link {
    /// Opens a connection.
    pub(super) async fn open(connector: &Connector, stats: &StatsRecorder) -> Result<Self, Failure> {
        let stream = connector.connect().await?.stream;
        Ok(Self { connection: Connection::new(stream), stats: stats.clone(), metered: 0 })
    }

    /// Whether the next request can be sent.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.connection.is_ready().await
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn exchange(&mut self, request: &Request, wants: Wants) -> Result<Received, Failure> {
        self.stats.sent(request.body_length());
        let received = self.connection.exchange(request, wants).await;
        self.tell();
        received
    }

    /// The head of the newest answer, if it was asked for.
    pub(super) fn head(&self) -> &[u8] {
        self.connection.head()
    }

    /// The first part of the newest answer's body, if it was asked for.
    pub(super) fn body(&self) -> &[u8] {
        self.connection.body()
    }

    fn tell(&mut self) {
        let total = self.connection.body_received();
        let fresh = total - std::mem::replace(&mut self.metered, total);
        if fresh > 0 {
            self.stats.received(usize::try_from(fresh).unwrap_or(usize::MAX));
        }
    }
}

/// A connection to the target, and those to the origins that its redirects lead to.
#[derive(Debug)]
pub struct HttpConnection {
    pub(super) own: Link,
    foreign: Vec<(Connector, Link)>,
}

impl HttpConnection {
    pub(super) fn new(own: Link) -> Self {
        Self { own, foreign: Vec::new() }
    }

    /// One of the connections: the own one, or that of a number from [`HttpConnection::to`].
    pub(super) fn by(&self, number: Option<usize>) -> &Link {
        number.and_then(|number| self.foreign.get(number)).map_or(&self.own, |(_, link)| link)
    }

    /// The same, to be used.
    pub(super) fn by_mut(&mut self, number: Option<usize>) -> &mut Link {
        number.and_then(|number| self.foreign.get_mut(number)).map_or(&mut self.own, |(_, link)| link)
    }

    /// The number of the connection to another endpoint: an open one, unless `is_new` is asked for, or a new one.
    pub(super) async fn to(
        &mut self,
        endpoint: Endpoint,
        tls: Option<&Tls>,
        is_new: bool,
        stats: &StatsRecorder,
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
                let link = Link::open(&connector, stats).await?;
                self.foreign.push((connector, link));
                self.foreign.len() - 1
            }
        };
        Ok(index)
    }
}
