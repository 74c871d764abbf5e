//! What is requested: built once, shared by all connections.

use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Method};
use url::Url;

use super::message::{Message, host_of, path_of};
use crate::load::dial::{Dialer, Origin, Tls, Via};
use crate::logic::mask;
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

/// HTTP/1.1 to one target.
#[derive(Debug)]
pub struct Http {
    pub(super) url: Url,
    pub(super) dialer: Dialer,
    pub(super) message: Message,
    pub(super) redirects: u32,
    error_ranges: Vec<ErrorRange>,
    /// For other origins, to which redirects lead: without our certificate.
    pub(super) foreign_tls: Option<Tls>,
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
        let unusable = || TargetError::Url(mask::mask_url(target.url.as_str()));
        let origin = Origin::of(&target.url).ok_or_else(unusable)?;
        let uri = path_of(&target.url).ok_or_else(unusable)?;
        let mut headers = target.headers.clone();
        if !headers.contains_key(HOST) {
            headers.insert(HOST, host_of(&target.url).ok_or_else(unusable)?);
        }
        let config = |options: &TlsOptions| {
            client_config(options, &["http/1.1"]).map(|config| Tls { config: Arc::new(config), server_name: None })
        };
        let may_leave = target.redirects > 0;
        let tls = if origin.is_tls() || may_leave { Some(config(&target.tls)?) } else { None };
        let foreign_tls = match (&target.tls.identity, may_leave) {
            (_, false) => None,
            (None, true) => tls.clone(),
            (Some(_), true) => Some(config(&TlsOptions { identity: None, ..target.tls.clone() })?),
        };
        let message = Message { method: target.method, uri, headers, body: target.body };
        let error_ranges = target.error_ranges;
        let dialer = Dialer { origin, via: Via::Direct, tls };
        Ok(Self { url: target.url, dialer, message, redirects: target.redirects, error_ranges, foreign_tls })
    }

    pub(super) fn is_error(&self, status: u16) -> bool {
        self.error_ranges.iter().any(|range| range.holds(status))
    }
}
