//! YAML 1.1 as Helm and Kubernetes read it.
//!
//! `yes` is true and `012` is 10, as in the Go library that both use: a user's file must mean the same here. That typing needs each
//! scalar's style and tag, which serde's data model does not carry, so the value is built from the parser's events.

mod lines;
mod read;
mod scalar;

use std::fmt;

use serde_json::Value;

pub use lines::Lines;

/// Longest text that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// Deepest nesting of maps and lists that is read.
pub const MAX_DEPTH: usize = 100;

/// Why a text is not YAML, with its position if known.
#[derive(Debug, thiserror::Error)]
pub struct YamlError {
    /// What is wrong and what was expected.
    pub message: String,
    /// Line, from 1.
    pub line: Option<u64>,
    /// Column, from 1.
    pub column: Option<u64>,
}

impl YamlError {
    /// An error of the whole text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), line: None, column: None }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// Reads YAML 1.1 (JSON included) as Helm and Kubernetes do, into a JSON value; an empty text is `null`.
///
/// As there, the first document of a stream counts, the last of several equal keys wins, and keys that are not text become text.
/// Fails on what is not YAML, on numbers that JSON lacks, and beyond [`MAX_BYTES`], [`MAX_DEPTH`] and a bound on what aliases
/// may expand to.
pub fn value_from_yaml(text: &str) -> Result<Value, YamlError> {
    value_with_lines(text).map(|(value, _)| value)
}

/// Reads YAML as [`value_from_yaml`] does, and keeps the line of each node.
pub fn value_with_lines(text: &str) -> Result<(Value, Lines), YamlError> {
    if text.len() > MAX_BYTES {
        return Err(YamlError::new(format!("{} bytes are too many; at most {MAX_BYTES} are read", text.len())));
    }
    read::value(text)
}

/// A JSON number; a whole one stays whole however it was written (`1e3` is 1000), as it does in Helm. None if not finite.
pub fn number(float: f64) -> Option<serde_json::Number> {
    let is_negative_zero = float == 0.0 && float.is_sign_negative();
    if float.fract() == 0.0 && !is_negative_zero {
        // Both bounds are powers of two, so the comparisons are exact.
        if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float) {
            return Some((float as i64).into());
        }
        if (0.0..18_446_744_073_709_551_616.0).contains(&float) {
            return Some((float as u64).into());
        }
    }
    serde_json::Number::from_f64(float)
}

/// What a value is, for messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests;
