//! The transport to a target as a user configures it, and its route for connections.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::load::connect::{Proxy, Route};

/// Transport to a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A direct connection.
    #[default]
    Direct,
    /// The HTTP proxy at this URL, with the user name and password of the URL.
    Proxy(Url),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Transport {
    /// Returns the route of connections. A proxy forwards plain HTTP/1.1 (`is_forwarded`) and opens tunnels for the rest. `None` if
    /// the proxy's URL is not an `http` URL.
    pub(super) fn route(&self, is_forwarded: bool) -> Option<Route> {
        match self {
            Self::Direct => Some(Route::Direct),
            Self::Unix(path) => Some(Route::Unix(path.clone())),
            Self::Proxy(url) => {
                let proxy = Proxy::new(url, authorization(url))?;
                Some(if is_forwarded { Route::Forward(proxy) } else { Route::Tunnel(proxy) })
            }
        }
    }
}

/// Basic authentication with the user of a URL, as the value of a header; `None` if it has no user.
pub fn authorization(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [decode(url.username()), b":".to_vec(), decode(url.password().unwrap_or_default())].concat();
    Some(format!("Basic {}", STANDARD.encode(pair)))
}
