//! A request as bytes, formatted once.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// Longest body that shares a buffer with the head, in bytes: copying it once saves a write per request.
const JOINED: usize = 64 << 10;

/// One formatted request, cheap to clone.
#[derive(Clone, Debug)]
pub struct Request {
    /// The head, and the body if it is small.
    pub(super) front: Bytes,
    /// The body if it is large.
    pub(super) rest: Bytes,
    body_length: usize,
    /// A HEAD request, whose response has no body.
    pub(super) is_head: bool,
    /// Its method is idempotent (RFC 9110, 9.2.2).
    pub(super) is_idempotent: bool,
    /// It has `Connection: close`.
    pub(super) is_last: bool,
}

impl Request {
    /// Formats a request for `uri`: path and query, or an absolute URI for proxies. `Content-Length` follows from the body; one in
    /// `headers` is ignored.
    pub fn new(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Self {
        let mut front = BytesMut::with_capacity(1024 + if body.len() <= JOINED { body.len() } else { 0 });
        let target = uri.to_string();
        for part in [method.as_str(), " ", &target, " HTTP/1.1\r\n"] {
            front.put_slice(part.as_bytes());
        }
        // Host should come first (RFC 9110, 7.2).
        headers.get_all(HOST).iter().for_each(|value| put(&mut front, &HOST, value));
        let others = headers.iter().filter(|(name, _)| ![HOST, CONTENT_LENGTH].contains(name));
        others.for_each(|(name, value)| put(&mut front, name, value));
        // Methods that usually have a body state its absence (RFC 9110, 8.6).
        if !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(method) {
            put(&mut front, &CONTENT_LENGTH, &HeaderValue::from(body.len()));
        }
        front.put_slice(b"\r\n");
        let is_joined = body.len() <= JOINED;
        if is_joined {
            front.put_slice(body);
        }
        let closes = |value: &HeaderValue| {
            value.as_bytes().split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
        };
        Self {
            front: front.freeze(),
            rest: if is_joined { Bytes::new() } else { body.clone() },
            body_length: body.len(),
            is_head: method == Method::HEAD,
            is_idempotent: method.is_idempotent(),
            is_last: headers.get_all(CONNECTION).iter().any(closes),
        }
    }

    /// Returns the length of the body in bytes.
    pub fn body_length(&self) -> usize {
        self.body_length
    }
}

fn put(front: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        front.put_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, headers: &[(&str, &str)], body: &str) -> Request {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Request::new(&method, &"/a?b=c".parse().unwrap(), &headers, &Bytes::from(body.to_owned()))
    }

    #[test]
    fn a_request_is_one_block_of_bytes_with_its_host_first() {
        let get = request(Method::GET, &[("x-a", "1"), ("content-length", "9"), ("host", "h")], "");
        assert_eq!(get.front, "GET /a?b=c HTTP/1.1\r\nhost: h\r\nx-a: 1\r\n\r\n");
        let post = request(Method::POST, &[("host", "h")], "body");
        assert_eq!(post.front, "POST /a?b=c HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody");
        assert!(request(Method::PUT, &[], "").front.ends_with(b"content-length: 0\r\n\r\n"));
        assert!(!post.is_idempotent && get.is_idempotent && request(Method::HEAD, &[], "").is_head);
    }

    #[test]
    fn a_proxy_gets_the_absolute_url() {
        let uri = "http://h:80/a?b".parse().unwrap();
        let get = Request::new(&Method::GET, &uri, &HeaderMap::new(), &Bytes::new());
        assert_eq!(get.front, "GET http://h:80/a?b HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn a_large_body_is_not_copied() {
        let body = "x".repeat(JOINED + 1);
        let post = request(Method::POST, &[], &body);
        assert!(post.front.ends_with(b"content-length: 65537\r\n\r\n") && post.rest == body);
    }

    #[test]
    fn a_request_that_closes_its_connection_is_the_last_one() {
        assert!(request(Method::GET, &[("connection", "x, Close")], "").is_last);
        assert!(!request(Method::GET, &[("connection", "keep-alive")], "").is_last);
    }
}
