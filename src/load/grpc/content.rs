//! Contents of response messages: decompressed, checked, and not kept.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use super::wire::{Malformed, Wire};

/// The contents of a message are invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// It is no protobuf message, whatever its type.
    #[error("it is not in the wire format of protobuf")]
    Wire,
    /// It is flagged as compressed, but is not.
    #[error("it is flagged as compressed, but is not complete gzip")]
    Gzip,
    /// It is longer than a message may be once it is decompressed.
    #[error("decompressed, it is longer than the limit")]
    TooLong,
}

impl From<Malformed> for Undecodable {
    fn from(Malformed: Malformed) -> Self {
        Self::Wire
    }
}

/// Check of the contents of one message, which comes in pieces.
#[derive(Debug)]
pub(super) enum Content {
    Plain(Wire),
    Gzip(Box<MultiGzDecoder<Unpacked>>),
}

impl Content {
    /// Creates the check of a message that is not compressed.
    pub(super) fn plain() -> Self {
        Self::Plain(Wire::default())
    }

    /// Creates the check of a message that is compressed with gzip. Decompressed, it has at most `limit` bytes.
    pub(super) fn gzip(limit: usize) -> Self {
        let unpacked = Unpacked { wire: Wire::default(), left: limit, problem: None };
        Self::Gzip(Box::new(MultiGzDecoder::new(unpacked)))
    }

    /// Checks the next bytes.
    pub(super) fn feed(&mut self, data: &[u8]) -> Result<(), Undecodable> {
        match self {
            Self::Plain(wire) => Ok(wire.feed(data)?),
            Self::Gzip(decoder) => match decoder.write_all(data) {
                Ok(()) => Ok(()),
                Err(_) => Err(decoder.get_ref().problem.unwrap_or(Undecodable::Gzip)),
            },
        }
    }

    /// Checks that the message may end here.
    pub(super) fn end(&mut self) -> Result<(), Undecodable> {
        match self {
            Self::Plain(wire) => Ok(wire.end()?),
            Self::Gzip(decoder) => match decoder.try_finish() {
                Ok(()) => Ok(decoder.get_ref().wire.end()?),
                Err(_) => Err(decoder.get_ref().problem.unwrap_or(Undecodable::Gzip)),
            },
        }
    }
}

/// Takes a message as it is decompressed. Fails at the first problem, which it keeps.
#[derive(Debug)]
pub(super) struct Unpacked {
    wire: Wire,
    left: usize,
    problem: Option<Undecodable>,
}

impl Unpacked {
    fn take(&mut self, data: &[u8]) -> Result<(), Undecodable> {
        self.left = self.left.checked_sub(data.len()).ok_or(Undecodable::TooLong)?;
        Ok(self.wire.feed(data)?)
    }
}

impl Write for Unpacked {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.problem = self.problem.or(self.take(data).err());
        match self.problem {
            None => Ok(data.len()),
            Some(problem) => Err(io::Error::other(problem)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
