//! Go's regular expressions on top of the crate `regex`.
//!
//! Both run in time linear in the text. They differ in their shorthands (Go's `\d`, `\w`, `\s` and `\b` are ASCII only) and in the special
//! characters inside brackets, so expressions are rewritten. The cost of a match depends on the expression too; [`Pattern::cost`]
//! estimates it.

use regex::{Regex, RegexBuilder};

use super::bounds::MAX_PATTERN;

/// Maximum length of an expression, in bytes.
const MAX_LENGTH: usize = 4096;

/// Maximum nesting of groups.
const MAX_GROUPS: u32 = 50;

/// Cap of the estimated number of states.
const MAX_STATES: usize = 4096;

/// Work units for scanning a byte, in addition to those for the states.
const SCAN: usize = 4;

/// A compiled expression.
pub struct Pattern {
    pub regex: Regex,
    states: usize,
    looks_ahead: bool,
}

impl Pattern {
    /// Work units for compiling an expression.
    pub const COST: usize = 256 << 10;

    /// Compiles an expression in Go's syntax.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("the regular expression is longer than {MAX_LENGTH} bytes"));
        }
        let describe = |error: regex::Error| match error {
            regex::Error::CompiledTooBig(_) => format!("the regular expression `{text}` is too large once compiled"),
            _ => format!("invalid or unsupported regular expression `{text}`"),
        };
        let rewritten = rewrite(text);
        let mut builder = RegexBuilder::new(&rewritten);
        let regex = builder.size_limit(MAX_PATTERN).dfa_size_limit(4 * MAX_PATTERN).nest_limit(MAX_GROUPS);
        Ok(Self { regex: regex.build().map_err(describe)?, states: states(text), looks_ahead: looks_ahead(text) })
    }

    /// Work units for scanning this many bytes.
    pub fn cost(&self, bytes: usize) -> usize {
        bytes.saturating_mul(SCAN + self.states / 4)
    }

    /// Work units for the search after a match, with this many bytes left.
    ///
    /// A search for all matches may scan the rest of the text again for each match: `a[^c]*c|a` looks for a `c` behind every `a`.
    pub fn cost_after_match(&self, bytes: usize) -> usize {
        if self.looks_ahead { self.cost(bytes) } else { 0 }
    }
}

/// Estimates the number of states: one per byte, plus the product of the repetition counts.
fn states(text: &str) -> usize {
    let mut repeats = 1_usize;
    for part in text.split('{').skip(1) {
        let counts = part.split('}').next().unwrap_or_default().split(',');
        let max = counts.filter_map(|count| count.parse::<usize>().ok()).max().unwrap_or(1);
        repeats = repeats.saturating_mul(max.max(1)).min(MAX_STATES);
    }
    text.len().saturating_add(repeats)
}

/// Returns false if a search does not read much beyond the end of a match: nothing is repeated, or the end of the expression only, where each
/// repetition extends the match. A cautious test of the text: escaped characters count as well.
fn looks_ahead(text: &str) -> bool {
    let start = text.strip_suffix('?').unwrap_or(text);
    let start = start.strip_suffix(['*', '+']).unwrap_or(start);
    start.contains(['*', '+', '{'])
}

/// Translates an expression to the syntax of `regex`.
fn rewrite(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut is_bracket = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c == '\\' {
            rest = escape(after, is_bracket, &mut out);
            continue;
        }
        rest = after;
        match c {
            '[' if is_bracket => {
                // A class such as `[:alpha:]` stays; Go takes any other bracket literally.
                match after.strip_prefix(':').and_then(|name| name.split_once(":]")) {
                    Some((name, behind)) => {
                        out.push_str(&format!("[:{name}:]"));
                        rest = behind;
                    }
                    None => out.push_str("\\["),
                }
            }
            '[' => {
                is_bracket = true;
                out.push('[');
                if let Some(behind) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = behind;
                }
                // A leading bracket is literal.
                if let Some(behind) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = behind;
                }
            }
            ']' if is_bracket => {
                is_bracket = false;
                out.push(']');
            }
            // `&&` and `~~` are set operations in `regex`, and literal in Go.
            '&' | '~' if is_bracket => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// Translates an escape sequence; returns the rest of the expression.
fn escape<'t>(after: &'t str, is_bracket: bool, out: &mut String) -> &'t str {
    if let Some(quoted) = after.strip_prefix('Q') {
        let (literal, behind) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        out.push_str(&regex::escape(literal));
        return behind;
    }
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    match (c, is_bracket) {
        ('d', true) => out.push_str("0-9"),
        ('w', true) => out.push_str("0-9A-Za-z_"),
        ('s', true) => out.push_str("\\t\\n\\f\\r "),
        ('d', false) => out.push_str("[0-9]"),
        ('w', false) => out.push_str("[0-9A-Za-z_]"),
        ('s', false) => out.push_str("[\\t\\n\\f\\r ]"),
        ('D', _) => out.push_str("[^0-9]"),
        ('W', _) => out.push_str("[^0-9A-Za-z_]"),
        ('S', _) => out.push_str("[^\\t\\n\\f\\r ]"),
        ('b', false) => out.push_str("(?-u:\\b)"),
        _ => {
            out.push('\\');
            out.push(c);
        }
    }
    &after[c.len_utf8()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_as_in_go() {
        let cases = [
            (r"^\d+$", "٣", false),
            (r"^\w+$", "é", false),
            (r"^[\w.-]+$", "a.b-c", true),
            (r"^\S+\s\S+$", "a b", true),
            (r"\bb\b", "a b c", true),
            (r"\bc\b", "éc", true),
            (r"^[[:alpha:]]+$", "abc", true),
            (r"^[a[b]+$", "a[b", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]]+$", "ab", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"(?i)^ABC$", "abc", true),
        ];
        for (pattern, text, is_match) in cases {
            assert_eq!(Pattern::new(pattern).unwrap().regex.is_match(text), is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn searches_that_may_read_the_text_again_for_each_match_are_known() {
        for text in ["a[^c]*c|a", "(a.*c|a)+", "a{1,900}c|a", r"\s+$"] {
            assert!(Pattern::new(text).unwrap().cost_after_match(1000) > 1000, "{text}");
        }
        for text in ["", "a", "a|b?c", "[a-z]+", "(ab)*", "x+?"] {
            assert_eq!(Pattern::new(text).unwrap().cost_after_match(1000), 0, "{text}");
        }
    }

    #[test]
    fn invalid_and_oversized_expressions_are_rejected() {
        for (pattern, expected) in [
            ("(", "invalid or unsupported"),
            ("a{1000}{1000}", "too large"),
            ("(?=a)", "invalid or unsupported"),
            ("\\", "invalid or unsupported"),
        ] {
            let Err(error) = Pattern::new(pattern) else { panic!("{pattern}") };
            assert!(error.contains(expected), "{error}");
        }
        assert!(Pattern::new(&"a".repeat(5000)).is_err());
        assert!(Pattern::new("(a{100}){10}").unwrap().cost(1) > 100);
    }
}
