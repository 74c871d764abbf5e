//! The way to a target, as a user names it, and what it means for connections.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::load::connect::{Proxy, Route};

/// The way to a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Straight there.
    #[default]
    Direct,
    /// Through the HTTP proxy at this URL, whose user name and password it is shown.
    Proxy(Url),
    /// Through a Unix socket of this machine.
    Unix(PathBuf),
}

impl Transport {
    /// How connections are opened. A proxy passes HTTP/1.1 on that is not encrypted, and makes a tunnel for the rest. `None` if the
    /// proxy's URL is not one of `http`.
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

/// Basic authentication of the user that a URL names, as the value of a header; `None` if it names none.
pub fn authorization(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [decode(url.username()), b":".to_vec(), decode(url.password().unwrap_or_default())].concat();
    Some(format!("Basic {}", STANDARD.encode(pair)))
}
