//! The target of HTTP requests: built once, shared by all connections.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::expect::Expectations;
use super::h1::{Received, Request};
use super::message::{Message, absolute, host_of, path_of};
use super::request_template::{RenderedRequest, RequestTemplate};
use super::transport::Transport;
use crate::load::attribution::Attribution;
use crate::load::cause::{Cause, Failure};
use crate::load::connect::tls::{TlsError, client_config};
use crate::load::connect::{Connector, Endpoint, Route, Tls, server_name};
use crate::load::response::Response;
use crate::load::stats_recorder::StatsRecorder;
use crate::model::tls::TlsOptions;
use crate::redact;

/// An inclusive range of statuses that count as errors; `None` is unlimited.
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

/// One HTTP request, sent many times.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// `http` or `https` URL with a host. User name and password in it are not sent.
    pub url: Url,
    /// Method.
    pub method: Method,
    /// Headers; a `Host` here takes precedence over the URL's.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// Renders URL, headers and body of each request, if they differ.
    pub template: Option<RequestTemplate>,
    /// Statuses that count as errors.
    pub error_ranges: Vec<ErrorRange>,
    /// Further expectations on responses.
    pub expect: Arc<Expectations>,
    /// Attribution of responses to versions.
    pub attribution: Option<Arc<Attribution>>,
    /// Maximum redirects followed within one request; a redirect that is not followed is a response like any other.
    pub redirects: u32,
    /// TLS settings.
    pub tls: TlsOptions,
    /// Transport to the target.
    pub transport: Transport,
    /// Server name for SNI and certificate verification; `None` for the URL's host.
    pub server_name: Option<String>,
}

impl HttpTarget {
    /// Creates a direct GET of `url` without custom headers. Statuses of 400 and above are errors, redirects are not followed.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            template: None,
            error_ranges: vec![ErrorRange { lower: Some(400), upper: None }],
            expect: Arc::default(),
            attribution: None,
            redirects: 0,
            tls: TlsOptions::default(),
            transport: Transport::Direct,
            server_name: None,
        }
    }
}

/// HTTP/1.1 to one target.
#[derive(Debug)]
pub struct Http {
    pub(super) url: Url,
    pub(super) prepared: Prepared,
    /// The message, formatted.
    pub(super) request: Request,
    pub(super) redirects: u32,
    judge: Judge,
    /// For other endpoints to which redirects lead: without the client certificate.
    pub(super) foreign_tls: Option<Tls>,
}

/// A target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL is not an HTTP URL.
    #[error("`{0}` is not an http or https URL with a host")]
    Url(String),
    /// The proxy's URL is not an HTTP URL.
    #[error("the proxy's URL is not an `http` URL with a host")]
    Proxy,
    /// The server name is invalid.
    #[error("`{0}` is not a valid server name; expected a DNS name or an IP address")]
    ServerName(String),
    /// The TLS settings are wrong.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl TargetError {
    pub(super) fn unusable(url: &Url) -> Self {
        Self::Url(redact::redact_url(url.as_str()))
    }
}

/// ALPN names of the HTTP versions.
pub(super) const HTTP1: &str = "http/1.1";
pub(super) const HTTP2: &str = "h2";

/// State common to all HTTP versions.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) connector: Connector,
    pub(super) message: Message,
    template: Option<RequestTemplate>,
}

impl Prepared {
    /// Prepares connector and message; `alpn` is the protocol to negotiate with TLS.
    pub(super) fn new(target: &HttpTarget, alpn: &'static str) -> Result<Self, TargetError> {
        let unusable = || TargetError::unusable(&target.url);
        let endpoint = Endpoint::from_url(&target.url).ok_or_else(unusable)?;
        let is_forwarded = !endpoint.is_tls() && alpn != HTTP2;
        let route = target.transport.route(is_forwarded).ok_or(TargetError::Proxy)?;
        let name = target.server_name.as_deref();
        let named =
            name.map(|name| server_name(name).ok_or_else(|| TargetError::ServerName(name.to_owned()))).transpose()?;
        let needs_tls = endpoint.is_tls() || target.redirects > 0;
        let tls = if needs_tls { Some(Tls { server_name: named, ..tls(&target.tls, alpn)? }) } else { None };
        let HttpTarget { url, method, headers, body, template, .. } = target;
        let message = message(url, method, headers.clone(), body.clone(), &route).ok_or_else(unusable)?;
        Ok(Self { connector: Connector { endpoint, route, tls }, message, template: template.clone() })
    }

    /// Returns true if requests differ.
    pub(super) fn varies(&self) -> bool {
        self.template.is_some()
    }

    /// Renders URL and message of request `number`; `None` if all requests are the same.
    pub(super) fn rendered(&self, number: u64) -> Result<Option<(Url, Message)>, Failure> {
        let Some(template) = &self.template else { return Ok(None) };
        let RenderedRequest { url, headers, body } =
            template.render(number).map_err(|error| Failure::new(Cause::Other, error))?;
        if Endpoint::from_url(&url).is_none_or(|endpoint| endpoint != self.connector.endpoint) {
            let other_host = format!("url: `{}` is not on the target's host", redact::redact_url(url.as_str()));
            return Err(Failure::new(Cause::Other, other_host));
        }
        let invalid = || {
            Failure::new(
                Cause::Other,
                format!("url: `{}` is not a valid request target", redact::redact_url(url.as_str())),
            )
        };
        let message = message(&url, &self.message.method, headers, body, &self.connector.route).ok_or_else(invalid)?;
        Ok(Some((url, message)))
    }
}

/// Builds the message to a URL for a route.
fn message(url: &Url, method: &Method, mut headers: HeaderMap, body: Bytes, route: &Route) -> Option<Message> {
    let uri = match route {
        Route::Forward(proxy) => {
            if let Some(value) = proxy.authorization() {
                headers.insert(PROXY_AUTHORIZATION, HeaderValue::from_str(value).ok()?);
            }
            absolute(url)?
        }
        _ => path_of(url)?,
    };
    if !headers.contains_key(HOST) {
        headers.insert(HOST, host_of(url)?);
    }
    Some(Message { method: method.clone(), uri, headers, body })
}

fn tls(options: &TlsOptions, alpn: &'static str) -> Result<Tls, TlsError> {
    Ok(Tls { config: Arc::new(client_config(options, &[alpn])?), server_name: None })
}

/// Decides which responses count as errors, and for which version.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    error_ranges: Vec<ErrorRange>,
    expect: Arc<Expectations>,
    attribution: Option<Arc<Attribution>>,
}

impl Judge {
    /// Takes the settings of `target`.
    pub(super) fn of(target: &HttpTarget) -> Self {
        Self {
            error_ranges: target.error_ranges.clone(),
            expect: Arc::clone(&target.expect),
            attribution: target.attribution.clone(),
        }
    }

    /// Returns true if it needs the head.
    pub(super) fn needs_head(&self) -> bool {
        self.expect.needs_head() || self.attribution.as_ref().is_some_and(|attribution| attribution.needs_head())
    }

    /// Returns true if it needs the body.
    pub(super) fn needs_body(&self) -> bool {
        self.expect.needs_body() || self.attribution.as_ref().is_some_and(|attribution| attribution.needs_body())
    }

    /// Judges a complete response, and records the detail of a failed expectation and of an unknown origin in `stats`. `values` returns
    /// the values of a header, `body` is the first part of the body; both are empty if nothing needs them.
    pub(super) fn judge<'h>(
        &self,
        received: Received,
        values: impl Fn(&str) -> Vec<&'h [u8]>,
        body: &[u8],
        stats: &StatsRecorder,
    ) -> Response {
        let Received { status, first, ended, body: length } = received;
        let version = self.attribution.as_ref().and_then(|attribution| {
            attribution.of_http(&values, body, length).map_err(|reason| stats.unknown_origin(&reason)).ok()
        });
        let unexpected = self.expect.check(status, values, body, length);
        let cause = unexpected.map(|unexpected| {
            stats.detail(unexpected.cause, &unexpected.detail);
            unexpected.cause
        });
        let is_error = cause.is_some() || self.error_ranges.iter().any(|range| range.holds(status));
        Response { status, first: Some(first), ended, is_error, cause, version }
    }
}

impl Http {
    /// Prepares requests to `target`; opens no connection.
    pub fn new(target: HttpTarget) -> Result<Self, TargetError> {
        let prepared = Prepared::new(&target, HTTP1)?;
        let connector = &prepared.connector;
        let foreign_tls = match (&target.tls.identity, target.redirects > 0) {
            (_, false) => None,
            (None, true) => connector.tls.clone().map(|tls| Tls { server_name: None, ..tls }),
            (Some(_), true) => Some(tls(&TlsOptions { identity: None, ..target.tls.clone() }, HTTP1)?),
        };
        let request = prepared.message.to_request();
        let judge = Judge::of(&target);
        let HttpTarget { url, redirects, .. } = target;
        Ok(Self { url, prepared, request, redirects, judge, foreign_tls })
    }

    pub(super) fn judge(&self) -> &Judge {
        &self.judge
    }
}
