//! HTTP as the load loop sees it: connect, exchange.

use std::sync::Arc;
use std::time::Instant;

use super::connection::{Answered, HttpConnection, open};
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
        let sender = open(&self.http.dialer).await?;
        self.meter.connected(start.elapsed());
        Ok(HttpConnection::new(sender))
    }

    async fn ready(&self, connection: &mut HttpConnection) -> bool {
        connection.sender.is_ready().await
    }

    async fn exchange(&self, connection: &mut HttpConnection, (): &()) -> Result<Answer, Failure> {
        let mut answered = connection.sender.exchange(&self.http.message, &self.meter).await?;
        if self.http.redirects > 0 && answered.head.status.is_redirection() {
            answered = redirect::follow(&self.http, &self.meter, connection, answered).await?;
        }
        let Answered { head, first } = answered;
        let status = head.status.as_u16();
        let is_error = self.http.is_error(status);
        Ok(Answer { status, first: Some(first), ended: Instant::now(), is_error, cause: None })
    }
}
