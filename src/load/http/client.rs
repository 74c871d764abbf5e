//! HTTP/1.1 for the load loop: connect and exchange.

use std::sync::Arc;
use std::time::Instant;

use url::Url;

use super::connection::{HttpConnection, Link};
use super::h1::{Received, Request, Wants, head};
use super::message::Message;
use super::redirect::{self, Followed};
use super::target::Http;
use crate::load::cause::{Cause, Failure};
use crate::load::progress::Progress;
use crate::load::protocol::{Client, Protocol};
use crate::load::response::Response;
use crate::load::stats_recorder::StatsRecorder;

/// A worker's HTTP/1.1 client.
#[derive(Debug)]
pub struct HttpClient {
    http: Arc<Http>,
    stats: StatsRecorder,
}

/// A request rendered from a template.
#[derive(Debug)]
pub struct Rendered {
    url: Url,
    message: Message,
    /// The message, formatted.
    request: Request,
}

impl Protocol for Http {
    type Client = HttpClient;

    fn client(self: &Arc<Self>, _: usize, stats: StatsRecorder) -> HttpClient {
        HttpClient { http: Arc::clone(self), stats }
    }
}

impl Client for HttpClient {
    type Connection = HttpConnection;
    type Request = Option<Box<Rendered>>;

    fn varies(&self) -> bool {
        self.http.prepared.varies()
    }

    fn prepare(&self, number: u64) -> Result<Self::Request, Failure> {
        let rendered = self.http.prepared.rendered(number)?;
        Ok(rendered.map(|(url, message)| Box::new(Rendered { request: message.to_request(), url, message })))
    }

    async fn connect(&self, _: usize, progress: &Progress) -> Result<HttpConnection, Failure> {
        let start = Instant::now();
        let link = Link::open(&self.http.prepared.connector, &self.stats, progress).await?;
        self.stats.connected(start.elapsed());
        Ok(HttpConnection::new(link))
    }

    async fn ready(&self, connection: &mut HttpConnection) -> bool {
        connection.target.is_ready().await
    }

    async fn exchange(
        &self,
        connection: &mut HttpConnection,
        rendered: &Self::Request,
        progress: &Progress,
    ) -> Result<Response, Failure> {
        let http = &*self.http;
        let judge = http.judge();
        let wants = Wants { redirect: http.redirects > 0, head: judge.needs_head(), body: judge.needs_body() };
        let (url, message, request) = match rendered {
            None => (&http.url, &http.prepared.message, &http.request),
            Some(rendered) => (&rendered.url, &rendered.message, &rendered.request),
        };
        let received = connection.target.exchange(request, wants, progress).await?;
        let Followed { received, link, dead_end } = if wants.redirect && matches!(received.status, 300..=399) {
            let context = redirect::Context { http, stats: &self.stats, wants, progress };
            Box::pin(redirect::follow(&context, connection, (url, message), received)).await?
        } else {
            Followed { received, link: &connection.target, dead_end: None }
        };
        let Some(reason) = dead_end else {
            return Ok(judge.judge(received, |name| head::values(link.head(), name), link.body(), &self.stats));
        };
        self.stats.detail(Cause::Redirect, &reason);
        self.stats.unknown_origin("a redirect was not followed to its end");
        let Received { status, first, ended, .. } = received;
        Ok(Response { status, first: Some(first), ended, is_error: true, cause: Some(Cause::Redirect), version: None })
    }
}
