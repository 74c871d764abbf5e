//! Requests that differ from each other.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use url::Url;

/// What one request has of its own.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Where to; scheme, host and port are the target's.
    pub url: Url,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

/// Makes a variant.
type Make = dyn Fn(u64) -> Result<Variant, String> + Send + Sync;

/// Makes the variant of a request by its number, or says why there is none.
#[derive(Clone)]
pub struct Vary(Arc<Make>);

impl Vary {
    /// Varies requests by `make`.
    pub fn new(make: impl Fn(u64) -> Result<Variant, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The variant of request `number`, from 0.
    pub fn variant(&self, number: u64) -> Result<Variant, String> {
        (self.0)(number)
    }
}

impl fmt::Debug for Vary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vary")
    }
}
