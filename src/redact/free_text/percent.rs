//! Secrets that percent-encoding conceals: `query=up%7Btoken%3D%22X%22%7D`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::super::names::REDACTED;
use super::{Place, redacted};

/// Characters that stay as they are in a value that is encoded again, besides letters, digits and those that were not encoded before.
const KEPT: &[u8] = b"-_.~/:";

/// Maximum number of times that a string is decoded. Two, for a query in a URL that is itself a parameter of another URL.
const MAX_DECODED: u8 = 2;

/// Redacts secrets in the words of a text that are percent-encoded, such as forms and the queries of URLs without a scheme.
pub(super) fn redact_percent(text: &str, place: Place) -> Cow<'_, str> {
    if place.decoded >= MAX_DECODED || !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let is_gap = |c: char| c.is_whitespace() || "\"'`<>&?#".contains(c);
    let redacted = text.split_inclusive(is_gap).map(|word| {
        let is_end = |c: char| is_gap(c) || ",;:).}\\".contains(c);
        let end = word.trim_end_matches(is_end).len();
        let (word, gap) = word.split_at(end);
        redact_encoded(word, place) + gap
    });
    Cow::Owned(redacted.collect())
}

/// Redacts secrets that percent-encoding conceals: `query=up%7Btoken%3D%22X%22%7D`.
pub(super) fn redact_encoded(pair: &str, place: Place) -> Cow<'_, str> {
    if place.decoded >= MAX_DECODED || !pair.contains('%') {
        return Cow::Borrowed(pair);
    }
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    // A plus sign is a space in parameters, but not in a path.
    let spaced = if name.is_empty() { Cow::Borrowed(value) } else { Cow::Owned(value.replace('+', " ")) };
    let decoded = percent_decode_str(&spaced).decode_utf8_lossy();
    let text = redacted(&decoded, Place { decoded: place.decoded + 1, ..place });
    if text == decoded {
        return Cow::Borrowed(pair);
    }
    let encoded: Vec<_> = text.split(REDACTED).map(|part| encode_like(value, part)).collect();
    let equals = if pair.len() > value.len() { "=" } else { "" };
    Cow::Owned(format!("{name}{equals}{}", encoded.join(REDACTED)))
}

/// Percent-encodes a text, except for the characters that are not encoded in `model`.
fn encode_like(model: &str, text: &str) -> String {
    let is_form = model.contains('+');
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        match byte {
            b' ' if is_form => encoded.push('+'),
            b'%' | b'+' => encoded += &format!("%{byte:02X}"),
            _ if byte.is_ascii_alphanumeric() || KEPT.contains(&byte) => encoded.push(c),
            _ if byte.is_ascii() && model.contains(c) => encoded.push(c),
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}
