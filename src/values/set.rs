//! Grammar of `--set`: `path=value,path=value` with paths such as `a.b[0].c`.
//!
//! A `\` escapes the next character; `{a,b}` is a list; an index beyond the end of a list fills it with `null`s. Like Helm, it
//! accepts some malformed input: `a.` and `.a=1` set nothing, `a[0]` creates an empty list.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::model::codec;
use crate::redact::is_secret_path;

/// Maximum index of a list, as in Helm.
const MAX_INDEX: usize = 65_536;
/// Maximum dots in a path, as in Helm.
const MAX_DOTS: usize = 30;
/// Maximum dots and indices in a path. Helm has no such bound, and overflows its stack.
const MAX_STEPS: usize = 100;
/// Maximum list elements that one flag may add. Helm has no such bound, and runs out of memory.
const MAX_ADDED: usize = 16 * (MAX_INDEX + 1);

/// Type of the values.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// Booleans, decimal integers and `null` are typed; everything else is a string.
    Typed,
    /// Strings.
    Text,
    /// JSON.
    Json,
    /// Names of files; this function reads them.
    File(&'a dyn Fn(&str) -> Result<String, String>),
}

/// Applies `text` to `values`. After an error, some of it may be applied. The error is a fragment that names the part at fault.
pub fn set(values: &mut Map<String, Value>, text: &str, kind: Kind<'_>) -> Result<(), String> {
    let mut setter = Setter { rest: text, kind, added: 0, path: Vec::new(), secret: None };
    loop {
        setter.path.clear();
        match setter.key(values, Depth::default()) {
            Ok(Flow::More) => {}
            Ok(Flow::End) => return Ok(()),
            Err(message) => return Err(setter.secret.map_or(message, |path| after_secret(&path))),
        }
    }
}

/// Error for text after a secret. That text may be part of the secret (a password with a comma), so no message repeats it.
fn after_secret(path: &str) -> String {
    format!("the text after the comma in the value of `{path}` cannot be parsed; write `\\,` for a comma in a value")
}

/// Result of setting one field: more follow, or it was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    More,
    End,
}

/// Position in a path.
#[derive(Clone, Copy, Default)]
struct Depth {
    dots: usize,
    steps: usize,
}

impl Depth {
    fn step(self, dots: usize) -> Result<Self, String> {
        let next = Self { dots: self.dots + dots, steps: self.steps + 1 };
        if next.dots > MAX_DOTS {
            return Err(format!("more than {MAX_DOTS} dots in a path"));
        }
        if next.steps > MAX_STEPS {
            return Err(format!("more than {MAX_STEPS} dots and indices in a path"));
        }
        Ok(next)
    }
}

struct Setter<'a> {
    rest: &'a str,
    kind: Kind<'a>,
    added: usize,
    /// Keys of the current path.
    path: Vec<String>,
    /// Path of the first secret.
    secret: Option<String>,
}

impl Setter<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// Reads up to one of `stops`, which is consumed, or up to the end.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(next) = self.next() {
            if stops.contains(&next) {
                return (text, Some(next));
            }
            if next != '\\' {
                text.push(next);
            } else if let Some(literal) = self.next() {
                text.push(literal);
            }
        }
        (text, None)
    }

    /// Reads a key with its value, and sets it in `map`.
    fn key(&mut self, map: &mut Map<String, Value>, depth: Depth) -> Result<Flow, String> {
        let (key, stop) = self.until(&['=', '[', ',', '.']);
        self.path.push(key.clone());
        match stop {
            None if key.is_empty() => Ok(Flow::End),
            Some('=') => {
                let (value, flow) = self.value(&key)?;
                put(map, key, value);
                Ok(flow)
            }
            Some('[') => {
                let index = self.index(&key)?;
                let depth = depth.step(0)?;
                if let Some(value) = map.get_mut(&key) {
                    let list = value.as_array_mut();
                    return self.item(list.ok_or_else(|| not_a(&key, "list"))?, index, &key, depth);
                }
                let mut list = Vec::new();
                let flow = self.item(&mut list, index, &key, depth)?;
                put(map, key, Value::Array(list));
                Ok(flow)
            }
            Some('.') => {
                let depth = depth.step(1)?;
                let mut fresh = Map::new();
                let inner = match map.get_mut(&key) {
                    Some(Value::Object(inner)) => inner,
                    Some(_) => return Err(not_a(&key, "map")),
                    None => &mut fresh,
                };
                let flow = self.key(inner, depth)?;
                if flow == Flow::More && inner.is_empty() {
                    return Err(format!("no key after `{key}.`"));
                }
                if !fresh.is_empty() {
                    put(map, key, Value::Object(fresh));
                }
                Ok(flow)
            }
            Some(_) => Err(format!("no value for `{key}` before the comma; write `{key}=VALUE`, or `\\,` for a comma")),
            None => Err(format!("no value for `{key}`; write `{key}=VALUE`")),
        }
    }

    /// Reads the rest after a list index, and sets it in `list`; `key` is the name of the list, for messages.
    fn item(&mut self, list: &mut Vec<Value>, index: usize, key: &str, depth: Depth) -> Result<Flow, String> {
        let (extra, stop) = self.until(&['[', '.', '=']);
        if !extra.is_empty() {
            return Err(format!("unexpected `{extra}` after `{key}[{index}]`; expected `=`, `.` or `[`"));
        }
        let value = match stop {
            Some('=') => self.value(key)?.0,
            Some('[') => {
                let inner_index = self.index(key)?;
                let depth = depth.step(0)?;
                let mut fresh = Vec::new();
                let inner = match list.get_mut(index) {
                    Some(Value::Array(inner)) => inner,
                    None | Some(Value::Null) => &mut fresh,
                    Some(_) => return Err(not_a(&format!("{key}[{index}]"), "list")),
                };
                if self.item(inner, inner_index, key, depth)? == Flow::End {
                    return Ok(Flow::End);
                }
                Value::Array(std::mem::take(inner))
            }
            Some(_) => {
                let depth = depth.step(0)?;
                let mut fresh = Map::new();
                let inner = match list.get_mut(index) {
                    Some(Value::Object(inner)) => inner,
                    Some(other) => {
                        *other = Value::Object(Map::new());
                        &mut fresh
                    }
                    None => &mut fresh,
                };
                if self.key(inner, depth)? == Flow::End {
                    return Ok(Flow::End);
                }
                Value::Object(std::mem::take(inner))
            }
            None => return Ok(Flow::End),
        };
        self.grow(list, index)?;
        list[index] = value;
        Ok(Flow::More)
    }

    /// Reads an index up to its `]`.
    fn index(&mut self, key: &str) -> Result<usize, String> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            return Err(format!("`[` at `{key}` has no closing `]`"));
        }
        text.parse().map_err(|_| format!("`{text}` is not an index of `{key}`; expected 0 to {MAX_INDEX}"))
    }

    /// Extends `list` up to `index`.
    fn grow(&mut self, list: &mut Vec<Value>, index: usize) -> Result<(), String> {
        if index > MAX_INDEX {
            return Err(format!("index {index} is out of range; expected 0 to {MAX_INDEX}"));
        }
        if index >= list.len() {
            self.added += index + 1 - list.len();
            if self.added > MAX_ADDED {
                return Err(format!("more than {MAX_ADDED} list elements"));
            }
            list.resize(index + 1, Value::Null);
        }
        Ok(())
    }

    /// Reads the value of `key`, and the comma after it.
    fn value(&mut self, key: &str) -> Result<(Value, Flow), String> {
        let read = self.read_value(key)?;
        if self.secret.is_none() && self.in_secret() {
            self.secret = Some(self.path.join("."));
        }
        Ok(read)
    }

    fn in_secret(&self) -> bool {
        is_secret_path(&self.path.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn read_value(&mut self, key: &str) -> Result<(Value, Flow), String> {
        if matches!(self.kind, Kind::Json) {
            return Ok((self.json(key)?, Flow::More));
        }
        if self.rest.is_empty() {
            return Ok((Value::String(String::new()), Flow::End));
        }
        if self.rest.starts_with('{') {
            self.next();
            return Ok((Value::Array(self.list(key)?), Flow::More));
        }
        let (text, _) = self.until(&[',']);
        Ok((self.scalar(text)?, Flow::More))
    }

    /// Reads the elements of a `{a,b}` after its brace.
    fn list(&mut self, key: &str) -> Result<Vec<Value>, String> {
        let mut list = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            if stop.is_none() {
                return Err(format!("`{{` at `{key}` has no closing `}}`"));
            }
            list.push(self.scalar(text)?);
            if stop == Some('}') {
                self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
                return Ok(list);
            }
        }
    }

    /// Reads a JSON value; a missing one is `null`.
    fn json(&mut self, key: &str) -> Result<Value, String> {
        if self.blank() {
            return Ok(Value::Null);
        }
        let invalid = |error: serde_json::Error| format!("the value of `{key}` is not JSON: {}", reason(&error));
        let from = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        // Only the raw text has the end of the value.
        let raw = <&RawValue>::deserialize(&mut serde_json::Deserializer::from_str(from)).map_err(invalid)?.get();
        let value = serde_json::from_str(raw).map_err(invalid)?;
        self.rest = &from[raw.len()..];
        self.blank();
        Ok(plain_numbers(value))
    }

    /// Skips white space and a comma. Returns true if there was no value before the comma or the end.
    fn blank(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(',') {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => self.rest.is_empty(),
        }
    }

    /// Converts a string into a value.
    fn scalar(&self, text: String) -> Result<Value, String> {
        match self.kind {
            Kind::Typed => Ok(typed(text)),
            Kind::Text | Kind::Json => Ok(Value::String(text)),
            Kind::File(read) => match read(&text) {
                Ok(content) => Ok(Value::String(content)),
                // A user who mistook this flag for `--set` has given the secret itself.
                Err(_) if self.in_secret() => Err(format!("cannot read the file given for `{}`", self.path.join("."))),
                Err(reason) => Err(format!("cannot read `{text}`: {reason}")),
            },
        }
    }
}

/// Sets `key`. Like Helm, sets nothing if it is empty.
fn put(map: &mut Map<String, Value>, key: String, value: Value) {
    if !key.is_empty() {
        map.insert(key, value);
    }
}

fn not_a(path: &str, expected: &str) -> String {
    format!("`{path}` is already set, but not to a {expected}")
}

/// Converts booleans, `null` and decimal integers.
fn typed(text: String) -> Value {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("false") {
        return Value::Bool(is("true"));
    }
    if is("null") {
        return Value::Null;
    }
    // Strings with a leading zero are codes, not numbers.
    let integer = (text == "0" || !text.starts_with('0')).then(|| text.parse::<i64>().ok()).flatten();
    integer.map_or(Value::String(text), Value::from)
}

/// Converts floats without a fraction into integers, as Helm does.
fn plain_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            Value::Number(number.as_f64().and_then(codec::number).unwrap_or(number))
        }
        Value::Array(list) => Value::Array(list.into_iter().map(plain_numbers).collect()),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, plain_numbers(value))).collect(),
        other => other,
    }
}

/// Returns the JSON parser's message without its line, which is always 1 here.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_suffix(&format!(" at line {} column {}", error.line(), error.column())) {
        Some(reason) => format!("{reason} at character {}", error.column()),
        None => text,
    }
}

#[cfg(test)]
mod tests;
