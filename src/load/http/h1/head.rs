//! Parses the head of a response for framing and connection. Pure.

use std::mem::MaybeUninit;

use httparse::{Error, Header, ParserConfig, Response, Status};

use super::Malformed;
use crate::redact::excerpt;

/// Longest head, in bytes.
pub const MAX_HEAD: usize = 1 << 20;

/// Maximum headers of one head.
pub const MAX_HEADERS: usize = 256;

/// Bytes of a non-HTTP response that the error message quotes.
const MAX_EXCERPT: usize = 24;

/// Bytes of a malformed header that the error message quotes.
const MAX_LINE: usize = 80;

/// End of the body (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// The relevant parts of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Status, 100 to 999.
    pub status: u16,
    /// End of the body.
    pub framing: Framing,
    /// Body that the headers announce although the response has none; [`Framing::None`] otherwise.
    pub announced: Framing,
    /// The connection stays open after the response.
    pub is_keep_alive: bool,
    /// Bytes of the head, including the empty line.
    pub length: usize,
}

/// Accepts what RFC 9112 lets a user agent accept: folded headers, and spaces before a colon or between the words of the status line.
fn config() -> ParserConfig {
    let mut config = ParserConfig::default();
    config.allow_obsolete_multiline_headers_in_responses(true);
    config.allow_spaces_after_header_name_in_responses(true);
    config.allow_multiple_spaces_in_response_status_delimiters(true);
    config
}

/// Parses the head at the start of `bytes`; `None` if it is incomplete. `is_to_head` is true for a response to a HEAD request, which
/// has no body. Only the first [`MAX_HEAD`] bytes are parsed.
pub fn parse(bytes: &[u8], is_to_head: bool) -> Result<Option<Head>, Malformed> {
    let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
    let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = Response::new(&mut []);
    let parsed = config().parse_response_with_uninit_headers(&mut response, bytes, &mut storage);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() >= MAX_HEAD => {
            return Err(format!("the head is longer than {} KiB", MAX_HEAD >> 10).into());
        }
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(describe(error, bytes)),
    };
    let status = response.code.unwrap_or(0);
    if status < 100 {
        return Err(format!("status {status:03} is not an HTTP status").into());
    }
    let fields = Fields::of(response.headers, response.version == Some(1))?;
    let framing = match fields.is_chunked {
        true => Framing::Chunked,
        false => fields.length.map_or(Framing::UntilClose, Framing::Length),
    };
    let (framing, announced) = match framing {
        framing if !is_to_head && !matches!(status, 100..=199 | 204 | 304) => (framing, Framing::None),
        Framing::Chunked | Framing::Length(1..) => (Framing::None, framing),
        _ => (Framing::None, Framing::None),
    };
    // A 204 must not announce a body (RFC 9110, 15.3.5), so a server that does will send one. The connection is not used again.
    let is_body_expected = status == 204 && !is_to_head && announced != Framing::None;
    let is_keep_alive = fields.is_keep_alive && framing != Framing::UntilClose && !is_body_expected;
    Ok(Some(Head { status, framing, announced, is_keep_alive, length }))
}

/// Returns the values of the header `name` in a complete head, in order.
pub fn values<'h>(head: &'h [u8], name: &str) -> Vec<&'h [u8]> {
    let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = Response::new(&mut []);
    match config().parse_response_with_uninit_headers(&mut response, head, &mut storage) {
        Ok(_) => {
            let named = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            named.map(|header| header.value).collect()
        }
        Err(_) => Vec::new(),
    }
}

/// Returns true if a head may have become complete with the bytes from `known` on. Searching for the empty line is much cheaper than
/// parsing again with every piece of a slow response.
pub(super) fn may_end(bytes: &[u8], known: usize) -> bool {
    let fresh = &bytes[known.saturating_sub(2)..];
    fresh.windows(2).any(|pair| pair == b"\n\n") || fresh.windows(3).any(|three| three == b"\n\r\n")
}

/// Headers about framing and connection.
struct Fields {
    length: Option<u64>,
    is_chunked: bool,
    is_keep_alive: bool,
}

impl Fields {
    fn of(headers: &[Header<'_>], is_1_1: bool) -> Result<Self, Malformed> {
        let mut fields = Self { length: None, is_chunked: false, is_keep_alive: is_1_1 };
        let mut is_closing = false;
        for header in headers {
            let name = header.name;
            if name.eq_ignore_ascii_case("content-length") {
                fields.add_length(header.value)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                fields.add_coding(header.value)?;
            } else if name.eq_ignore_ascii_case("connection") {
                for token in tokens(header.value) {
                    is_closing |= token.eq_ignore_ascii_case(b"close");
                    fields.is_keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        fields.is_keep_alive &= !is_closing;
        // The coding overrides the length, and nothing more is read from this connection (RFC 9112, 6.1 and 6.3).
        fields.is_keep_alive &= !(fields.is_chunked && (fields.length.is_some() || !is_1_1));
        Ok(fields)
    }

    /// Adds a `Content-Length`. Repeated equal lengths are allowed (RFC 9110, 8.6).
    fn add_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let mut is_empty = true;
        for token in tokens(value) {
            is_empty = false;
            let length = number(token).ok_or("`Content-Length` is not a number of bytes")?;
            if self.length.is_some_and(|known| known != length) {
                return Err("`Content-Length` contradicts itself".into());
            }
            self.length = Some(length);
        }
        if is_empty { Err("`Content-Length` is empty".into()) } else { Ok(()) }
    }

    /// Adds a `Transfer-Encoding`. Requests accept no coding, so only `chunked` is allowed.
    fn add_coding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let mut codings = tokens(value);
        match (codings.next(), codings.next()) {
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && !self.is_chunked => {
                self.is_chunked = true;
                Ok(())
            }
            _ => Err("`Transfer-Encoding` is not `chunked`".into()),
        }
    }
}

/// Splits a list header and trims its tokens.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Parses digits only: no sign, no whitespace.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Describes the parser's error.
fn describe(error: Error, bytes: &[u8]) -> Malformed {
    match error {
        Error::TooManyHeaders => format!("more than {MAX_HEADERS} headers").into(),
        Error::HeaderName => format!("a header's name is missing or has invalid characters{}", quoted(bytes)).into(),
        Error::HeaderValue => format!("a header's value has invalid characters{}", quoted(bytes)).into(),
        Error::Status => "the status line is not valid HTTP".into(),
        Error::NewLine => "a line that does not end in CR LF".into(),
        Error::Version | Error::Token => {
            let start = &bytes[..bytes.len().min(MAX_EXCERPT)];
            format!("expected `HTTP/1.1` at the start, found `{}`", start.escape_ascii()).into()
        }
    }
}

/// Quotes the first line of a head that is no valid header; empty if there is none.
fn quoted(bytes: &[u8]) -> String {
    let lines = bytes.split(|byte| *byte == b'\n').skip(1).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let invalid = lines.take_while(|line| !line.is_empty()).find(|line| !is_header(line));
    invalid.map_or_else(String::new, |line| format!(": `{}`", excerpt(&line.escape_ascii().to_string(), MAX_LINE)))
}

fn is_header(line: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        // Folded.
        return line.iter().all(is_text);
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let name = line[..colon].trim_ascii_end();
    !name.is_empty() && name.iter().all(is_token) && line[colon + 1..].iter().all(is_text)
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
