//! Makes untrusted text safe to print: bounded in length, without characters that control a terminal or a page.

/// Truncates a string to `max` characters, with an ellipsis if anything was removed.
pub(crate) fn truncate(text: &str, max: usize) -> String {
    let start = prefix(text, max);
    if start.len() < text.len() { format!("{start}…") } else { text.to_owned() }
}

/// Returns the first `max` characters of a string.
pub(crate) fn prefix(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}

/// Escapes control characters and bidirectional overrides (`\u{202e}`), which could rewrite or reorder what a reader sees. Line ends
/// and tabs are kept.
pub(crate) fn printable(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) { escaped.extend(c.escape_unicode()) } else { escaped.push(c) }
    }
    escaped
}

/// Like [`printable`], in one line: text from outside could start a line that looks like ours, or like a command to a CI system.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n").replace('\t', " ")
}

/// Escapes the same characters as [`printable`] in serialized JSON, as JSON does, so that readers get the original string.
pub(crate) fn printable_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_active(c) {
            escaped.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Control characters, invisible ones, and those that reorder text or separate lines.
pub(crate) fn is_active(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// Returns true if a text is an HTML page.
pub(crate) fn is_html(text: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&text[..text.len().min(2_000)]).to_ascii_lowercase();
    let mut rest = start.as_str();
    loop {
        rest = rest.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
        // Comments and an XML declaration may come first.
        let after = [("<!--", "-->"), ("<?xml", "?>")]
            .into_iter()
            .find_map(|(open, close)| rest.strip_prefix(open)?.split_once(close).map(|(_, after)| after));
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    ["<!doctype html", "<html", "<head>", "<body>"].iter().any(|tag| rest.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_known_by_their_first_tag() {
        for page in [
            "<!DOCTYPE html><html>",
            "\u{feff}\n <HTML lang=\"en\">",
            "<!-- a proxy --><!-- of 2 --> <!doctype HTML>",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC",
            "<head><title>Sign in</title>",
        ] {
            assert!(is_html(page.as_bytes()), "{page}");
        }
        for text in ["{\"a\": \"<html>\"}", "<?xml version=\"1.0\"?><Envelope/>", "<!-- x", "", "<header/>", "html"] {
            assert!(!is_html(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn texts_are_truncated_between_characters() {
        assert_eq!([truncate("ééé", 2), truncate("ééé", 3), truncate("", 0)], ["éé…", "ééé", ""]);
        assert_eq!([prefix("ééé", 2), prefix("ééé", 9)], ["éé", "ééé"]);
    }

    #[test]
    fn control_characters_and_bidirectional_overrides_are_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c\r\nd\te\u{0}"), "a\\u{1b}[31mb\\u{202e}c\\u{d}\nd\te\\u{0}");
        assert_eq!(printable("x\u{9b}2J\u{2066}y\u{feff}"), "x\\u{9b}2J\\u{2066}y\\u{feff}");
        assert_eq!(printable("é ש 模"), "é ש 模");
        assert_eq!(printable("a\u{200b}b\u{2028}c\u{e0041}"), "a\\u{200b}b\\u{2028}c\\u{e0041}");
        let text = "a\u{202e}b\u{7f}\u{e0041}\n\t\"";
        let json = printable_json(&serde_json::to_string(text).unwrap());
        assert_eq!(json, r#""a\u202eb\u007f\udb40\udc41\n\t\"""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert_eq!(one_line("a\r\n::error::\tb"), "a\\u{d}\\n::error:: b");
    }
}
