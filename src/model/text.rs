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

/// Escapes control characters and bidirectional overrides (`\u{202e}`), which could rewrite or reorder what a reader sees, and commands
/// to CI systems (`##vso[…]`), in whose logs the text may appear. Line ends and tabs are kept.
pub(crate) fn printable(text: &str) -> String {
    escaped(text, |c, escaped| escaped.extend(c.escape_unicode()))
}

/// Like [`printable`], in one line: text from outside could start a line that looks like ours, or like a command to a CI system.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n").replace('\t', " ")
}

/// Escapes the same characters as [`printable`] in serialized JSON, as JSON does, so that readers get the original string.
pub(crate) fn printable_json(json: &str) -> String {
    escaped(json, |c, escaped| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    })
}

/// Replaces every character that must not be printed by what `escape` appends.
fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if is_active(c) || is_command(&text[at..]) { escape(c, &mut escaped) } else { escaped.push(c) }
    }
    escaped
}

/// Returns true at the start of a command to GitHub Actions, Azure Pipelines or TeamCity that works anywhere in a line: `##[error]`,
/// `##vso[task.complete]`.
fn is_command(text: &str) -> bool {
    let name = text.strip_prefix("##");
    name.is_some_and(|name| name.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('['))
}

/// Replaces `::` at the start of lines by `colons`: GitHub Actions would execute `::error::x`.
pub(crate) fn without_commands(text: &str, colons: &str) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix("::") {
        Some(rest) => format!("{}{colons}{rest}", &line[..line.len() - rest.len() - 2]),
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
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
        assert_eq!(one_line("a\r\n::error::\tb"), "a\\u{d}\\n::error:: b");
    }

    #[test]
    fn commands_to_ci_systems_are_escaped() {
        assert_eq!(
            printable("a ##vso[task.complete result=Succeeded;]"),
            "a \\u{23}#vso[task.complete result=Succeeded;]"
        );
        assert_eq!(printable("##[error]x ###teamcity[y]"), "\\u{23}#[error]x #\\u{23}#teamcity[y]");
        assert_eq!(without_commands("::a::\nb::\n \t::c\n:: ", "$"), "$a::\nb::\n \t$c\n$ ");
        for text in ["## [title]", "##vso task", "#[derive]", "## 1[", "##", "##a"] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn escaped_json_has_the_same_strings() {
        let text = "a\u{202e}b\u{7f}\u{e0041}\n\t\" ##vso[x]";
        let json = printable_json(&serde_json::to_string(text).unwrap());
        assert_eq!(json, r#""a\u202eb\u007f\udb40\udc41\n\t\" \u0023#vso[x]""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
