//! Checks the blocks of a template before it is parsed: each has an end, and none nests too deeply.
//!
//! The parser accepts a template that ends inside a block, ignores everything after a stray `{{end}}`, and recurses for each `else if`.

use std::borrow::Cow;

use super::bounds::MAX_BLOCKS;

/// An error message with its byte offset.
pub type ErrorAt = (usize, String);

/// An open block.
struct Block<'t> {
    word: &'t str,
    at: usize,
    /// Nesting levels: one, plus one for each `else if`.
    levels: usize,
}

/// Checks the blocks of a template. Syntax errors are left to the parser.
pub fn check(text: &str) -> Result<(), ErrorAt> {
    let mut open: Vec<Block<'_>> = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("{{").map(|offset| from + offset) {
        let Some((inner, end)) = action(text, at + 2) else { return Ok(()) };
        from = end;
        let (word, rest) = word(inner);
        match word {
            "if" | "range" | "with" | "define" | "block" => open.push(Block { word, at, levels: 1 }),
            "else" => {
                let block = open.last_mut().ok_or_else(|| (at, "{{else}} without {{if}}".to_owned()))?;
                block.levels += usize::from(matches!(self::word(rest).0, "if" | "with"));
            }
            "end" if open.pop().is_none() => {
                return Err((at, "{{end}} without {{if}}, {{range}}, {{with}}, {{define}} or {{block}}".to_owned()));
            }
            _ => {}
        }
        if open.iter().map(|block| block.levels).sum::<usize>() > MAX_BLOCKS {
            return Err((at, format!("blocks nest deeper than {MAX_BLOCKS} levels (an `else if` counts as one)")));
        }
    }
    match open.pop() {
        Some(Block { word, at, .. }) => Err((at, format!("{{{{{word}}}}} has no {{{{end}}}}"))),
        None => Ok(()),
    }
}

/// Replaces comments that trim on the left only (`{{- /* … */}}`) by actions that print nothing, because the parser trims on both sides
/// of them. Offsets do not change.
pub fn plain_comments(text: &str) -> Cow<'_, str> {
    let mut plain = String::new();
    let (mut kept, mut from) = (0, 0);
    while let Some(at) = text[from..].find("{{").map(|offset| from + offset) {
        let Some((_, end)) = action(text, at + 2) else { break };
        from = end;
        let trims_before = text[at + 2..].strip_prefix('-').is_some_and(|rest| rest.trim_start().starts_with("/*"));
        if trims_before && text[at..end].ends_with("*/}}") {
            plain.push_str(&text[kept..at]);
            plain.push_str("{{- \"\"");
            // Pads the action, which has eight bytes, to the length of the comment.
            let filler = text[at..end].bytes().skip(6).take(end - at - 8);
            plain.extend(filler.map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            plain.push_str("}}");
            kept = end;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    plain.push_str(&text[kept..]);
    Cow::Owned(plain)
}

/// Splits off the first word of a text.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// Returns the content of an action without its trim marker, and the offset after it; `None` if it is not closed.
fn action(text: &str, start: usize) -> Option<(&str, usize)> {
    let marked = text[start..].strip_prefix('-').is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']));
    let start = start + usize::from(marked);
    if text[start..].trim_start().starts_with("/*") {
        let end = start + text[start..].find("*/")? + 2;
        return Some(("", end + text[end..].find("}}")? + 2));
    }
    let mut at = start;
    loop {
        let rest = &text[at..];
        if rest.starts_with("}}") {
            return Some((&text[start..at], at + 2));
        }
        let c = rest.chars().next()?;
        at += match c {
            '"' | '\'' => quoted(rest, c)?,
            '`' => rest[1..].find('`')? + 2,
            _ => c.len_utf8(),
        };
    }
}

/// Returns the length of a quoted string with backslash escapes.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmatched_blocks_and_ends_are_reported_with_their_offset() {
        for text in
            ["{{if .a}}{{else if .b}}{{else}}{{end}}", "{{- range . -}}{{- end -}}", "{{/* {{if}} */}}", "{{`{{if}}`}}"]
        {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, at, expected) in [
            ("ab{{if .a}}", 2, "{{if}} has no {{end}}"),
            ("{{if .a}}{{end}}{{end}}", 16, "{{end}} without"),
            ("{{else}}", 0, "{{else}} without"),
            ("{{ define \"x}}\" }}", 0, "{{define}} has no"),
            ("{{with '\\''}}", 0, "{{with}} has no"),
        ] {
            let (place, message) = check(text).unwrap_err();
            assert!(place == at && message.starts_with(expected), "{text}: {place} {message}");
        }
    }

    #[test]
    fn comments_trim_only_on_the_marked_side() {
        for (text, plain) in [
            ("a {{- /* c */}} b", "a {{- \"\"     }} b"),
            ("a {{- /**/}}", "a {{- \"\"  }}"),
            ("{{- /*\n*/}}\nb {{- /* d */}}", "{{- \"\"\n  }}\nb {{- \"\"     }}"),
        ] {
            assert_eq!(plain_comments(text), plain);
            assert_eq!(plain.len(), text.len());
        }
        for same in
            ["a {{- /* c */ -}} b", "a {{/* c */}} b", "a {{/* c */ -}} b", "{{- `{{- /* c */}}` }}", "{{- /* c"]
        {
            assert_eq!(plain_comments(same), same);
        }
    }

    #[test]
    fn nesting_of_blocks_and_else_ifs_is_bounded() {
        let deep = format!("{}{}", "{{if .}}".repeat(60), "{{end}}".repeat(60));
        let chain = format!("{{{{if .}}}}{}{{{{end}}}}", "{{else if .}}".repeat(60));
        for text in [deep, chain] {
            assert!(check(&text).unwrap_err().1.contains("nest deeper than 50"));
        }
    }
}
