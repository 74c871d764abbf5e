//! Excerpts of values and errors. A value with shared parts can be far longer as text than in memory.

use std::fmt::{self, Display, Write as _};

use jaq_core::{Error, Exn};
use jaq_json::Val;

use crate::model::text::truncate;

/// Maximum bytes that are formatted.
const MAX_BYTES: usize = 1024;

/// Returns the first `max` characters of a value as text.
pub(super) fn excerpt(value: &impl Display, max: usize) -> String {
    truncate(&start(value), max)
}

/// Formats the message of an error, unless a filter raised it with a value of its own.
pub(super) fn formatted(error: Error<Val>) -> Error<Val> {
    let text = start(&error);
    // The library's messages. Values are JSON, so they start otherwise.
    let is_message = ["cannot ", "invalid "].iter().any(|words| text.starts_with(words));
    if is_message { Error::str(text) } else { error }
}

/// Like [`formatted`], for exceptions.
pub(super) fn catchable(exception: Exn<'_, Val>) -> Exn<'_, Val> {
    match exception.get_err() {
        Ok(error) => formatted(error).into(),
        Err(other) => other,
    }
}

/// Returns the start of a value as text, with `…` if there is more.
fn start(value: &impl Display) -> String {
    let mut start = Start(String::new());
    if write!(start, "{value}").is_err() {
        start.0.push('…');
    }
    start.0
}

/// Text of at most [`MAX_BYTES`].
struct Start(String);

impl fmt::Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() + c.len_utf8() > MAX_BYTES {
                return Err(fmt::Error);
            }
            self.0.push(c);
        }
        Ok(())
    }
}
