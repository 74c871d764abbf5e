//! JSON as Go's `encoding/json` writes it: sorted keys, no spaces, and `<`, `>` and `&` escaped on request.

use chrono::SecondsFormat;

use super::context::{Context, check_nesting};
use super::fmt;
use super::value::Value;

/// Format of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Indents by two spaces per level.
    pub is_pretty: bool,
    /// Escapes `<`, `>` and `&`.
    pub escapes_html: bool,
}

/// Writes a value as JSON.
pub fn write(context: &Context, value: &Value, style: Style) -> Result<String, String> {
    let mut out = String::new();
    Writer { context, style }.value(value, 0, &mut out)?;
    Ok(out)
}

struct Writer<'m> {
    context: &'m Context,
    style: Style,
}

impl Writer<'_> {
    fn value(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), String> {
        check_nesting(depth)?;
        self.context.spend(8 + 2 * depth)?;
        match value {
            Value::Nil => out.push_str("null"),
            Value::Bool(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
            Value::Int(number) | Value::Int64(number) => out.push_str(&number.to_string()),
            Value::Float(number) => match fmt::not_finite(*number) {
                Some(name) => return Err(format!("{name} cannot be written as JSON")),
                None => out.push_str(&fmt::json_float(*number)),
            },
            Value::String(text) => self.text(text, out)?,
            Value::Version(version) => self.text(&version.to_string(), out)?,
            Value::Time(time) => {
                out.push('"');
                out.push_str(&rfc3339(*time));
                out.push('"');
            }
            Value::List(list) if list.items.is_empty() => out.push_str("[]"),
            Value::List(list) => {
                for (at, item) in list.items.iter().enumerate() {
                    out.push(if at == 0 { '[' } else { ',' });
                    self.line(depth + 1, out);
                    self.value(item, depth + 1, out)?;
                }
                self.line(depth, out);
                out.push(']');
            }
            Value::Map(map) if self.context.entries(*map).is_empty() => out.push_str("{}"),
            Value::Map(map) => {
                for (at, (key, value)) in self.context.entries(*map).iter().enumerate() {
                    out.push(if at == 0 { '{' } else { ',' });
                    self.line(depth + 1, out);
                    self.text(key, out)?;
                    out.push_str(if self.style.is_pretty { ": " } else { ":" });
                    self.value(value, depth + 1, out)?;
                }
                self.line(depth, out);
                out.push('}');
            }
        }
        Ok(())
    }

    fn line(&self, depth: usize, out: &mut String) {
        if self.style.is_pretty {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
    }

    fn text(&self, text: &str, out: &mut String) -> Result<(), String> {
        let before = out.len();
        self.context.spend(text.len())?;
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '<' | '>' | '&' if self.style.escapes_html => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                '\u{0}'..'\u{20}' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                _ => out.push(c),
            }
        }
        out.push('"');
        self.context.spend((out.len() - before).saturating_sub(text.len()))
    }
}

/// Formats a time as Go does in JSON: RFC 3339 without trailing zeros in the fraction.
pub fn rfc3339(time: chrono::DateTime<chrono::Utc>) -> String {
    let text = time.to_rfc3339_opts(SecondsFormat::Nanos, true);
    match text.trim_end_matches('Z').split_once('.') {
        Some((seconds, fraction)) => match fraction.trim_end_matches('0') {
            "" => format!("{seconds}Z"),
            fraction => format!("{seconds}.{fraction}Z"),
        },
        None => text,
    }
}
