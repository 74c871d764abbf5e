//! Route of requests to their target: HTTP version, proxies, Unix sockets, the server's name.

use super::field::ProxySetting;
use super::values::HttpValues;
use crate::load::http::Transport;
use crate::tasks::loadgen::FieldPaths;
use crate::values::input::InputError;

/// Route of requests to their target.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Route {
    /// Requests in flight per connection with HTTP/2; `None` for HTTP/1.1.
    pub(super) streams: Option<u64>,
    pub(super) transport: Transport,
    /// Uses the proxy of the environment, if there is one.
    pub(super) uses_environment: bool,
    /// Name expected in the server's certificate, if it differs from the host of the URL.
    pub(super) server_name: Option<String>,
}

/// Reads the route; rejects invalid combinations.
pub(super) fn route(values: &HttpValues, url: &url::Url, paths: &FieldPaths) -> Result<Route, InputError> {
    let is_http2 = values.http2.unwrap_or(false);
    if values.streams.is_some() && !is_http2 {
        let message = "requires `http2: true`: an HTTP/1.1 connection carries one request at a time";
        return Err(paths.error("streams", message));
    }
    let redirects = values.follow_redirects.as_ref().is_some_and(|redirects| redirects.0 > 0);
    let transports =
        [("http2", is_http2), ("proxy", values.proxy.is_some()), ("unixSocket", values.unix_socket.is_some())];
    if let Some((field, _)) = transports.into_iter().find(|(_, is_given)| *is_given && redirects) {
        return Err(paths.error("followRedirects", format!("cannot be combined with `{field}`")));
    }
    if values.server_name.is_some() && url.scheme() != "https" {
        return Err(paths.error("serverName", "requires an `https` URL"));
    }
    let transport = match (&values.proxy, &values.unix_socket) {
        (Some(_), Some(_)) => return Err(paths.error("proxy", "cannot be combined with `unixSocket`")),
        (Some(ProxySetting(Some(proxy))), None) if proxy.scheme() != "http" => {
            return Err(paths.error("proxy", "must be an `http` URL, such as `http://HOST:PORT`"));
        }
        (None, Some(path)) if path.is_empty() => {
            return Err(paths.error("unixSocket", "must not be empty; expected the path of a socket"));
        }
        (Some(ProxySetting(Some(proxy))), None) => Transport::Proxy(proxy.clone()),
        (None, Some(path)) => Transport::Unix(path.into()),
        (Some(ProxySetting(None)) | None, None) => Transport::Direct,
    };
    let streams = is_http2.then(|| values.streams.as_ref().map_or(1, |streams| streams.0));
    let uses_environment = values.proxy == Some(ProxySetting(None));
    Ok(Route { streams, transport, uses_environment, server_name: values.server_name.clone() })
}
