//! Skips bodies where RFC 9112 has none (6.3): of responses to HEAD, of 304 and of interim responses. Some servers send one nevertheless,
//! often in a packet of its own, which arrives when the next head is expected.

use super::Malformed;
use super::body::Decoder;
use super::head::Framing;

/// Start of every head.
const START: &[u8] = b"HTTP/";

/// Body that may precede the next head.
#[derive(Debug, Default)]
pub(super) enum Stray {
    /// None.
    #[default]
    None,
    /// The last head announced one with this framing; the next bytes tell if it is there.
    Announced(Framing),
    /// It is being skipped.
    Body(Decoder),
}

/// Result of a look at the next bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Bytes of the body.
    pub(super) count: usize,
    /// More bytes are needed to find the head.
    pub(super) is_partial: bool,
}

impl Stray {
    /// Returns the body that a head announces; `None` if it announces none, or a legitimate one.
    pub(super) fn after(announced: Framing) -> Self {
        if announced == Framing::None { Self::None } else { Self::Announced(announced) }
    }

    /// Skips the body at the start of `bytes`, if there is one.
    pub(super) fn skip(&mut self, bytes: &[u8]) -> Result<Skipped, Malformed> {
        let nothing = |is_partial| Ok(Skipped { count: 0, is_partial });
        if let Self::Announced(framing) = *self {
            // Line ends may precede a head (RFC 9112, 2.2).
            let at = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
            let start = &bytes[at..];
            if start.starts_with(START) {
                *self = Self::None;
            } else if START.starts_with(start) {
                return nothing(true);
            } else {
                *self = Self::Body(Decoder::new(framing));
            }
        }
        let Self::Body(decoder) = self else { return nothing(false) };
        let count = decoder.feed(bytes, |_| {})?;
        let is_partial = !decoder.is_done();
        if !is_partial {
            *self = Self::None;
        }
        Ok(Skipped { count, is_partial })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Skips in pieces of `size` bytes; returns the bytes after the body.
    fn rest(framing: Framing, bytes: &[u8], size: usize) -> String {
        let mut stray = Stray::after(framing);
        let mut rest = Vec::new();
        for piece in bytes.chunks(size) {
            rest.extend_from_slice(piece);
            let skipped = stray.skip(&rest).unwrap();
            rest.drain(..skipped.count);
        }
        assert!(matches!(stray, Stray::None), "{stray:?}");
        String::from_utf8(rest).unwrap()
    }

    #[test]
    fn bodies_are_skipped_and_heads_are_not() {
        let head = "HTTP/1.1 200 OK\r\n\r\n";
        for (framing, before) in [
            (Framing::Length(2), "{}"),
            (Framing::Length(5), "HTTPS"),
            (Framing::Length(7), ""),
            (Framing::Length(300), "\r\n"),
            (Framing::Chunked, "2\r\nok\r\n0\r\n\r\n"),
            (Framing::Chunked, ""),
            (Framing::None, ""),
        ] {
            for size in [1, 2, 3, 7, 100] {
                let expected = if matches!(before, "\r\n") { format!("{before}{head}") } else { head.to_owned() };
                assert_eq!(rest(framing, format!("{before}{head}").as_bytes(), size), expected, "{framing:?} {size}");
            }
        }
    }

    #[test]
    fn a_chunked_body_that_is_not_one_is_malformed() {
        assert!(Stray::after(Framing::Chunked).skip(b"<html>").is_err());
    }
}
