//! The edge of a real API server: passes requests on to it, but for those that the test answers itself, or whose answers it loses.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::kubernetes::{ControlPlane, spawn};

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What becomes of a request.
pub enum Fate {
    /// The API server answers it.
    PassOn,
    /// It is answered with this status, these headers and this body.
    Answer(u16, Vec<(&'static str, &'static str)>, String),
    /// The API server does what it asks, and the answer is lost.
    LoseAnswer,
}

/// A running edge.
pub struct ApiServerProxy {
    address: SocketAddr,
}

impl ApiServerProxy {
    /// Starts one before this cluster; `decide` is asked for each request, by method and path with query.
    pub fn start(cluster: &ControlPlane, decide: impl Fn(&str, &str) -> Fate + Send + Sync + 'static) -> Self {
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
                    async move { answer(client, request, decide.as_ref()).await }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // It ends with an error where an answer is lost on purpose.
                tokio::spawn(async move { connection.await.ok() });
            }
        });
        Self { address }
    }

    /// Its root.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// The answer, or an error that ends the connection.
async fn answer(
    client: kube::Client,
    request: http::Request<Incoming>,
    decide: &(dyn Fn(&str, &str) -> Fate + Send + Sync),
) -> Result<http::Response<Body>, std::io::Error> {
    let path = request.uri().path_and_query().unwrap().as_str().to_owned();
    let fate = decide(request.method().as_str(), &path);
    if let Fate::Answer(status, headers, body) = fate {
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
    if matches!(fate, Fate::LoseAnswer) {
        return Err(std::io::Error::other("the answer is lost"));
    }
    let (mut head, body) = response.into_parts();
    head.headers.remove("transfer-encoding");
    head.headers.remove("content-length");
    Ok(http::Response::from_parts(head, body.map_err(std::io::Error::other).boxed_unsync()))
}
