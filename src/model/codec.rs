//! Reading and writing YAML and JSON: with its sub-modules, the only place that knows the YAML crates, but for the columns of a
//! [series](super::series) and [loops](super::loops), which ask to be written on one line.
//!
//! Values files are YAML 1.1 to Helm and Kubernetes (`yes` is true, `012` is 10), and their users' files must mean the same here.
//! That typing needs each scalar's style and tag, which serde's data model does not carry; so reading builds the value from the
//! parser's events, and only writing goes through serde.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::document::{Experiment, SCHEMA_VERSION, TaskSpec};

mod read;
mod scalar;

/// Longest text that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// Deepest nesting of maps and lists that is read.
pub const MAX_DEPTH: usize = 100;

/// Why a text is not what it should be, with the place where known.
#[derive(Debug, thiserror::Error)]
pub struct CodecError {
    /// What is wrong.
    pub message: String,
    /// Line from 1, where known.
    pub line: Option<u64>,
    /// Column from 1, where known.
    pub column: Option<u64>,
}

impl CodecError {
    /// An error of the whole text.
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), line: None, column: None }
    }
}

impl fmt::Display for CodecError {
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
pub fn value_from_yaml(text: &str) -> Result<Value, CodecError> {
    if text.len() > MAX_BYTES {
        return Err(CodecError::new(format!("{} bytes are too many; at most {MAX_BYTES} are read", text.len())));
    }
    read::value(text)
}

/// Reads an experiment document: this program's, or one of Iter8 v0.13. Unknown keys outside the result are kept, others ignored.
///
/// Fails on what [`value_from_yaml`] refuses, on what is not an experiment (naming the path), and on a newer schema.
pub fn experiment_from_yaml(text: &str) -> Result<Experiment, CodecError> {
    let mut value = value_from_yaml(text)?;
    let Value::Object(document) = &mut value else {
        return Err(CodecError::new(match value {
            Value::Null => "the document is empty; expected a map with the key `spec`".to_owned(),
            other => format!("expected a map with the key `spec`, found {}", kind(&other)),
        }));
    };
    match document.get("spec") {
        Some(Value::Array(_)) => {}
        None => return Err(CodecError::new("`spec` is missing; expected a list of tasks")),
        Some(other) => return Err(CodecError::new(format!("spec: expected a list of tasks, found {}", kind(other)))),
    }
    if let Some(result) = document.get_mut("result") {
        // A newer schema may differ anywhere: it is refused before anything else of the result is read.
        refuse_newer(result)?;
        from_iter8(result);
    }
    let mut experiment: Experiment = serde_path_to_error::deserialize(&value).map_err(|error| {
        let path = error.path().to_string();
        let text = error.inner().to_string();
        CodecError::new(if path == "." { text } else { format!("{path}: {text}") })
    })?;
    experiment.unknown = unknown(&value, &["spec", "result"]);
    for (task, entry) in experiment.spec.iter_mut().zip(value["spec"].as_array().into_iter().flatten()) {
        task.unknown = unknown(entry, &TaskSpec::KEYS);
    }
    Ok(experiment)
}

/// The entries of a map under other keys than these.
fn unknown(map: &Value, known: &[&str]) -> BTreeMap<String, Value> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter(|(key, _)| !known.contains(&key.as_str())).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Writes anything as YAML that a YAML 1.1 reader reads back unchanged: block style, texts of several lines as `|` blocks,
/// struct fields in their order. Fails on what has no YAML, such as a map with maps as keys.
pub fn to_yaml<T: serde::Serialize>(value: &T) -> Result<String, CodecError> {
    let options = serde_saphyr::ser_options! {
        // A long line stays one line: folding it would make it harder to search for, not easier to read.
        folded_wrap_chars: usize::MAX,
    };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| CodecError::new(error.to_string()))
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

/// Refuses a result whose schema is newer than this program's.
fn refuse_newer(result: &Value) -> Result<(), CodecError> {
    match result.get("schemaVersion").and_then(Value::as_u64) {
        Some(version) if version > u64::from(SCHEMA_VERSION) => Err(CodecError::new(format!(
            "written by a newer version (schema {version}; this program reads up to {SCHEMA_VERSION}); upgrade iter8"
        ))),
        _ => Ok(()),
    }
}

/// Makes this program's form of what Iter8 writes in another: lists without elements are `null`, a time never set is an empty
/// text, and a summary is not in a list, for each loop replaces the one before.
fn from_iter8(result: &mut Value) {
    drop_nulls(result);
    if let Some(result) = result.as_object_mut()
        && result.get("startTime").is_some_and(|time| time == "")
    {
        result.remove("startTime");
    }
    let summaries = result.pointer_mut("/insights/SummaryMetricValues").and_then(Value::as_array_mut);
    for summary in summaries.into_iter().flatten().filter_map(Value::as_object_mut).flat_map(|map| map.values_mut()) {
        if summary.as_array().is_some_and(|numbers| numbers.first().is_some_and(Value::is_number)) {
            *summary = Value::Array(vec![summary.take()]);
        }
    }
}

/// Takes the entries without a value out of all maps.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
