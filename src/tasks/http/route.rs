//! Route of requests to their target: HTTP version, proxies, Unix sockets, the server's name.

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
    /// Name that the server's certificate must have, if it is not the URL's host.
    pub(super) server_name: Option<String>,
}

/// Reads the route, and rejects combinations that cannot work.
pub(super) fn route(values: &HttpValues, url: &url::Url, paths: &FieldPaths) -> Result<Route, InputError> {
    let is_http2 = values.http2.unwrap_or(false);
    if values.streams.is_some() && !is_http2 {
        let message = "needs `http2: true`: over HTTP/1.1 a connection carries one request at a time";
        return Err(paths.error("streams", message));
    }
    let redirects = values.follow_redirects.as_ref().is_some_and(|redirects| redirects.0 > 0);
    let on_the_way =
        [("http2", is_http2), ("proxy", values.proxy.is_some()), ("unixSocket", values.unix_socket.is_some())];
    if let Some((field, _)) = on_the_way.into_iter().find(|(_, is_given)| *is_given && redirects) {
        return Err(paths.error("followRedirects", format!("can't be combined with `{field}`")));
    }
    if values.server_name.is_some() && url.scheme() != "https" {
        return Err(paths.error("serverName", "needs an `https` URL: the name is that of the server's certificate"));
    }
    let transport = match (&values.proxy, &values.unix_socket) {
        (Some(_), Some(_)) => return Err(paths.error("proxy", "and `unixSocket` are both given; give one of them")),
        (Some(proxy), None) if proxy.0.scheme() != "http" => {
            return Err(paths.error("proxy", "is not an `http` URL; proxies are reached by `http://HOST:PORT`"));
        }
        (None, Some(path)) if path.is_empty() => {
            return Err(paths.error("unixSocket", "is empty; expected the path of a socket"));
        }
        (Some(proxy), None) => Transport::Proxy(proxy.0.clone()),
        (None, Some(path)) => Transport::Unix(path.into()),
        (None, None) => Transport::Direct,
    };
    let streams = is_http2.then(|| values.streams.as_ref().map_or(1, |streams| streams.0));
    Ok(Route { streams, transport, server_name: values.server_name.clone() })
}
