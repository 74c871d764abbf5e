//! HTTP outside the load path: downloads of values and payloads, queries of metrics, notifications.
//!
//! Honors the proxy variables (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) and follows redirects itself. Does not accept
//! compressed responses, because a small one may expand without limit.

mod clients;
mod error;
mod headers;
mod redirect;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use reqwest::header::{DATE, LOCATION, RETRY_AFTER};
use url::Url;

use super::error_chain::causes;
use crate::ports::{BoxFuture, Web, WebError, WebRequest, WebResponse};
use crate::redact::{redact_url, redact_webhook};
use clients::Clients;
use error::ExchangeError;

/// Maximum number of redirects per request.
const MAX_REDIRECTS: usize = 10;

/// Attempts to send a request over connections that end before they take it.
const ATTEMPTS: usize = 3;

/// Sends requests with `reqwest`.
#[derive(Default)]
pub struct WebClient {
    clients: Clients,
}

impl Web for WebClient {
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>> {
        Box::pin(async move {
            let (method, url, timeout) = (request.method.clone(), redacted_url(&request), request.timeout);
            let end = tokio::time::timeout(timeout, self.exchange(request)).await;
            let end = end.unwrap_or_else(|_| Err(ExchangeError::timeout(timeout)));
            end.map_err(|ExchangeError { kind, reason }| WebError { method, url, kind, reason })
        })
    }
}

/// Returns the URL for error messages, without credentials and query.
fn redacted_url(request: &WebRequest) -> String {
    let redacted = if request.is_webhook { redact_webhook(&request.url) } else { redact_url(&request.url) };
    redacted.split(['?', '#']).next().unwrap_or_default().to_owned()
}

impl WebClient {
    async fn exchange(&self, mut request: WebRequest) -> Result<WebResponse, ExchangeError> {
        let client = self.clients.get(&request.tls).map_err(ExchangeError::permanent)?;
        for _ in 0..=MAX_REDIRECTS {
            let sent = Utc::now();
            let response = send(&client, &request).await?;
            let received = Utc::now();
            let status = response.status().as_u16();
            if !redirect::is_redirect(status) {
                let read = read(response, request.max_response_bytes, |date| headers::ahead(date, sent, received));
                return read.await;
            }
            let location = response.headers().get(LOCATION).map(|value| value.as_bytes());
            request = redirect::follow(request, status, location).map_err(ExchangeError::permanent)?;
        }
        Err(ExchangeError::permanent(format!("more than {MAX_REDIRECTS} redirects")))
    }
}

async fn send(client: &reqwest::Client, request: &WebRequest) -> Result<reqwest::Response, ExchangeError> {
    let method = reqwest::Method::from_bytes(request.method.as_bytes())
        .map_err(|error| ExchangeError::permanent(error.to_string()))?;
    let url = Url::parse(&request.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| {
        ExchangeError::permanent("not a valid URL; expected `http://` or `https://` and a host".to_owned())
    })?;
    let mut builder = client.request(method, url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    let request = builder.build()?;
    for _ in 1..ATTEMPTS {
        let Some(copy) = request.try_clone() else { break };
        match client.execute(copy).await {
            Err(error) if is_unsent(&error) => {}
            end => return Ok(end?),
        }
    }
    Ok(client.execute(request).await?)
}

/// Returns true if the connection ended before it took the request, which can be sent again. The reason is lost then: a server that
/// requires a client certificate, for example, says so after the handshake of TLS 1.3, and its alert may come before the request or after
/// it.
fn is_unsent(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled))
}

/// First size of the buffer of a response, in bytes. The second one is the limit: memory that is not written to is not taken, and a buffer
/// that doubles may take twice the limit.
const SMALL_BODY: usize = 64 << 10;

/// Reads a response up to `max_bytes`.
async fn read(
    response: reqwest::Response,
    max_bytes: usize,
    ahead: impl Fn(DateTime<Utc>) -> TimeDelta,
) -> Result<WebResponse, ExchangeError> {
    let too_large = || ExchangeError::permanent(format!("the response is larger than {max_bytes} bytes"));
    if response.content_length().is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large());
    }
    let status = response.status().as_u16();
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let date = text(DATE).and_then(headers::date);
    let retry_after = text(RETRY_AFTER).and_then(|text| headers::retry_after(text, date));
    let mut body = Vec::new();
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = part?;
        if part.len() > max_bytes.saturating_sub(body.len()) {
            return Err(too_large());
        }
        let needed = body.len() + part.len();
        if needed > body.capacity() {
            let capacity = if needed <= SMALL_BODY { SMALL_BODY.min(max_bytes) } else { max_bytes };
            body.reserve_exact(capacity - body.len());
        }
        body.extend_from_slice(&part);
    }
    Ok(WebResponse { status, body, retry_after, clock_ahead: date.map(ahead) })
}
