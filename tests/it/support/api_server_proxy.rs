//! A reverse proxy in front of a real API server, which forwards, answers or loses each request as the test decides.
//!
//! It is not a [`super::misbehaving_server::MisbehavingServer`], because most of its responses are the API server's own: it forwards
//! with the cluster's credentials and streams watches, which takes an HTTP client and server rather than a script of bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::kubernetes::ControlPlane;
use super::runtime::spawn;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Handling of one request.
pub enum Action {
    /// Forwards it to the API server.
    Forward,
    /// Responds with this status, these headers and this body.
    Respond(u16, Vec<(&'static str, &'static str)>, String),
    /// Forwards it, and drops the response with the connection.
    DropResponse,
}

/// A running proxy.
pub struct ApiServerProxy {
    address: SocketAddr,
}

impl ApiServerProxy {
    /// Starts a proxy for this cluster; `decide` gets method, path and query of each request.
    pub fn start(cluster: &ControlPlane, decide: impl Fn(&str, &str) -> Action + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (client, decide) = (cluster.client(), Arc::new(decide));
        spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (client, decide) = (client.clone(), Arc::clone(&decide));
                let service = hyper::service::service_fn(move |request| {
                    let (client, decide) = (client.clone(), Arc::clone(&decide));
                    async move { respond(client, request, decide.as_ref()).await }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // Fails if a response is dropped on purpose.
                tokio::spawn(async move { connection.await.ok() });
            }
        });
        Self { address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Returns the response, or an error that ends the connection.
async fn respond(
    client: kube::Client,
    request: http::Request<Incoming>,
    decide: &(dyn Fn(&str, &str) -> Action + Send + Sync),
) -> Result<http::Response<Body>, std::io::Error> {
    let path = request.uri().path_and_query().unwrap().as_str().to_owned();
    let action = decide(request.method().as_str(), &path);
    if let Action::Respond(status, headers, body) = action {
        let mut response = http::Response::builder().status(status).header("content-type", "application/json");
        for (name, value) in headers {
            response = response.header(name, value);
        }
        return Ok(response.body(Full::from(body).map_err(|never: Infallible| match never {}).boxed_unsync()).unwrap());
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
    let mut passed = http::Request::builder().method(head.method).uri(path);
    for name in ["content-type", "accept"] {
        if let Some(value) = head.headers.get(name) {
            passed = passed.header(name, value);
        }
    }
    let response = client.send(passed.body(body.into()).unwrap()).await.map_err(std::io::Error::other)?;
    if matches!(action, Action::DropResponse) {
        return Err(std::io::Error::other("the response is dropped"));
    }
    let (mut head, body) = response.into_parts();
    head.headers.remove("transfer-encoding");
    head.headers.remove("content-length");
    Ok(http::Response::from_parts(head, body.map_err(std::io::Error::other).boxed_unsync()))
}
