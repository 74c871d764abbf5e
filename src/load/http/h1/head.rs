//! The head of an answer: what it says of its body and of its connection. Pure.

use std::mem::MaybeUninit;

use httparse::{Error, Header, ParserConfig, Response, Status};

use super::Malformed;

/// Longest head, in bytes.
pub const MAX_HEAD: usize = 64 << 10;

/// Most headers of one head.
pub const MAX_HEADERS: usize = 256;

/// Bytes of an answer that is no HTTP that a message repeats.
const SHOWN: usize = 24;

/// Where the body ends (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// Where the connection ends.
    UntilClose,
}

/// What is needed of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Status, 100 to 999.
    pub status: u16,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the connection stays open after the answer.
    pub is_keep_alive: bool,
    /// Bytes that the head takes, the empty line included.
    pub length: usize,
}

/// Reads the head that `bytes` begin with; `None` while it is not complete. `is_to_head` tells that the request was a HEAD, whose
/// answer has no body. What comes after the first [`MAX_HEAD`] bytes is not looked at.
pub fn parse(bytes: &[u8], is_to_head: bool) -> Result<Option<Head>, Malformed> {
    let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
    let mut memory = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut memory);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() >= MAX_HEAD => {
            return Err(format!("the head is longer than {} KiB", MAX_HEAD >> 10).into());
        }
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(wrong(error, bytes)),
    };
    let status = response.code.unwrap_or(0);
    if status < 100 {
        return Err(format!("status {status:03} is not one of HTTP").into());
    }
    let said = Said::of(response.headers, response.version == Some(1))?;
    let framing = if is_to_head || matches!(status, 100..=199 | 204 | 304) {
        Framing::None
    } else if said.is_chunked {
        Framing::Chunked
    } else {
        said.length.map_or(Framing::UntilClose, Framing::Length)
    };
    let is_keep_alive = said.is_keep_alive && framing != Framing::UntilClose;
    Ok(Some(Head { status, framing, is_keep_alive, length }))
}

/// The values of the header `name` in a complete head, in their order.
pub fn values<'h>(head: &'h [u8], name: &str) -> Vec<&'h [u8]> {
    let mut memory = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = Response::new(&mut []);
    match ParserConfig::default().parse_response_with_uninit_headers(&mut response, head, &mut memory) {
        Ok(_) => {
            let named = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            named.map(|header| header.value).collect()
        }
        Err(_) => Vec::new(),
    }
}

/// Whether a head may have become complete with the bytes from `known` on. Looking for its empty line is much cheaper than parsing
/// it again with every byte of an answer that drips in.
pub(super) fn may_end(bytes: &[u8], known: usize) -> bool {
    let fresh = &bytes[known.saturating_sub(2)..];
    fresh.windows(2).any(|pair| pair == b"\n\n") || fresh.windows(3).any(|three| three == b"\n\r\n")
}

/// What the headers say of framing and connection.
struct Said {
    length: Option<u64>,
    is_chunked: bool,
    is_keep_alive: bool,
}

impl Said {
    fn of(headers: &[Header<'_>], is_1_1: bool) -> Result<Self, Malformed> {
        let mut said = Self { length: None, is_chunked: false, is_keep_alive: is_1_1 };
        let mut is_closing = false;
        for header in headers {
            let name = header.name;
            if name.eq_ignore_ascii_case("content-length") {
                said.add_length(header.value)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                said.add_coding(header.value)?;
            } else if name.eq_ignore_ascii_case("connection") {
                for token in tokens(header.value) {
                    is_closing |= token.eq_ignore_ascii_case(b"close");
                    said.is_keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        said.is_keep_alive &= !is_closing;
        if said.is_chunked && said.length.is_some() {
            return Err("`Content-Length` and `Transfer-Encoding` in one answer".into());
        }
        if said.is_chunked && !is_1_1 {
            return Err("`Transfer-Encoding` in an HTTP/1.0 answer".into());
        }
        Ok(said)
    }

    /// The same length more than once is one length (RFC 9110, 8.6).
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

    /// We ask for no coding, so that `chunked` is the only one there may be.
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

/// The parts of a list, without the space around them.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Digits only: no sign, no space.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The parser's error in words.
fn wrong(error: Error, bytes: &[u8]) -> Malformed {
    match error {
        Error::TooManyHeaders => format!("more than {MAX_HEADERS} headers").into(),
        Error::HeaderName if is_folded(bytes) => "a header that goes on in the next line".into(),
        Error::HeaderName => "a header's name is missing or holds characters that it can't".into(),
        Error::HeaderValue => "a header's value holds characters that it can't".into(),
        Error::Status => "the status line is not one of HTTP".into(),
        Error::NewLine => "a line that does not end in CR LF".into(),
        Error::Version | Error::Token => {
            let start = &bytes[..bytes.len().min(SHOWN)];
            format!("it does not start with `HTTP/1.1` but with `{}`", start.escape_ascii()).into()
        }
    }
}

/// Whether a line begins with space, as the old way to go on with the header of the line above.
fn is_folded(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair[0] == b'\n' && matches!(pair[1], b' ' | b'\t'))
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
