//! The part of a kubelet's API that `kubectl logs` needs: the API server, which authenticates by certificate, requests logs.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::container::Log;
use super::node::Parts;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers until the runtime ends.
pub async fn serve(listener: TcpListener, config: rustls::ServerConfig, parts: Arc<Parts>) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, parts) = (acceptor.clone(), Arc::clone(&parts));
        tokio::spawn(async move {
            // A client that aborts its handshake is ignored.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(|request| {
                let response = answer(&parts, &request);
                async { Ok::<_, Infallible>(response) }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(parts: &Parts, request: &Request<Incoming>) -> Response<Body> {
    let path: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
    let ["containerLogs", namespace, name, container] = path[..] else {
        return text(StatusCode::NOT_FOUND, "404 page not found");
    };
    let Some(known) = parts.known(namespace, name).filter(|known| known.container == container) else {
        return text(StatusCode::NOT_FOUND, &format!("pod \"{name}\" or container \"{container}\" not found"));
    };
    if !known.has_started.load(Ordering::Acquire) {
        let reason = format!("container \"{container}\" in pod \"{name}\" is waiting to start: ContainerCreating");
        return text(StatusCode::BAD_REQUEST, &reason);
    }
    let query = request.uri().query().unwrap_or_default();
    let option = |wanted: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == wanted).map(|(_, value)| value.into_owned())
    };
    let so_far = known.log.so_far();
    let tail = option("tailLines").and_then(|lines| lines.parse().ok());
    let from = tail.map_or(0, |lines| so_far.len() - last_lines(&so_far, lines).len());
    let is_stamped = option("timestamps").as_deref() == Some("true");
    if option("follow").as_deref() == Some("true") {
        return follow(Arc::clone(&known.log), from, is_stamped);
    }
    let lines = if is_stamped { stamped(&so_far[..from], &so_far[from..]) } else { so_far[from..].to_vec() };
    Response::new(Body::new(StreamBody::new(stream::iter([Ok(Frame::data(Bytes::from(lines)))]))))
}

/// Adds a time to the start of each line of `text`, which follows `before`: later lines have later times.
fn stamped(before: &[u8], text: &[u8]) -> Vec<u8> {
    let mut number = before.iter().filter(|byte| **byte == b'\n').count();
    let mut is_start = before.last().is_none_or(|byte| *byte == b'\n');
    let mut lines = Vec::new();
    for byte in text {
        if is_start {
            number += 1;
            lines.extend(format!("2026-01-01T00:00:00.{number:09}Z ").into_bytes());
        }
        lines.push(*byte);
        is_start = *byte == b'\n';
    }
    lines
}

/// The last lines of a text.
fn last_lines(text: &[u8], lines: usize) -> &[u8] {
    let ends = text.iter().enumerate().rev().filter(|(at, byte)| **byte == b'\n' && at + 1 < text.len());
    match lines {
        0 => &[],
        _ => ends.map(|(at, _)| &text[at + 1..]).nth(lines - 1).unwrap_or(text),
    }
}

fn follow(log: Arc<Log>, from: usize, is_stamped: bool) -> Response<Body> {
    let parts = stream::unfold((log, from), move |(log, from)| async move {
        let more = log.more(from).await?;
        let end = from + more.len();
        let lines = if is_stamped { stamped(&log.so_far()[..from], &more) } else { more };
        Some((Ok(Frame::data(Bytes::from(lines))), (log, end)))
    });
    Response::new(Body::new(StreamBody::new(parts.fuse())))
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let body = StreamBody::new(stream::iter([Ok(Frame::data(Bytes::from(text.to_owned())))]));
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status;
    response
}
