//! Finds the body in the bytes of a response: an incremental state machine. Pure.

use std::ops::Range;

use super::Malformed;
use super::head::Framing;

/// Maximum bytes of chunk extensions, and of trailers, in one body.
pub const MAX_EXTRAS: usize = 16 << 10;

/// Decodes one body.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    /// Bytes of extensions and of trailers so far.
    extensions: usize,
    trailers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    /// Before this many bytes of body.
    Length(u64),
    UntilClose,
    /// In a chunk's size.
    Size {
        size: u64,
        has_digits: bool,
    },
    /// In the whitespace after a chunk's size.
    AfterSize {
        size: u64,
    },
    /// In a chunk's extensions.
    Extension {
        size: u64,
    },
    /// Before the LF that ends the line of a chunk's size.
    SizeLf {
        size: u64,
    },
    /// In a chunk's data.
    Data {
        left: u64,
    },
    /// Before the CR and the LF after a chunk's data.
    DataCr,
    DataLf,
    /// At the start of a trailer's line, or of the empty line that ends the body.
    TrailerStart,
    /// In a trailer; `has_name` after its colon.
    Trailer {
        has_name: bool,
    },
    TrailerLf,
    /// Before the very last LF.
    LastLf,
}

impl Decoder {
    /// Creates a decoder for a body with this framing.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::UntilClose => State::UntilClose,
            Framing::Chunked => State::Size { size: 0, has_digits: false },
        };
        Self { state, extensions: 0, trailers: 0 }
    }

    /// Returns true if the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Returns true if the body ends with the connection.
    pub fn is_until_close(&self) -> bool {
        self.state == State::UntilClose
    }

    /// Decodes the next bytes. Returns the number of bytes that belong to the response (all, unless it ends before), and calls `on_body`
    /// with the ranges that are body.
    pub fn feed(&mut self, bytes: &[u8], mut on_body: impl FnMut(Range<usize>)) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            match self.state {
                State::UntilClose => {
                    on_body(at..bytes.len());
                    at = bytes.len();
                }
                State::Length(left) | State::Data { left } => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    on_body(at..at + here);
                    at += here;
                    self.after_data(left - here as u64);
                }
                state => {
                    self.state = self.framed(state, bytes[at])?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    /// Updates the state after data, of which `left` bytes are missing.
    fn after_data(&mut self, left: u64) {
        self.state = match (self.state, left) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::DataCr,
            (_, left) => State::Data { left },
        };
    }

    /// Returns the state after one byte of chunked framing.
    fn framed(&mut self, state: State, byte: u8) -> Result<State, Malformed> {
        Ok(match (state, byte) {
            (State::Size { size, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                let size = size.checked_mul(16).and_then(|size| size.checked_add(digit));
                State::Size { size: size.ok_or("a chunk's size does not fit into 64 bits")?, has_digits: true }
            }
            (State::Size { size, has_digits: true } | State::AfterSize { size }, b' ' | b'\t') => {
                self.extension()?;
                State::AfterSize { size }
            }
            (State::Size { size, has_digits: true } | State::AfterSize { size }, b';') => {
                self.extension()?;
                State::Extension { size }
            }
            (State::Size { size, has_digits: true } | State::AfterSize { size } | State::Extension { size }, b'\r') => {
                State::SizeLf { size }
            }
            (State::Size { .. } | State::AfterSize { .. }, _) => return Err("a chunk's size is not a number".into()),
            (State::Extension { .. }, b'\n') => return Err("a chunk's size ends in a bare LF".into()),
            (State::Extension { size }, _) => {
                self.extension()?;
                State::Extension { size }
            }
            (State::SizeLf { size: 0 }, b'\n') => State::TrailerStart,
            (State::SizeLf { size }, b'\n') => State::Data { left: size },
            (State::SizeLf { .. }, _) => return Err("a chunk's size does not end in CR LF".into()),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, has_digits: false },
            (State::DataCr | State::DataLf, _) => return Err("a chunk is longer than its size".into()),
            (State::TrailerStart, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => State::Done,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::LastLf | State::TrailerLf, _) => return Err("a trailer does not end in CR LF".into()),
            (State::TrailerStart | State::Trailer { .. }, _) => self.trailer(state, byte)?,
            // No framing in these states.
            (State::Done | State::Length(_) | State::UntilClose | State::Data { .. }, _) => state,
        })
    }

    fn extension(&mut self) -> Result<(), Malformed> {
        self.extensions += 1;
        if self.extensions > MAX_EXTRAS {
            return Err(format!("more than {} KiB of chunk extensions", MAX_EXTRAS >> 10).into());
        }
        Ok(())
    }

    /// Returns the state after one byte of a trailer; trailers are not kept.
    fn trailer(&mut self, state: State, byte: u8) -> Result<State, Malformed> {
        self.trailers += 1;
        if self.trailers > MAX_EXTRAS {
            return Err(format!("more than {} KiB of trailers", MAX_EXTRAS >> 10).into());
        }
        match (state, byte) {
            (State::Trailer { has_name: true }, b'\r') => Ok(State::TrailerLf),
            (_, b'\n') => Err("a trailer ends in a bare LF".into()),
            (State::TrailerStart, b':') | (State::Trailer { has_name: false }, b'\r') => {
                Err("a trailer has no name".into())
            }
            (State::Trailer { has_name }, byte) => Ok(State::Trailer { has_name: has_name || byte == b':' }),
            _ => Ok(State::Trailer { has_name: false }),
        }
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
