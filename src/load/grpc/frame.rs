//! gRPC's framing of messages in HTTP/2 data: a flag byte, a big-endian length of four bytes, the message.
//!
//! Source: gRPC over HTTP2, "Length-Prefixed-Message".

use std::io::{Read, Write};

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::content::{Content, Undecodable};

/// Longest message in bytes, sent or received.
pub const MAX_MESSAGE: usize = 64 << 20;

/// Length of the prefix.
pub(super) const PREFIX: usize = 5;

/// Bytes are not a valid message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message is too long.
    #[error("a message of {0} bytes is longer than the limit of {MAX_MESSAGE}")]
    TooLong(usize),
    /// The flag byte is invalid.
    #[error("a message's flag byte is {0}; expected 0 or 1")]
    Flag(u8),
    /// The message is flagged as compressed, but the response names no encoding.
    #[error("a message is flagged as compressed, but the response has no grpc-encoding")]
    Compressed,
    /// The message is compressed otherwise than with gzip, which no request asks for.
    #[error("a message is compressed, and its encoding is not gzip")]
    Encoding,
    /// The contents of the message are invalid.
    #[error("the response message cannot be decoded: {0}")]
    Undecodable(#[from] Undecodable),
    /// The data ended within a message.
    #[error("the response ended within a message")]
    Truncated,
}

/// Frames a message; with gzip if `is_compressed`.
pub fn frame(message: &[u8], is_compressed: bool) -> Result<Bytes, FrameError> {
    let packed = if is_compressed { gzip(message) } else { None };
    let body = packed.as_deref().unwrap_or(message);
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_MESSAGE && message.len() <= MAX_MESSAGE);
    let Some(length) = length else { return Err(FrameError::TooLong(message.len().max(body.len()))) };
    let mut framed = BytesMut::with_capacity(PREFIX + body.len());
    framed.put_u8(u8::from(packed.is_some()));
    framed.put_u32(length);
    framed.put_slice(body);
    Ok(framed.freeze())
}

/// Compresses a message. Writing to memory cannot fail; if it did, the message would be sent uncompressed.
fn gzip(message: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}

/// Decompresses a message; `None` if it is longer than the limit, or not gzip.
fn gunzip(message: &[u8], limit: usize) -> Option<Bytes> {
    let mut plain = Vec::new();
    let limit = u64::try_from(limit).ok()?;
    let length = MultiGzDecoder::new(message).take(limit.saturating_add(1)).read_to_end(&mut plain).ok()?;
    (length as u64 <= limit).then(|| plain.into())
}

/// Encoding of compressed messages that a response names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// None.
    Identity,
    Gzip,
    Other,
}

/// Messages of a response that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    /// All of them, which must not be compressed.
    All,
    /// The first one, if it is not longer than this, compressed and decompressed.
    First(usize),
}

/// Finds the messages in the data of a response, however they are split into frames.
///
/// A load checks and counts them; their contents are kept as [`Keep`] says.
#[derive(Debug)]
pub(super) struct Deframer {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix so far.
    filled: usize,
    /// Once the prefix is complete: length of the message, and bytes that are missing.
    length: usize,
    missing: usize,
    content: Content,
    encoding: Encoding,
    keep: Keep,
    kept: BytesMut,
}

impl Deframer {
    /// Creates a deframer for a response with this encoding.
    pub(super) fn new(encoding: Encoding) -> Self {
        let (keep, kept) = (Keep::Nothing, BytesMut::new());
        Self { prefix: [0; PREFIX], filled: 0, length: 0, missing: 0, content: Content::plain(), encoding, keep, kept }
    }

    /// Creates a deframer that keeps messages.
    pub(super) fn keeping(keep: Keep, encoding: Encoding) -> Self {
        let encoding = if keep == Keep::All { Encoding::Identity } else { encoding };
        Self { keep, ..Self::new(encoding) }
    }

    /// Consumes `data` up to the end of a message and returns its length; `None` if it continues in the next data.
    pub(super) fn next(&mut self, data: &mut &[u8]) -> Result<Option<usize>, FrameError> {
        if self.filled < PREFIX {
            let count = data.len().min(PREFIX - self.filled);
            let (head, rest) = data.split_at(count);
            self.prefix[self.filled..self.filled + count].copy_from_slice(head);
            self.filled += count;
            *data = rest;
            if self.filled < PREFIX {
                return Ok(None);
            }
            self.content = self.announced_content()?;
            self.length = self.announced()?;
            self.missing = self.length;
        }
        let count = data.len().min(self.missing);
        let (body, rest) = data.split_at(count);
        let is_kept = match self.keep {
            Keep::Nothing => false,
            Keep::All => true,
            Keep::First(limit) => self.length <= limit,
        };
        if is_kept {
            self.kept.extend_from_slice(body);
        }
        self.content.feed(body)?;
        *data = rest;
        self.missing -= count;
        if self.missing > 0 {
            return Ok(None);
        }
        self.filled = 0;
        self.content.end()?;
        Ok(Some(self.length))
    }

    /// Parses the flag in the prefix.
    fn announced_content(&self) -> Result<Content, FrameError> {
        match (self.prefix[0], self.encoding) {
            (0, _) => Ok(Content::plain()),
            (1, Encoding::Gzip) => Ok(Content::gzip(MAX_MESSAGE)),
            (1, Encoding::Identity) => Err(FrameError::Compressed),
            (1, Encoding::Other) => Err(FrameError::Encoding),
            (other, _) => Err(FrameError::Flag(other)),
        }
    }

    /// Parses the length in the prefix.
    fn announced(&self) -> Result<usize, FrameError> {
        let [_, a, b, c, d] = self.prefix;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE { Err(FrameError::TooLong(length)) } else { Ok(length) }
    }

    /// Takes the message that [`Deframer::next`] has just completed; `None` if it is not kept.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.keep, Keep::Nothing) {
            Keep::Nothing => None,
            Keep::All => {
                self.keep = Keep::All;
                Some(self.kept.split().freeze())
            }
            Keep::First(limit) if self.length > limit => None,
            Keep::First(limit) => {
                let kept = self.kept.split().freeze();
                if self.prefix[0] == 0 { Some(kept) } else { gunzip(&kept, limit) }
            }
        }
    }

    /// Checks that the data ended between messages.
    pub(super) fn end(&self) -> Result<(), FrameError> {
        if self.filled == 0 { Ok(()) } else { Err(FrameError::Truncated) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all messages of data that comes in pieces.
    fn read(pieces: &[&[u8]]) -> Result<Vec<Bytes>, FrameError> {
        let mut deframer = Deframer::keeping(Keep::All, Encoding::Identity);
        let mut messages = Vec::new();
        for piece in pieces {
            let mut data = *piece;
            while !data.is_empty() {
                if deframer.next(&mut data)?.is_some() {
                    messages.push(deframer.take().unwrap());
                }
            }
        }
        deframer.end().map(|()| messages)
    }

    #[test]
    fn messages_are_found_however_the_data_is_cut() {
        let messages = [&b"\x0a\x03abc"[..], b"", b"\x08\x01"];
        let data = messages.map(|message| frame(message, false).unwrap()).concat();
        let expected = messages.map(Bytes::from_static);
        assert_eq!(read(&[&data]).unwrap(), expected);
        for at in 0..data.len() {
            assert_eq!(read(&[&data[..at], &data[at..]]).unwrap(), expected, "{at}");
        }
        let single: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(read(&single).unwrap(), expected);
    }

    #[test]
    fn data_that_ends_within_a_message_is_an_error() {
        let data = frame(b"\x0a\x03abc", false).unwrap();
        for end in 1..data.len() {
            assert_eq!(read(&[&data[..end]]), Err(FrameError::Truncated), "{end}");
        }
        assert_eq!(read(&[]).unwrap().len(), 0);
    }

    #[test]
    fn an_invalid_prefix_is_an_error_before_its_message_arrives() {
        assert_eq!(read(&[&[0, 0xff, 0xff, 0xff, 0xff]]), Err(FrameError::TooLong(0xffff_ffff)));
        assert_eq!(read(&[&[7, 0, 0, 0, 0]]), Err(FrameError::Flag(7)));
        assert_eq!(read(&[&[1, 0, 0, 0, 0]]), Err(FrameError::Compressed));
        assert_eq!(Deframer::new(Encoding::Other).next(&mut &[1, 0, 0, 0, 0][..]), Err(FrameError::Encoding));
    }

    #[test]
    fn compressed_messages_are_decompressed_and_checked() {
        let next = |framed: &[u8]| Deframer::new(Encoding::Gzip).next(&mut &framed[..]);
        let good = frame(b"\x0a\x03abc", true).unwrap();
        assert_eq!(next(&good), Ok(Some(good.len() - PREFIX)));
        assert_eq!(next(&frame(b"", true).unwrap()).map(|length| length.is_some()), Ok(true));
        let mut deframer = Deframer::new(Encoding::Gzip);
        let ends = good.chunks(1).map(|mut byte| deframer.next(&mut byte).unwrap()).collect::<Vec<_>>();
        assert_eq!(ends.iter().flatten().count(), 1, "however it is cut");
        let bad = frame(b"\xff\xff\xff", true).unwrap();
        assert_eq!(next(&bad), Err(Undecodable::Wire.into()));
        let cut = [&[1, 0, 0, 0, 10][..], &good[PREFIX..PREFIX + 10]].concat();
        for framed in [&[1, 0, 0, 0, 2, 8, 1][..], &[1, 0, 0, 0, 0], &cut] {
            assert_eq!(next(framed), Err(Undecodable::Gzip.into()), "{framed:?}");
        }
        let bomb = [&b"\x0a\x80\x80\x80\x20"[..], &vec![0; MAX_MESSAGE]].concat();
        let packed = gzip(&bomb).unwrap();
        let bomb = [&[1][..], &u32::try_from(packed.len()).unwrap().to_be_bytes(), &packed].concat();
        assert_eq!(next(&bomb), Err(Undecodable::TooLong.into()));
    }

    #[test]
    fn the_first_message_is_kept_if_it_is_short_enough() {
        let first = |limit, is_compressed| {
            let data =
                [b"\x0a\x03abc", &b"\x08\x01"[..]].map(|message| frame(message, is_compressed).unwrap()).concat();
            let mut deframer = Deframer::keeping(Keep::First(limit), Encoding::Gzip);
            let mut data = &data[..];
            deframer.next(&mut data).unwrap().unwrap();
            let first = deframer.take();
            deframer.next(&mut data).unwrap().unwrap();
            assert_eq!((deframer.take(), deframer.kept.len()), (None, 0), "only the first");
            first
        };
        assert_eq!(first(5, false).unwrap(), "\n\u{3}abc");
        assert_eq!(first(4, false), None);
        assert_eq!(first(100, true).unwrap(), "\n\u{3}abc");
        let bomb = frame(&[b"\x0a\x80\x80\x40", &vec![0; 1 << 20][..]].concat(), true).unwrap();
        assert!(bomb.len() < 10_000);
        let mut deframer = Deframer::keeping(Keep::First(10_000), Encoding::Gzip);
        assert_eq!((deframer.next(&mut &bomb[..]).is_ok(), deframer.take()), (true, None));
    }

    #[test]
    fn messages_that_are_not_protobuf_are_errors() {
        assert_eq!(read(&[&[0, 0, 0, 0, 3, 0xff, 0xff, 0xff]]), Err(Undecodable::Wire.into()));
        assert_eq!(read(&[&[0, 0, 0, 0, 3, 0x0a], &[0x09, 0x41]]), Err(Undecodable::Wire.into()));
    }

    #[test]
    fn compressed_messages_are_gzip_under_their_flag() {
        let text = b"again and again and again and again and again and again";
        let framed = frame(text, true).unwrap();
        assert_eq!(framed[0], 1);
        assert_eq!(u32::from_be_bytes(framed[1..5].try_into().unwrap()) as usize, framed.len() - PREFIX);
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&framed[PREFIX..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, text);
    }

    #[test]
    fn a_message_beyond_the_limit_is_not_sent() {
        let long = vec![0; MAX_MESSAGE + 1];
        assert_eq!(frame(&long, false), Err(FrameError::TooLong(MAX_MESSAGE + 1)));
    }
}
