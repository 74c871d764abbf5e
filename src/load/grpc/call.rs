//! A call as it is sent: head and messages, built once and sent many times.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::frame::{FrameError, frame};

/// Largest timeout value in a header: eight digits (gRPC over HTTP2, "Timeout").
const MAX_TIMEOUT: u128 = 99_999_999;

/// The common parts of all calls of a load.
#[derive(Clone, Debug)]
pub struct Envelope {
    uri: Uri,
    headers: HeaderMap,
    is_compressed: bool,
}

impl Envelope {
    /// Creates the envelope of calls to `path` (`/pkg.Service/Method`) of `authority`, with the timeout for the service to observe.
    /// `None` if authority or path is not valid in a URI.
    pub fn new(is_tls: bool, authority: &str, path: &str, timeout: Duration, is_compressed: bool) -> Option<Self> {
        let mut uri = Uri::default().into_parts();
        uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
        uri.authority = Some(Authority::try_from(authority).ok()?);
        uri.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("iter8/", env!("CARGO_PKG_VERSION"))));
        headers.insert(HeaderName::from_static("grpc-timeout"), timeout_value(timeout));
        if is_compressed {
            headers.insert(HeaderName::from_static("grpc-encoding"), HeaderValue::from_static("gzip"));
            headers.insert(HeaderName::from_static("grpc-accept-encoding"), HeaderValue::from_static("identity,gzip"));
        }
        Some(Self { uri: Uri::from_parts(uri).ok()?, headers, is_compressed })
    }
}

/// Formats a timeout in the finest unit that fits eight digits.
fn timeout_value(timeout: Duration) -> HeaderValue {
    let units = [(timeout.as_micros(), 'u'), (timeout.as_millis(), 'm'), (u128::from(timeout.as_secs()), 'S')];
    let fits = units.into_iter().find(|(count, _)| *count <= MAX_TIMEOUT);
    let (count, unit) = fits.unwrap_or((u128::from(timeout.as_secs() / 3600).min(MAX_TIMEOUT), 'H'));
    HeaderValue::from_str(&format!("{}{unit}", count.max(1))).unwrap_or(HeaderValue::from_static("1H"))
}

/// One call, sent any number of times.
#[derive(Clone, Debug)]
pub struct GrpcCall {
    pub(super) request: Request<()>,
    /// Messages with their prefixes.
    pub(super) messages: Vec<Bytes>,
}

impl GrpcCall {
    /// Builds a call of encoded messages. `metadata` is added to the envelope's headers.
    pub fn new(envelope: &Envelope, metadata: &HeaderMap, messages: &[Bytes]) -> Result<Self, FrameError> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = envelope.uri.clone();
        let mut headers = envelope.headers.clone();
        if metadata.contains_key(USER_AGENT) {
            headers.remove(USER_AGENT);
        }
        for (name, value) in metadata {
            headers.append(name.clone(), value.clone());
        }
        *request.headers_mut() = headers;
        let messages =
            messages.iter().map(|message| frame(message, envelope.is_compressed)).collect::<Result<_, _>>()?;
        Ok(Self { request, messages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_at_most_eight_digits_and_never_none() {
        let cases = [
            (Duration::from_millis(20), "20000u"),
            (Duration::from_secs(20), "20000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(200_000), "200000S"),
            (Duration::from_secs(200_000_000), "55555H"),
            (Duration::MAX, "99999999H"),
            (Duration::from_nanos(1), "1u"),
        ];
        for (timeout, expected) in cases {
            assert_eq!(timeout_value(timeout), expected, "{timeout:?}");
        }
    }

    #[test]
    fn the_head_has_the_headers_of_grpc_and_the_metadata() {
        let envelope = Envelope::new(false, "svc:50051", "/a.S/M", Duration::from_secs(1), true).unwrap();
        let mut metadata = HeaderMap::new();
        metadata.append("x-a", HeaderValue::from_static("1"));
        metadata.append("x-a", HeaderValue::from_static("2"));
        metadata.insert(USER_AGENT, HeaderValue::from_static("me"));
        let call = GrpcCall::new(&envelope, &metadata, &[Bytes::from_static(b"m")]).unwrap();
        assert_eq!(call.request.uri(), "http://svc:50051/a.S/M");
        let headers = call.request.headers();
        let of = |name: &str| headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>().join("|");
        let names = ["content-type", "te", "grpc-timeout", "grpc-encoding", "x-a", "user-agent"];
        assert_eq!(names.map(of), ["application/grpc", "trailers", "1000000u", "gzip", "1|2", "me"]);
        assert_eq!(call.messages[0][0], 1, "compressed");
        assert!(Envelope::new(false, "a b", "/a.S/M", Duration::from_secs(1), true).is_none());
    }
}
