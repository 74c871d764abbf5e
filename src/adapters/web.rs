//! HTTP outside the load path: values and payloads to download, notifications to send.

use std::sync::OnceLock;
use std::time::Duration;

use futures_util::StreamExt;

use crate::logic::mask::mask_url;
use crate::model::tls::TlsOptions;
use crate::net::tls::client_config;
use crate::ports::{BoxFuture, Web, WebError, WebFault, WebRequest, WebResponse};

/// Time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Redirects that a download follows.
const MAX_REDIRECTS: usize = 10;

/// Sends requests with `reqwest`, to servers of the usual certificate authorities; honours the proxy variables.
#[derive(Default)]
pub struct WebClient {
    /// Made for the first request: reading the authorities takes milliseconds, and most runs need none of it.
    client: OnceLock<Result<reqwest::Client, String>>,
}

fn build() -> Result<reqwest::Client, String> {
    let tls = client_config(&TlsOptions::default(), &["h2", "http/1.1"]).map_err(|error| error.to_string())?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::limited(MAX_REDIRECTS))
        .user_agent(concat!("iter8/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| chain(&error))
}

/// An error with its causes, in one line. Without the URL: it may hold a password.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Web for WebClient {
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>> {
        Box::pin(async move {
            let (method, url, timeout) = (request.method.clone(), mask_url(&request.url), request.timeout);
            let fail = |reason: String| WebError {
                method: method.clone(),
                url: url.clone(),
                fault: WebFault::Transport,
                reason,
            };
            let client = self.client.get_or_init(build).as_ref().map_err(|reason| fail(reason.clone()))?;
            match tokio::time::timeout(timeout, exchange(client, request)).await {
                Ok(answer) => answer.map_err(fail),
                Err(_) => Err(fail(format!("no complete answer within {} s", timeout.as_secs_f64()))),
            }
        })
    }
}

async fn exchange(client: &reqwest::Client, request: WebRequest) -> Result<WebResponse, String> {
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut builder = client.request(method, &request.url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    if let Some(body) = request.body {
        builder = builder.body(body);
    }
    let response = builder.send().await.map_err(|error| chain(&error.without_url()))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        body.extend_from_slice(&part.map_err(|error| chain(&error.without_url()))?);
        if body.len() > request.max_response_bytes {
            return Err(format!("the answer is larger than {} bytes", request.max_response_bytes));
        }
    }
    Ok(WebResponse { status, body, retry_after: None, date: None })
}
