//! HTTP as the load loop sees it: connect, exchange.

use std::sync::Arc;
use std::time::Instant;

use super::connection::{HttpConnection, Link};
use super::h1::{Wants, head};
use super::redirect;
use super::target::Http;
use crate::load::answer::Answer;
use crate::load::cause::Failure;
use crate::load::meter::Meter;
use crate::load::protocol::{Client, Protocol};

/// A worker's end of HTTP.
#[derive(Debug)]
pub struct HttpClient {
    http: Arc<Http>,
    meter: Meter,
}

impl Protocol for Http {
    type Client = HttpClient;

    fn client(self: &Arc<Self>, _: usize, meter: Meter) -> HttpClient {
        HttpClient { http: Arc::clone(self), meter }
    }
}

impl Client for HttpClient {
    type Connection = HttpConnection;
    type Request = ();

    fn varies(&self) -> bool {
        false
    }

    fn prepare(&self, _: u64) -> Result<(), Failure> {
        Ok(())
    }

    async fn connect(&self, _: usize) -> Result<HttpConnection, Failure> {
        let start = Instant::now();
        let link = Link::open(&self.http.dialer, &self.meter).await?;
        self.meter.connected(start.elapsed());
        Ok(HttpConnection::new(link))
    }

    async fn ready(&self, connection: &mut HttpConnection) -> bool {
        connection.own.is_ready().await
    }

    async fn exchange(&self, connection: &mut HttpConnection, (): &()) -> Result<Answer, Failure> {
        let http = &*self.http;
        let judge = http.judge();
        let wants =
            Wants { redirect: http.redirects > 0, head: judge.expect.needs_head(), body: judge.expect.needs_body() };
        let received = connection.own.exchange(&http.request, wants).await?;
        let (received, link) = if wants.redirect && matches!(received.status, 300..=399) {
            redirect::follow(http, &self.meter, connection, received, wants).await?
        } else {
            (received, &connection.own)
        };
        Ok(judge.answer(received, |name| head::values(link.head(), name), link.body(), &self.meter))
    }
}
