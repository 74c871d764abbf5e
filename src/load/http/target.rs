//! What is requested: built once, shared by all connections.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use rustls::ClientConfig;
use url::Url;

use super::connection::{self, HttpConnection};
use super::origin::Origin;
use super::redirect;
use crate::load::cause::Failure;
use crate::load::protocol::{Answer, Protocol};
use crate::net::tls::{TlsError, TlsOptions, client_config};

/// A range of statuses that count as errors, both ends included; an open end has no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRange {
    /// Lowest status.
    pub lower: Option<u16>,
    /// Highest status.
    pub upper: Option<u16>,
}

impl ErrorRange {
    fn holds(&self, status: u16) -> bool {
        self.lower.is_none_or(|lower| status >= lower) && self.upper.is_none_or(|upper| status <= upper)
    }
}

/// One HTTP request, to be made many times.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// Where to: `http` or `https`, with a host. User name and password in it are not sent.
    pub url: Url,
    /// The method.
    pub method: Method,
    /// Headers; a `Host` here takes precedence over the URL's.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// Statuses that count as errors.
    pub error_ranges: Vec<ErrorRange>,
    /// How many redirects are followed within one request; a redirect that is not followed is an answer in its own right.
    pub redirects: u32,
    /// TLS settings.
    pub tls: TlsOptions,
}

/// The request as it goes out to one origin, but for its allocation.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) method: Method,
    /// Path and query.
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Message {
    pub(super) fn to_request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// The same request to another URL. Credentials and a `Host` of the user's stay with the origin they were meant for.
    pub(super) fn to(&self, url: &Url, is_same_origin: bool) -> Option<Self> {
        let mut message = Self { uri: path_of(url)?, ..self.clone() };
        if !is_same_origin {
            for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
                message.headers.remove(name);
            }
            message.headers.insert(HOST, host_of(url)?);
        }
        Some(message)
    }
}

/// HTTP/1.1 to one target.
#[derive(Debug)]
pub struct Http {
    pub(super) url: Url,
    pub(super) origin: Origin,
    pub(super) message: Message,
    pub(super) redirects: u32,
    error_ranges: Vec<ErrorRange>,
    /// For the target's origin.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// For other origins, to which redirects lead: without our certificate.
    pub(super) foreign_tls: Option<Arc<ClientConfig>>,
}

/// Why a target can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL is not one of HTTP.
    #[error("`{0}` is not an http or https URL with a host")]
    Url(String),
    /// The TLS settings are wrong.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Http {
    /// Prepares requests to `target`; opens nothing.
    pub fn new(target: HttpTarget) -> Result<Self, TargetError> {
        let unusable = || TargetError::Url(crate::net::redact::url(target.url.as_str()));
        let origin = Origin::of(&target.url).ok_or_else(unusable)?;
        let uri = path_of(&target.url).ok_or_else(unusable)?;
        let mut headers = target.headers.clone();
        if !headers.contains_key(HOST) {
            headers.insert(HOST, host_of(&target.url).ok_or_else(unusable)?);
        }
        let config = |options: &TlsOptions| client_config(options, &["http/1.1"]).map(Arc::new);
        let may_leave = target.redirects > 0;
        let tls = if origin.is_tls() || may_leave { Some(config(&target.tls)?) } else { None };
        let foreign_tls = match (&target.tls.identity, may_leave) {
            (_, false) => None,
            (None, true) => tls.clone(),
            (Some(_), true) => Some(config(&TlsOptions { identity: None, ..target.tls.clone() })?),
        };
        let message = Message { method: target.method, uri, headers, body: target.body };
        let error_ranges = target.error_ranges;
        Ok(Self { url: target.url, origin, message, redirects: target.redirects, error_ranges, tls, foreign_tls })
    }

    pub(super) fn answer(&self, status: u16, bytes: u64) -> Answer {
        Answer { status, bytes, is_error: self.error_ranges.iter().any(|range| range.holds(status)) }
    }
}

impl Protocol for Http {
    type Connection = HttpConnection;

    async fn connect(&self) -> Result<HttpConnection, Failure> {
        let sender = connection::open(&self.origin, self.tls.as_ref()).await?;
        Ok(HttpConnection::new(sender))
    }

    async fn ready(&self, connection: &mut HttpConnection) -> bool {
        connection.sender.is_ready().await
    }

    async fn exchange(&self, connection: &mut HttpConnection) -> Result<Answer, Failure> {
        let (head, bytes) = connection.sender.exchange(&self.message).await?;
        if self.redirects > 0 && head.status.is_redirection() {
            return redirect::follow(self, connection, head, bytes).await;
        }
        Ok(self.answer(head.status.as_u16(), bytes))
    }
}

/// Path and query, as they stand in a request line.
fn path_of(url: &Url) -> Option<Uri> {
    let text = &url[url::Position::BeforePath..url::Position::AfterQuery];
    text.parse().ok()
}

/// Host and port, as they stand in the `Host` header.
fn host_of(url: &Url) -> Option<HeaderValue> {
    HeaderValue::from_str(&url[url::Position::BeforeHost..url::Position::AfterPort]).ok()
}
