//! The blocks of a template, checked before it is parsed: each is ended, none nests too deep.
//!
//! The parser takes a template that ends within a block, drops what follows a stray `{{end}}`, and calls itself for each `else if`.

use std::borrow::Cow;

use super::bounds::MAX_BLOCKS;

/// A fault with the place in bytes where it is.
pub type Fault = (usize, String);

/// An open block.
struct Block<'t> {
    word: &'t str,
    at: usize,
    /// Levels that it takes: one, and one for each `else if`.
    levels: usize,
}

/// Checks the blocks of a template. What can't be read is left to the parser.
pub fn check(text: &str) -> Result<(), Fault> {
    let mut open: Vec<Block<'_>> = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("{{").map(|found| from + found) {
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

/// The same template with comments that trim what is before them, and not what follows, as actions that print nothing: the parser
/// has each trim both. Places stay what they are.
pub fn plain_comments(text: &str) -> Cow<'_, str> {
    let mut plain = String::new();
    let (mut kept, mut from) = (0, 0);
    while let Some(at) = text[from..].find("{{").map(|found| from + found) {
        let Some((_, end)) = action(text, at + 2) else { break };
        from = end;
        let trims_before = text[at + 2..].strip_prefix('-').is_some_and(|rest| rest.trim_start().starts_with("/*"));
        if trims_before && text[at..end].ends_with("*/}}") {
            plain.push_str(&text[kept..at]);
            plain.push_str("{{- \"\"");
            // Room for what the comment takes beyond the action's own eight bytes.
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

/// The first word of a text, and what follows.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// What stands in an action, without a trim marker, and where it ends; nothing for one that does not end.
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

/// The length of a text in quotes, in which a backslash escapes.
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
    fn blocks_have_an_end_and_ends_have_a_block() {
        for text in
            ["{{if .a}}{{else if .b}}{{else}}{{end}}", "{{- range . -}}{{- end -}}", "{{/* {{if}} */}}", "{{`{{if}}`}}"]
        {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, at, said) in [
            ("ab{{if .a}}", 2, "{{if}} has no {{end}}"),
            ("{{if .a}}{{end}}{{end}}", 16, "{{end}} without"),
            ("{{else}}", 0, "{{else}} without"),
            ("{{ define \"x}}\" }}", 0, "{{define}} has no"),
            ("{{with '\\''}}", 0, "{{with}} has no"),
        ] {
            let (place, message) = check(text).unwrap_err();
            assert!(place == at && message.starts_with(said), "{text}: {place} {message}");
        }
    }

    #[test]
    fn a_comment_trims_on_the_sides_that_say_so() {
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
    fn neither_blocks_nor_else_ifs_nest_without_bound() {
        let deep = format!("{}{}", "{{if .}}".repeat(60), "{{end}}".repeat(60));
        let chain = format!("{{{{if .}}}}{}{{{{end}}}}", "{{else if .}}".repeat(60));
        for text in [deep, chain] {
            assert!(check(&text).unwrap_err().1.contains("nest deeper than 50"));
        }
    }
}
