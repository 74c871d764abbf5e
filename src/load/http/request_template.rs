//! Requests that differ from each other.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use url::Url;

/// What one request has of its own.
#[derive(Clone, Debug)]
pub struct RenderedRequest {
    /// Where to; scheme, host and port are the target's.
    pub url: Url,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

/// Makes a variant.
type Render = dyn Fn(u64) -> Result<RenderedRequest, String> + Send + Sync;

/// Makes the variant of a request by its number, or says why there is none.
#[derive(Clone)]
pub struct RequestTemplate(Arc<Render>);

impl RequestTemplate {
    /// Varies requests by `render`.
    pub fn new(render: impl Fn(u64) -> Result<RenderedRequest, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }

    /// The variant of request `number`, from 0.
    pub fn render(&self, number: u64) -> Result<RenderedRequest, String> {
        (self.0)(number)
    }
}

impl fmt::Debug for RequestTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestTemplate")
    }
}
