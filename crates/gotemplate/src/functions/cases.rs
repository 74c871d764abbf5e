//! Conversion between `camelCase`, `kebab-case` and `snake_case`, with the results of sprig's library `xstrings`.

use super::strings::{lower, upper};
use super::{Function, Outcome, args, row};
use crate::context::Context;
use crate::value::Value;

pub const FUNCTIONS: &[Function] = &[
    row("camelcase", 1, 1, |context, args| converted(context, args, camel)),
    row("kebabcase", 1, 1, |context, args| converted(context, args, |text| separated(text, '-'))),
    row("snakecase", 1, 1, |context, args| converted(context, args, |text| separated(text, '_'))),
];

fn converted(context: &mut Context, args: &[Value], convert: fn(&str) -> String) -> Outcome {
    let text = args::string(args, 0)?;
    context.spend(text.len() * 4)?;
    context.string(convert(text))
}

fn is_connector(c: char) -> bool {
    matches!(c, '-' | '_') || c.is_whitespace()
}

/// Joins words in upper camel case. Leading connectors stay, and so do all but the first of several between words.
fn camel(text: &str) -> String {
    let start = text.find(|c| !is_connector(c)).unwrap_or(text.len());
    let (connectors, words) = text.split_at(start);
    let mut out = connectors.to_owned();
    let mut rest = words.chars();
    let Some(first) = rest.next() else {
        // The library repeats the last one.
        out.extend(connectors.chars().next_back());
        return out;
    };
    // A word in capitals is converted to one with an initial.
    let mut is_capital = first.is_uppercase();
    let mut before = upper(first);
    for c in rest {
        let mut next = c;
        match (is_connector(before), is_connector(c)) {
            (true, true) => out.push(before),
            (true, false) => {
                is_capital = c.is_uppercase();
                next = upper(c);
            }
            (false, _) => {
                is_capital &= c.is_uppercase();
                next = if is_capital { lower(c) } else { c };
                out.push(before);
            }
        }
        before = next;
    }
    out.push(before);
    out
}

/// Kind of a part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    /// Capitals, or a word with an initial.
    Capital,
    /// Letters in lower case, or without case.
    Letters,
    Connectors,
    Punctuation,
    Other,
}

/// Characters of these scripts are not letters of a word.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4d85}' | '\u{4e00}'..='\u{9fcc}' | '\u{20000}'..='\u{2b81d}')
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() && !is_ideograph(c)
}

/// Returns true for punctuation in Unicode, which excludes symbols such as `$`, `+` and `<`.
fn is_punctuation(c: char) -> bool {
    match c {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => false,
        c if c.is_ascii() => c.is_ascii_punctuation(),
        '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' => true,
        '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' => !matches!(c, '\u{2044}' | '\u{2052}'),
        '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{3030}' => true,
        '\u{ff01}'..='\u{ff0f}' => !matches!(c, '\u{ff04}' | '\u{ff0b}'),
        '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}' | '\u{ff20}' => true,
        _ => false,
    }
}

/// Splits off the first part.
fn part(text: &str) -> Option<(Kind, &str, &str)> {
    let first = text.chars().next()?;
    let after = |len: usize, accepts: fn(char) -> bool| {
        let rest = &text[len..];
        len + rest.find(|c| !accepts(c)).unwrap_or(rest.len())
    };
    let len = first.len_utf8();
    let is_small = |c: char| is_letter(c) && !c.is_uppercase();
    let (kind, end) = match first {
        c if is_connector(c) => (Kind::Connectors, after(len, is_connector)),
        c if is_punctuation(c) => (Kind::Punctuation, after(len, is_punctuation)),
        c if c.is_uppercase() => {
            let capitals = after(len, char::is_uppercase);
            let next = text[capitals..].chars().next();
            match next.is_some_and(is_letter) {
                // The last capital belongs to the next word, as in `HTTPServer`.
                true if capitals > len => {
                    let last = text[..capitals].chars().next_back().map_or(0, char::len_utf8);
                    (Kind::Capital, capitals - last)
                }
                true => (Kind::Capital, after(len, is_small)),
                false => (Kind::Capital, capitals),
            }
        }
        c if is_letter(c) => (Kind::Letters, after(len, is_small)),
        c if c.is_numeric() => (Kind::Number, after(len, char::is_numeric)),
        _ => {
            let is_other = |c: char| !is_connector(c) && !is_letter(c) && !c.is_numeric() && !is_punctuation(c);
            (Kind::Other, after(len, is_other))
        }
    };
    let (part, rest) = text.split_at(end);
    Some((kind, part, rest))
}

/// Separates the parts of a text by a connector, in lower case.
fn separated(text: &str, connector: char) -> String {
    let mut parts = Parts { out: String::with_capacity(text.len() + 8), connector, rest: text, kind: None, text: "" };
    parts.advance();
    while !parts.rest.is_empty() {
        if parts.kind != Some(Kind::Connectors) {
            parts.put();
        }
        let (before, last) = (parts.kind, parts.text);
        parts.advance();
        match before {
            Some(Kind::Number) => {
                parts.put_letters_and_numbers();
                parts.separate();
            }
            Some(Kind::Connectors) => parts.put_text(Kind::Connectors, last),
            Some(Kind::Punctuation) | None => {}
            Some(_) if parts.kind != Some(Kind::Number) => parts.separate(),
            // A number at the end belongs to the word before it.
            Some(_) if parts.rest.is_empty() => {}
            Some(_) => {
                let number = parts.text;
                parts.advance();
                if parts.kind == Some(Kind::Letters) {
                    // With the letters after it, it is a word of its own, as in `HTTP2xx`.
                    parts.out.push(connector);
                    parts.put_text(Kind::Number, number);
                    parts.put_letters_and_numbers();
                } else {
                    parts.put_text(Kind::Number, number);
                }
                parts.separate();
            }
        }
    }
    parts.put();
    parts.out
}

/// State of the conversion of a text.
struct Parts<'t> {
    out: String,
    connector: char,
    rest: &'t str,
    /// Kind of the current part; `None` at the end.
    kind: Option<Kind>,
    /// The current part.
    text: &'t str,
}

impl Parts<'_> {
    fn advance(&mut self) {
        (self.kind, self.text, self.rest) = match part(self.rest) {
            Some((kind, text, rest)) => (Some(kind), text, rest),
            None => (None, "", ""),
        };
    }

    fn put(&mut self) {
        if let Some(kind) = self.kind {
            self.put_text(kind, self.text);
        }
    }

    fn put_text(&mut self, kind: Kind, text: &str) {
        match kind {
            Kind::Capital => self.out.extend(text.chars().map(|c| if c.is_uppercase() { lower(c) } else { c })),
            Kind::Connectors => self.out.extend(text.chars().map(|_| self.connector)),
            _ => self.out.push_str(text),
        }
    }

    fn put_letters_and_numbers(&mut self) {
        while matches!(self.kind, Some(Kind::Letters | Kind::Number)) {
            self.put();
            self.advance();
        }
    }

    /// Adds a connector, unless the current part is one or needs none.
    fn separate(&mut self) {
        if !matches!(self.kind, None | Some(Kind::Connectors | Kind::Punctuation)) {
            self.out.push(self.connector);
        }
    }
}
