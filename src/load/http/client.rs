//! HTTP as the load loop sees it: connect, exchange.

use std::sync::Arc;
use std::time::Instant;

use url::Url;

use super::connection::{HttpConnection, Link};
use super::h1::{Request, Wants, head};
use super::message::Message;
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

/// A request that differs from the others.
#[derive(Debug)]
pub struct Varied {
    url: Url,
    message: Message,
    /// The message, formatted.
    request: Request,
}

impl Protocol for Http {
    type Client = HttpClient;

    fn client(self: &Arc<Self>, _: usize, meter: Meter) -> HttpClient {
        HttpClient { http: Arc::clone(self), meter }
    }
}

impl Client for HttpClient {
    type Connection = HttpConnection;
    type Request = Option<Box<Varied>>;

    fn varies(&self) -> bool {
        self.http.prepared.varies()
    }

    fn prepare(&self, number: u64) -> Result<Self::Request, Failure> {
        let varied = self.http.prepared.varied(number)?;
        Ok(varied.map(|(url, message)| Box::new(Varied { request: message.to_request(), url, message })))
    }

    async fn connect(&self, _: usize) -> Result<HttpConnection, Failure> {
        let start = Instant::now();
        let link = Link::open(&self.http.prepared.dialer, &self.meter).await?;
        self.meter.connected(start.elapsed());
        Ok(HttpConnection::new(link))
    }

    async fn ready(&self, connection: &mut HttpConnection) -> bool {
        connection.own.is_ready().await
    }

    async fn exchange(&self, connection: &mut HttpConnection, varied: &Self::Request) -> Result<Answer, Failure> {
        let http = &*self.http;
        let judge = http.judge();
        let wants =
            Wants { redirect: http.redirects > 0, head: judge.expect.needs_head(), body: judge.expect.needs_body() };
        let (url, message, request) = match varied {
            None => (&http.url, &http.prepared.message, &http.request),
            Some(varied) => (&varied.url, &varied.message, &varied.request),
        };
        let received = connection.own.exchange(request, wants).await?;
        let (received, link) = if wants.redirect && matches!(received.status, 300..=399) {
            redirect::follow(http, &self.meter, connection, (url, message), received, wants).await?
        } else {
            (received, &connection.own)
        };
        Ok(judge.answer(received, |name| head::values(link.head(), name), link.body(), &self.meter))
    }
}
