//! YAML 1.1 as Helm and Kubernetes read it.
//!
//! The invariant: a file is rejected, or means the same here as in the Go library that both use, so `yes` is true and `012` is 10. Such
//! typing depends on the style and tag of each scalar, which serde's data model does not have, so values are built from the parser's
//! events. Size, depth and the expansion of aliases are bounded.
//!
//! ```
//! let value = helm_yaml::value_from_yaml("{on: yes, mode: 012, name: '012'}").unwrap();
//! assert_eq!(value, serde_json::json!({"true": true, "mode": 10, "name": "012"}));
//! ```

mod lines;
mod read;
mod scalar;

use std::fmt;

use serde_json::Value;

pub use lines::Lines;
use read::{Scalars, Track};

/// Maximum accepted input, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// Maximum accepted nesting of maps and lists.
pub const MAX_DEPTH: usize = 100;

/// A document, and its positions in the text.
#[derive(Clone, Debug)]
pub struct Document {
    /// The value.
    pub value: Value,
    /// Line of each node.
    pub lines: Lines,
    /// Keys that a map has more than once, in the order of the text.
    pub duplicates: Vec<DuplicateKey>,
}

/// A key that a map has already; its value replaces the earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey {
    /// The key.
    pub key: String,
    /// Line of the key before, from 1.
    pub first: u64,
    /// Line of this key, from 1.
    pub line: u64,
}

/// A syntax or conversion error, with its position if known.
#[derive(Debug, thiserror::Error)]
pub struct YamlError {
    /// The mistake, and the expectation.
    pub message: String,
    /// Line, from 1.
    pub line: Option<u64>,
    /// Column, from 1.
    pub column: Option<u64>,
}

impl YamlError {
    /// Creates an error without a position.
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

/// Parses YAML 1.1 (JSON included) as Helm and Kubernetes do; an empty text is `null`.
///
/// The last of several equal keys wins, and keys are converted to strings. Fails on syntax errors, on numbers that JSON does not have, and
/// beyond [`MAX_BYTES`], [`MAX_DEPTH`] and the bound on aliases. A second document is an error, unless it is empty: the Go library
/// ignores it, so that a part of the input would have no effect and nobody would know.
pub fn value_from_yaml(text: &str) -> Result<Value, YamlError> {
    check_size(text)?;
    read::document(text, Track::Nothing, Scalars::Typed).map(|document| document.value)
}

/// Parses YAML like [`value_from_yaml`], for texts that are not trusted: fails if the value takes more than about `memory` bytes. Small maps
/// take a hundred times the bytes of their text.
pub fn value_within(text: &str, memory: usize) -> Result<Value, YamlError> {
    check_size(text)?;
    read::document_within(text, Track::Nothing, Scalars::Typed, memory).map(|document| document.value)
}

/// Parses YAML like [`value_from_yaml`], but every scalar except null becomes a string, as it is written: `012`, `1.10`, `yes`. For formats
/// whose scalars are all strings.
pub fn strings_from_yaml(text: &str) -> Result<Value, YamlError> {
    check_size(text)?;
    read::document(text, Track::Nothing, Scalars::AsWritten).map(|document| document.value)
}

/// Parses YAML like [`value_from_yaml`], and returns the line of each node.
pub fn value_with_lines(text: &str) -> Result<(Value, Lines), YamlError> {
    document_from_yaml(text).map(|document| (document.value, document.lines))
}

/// Parses YAML like [`value_from_yaml`], and returns the line of each node and the duplicate keys.
pub fn document_from_yaml(text: &str) -> Result<Document, YamlError> {
    check_size(text)?;
    read::document(text, Track::Lines, Scalars::Typed)
}

fn check_size(text: &str) -> Result<(), YamlError> {
    if text.len() > MAX_BYTES {
        return Err(YamlError::new(format!(
            "input of {} bytes is too large; at most {MAX_BYTES} are allowed",
            text.len()
        )));
    }
    Ok(())
}

/// Converts a float to a JSON number, to an integer if it has no fraction (`1e3` is 1000), as in Helm. `None` if it is not finite.
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

/// Returns the noun for a value in messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests;
