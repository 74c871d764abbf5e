//! HTTP outside the load path.

use std::time::Duration;

use chrono::TimeDelta;

use super::BoxFuture;
use crate::model::tls::TlsOptions;
use crate::model::tls_problem::{TlsFields, TlsProblem};

/// HTTP outside the load path.
pub trait Web: Send + Sync {
    /// Sends one request and reads the whole response.
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>>;
}

/// One HTTP request outside the load path: a payload download, a notification, a metric query.
///
/// Redirects are followed. A request with headers, a body or a client certificate is meant for its receiver only, and is not redirected
/// to another origin.
#[derive(Clone, Debug, Default)]
pub struct WebRequest {
    /// `GET`, `POST` …
    pub method: String,
    /// Whole URL.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<Vec<u8>>,
    /// Size limit of the response body, in bytes.
    pub max_response_bytes: usize,
    /// Timeout of the whole exchange.
    pub timeout: Duration,
    /// Trusted servers and client credentials.
    pub tls: TlsOptions,
    /// True for webhooks: the whole URL is a secret, and the response does not depend on the body.
    pub is_webhook: bool,
    /// Secrets in the request that their names do not show. Not sent: they are redacted in recordings.
    pub secrets: Vec<String>,
    /// Identifies the caller if several may send the same request at once: unique per caller, and the same in each attempt. Not
    /// sent; recordings use it to match responses to callers.
    pub caller: Option<u64>,
}

/// Response to a [`WebRequest`], with any status.
#[derive(Clone, Debug)]
pub struct WebResponse {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
    /// Delay before the next attempt that the server requests (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// Offset of the server's clock from ours in whole seconds, if the response has a `Date`. Negative if that date is before the
    /// request was sent, positive if it is after the response arrived, else zero.
    pub clock_ahead: Option<TimeDelta>,
}

/// Kind of a [`WebError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebErrorKind {
    /// No complete response in time.
    Timeout,
    /// No connection, or it broke before the response was complete. A retry may succeed.
    Transport,
    /// The TLS handshake failed. A retry would fail in the same way.
    Tls(TlsProblem),
    /// A retry would fail in the same way: a response that is too large, a rejected redirect, an invalid request.
    Final,
}

/// Failed request. The URL carries no credentials.
#[derive(Debug, thiserror::Error)]
#[error("{method} {url}: {reason}")]
pub struct WebError {
    /// Method of the request.
    pub method: String,
    /// URL of the request, without credentials and query.
    pub url: String,
    /// Kind of the error.
    pub kind: WebErrorKind,
    /// Description, causes included.
    pub reason: String,
}

impl WebError {
    /// Returns the next step, if the TLS handshake failed and these are the request's settings.
    pub fn tls_hint(&self, fields: TlsFields<'_>) -> Option<String> {
        match self.kind {
            WebErrorKind::Tls(problem) => Some(problem.hint(fields)),
            _ => None,
        }
    }
}
