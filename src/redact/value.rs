//! Extent of a value in free text: a quoted string, or everything up to a separator.

/// Longest substitution (`$(…)`, `${…}`, `` `…` ``), in bytes, that may contain separators.
const MAX_SUBSTITUTION: usize = 1_024;

/// Maximum number of backslashes before a quote.
const MAX_SLASHES: usize = 7;

/// Returns the end of the value that starts at `start`.
pub(super) fn value_end(text: &str, start: usize) -> usize {
    let rest = &text.as_bytes()[start..];
    let length = match rest.first() {
        Some(b'\\') if escaped_quote(rest) > 0 => escaped_string(rest, escaped_quote(rest)),
        Some(b'"') => string(rest),
        Some(b'\'') => rest[1..].iter().position(|byte| *byte == b'\'').map_or(rest.len(), |at| at + 2),
        Some(b'(' | b'[' | b'{') => group(rest),
        _ => word(rest),
    };
    start + length
}

/// Length of a double-quoted string with its quotes. An unterminated one extends to the end of the text.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Length of a quote with the backslashes before it, at the start of the text; 0 if there is none.
fn escaped_quote(text: &[u8]) -> usize {
    let slashes = text.iter().take(MAX_SLASHES).take_while(|byte| **byte == b'\\').count();
    if slashes > 0 && matches!(text.get(slashes), Some(b'"' | b'\'')) { slashes + 1 } else { 0 }
}

/// Length of a string in escaped quotes, within a string: `\"password\": \"X\"`. Quotes within it have more backslashes.
fn escaped_string(text: &[u8], quote: usize) -> usize {
    let (quote, rest) = text.split_at(quote);
    let is_end = |at: &usize| at.checked_sub(1).is_none_or(|before| rest.get(before) != Some(&b'\\'));
    memchr::memmem::find_iter(rest, quote).find(is_end).map_or(text.len(), |at| quote.len() * 2 + at)
}

/// Length of a list or map: `("user", "X")`, `["X", "Y"]`. One that does not end, or is too long, extends to the end of its line.
fn group(text: &[u8]) -> usize {
    let start = &text[..text.len().min(MAX_SUBSTITUTION)];
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = start.get(at) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 1 => return at + 1,
            b')' | b']' | b'}' => depth -= 1,
            b'"' => at += string(&start[at..]) - 1,
            _ => {}
        }
        at += 1;
    }
    start.iter().position(|byte| *byte == b'\n').unwrap_or(text.len().min(MAX_SUBSTITUTION))
}

/// Length of the prefix of a string: `N'X'` in SQL, `b"X"` in Python, `$'X'` in a shell.
pub(super) fn string_prefix(text: &str) -> usize {
    match text.as_bytes() {
        [b'N' | b'n' | b'b' | b'r' | b'u' | b'f' | b'$' | b'@', b'"' | b'\'', ..] => 1,
        _ => 0,
    }
}

/// Length of a word with its substitutions.
fn word(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let is_end = byte.is_ascii_whitespace() || b"\"'`<>|;,&)}".contains(byte);
        match substitution(&text[at..]) {
            Some(length) => at += length,
            None if is_end => return at,
            None => at += 1,
        }
    }
    text.len()
}

/// Length of a substitution at the start of the text.
fn substitution(text: &[u8]) -> Option<usize> {
    let text = &text[..text.len().min(MAX_SUBSTITUTION)];
    match text {
        [b'`', rest @ ..] => rest.iter().position(|byte| *byte == b'`').map(|at| at + 2),
        [b'$', b'{', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b'}')? + 3;
            Some(if text.get(end) == Some(&b'}') { end + 1 } else { end })
        }
        [b'$', b'(', ..] => {
            let mut depth = 0_usize;
            for (at, byte) in text.iter().enumerate() {
                match byte {
                    b'(' => depth += 1,
                    b')' if depth == 1 => return Some(at + 1),
                    b')' => depth -= 1,
                    _ => {}
                }
            }
            None
        }
        _ => None,
    }
}

/// Returns the position of `inner` in the value that it is a part of.
pub(super) fn offset(value: &str, inner: &str) -> usize {
    (inner.as_ptr() as usize).saturating_sub(value.as_ptr() as usize)
}

/// Returns a value without its quotes.
pub(super) fn unquoted(value: &str) -> &str {
    let (quote, rest) = value.split_at(escaped_quote(value.as_bytes()));
    if !quote.is_empty() {
        return rest.strip_suffix(quote).unwrap_or(rest);
    }
    let strip = |quote: char| value.strip_prefix(quote).map(|inner| inner.strip_suffix(quote).unwrap_or(inner));
    strip('"').or_else(|| strip('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_with_its_quote_or_before_a_separator() {
        for (text, value) in [
            ("a b", "a"),
            ("a\"b", "a"),
            ("é;x", "é"),
            ("\"a \\\" b\" c", "\"a \\\" b\""),
            ("'a \\' b", "'a \\'"),
            ("\"open", "\"open"),
            ("\"ends in \\", "\"ends in \\"),
            ("$(cat (x) y)z w", "$(cat (x) y)z"),
            ("$(open x", "$(open"),
            ("${{ secrets.X }} y", "${{ secrets.X }}"),
            ("`a b`c d", "`a b`c"),
            ("`open", ""),
            ("", ""),
            (r#"\"a b\" c"#, r#"\"a b\""#),
            (r#"\"a \\\" b\" c"#, r#"\"a \\\" b\""#),
            (r#"\\\"a\\\" c"#, r#"\\\"a\\\""#),
            (r#"\"open"#, r#"\"open"#),
            (r"\a b", r"\a"),
            (r#"("a", "b)") c"#, r#"("a", "b)")"#),
            (r#"["a",[1]] c"#, r#"["a",[1]]"#),
            ("[hidden]; x", "[hidden]"),
            ("{\"a\": 1\n b", "{\"a\": 1"),
            ("(a", "(a"),
        ] {
            assert_eq!(&text[..value_end(text, 0)], value, "{text}");
        }
    }
}
