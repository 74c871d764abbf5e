//! Short excerpts of long texts from outside.

use super::free_text::redact_text;
use super::names::REDACTED;
use crate::model::text::truncate;

/// Multiple of the excerpt's length that is searched for secrets.
const SEARCHED: usize = 8;

/// Redacts the start of a text and truncates it to `max` characters.
///
/// The text is cut at a space before it is searched: a secret whose end is missing might not be recognized.
pub(crate) fn excerpt(text: &str, max: usize) -> String {
    let Some((limit, _)) = text.char_indices().nth(max.saturating_mul(SEARCHED)) else {
        return truncate(&redact_text(text), max);
    };
    let start = text[..limit].rsplit_once(char::is_whitespace).map_or("", |(start, _)| start);
    truncate(&format!("{} {REDACTED}", redact_text(start)), max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_at_the_cut_is_not_shown() {
        let text = format!("{} http://user:hunter2@host/", "x ".repeat(70));
        for max in 1..200 {
            assert!(!excerpt(&text, max).contains("hunter"), "{max}");
        }
        assert_eq!(excerpt("token=abc def", 100), "token=[hidden] def");
        assert_eq!(excerpt(&"y".repeat(1_000), 20), " [hidden]");
    }
}
