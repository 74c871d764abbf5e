//! Status of a call, from trailers or headers, or mapped from an HTTP status.
//!
//! Sources: gRPC over HTTP2 ("Responses"), and the specification's mapping of HTTP statuses to codes.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::model::grpc_status;
use crate::model::text::prefix;

/// Header names, parsed at compile time.
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Code of a success.
pub(super) const OK: u16 = 0;
/// Code of a method that does not exist.
pub(super) const UNIMPLEMENTED: u16 = 12;
/// Code of a service that is not available now.
pub(super) const UNAVAILABLE: u16 = 14;
const UNKNOWN: u16 = 2;
const PERMISSION_DENIED: u16 = 7;
const INTERNAL: u16 = 13;
const UNAUTHENTICATED: u16 = 16;

/// Largest accepted code; the specification has 0 to 16.
const MAX_CODE: u16 = 999;

/// Longest message that is kept, in bytes.
const MAX_TEXT: usize = 500;

/// Returns the name of a code, `Code(99)` for one without a name.
pub fn status_name(code: u16) -> String {
    grpc_status::name(code).map_or_else(|| format!("Code({code})"), str::to_owned)
}

/// Status of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u16,
    /// The server's message; empty if it sent none.
    pub(super) message: String,
}

/// Reads `grpc-status` and `grpc-message`; `None` if there is no status, an error if it is not one number.
pub(super) fn read(headers: &HeaderMap) -> Option<Result<Status, String>> {
    let mut values = headers.get_all(GRPC_STATUS).iter();
    let value = values.next()?;
    if let Some(second) = values.next() {
        let text = |value: &HeaderValue| prefix(&String::from_utf8_lossy(value.as_bytes()), 20).to_owned();
        return Some(Err(format!("grpc-status is given twice: `{}` and `{}`", text(value), text(second))));
    }
    // The common case of a load.
    if value == "0" {
        return Some(Ok(Status { code: OK, message: String::new() }));
    }
    // Unlike a number in Rust, a status has no sign.
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let code = digits.and_then(|text| text.parse::<u16>().ok()).filter(|code| *code <= MAX_CODE);
    let Some(code) = code else {
        let text = prefix(&String::from_utf8_lossy(value.as_bytes()), 20).to_owned();
        return Some(Err(format!("grpc-status is `{text}`; expected a number of 0 to {MAX_CODE}")));
    };
    let message = headers.get(GRPC_MESSAGE).map(|text| decoded(text.as_bytes())).unwrap_or_default();
    Some(Ok(Status { code, message }))
}

/// Maps the HTTP status of a response that is not gRPC, such as a proxy's.
pub(super) fn of_http(status: StatusCode) -> Status {
    let code = match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    };
    Status { code, message: format!("HTTP status {}", status.as_u16()) }
}

/// Percent-decodes a message. Invalid escapes stay as they are, invalid UTF-8 is replaced.
fn decoded(bytes: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(bytes.len().min(MAX_TEXT));
    let mut at = 0;
    while let Some(&byte) = bytes.get(at).filter(|_| decoded.len() < MAX_TEXT) {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_repeated_status_is_malformed() {
        for values in [["0", "13"], ["13", "0"], ["0", "0"]] {
            let expected = format!("grpc-status is given twice: `{}` and `{}`", values[0], values[1]);
            assert_eq!(read(&headers(&values.map(|value| ("grpc-status", value)))), Some(Err(expected)));
        }
    }

    #[test]
    fn status_and_message_are_read() {
        let read = |pairs: &[(&'static str, &'static str)]| read(&headers(pairs));
        let status = |code, message: &str| Some(Ok(Status { code, message: message.to_owned() }));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("grpc-status", "0")]), status(0, ""));
        assert_eq!(
            read(&[("grpc-status", "14"), ("grpc-message", "not%20yet: 100% %zz %c3%A4")]),
            status(14, "not yet: 100% %zz ä")
        );
        assert_eq!(read(&[("grpc-status", "99")]), status(99, ""));
        for wrong in ["", "x", "+0", "0, 13", "-1", "1000", "99999999999"] {
            assert!(matches!(read(&[("grpc-status", wrong)]), Some(Err(_))), "{wrong}");
        }
    }

    #[test]
    fn codes_have_the_names_of_the_specification() {
        let names = [0, 4, 14, 16, 17].map(status_name);
        assert_eq!(names, ["OK", "DEADLINE_EXCEEDED", "UNAVAILABLE", "UNAUTHENTICATED", "Code(17)"]);
    }

    #[test]
    fn http_statuses_become_the_codes_of_the_specification() {
        let expected =
            [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14), (500, 2), (302, 2)];
        for (http, code) in expected {
            assert_eq!(of_http(StatusCode::from_u16(http).unwrap()).code, code, "{http}");
        }
    }

    #[test]
    fn a_message_of_any_bytes_is_shown_and_bounded() {
        let long = "%ff".repeat(10_000);
        assert!(decoded(long.as_bytes()).chars().count() <= MAX_TEXT);
        assert_eq!(decoded(b"%"), "%");
        assert_eq!(decoded(b"%4"), "%4");
    }
}
