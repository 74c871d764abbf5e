//! TOML, as Helm's library `BurntSushi/toml` writes it.

use crate::context::{Context, Entries, check_nesting};
use crate::functions::Outcome;
use crate::value::{List, Str, Value};
use crate::{fmt, json};

/// Writes a value. Tables follow the other values of their table, both in the order of their keys.
pub(crate) fn write(context: &Context, value: &Value) -> Result<String, String> {
    let mut writer = Writer { context, out: String::new() };
    match value {
        Value::Nil => return Err("a missing value cannot be written as TOML".to_owned()),
        Value::List(list) if is_tables(list)? => return Err("a list of maps cannot be a TOML document".to_owned()),
        Value::Map(map) => writer.entries(&mut Vec::new(), context.entries(*map))?,
        value => writer.inline(value, 1)?,
    }
    Ok(writer.out)
}

/// Returns true for a list of maps, which is written as an array of tables.
fn is_tables(list: &List) -> Result<bool, String> {
    if list.items.iter().any(|item| matches!(item, Value::Nil)) {
        return Err("a list with a missing value cannot be written as TOML".to_owned());
    }
    Ok(!list.items.is_empty() && list.items.iter().all(|item| matches!(item, Value::Map(_))))
}

/// Names and values.
type Named<'e> = Vec<(&'e Str, &'e Value)>;

struct Writer<'a> {
    context: &'a Context,
    out: String,
}

impl Writer<'_> {
    /// Splits the entries of a table that are present into values and tables.
    fn split<'e>(&self, entries: &'e Entries) -> Result<(Named<'e>, Named<'e>), String> {
        let (mut values, mut tables) = (Vec::new(), Vec::new());
        for (name, value) in entries.iter().filter(|(_, value)| !matches!(value, Value::Nil)) {
            self.context.spend(128 + 2 * name.len())?;
            let is_table = match value {
                Value::Map(_) => true,
                Value::List(list) => {
                    self.context.spend(list.items.len())?;
                    is_tables(list)?
                }
                _ => false,
            };
            if is_table { tables.push((name, value)) } else { values.push((name, value)) }
        }
        Ok((values, tables))
    }

    /// Writes the entries of a table below `path`.
    fn entries(&mut self, path: &mut Vec<String>, entries: &Entries) -> Result<(), String> {
        check_nesting(path.len() + 1)?;
        let (values, tables) = self.split(entries)?;
        for (name, value) in values {
            self.indent(path.len());
            self.out.push_str(&key(name));
            self.out.push_str(" = ");
            self.inline(value, path.len() + 1)?;
            self.out.push('\n');
        }
        for (name, value) in tables {
            path.push(key(name));
            match value {
                Value::Map(map) => {
                    if path.len() == 1 {
                        self.blank();
                    }
                    self.head(path, "[", "]")?;
                    self.entries(path, self.context.entries(*map))?;
                }
                Value::List(list) => {
                    for item in &list.items {
                        self.blank();
                        self.head(path, "[[", "]]")?;
                        if let Value::Map(map) = item {
                            self.entries(path, self.context.entries(*map))?;
                        }
                    }
                }
                _ => {}
            }
            path.pop();
        }
        Ok(())
    }

    /// Separates a table from what was written before.
    fn blank(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn indent(&mut self, levels: usize) {
        self.out.push_str(&"  ".repeat(levels));
    }

    fn head(&mut self, path: &[String], open: &str, close: &str) -> Result<(), String> {
        self.context.spend(path.iter().map(|key| key.len() + 4).sum())?;
        self.indent(path.len().saturating_sub(1));
        self.out.push_str(&format!("{open}{}{close}\n", path.join(".")));
        Ok(())
    }

    /// Writes a value on one line.
    fn inline(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        check_nesting(depth)?;
        self.context.spend(8)?;
        match value {
            Value::Nil => return Err("a missing value cannot be written as TOML".to_owned()),
            Value::Bool(boolean) => self.out.push_str(if *boolean { "true" } else { "false" }),
            Value::Int(number) | Value::Int64(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&float(*number)),
            Value::String(text) => {
                self.context.spend(2 * text.len())?;
                self.out.push_str(&quoted(text));
            }
            Value::Time(time) => self.out.push_str(&json::rfc3339(*time)),
            Value::Version(version) => self.out.push_str(&quoted(&version.to_string())),
            Value::List(list) => {
                self.out.push('[');
                for (at, item) in list.items.iter().enumerate() {
                    if at > 0 {
                        self.out.push_str(", ");
                    }
                    self.inline(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Map(map) => self.inline_table(self.context.entries(*map), depth)?,
        }
        Ok(())
    }

    /// Writes a map within a list of other values.
    fn inline_table(&mut self, entries: &Entries, depth: usize) -> Result<(), String> {
        let (values, tables) = self.split(entries)?;
        self.out.push('{');
        for (at, (name, value)) in values.into_iter().chain(tables).enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            self.out.push_str(&key(name));
            self.out.push_str(" = ");
            self.inline(value, depth + 1)?;
        }
        self.out.push('}');
        Ok(())
    }
}

/// Formats a float, which always has a point or an exponent.
fn float(number: f64) -> String {
    match number {
        _ if number.is_nan() => "nan".to_owned(),
        f64::INFINITY => "inf".to_owned(),
        f64::NEG_INFINITY => "-inf".to_owned(),
        _ => {
            let text = fmt::float(number);
            if text.contains(['.', 'e']) { text } else { format!("{text}.0") }
        }
    }
}

/// Writes a key, in quotes if it needs them.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_bare { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Reads a document.
pub(crate) fn read(context: &mut Context, text: &str) -> Outcome {
    let table: ::toml::Table = ::toml::from_str(text).map_err(|error| {
        let message = error.message().to_owned();
        match error.span() {
            Some(span) => format!("invalid TOML in line {}: {message}", line_of(text, span.start)),
            None => format!("invalid TOML: {message}"),
        }
    })?;
    map(context, table, 1)
}

/// Returns the line of a byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn map(context: &mut Context, table: ::toml::Table, depth: usize) -> Outcome {
    check_nesting(depth)?;
    let mut entries = Entries::new();
    for (name, item) in table {
        context.spend(name.len())?;
        let item = value(context, item, depth + 1)?;
        entries.insert(name.into(), item);
    }
    context.map(entries)
}

fn value(context: &mut Context, item: ::toml::Value, depth: usize) -> Outcome {
    check_nesting(depth)?;
    match item {
        ::toml::Value::String(text) => context.string(text),
        ::toml::Value::Integer(number) => Ok(Value::Int64(number)),
        ::toml::Value::Float(number) => Ok(Value::Float(number)),
        ::toml::Value::Boolean(boolean) => Ok(Value::Bool(boolean)),
        ::toml::Value::Datetime(time) => {
            let text = time.to_string();
            let utc = Some(&text).filter(|text| text.ends_with(['Z', 'z'])).and_then(|text| text.parse().ok());
            utc.map(Value::Time).ok_or_else(|| format!("the time {text} is not in UTC; write it as a string"))
        }
        ::toml::Value::Array(items) => {
            let items: Result<Vec<Value>, String> =
                items.into_iter().map(|item| value(context, item, depth + 1)).collect();
            context.list(items?)
        }
        ::toml::Value::Table(table) => map(context, table, depth),
    }
}
