//! YAML as Helm's `toYaml` writes it: block style, keys in natural order, lists not indented below their keys, long lines folded.
//!
//! [`helm_yaml`] reads YAML. Writing is done here, because the output is embedded in a template's text and has to match byte for byte. The
//! rules are those of libyaml's emitter with the settings of `sigs.k8s.io/yaml`.

use std::cmp::Ordering;

use super::context::{Context, check_nesting};
use super::fmt;
use super::json;
use super::layout;
use super::strconv;
use super::value::{Str, Value};

/// Column beyond which a space breaks the line.
const WIDTH: usize = 80;

/// Maximum length of a key, in bytes.
const MAX_KEY: usize = 128;

/// Writes a value as YAML, without a trailing line break.
pub fn write(context: &Context, value: &Value) -> Result<String, String> {
    let mut writer = Writer { context, out: String::new(), column: 0 };
    writer.node(value, None, false, 0)?;
    Ok(writer.out)
}

struct Writer<'m> {
    context: &'m Context,
    out: String,
    column: usize,
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.push_str(&" ".repeat(indent));
        self.column = indent;
    }

    /// Writes a value inside a block of this indent; `of_map` if it is the value of a key.
    fn node(&mut self, value: &Value, indent: Option<usize>, of_map: bool, depth: usize) -> Result<(), String> {
        check_nesting(depth)?;
        self.context.spend(8 + 2 * depth)?;
        let deeper = indent.map_or(0, |indent| indent + 2);
        match value {
            Value::List(list) if !list.items.is_empty() => {
                let item_indent = if of_map { indent.unwrap_or(0) } else { deeper };
                for (at, item) in list.items.iter().enumerate() {
                    if at > 0 || of_map {
                        self.line(item_indent);
                    }
                    self.put("- ");
                    self.node(item, Some(item_indent), false, depth + 1)?;
                }
            }
            Value::Map(map) if !self.context.entries(*map).is_empty() => {
                let entries: Vec<(&Str, &Value)> = self.context.entries(*map).iter().collect();
                for (at, (key, value)) in sorted(&entries).into_iter().enumerate() {
                    if at > 0 || of_map {
                        self.line(deeper);
                    }
                    self.key(key)?;
                    let is_block = is_block(self.context, value);
                    self.put(if is_block { ":" } else { ": " });
                    self.node(value, Some(deeper), true, depth + 1)?;
                }
            }
            _ => self.scalar(value, indent.map_or(2, |indent| indent + 2))?,
        }
        Ok(())
    }

    fn scalar(&mut self, value: &Value, indent: usize) -> Result<(), String> {
        match value {
            Value::Nil => self.put("null"),
            Value::Bool(boolean) => self.put(if *boolean { "true" } else { "false" }),
            Value::Int(number) | Value::Int64(number) => self.put(&number.to_string()),
            Value::Float(number) => match fmt::not_finite(*number) {
                Some(name) => return Err(format!("{name} cannot be written as YAML")),
                // Helm converts to JSON first, where a float without a fraction is an integer.
                None if number.fract() == 0.0 && number.abs() < 1e18 => self.put(&fmt::json_float(*number)),
                None => self.put(&fmt::float(*number)),
            },
            Value::List(_) => self.put("[]"),
            Value::Map(_) => self.put("{}"),
            Value::Time(time) => self.text(&json::rfc3339(*time), indent)?,
            Value::String(text) => self.text(text, indent)?,
            Value::Version(version) => self.text(&version.to_string(), indent)?,
        }
        Ok(())
    }

    fn key(&mut self, key: &str) -> Result<(), String> {
        let styles = Styles::of(key);
        if key.len() > MAX_KEY || styles.has_breaks {
            return Err(format!("keys with line breaks or more than {MAX_KEY} bytes cannot be written as YAML"));
        }
        self.context.spend(key.len())?;
        match () {
            () if key.is_empty() || resolves(key) => self.double_quoted(key, None),
            () if styles.is_plain => self.plain(key, None),
            () if styles.is_single => self.single_quoted(key, None),
            () => self.double_quoted(key, None),
        }
        Ok(())
    }

    fn text(&mut self, text: &str, indent: usize) -> Result<(), String> {
        let before = self.out.len();
        self.context.spend(text.len())?;
        let styles = Styles::of(text);
        match () {
            () if text.contains('\n') && styles.is_literal => self.literal(text, indent),
            () if text.contains('\n') || resolves(text) => self.double_quoted(text, Some(indent)),
            () if styles.is_plain => self.plain(text, Some(indent)),
            () if styles.is_single => self.single_quoted(text, Some(indent)),
            () => self.double_quoted(text, Some(indent)),
        }
        self.context.spend((self.out.len() - before).saturating_sub(text.len()))
    }

    /// Breaks a long line instead of writing a space; false if the line is short enough.
    fn folds(&mut self, fold: Option<usize>, was_space: bool) -> bool {
        match fold {
            Some(indent) if !was_space && self.column > WIDTH => {
                self.line(indent);
                true
            }
            _ => false,
        }
    }

    fn plain(&mut self, text: &str, fold: Option<usize>) {
        let mut was_space = false;
        for (at, c) in text.char_indices() {
            let has_next_space = text[at + c.len_utf8()..].starts_with(' ');
            if c != ' ' || has_next_space || !self.folds(fold, was_space) {
                self.put_char(c);
            }
            was_space = c == ' ';
        }
    }

    fn single_quoted(&mut self, text: &str, fold: Option<usize>) {
        self.put("'");
        let mut was_space = false;
        for (at, c) in text.char_indices() {
            let rest = &text[at + c.len_utf8()..];
            let can_fold = c == ' ' && at > 0 && !rest.is_empty() && !rest.starts_with(' ');
            if c == '\'' {
                self.put("''");
            } else if !can_fold || !self.folds(fold, was_space) {
                self.put_char(c);
            }
            was_space = c == ' ';
        }
        self.put("'");
    }

    fn double_quoted(&mut self, text: &str, fold: Option<usize>) {
        self.put("\"");
        let mut was_space = false;
        for (at, c) in text.char_indices() {
            let rest = &text[at + c.len_utf8()..];
            if c == ' ' {
                if at > 0 && !rest.is_empty() && self.folds(fold, was_space) {
                    if rest.starts_with(' ') {
                        self.put("\\");
                    }
                } else {
                    self.put_char(c);
                }
            } else if let Some(escape) = escape(c) {
                self.put(&escape);
            } else {
                self.put_char(c);
            }
            was_space = c == ' ';
        }
        self.put("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.put("2");
        }
        let mut ends = text.chars().rev();
        match (ends.next().is_some_and(is_break), ends.next().is_none_or(is_break)) {
            (false, _) => self.put("-"),
            (true, true) => self.put("+"),
            (true, false) => {}
        }
        // The final line break is written with whatever follows.
        let body = text.strip_suffix('\n').unwrap_or(text);
        for line in body.split('\n') {
            self.out.push('\n');
            self.column = 0;
            if !line.is_empty() {
                self.put(&" ".repeat(indent));
                self.put(line);
            }
        }
    }

    fn put_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }
}

/// Returns true if a value is written on separate lines below its key.
fn is_block(context: &Context, value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_)) && context.len_of(value) > 0
}

/// Scalar styles that a string allows.
struct Styles {
    has_breaks: bool,
    is_plain: bool,
    is_single: bool,
    is_literal: bool,
}

impl Styles {
    fn of(text: &str) -> Self {
        let mut is_special = false;
        let mut has_indicator = text.starts_with("---") || text.starts_with("...");
        let (mut has_breaks, mut is_break_space, mut is_space_break) = (false, false, false);
        let mut before = None;
        for (at, c) in text.char_indices() {
            let next = text[at + c.len_utf8()..].chars().next();
            let is_last = next.is_none_or(|next| matches!(next, ' ' | '\t'));
            has_indicator |= match c {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
                    if at == 0 =>
                {
                    true
                }
                '?' | '-' if at == 0 => is_last,
                ':' => is_last,
                '#' => before.is_some_and(|c| matches!(c, ' ' | '\t') || is_break(c)),
                _ => false,
            };
            is_special |= !is_printable(c);
            has_breaks |= is_break(c);
            is_break_space |= c == ' ' && before.is_some_and(is_break);
            is_space_break |= is_break(c) && before == Some(' ');
            before = Some(c);
        }
        let is_edge = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
        let has_edges = is_edge(text.chars().next()) || is_edge(before);
        let is_quotable = !is_space_break && !is_special;
        Self {
            has_breaks,
            is_plain: is_quotable && !has_edges && !is_break_space && !has_breaks && !has_indicator && !text.is_empty(),
            is_single: is_quotable && !has_breaks,
            is_literal: is_quotable && before != Some(' ') && !text.is_empty(),
        }
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Returns the escape of a character inside double quotes; `None` if it needs none.
fn escape(c: char) -> Option<String> {
    if is_printable(c) && !is_break(c) && !matches!(c, '"' | '\\') {
        return None;
    }
    let name = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            return Some(match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    };
    Some(format!("\\{name}"))
}

/// Returns true if YAML 1.1 would resolve a plain scalar to something other than a string.
fn resolves(text: &str) -> bool {
    const WORDS: [&str; 12] = ["", "~", "y", "n", "yes", "no", "true", "false", "on", "off", "null", ".nan"];
    const INFINITE: [&str; 3] = [".inf", "+.inf", "-.inf"];
    let lower = text.to_ascii_lowercase();
    let is_uniform = text == lower || text == lower.to_ascii_uppercase() || is_capitalized(text);
    if is_uniform && WORDS.contains(&lower.as_str()) || INFINITE.contains(&lower.as_str()) || text == ".NaN" {
        return true;
    }
    let Some(first) = text.bytes().next() else { return true };
    match first {
        b'.' => text.parse::<f64>().is_ok(),
        b'+' | b'-' | b'0'..=b'9' => {
            let bare = text.replace('_', "");
            is_time(text) || strconv::parse_int(&bare).is_some() || is_float(&bare) || is_sexagesimal(text)
        }
        _ => false,
    }
}

fn is_capitalized(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_uppercase()) && chars.all(|c| c.is_ascii_lowercase())
}

fn is_time(text: &str) -> bool {
    const LAYOUTS: [&str; 4] =
        ["2006-1-2T15:4:5.999999999Z07:00", "2006-1-2t15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999", "2006-1-2"];
    let has_year = text.len() > 4 && text.bytes().take(4).all(|b| b.is_ascii_digit()) && text.as_bytes()[4] == b'-';
    has_year && text.len() < 64 && LAYOUTS.iter().any(|layout| layout::parse(layout, text).is_some())
}

fn is_float(text: &str) -> bool {
    let has_form = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    has_form && text.bytes().any(|b| b.is_ascii_digit()) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Returns true if a string is a number to base 60 in YAML 1.1, such as `1:30`.
fn is_sexagesimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = text.split_once('.').map_or(text, |(whole, fraction)| {
        if fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') { whole } else { "" }
    });
    let mut parts = whole.split(':');
    let is_first = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_digit()) && part.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    };
    let is_other = |part: &str| part.parse::<u8>().is_ok_and(|n| n < 60) && part.len() <= 2 && !part.starts_with('+');
    parts.next().is_some_and(is_first) && whole.contains(':') && parts.all(is_other)
}

/// Sorts entries by key. The order has cycles (`a9`, `a100`, `a1b`), for which the standard library's sorts may panic.
fn sorted<'e>(entries: &[(&'e Str, &'e Value)]) -> Vec<(&'e Str, &'e Value)> {
    if entries.len() < 2 {
        return entries.to_vec();
    }
    let (left, right) = entries.split_at(entries.len() / 2);
    let (mut left, mut right) = (sorted(left).into_iter().peekable(), sorted(right).into_iter().peekable());
    let mut all = Vec::with_capacity(entries.len());
    while let (Some((a, _)), Some((b, _))) = (left.peek(), right.peek()) {
        let next = if natural(a, b).is_le() { left.next() } else { right.next() };
        all.extend(next);
    }
    all.extend(left);
    all.extend(right);
    all
}

/// Compares keys: runs of digits by value, other characters by code point, letters last.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else { return a.len().cmp(&b.len()) };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero inside a number counts as one of its digits.
    let within = x == '0' || y == '0';
    let is_within = within && a[..at].iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let number = |chars: &[char]| {
        let run = chars[at..].iter().take_while(|c| c.is_ascii_digit());
        run.fold((u64::from(is_within), 0_usize), |(number, count), digit| {
            let digit = u64::from(digit.to_digit(10).unwrap_or(0));
            (number.wrapping_mul(10).wrapping_add(digit), count + 1)
        })
    };
    number(&a).cmp(&number(&b)).then(x.cmp(&y))
}
