//! Layers around kube's client.
//!
//! An overloaded API server requests a delay only in the header `Retry-After`, but the client drops headers, so it is copied into
//! the status. A response must begin in time: kube's watcher would wait forever on a half-open connection.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tower::util::{MapErrLayer, MapFutureLayer, MapResponseLayer};

use crate::redact::redact_url;

/// Timeout for response headers, which streams (watches, logs) also send immediately.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Response body passed on by the layers.
type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Response body of kube's own layers.
type KubeBody = Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send + Unpin>;

/// Builds a client with these layers.
pub(crate) fn client(config: kube::Config, server: ApiServer) -> Result<kube::Client, kube::Error> {
    let builder = kube::client::ClientBuilder::try_from(config)?;
    let named = move |source: BoxError| -> BoxError { ServerError { server: server.clone(), source }.into() };
    let builder = builder
        .with_layer(&MapFutureLayer::new(limited))
        .with_layer(&MapResponseLayer::new(keep_retry_after::<KubeBody>))
        .with_layer(&MapErrLayer::new(named));
    Ok(builder.build::<Body>())
}

/// URL of the API server, and the proxy to it.
#[derive(Clone, Debug)]
pub(crate) struct ApiServer {
    url: String,
    proxy: Option<String>,
}

impl ApiServer {
    pub(crate) fn of(config: &kube::Config) -> Self {
        let redacted = |url: &http::Uri| redact_url(&url.to_string()).trim_end_matches('/').to_owned();
        Self { url: redacted(&config.cluster_url), proxy: config.proxy_url.as_ref().map(redacted) }
    }
}

impl fmt::Display for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, proxy } = self;
        match proxy {
            Some(proxy) => write!(f, "{url} (through proxy {proxy})"),
            None => f.write_str(url),
        }
    }
}

/// Failed exchange with an API server, which kube's errors do not name.
#[derive(Debug, thiserror::Error)]
#[error("{server}: {source}")]
pub(crate) struct ServerError {
    pub(crate) server: ApiServer,
    pub(crate) source: BoxError,
}

/// The API server did not start to respond.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not respond within {} s", RESPONSE_TIMEOUT.as_secs())]
struct ResponseTimeout;

async fn limited<T>(response: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    within(RESPONSE_TIMEOUT, response).await
}

async fn within<T>(limit: Duration, response: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    tokio::time::timeout(limit, response).await.unwrap_or_else(|_| Err(ResponseTimeout.into()))
}

/// Replaces a response with `Retry-After` by a status with `retryAfterSeconds`; leaves others unchanged.
fn keep_retry_after<B>(response: Response<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let seconds = match response.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => retry_after_seconds(&response),
        _ => None,
    };
    let Some(seconds) = seconds else {
        return response.map(|body| body.map_err(Into::into).boxed_unsync());
    };
    let code = response.status();
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": format!("{}, retry after {seconds} s", code.canonical_reason().unwrap_or("busy")),
        "details": { "retryAfterSeconds": seconds },
        "code": code.as_u16(),
    });
    response.map(|_| Full::from(status.to_string()).map_err(|never| match never {}).boxed_unsync())
}

fn retry_after_seconds<B>(response: &Response<B>) -> Option<u32> {
    response.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn layered(code: u16, header: &str) -> Response<Body> {
        let response = Response::builder().status(code).header("retry-after", header);
        keep_retry_after(response.body(Full::from("too many requests")).unwrap())
    }

    #[tokio::test]
    async fn retry_after_moves_from_header_to_status() {
        let text = layered(429, "7").into_body().collect().await.unwrap().to_bytes();
        let status: Status = serde_json::from_slice(&text).unwrap();
        assert_eq!((status.code, status.details.unwrap().retry_after_seconds), (429, 7));
        for (code, header) in [(429, "soon"), (200, "7"), (404, "7")] {
            let text = layered(code, header).into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text, "too many requests", "{code} {header}");
        }
    }

    #[tokio::test]
    async fn a_missing_response_is_a_timeout() {
        let never = std::future::pending::<Result<(), BoxError>>();
        let error = within(Duration::from_millis(10), never).await.unwrap_err();
        assert_eq!(error.to_string(), "the API server did not respond within 30 s");
    }
}
