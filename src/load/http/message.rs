//! A request before it is formatted, and its redirection to another URL.

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use url::Url;

use super::h1::Request;
use crate::redact::is_secret_header;

/// A request to one endpoint, before it is formatted.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) method: Method,
    /// Path and query.
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Message {
    pub(super) fn to_request(&self) -> Request {
        Request::new(&self.method, &self.uri, &self.headers, &self.body)
    }

    /// Redirects the request to another URL. Credentials and a custom `Host` are not sent to another endpoint.
    pub(super) fn to(&self, url: &Url, is_same_origin: bool) -> Option<Self> {
        let mut message = Self { uri: path_of(url)?, ..self.clone() };
        if !is_same_origin {
            // By name, because tokens and keys are in headers of any name (`X-Api-Key`, `X-Auth-Token`), and by their source.
            let is_kept_back = |(name, value): &(&HeaderName, &HeaderValue)| {
                value.is_sensitive() || is_secret_header(name.as_str()) || is_credential(name)
            };
            let secrets = message.headers.iter().filter(is_kept_back).map(|(name, _)| name);
            for name in secrets.cloned().collect::<Vec<_>>() {
                message.headers.remove(name);
            }
            message.headers.insert(HOST, host_of(url)?);
        }
        Some(message)
    }
}

fn is_credential(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
}

/// Returns the URL without user and fragment, as in a request line to a proxy (RFC 9112, 3.2.2).
pub(super) fn absolute(url: &Url) -> Option<Uri> {
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let rest = &url[url::Position::BeforePath..url::Position::AfterQuery];
    format!("{}://{authority}{rest}", url.scheme()).parse().ok()
}

/// Path and query, as in a request line.
pub(super) fn path_of(url: &Url) -> Option<Uri> {
    let text = &url[url::Position::BeforePath..url::Position::AfterQuery];
    text.parse().ok()
}

/// Host and port, as in the `Host` header.
pub(super) fn host_of(url: &Url) -> Option<HeaderValue> {
    HeaderValue::from_str(&url[url::Position::BeforeHost..url::Position::AfterPort]).ok()
}
