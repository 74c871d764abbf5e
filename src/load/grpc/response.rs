//! Reads the response to a call: messages, then the status.

use bytes::Bytes;
use h2::RecvStream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::frame::{Deframer, Encoding, Keep};
use super::status::{self, Status};
use crate::load::cause::{Cause, Failure};
use crate::load::h2::interrupted;
use crate::model::text::prefix;

/// Header name, parsed at compile time.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// A complete response.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: Status,
    /// Number of messages.
    pub(super) messages: u64,
    /// Headers before and after the messages.
    pub(super) head: HeaderMap,
    pub(super) trailers: HeaderMap,
}

/// Receives the messages of a response as they arrive.
pub(super) trait Listener {
    /// Called for each complete message. `message` is `None` if it is not kept.
    fn message(&mut self, length: usize, message: Option<Bytes>);
}

/// Reads a response to its end. The listener gets the messages themselves if they are kept.
///
/// Fails if the response is not gRPC at all. An HTTP status other than 200 is mapped to a code as specified, unless the response has an
/// error's code of its own: it is never a success.
pub(super) async fn read(
    response: Response<RecvStream>,
    keep: Keep,
    listener: &mut impl Listener,
) -> Result<Received, Failure> {
    // There is a head, so the service was reached.
    read_after_head(response, keep, listener).await.map_err(|failure| Failure { is_response: true, ..failure })
}

async fn read_after_head(
    response: Response<RecvStream>,
    keep: Keep,
    listener: &mut impl Listener,
) -> Result<Received, Failure> {
    let (head, mut body) = response.into_parts();
    if head.status != StatusCode::OK {
        let status = status_in(&head.headers)?.filter(|status| status.code != status::OK);
        let status = status.unwrap_or_else(|| status::of_http(head.status));
        return Ok(Received { status, messages: 0, head: head.headers, trailers: HeaderMap::new() });
    }
    check_type(&head.headers)?;
    let mut deframer = Deframer::keeping(keep, encoding(&head.headers));
    let mut messages = 0;
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| interrupted(&error))?;
        // Fails only if the stream has ended.
        let _ = body.flow_control().release_capacity(data.len());
        let mut rest = &data[..];
        while !rest.is_empty() {
            if let Some(length) = deframer.next(&mut rest).map_err(malformed)? {
                messages += 1;
                listener.message(length, deframer.take());
            }
        }
    }
    let trailers = body.trailers().await.map_err(|error| interrupted(&error))?;
    let in_head = status_in(&head.headers)?;
    let in_trailers = match &trailers {
        Some(trailers) => status_in(trailers)?,
        None => None,
    };
    if let (Some(head), Some(trailers)) = (&in_head, &in_trailers)
        && head.code != trailers.code
    {
        let (head, trailers) = (head.code, trailers.code);
        return Err(malformed(format!("grpc-status is {head} in the head and {trailers} in the trailers")));
    }
    // A response without messages may have its status in its head ("Trailers-Only").
    let Some(status) = in_trailers.or(in_head.filter(|_| messages == 0)) else {
        return Err(Failure::new(Cause::Malformed, "the response has no grpc-status"));
    };
    if status.code == status::OK {
        deframer.end().map_err(malformed)?;
    }
    Ok(Received { status, messages, head: head.headers, trailers: trailers.unwrap_or_default() })
}

fn malformed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Cause::Malformed, error.to_string())
}

/// Returns the status in headers or trailers, if any.
fn status_in(headers: &HeaderMap) -> Result<Option<Status>, Failure> {
    status::read(headers).transpose().map_err(malformed)
}

/// Returns the encoding of compressed messages.
fn encoding(headers: &HeaderMap) -> Encoding {
    match headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Encoding::Identity,
        Some(b"gzip") => Encoding::Gzip,
        Some(_) => Encoding::Other,
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let mut values = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
    let is_grpc = |value: &[u8]| {
        let rest = value.strip_prefix(b"application/grpc");
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    };
    let first = values.next();
    let value = match first {
        Some(first) if is_grpc(first) => match values.find(|value| !is_grpc(value)) {
            None => return Ok(()),
            other => other,
        },
        other => other,
    };
    let content_type = value.map(|value| prefix(&String::from_utf8_lossy(value), 100).to_owned());
    Err(malformed(match content_type {
        Some(content_type) => format!("the response's content-type is `{content_type}`; expected application/grpc"),
        None => "the response has no content-type; expected application/grpc".to_owned(),
    }))
}
