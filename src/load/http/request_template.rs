//! Templates for requests that differ from each other.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use url::Url;

/// The parts of one request that a template renders.
#[derive(Clone, Debug)]
pub struct RenderedRequest {
    /// URL; scheme, host and port must be the target's.
    pub url: Url,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

/// Renders a request.
type Render = dyn Fn(u64) -> Result<RenderedRequest, String> + Send + Sync;

/// Renders requests by their numbers, or returns an error message.
#[derive(Clone)]
pub struct RequestTemplate(Arc<Render>);

impl RequestTemplate {
    /// Creates a template from a function.
    pub fn new(render: impl Fn(u64) -> Result<RenderedRequest, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }

    /// Renders request `number`, from 0.
    pub fn render(&self, number: u64) -> Result<RenderedRequest, String> {
        (self.0)(number)
    }
}

impl fmt::Debug for RequestTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestTemplate")
    }
}
