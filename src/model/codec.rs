//! Reads and writes documents as YAML and JSON. [`helm_yaml`] parses; serde only writes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Experiment, SCHEMA_VERSION, TaskSpec};
use super::serde_words::in_plain_words;
use super::text::is_active;

pub use helm_yaml::{
    MAX_BYTES, MAX_DEPTH, YamlError as CodecError, kind, number, strings_from_yaml, value_from_yaml, value_within,
};

/// Reason why a text is no experiment document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Values in the place of a document.
    #[error("`spec` is missing; this looks like a values file")]
    Values,
    /// Another mistake.
    #[error(transparent)]
    Invalid(#[from] CodecError),
}

/// Reads an experiment document, ours or one of Iter8 v0.13. Unknown keys outside the result are preserved, others ignored.
///
/// Fails on input that [`value_from_yaml`] rejects, on anything but an experiment (with its path), and on a newer schema.
pub fn experiment_from_yaml(text: &str) -> Result<Experiment, DocumentError> {
    let mut value = value_from_yaml(text)?;
    let Value::Object(document) = &mut value else {
        let message = match value {
            Value::Null => "the document is empty; expected a map with the key `spec`".to_owned(),
            other => format!("expected a map with the key `spec`, found {}", kind(&other)),
        };
        return Err(CodecError::new(message).into());
    };
    match document.get("spec") {
        Some(Value::Array(_)) => {}
        None if document.contains_key("tasks") => return Err(DocumentError::Values),
        None => return Err(CodecError::new("`spec` is missing; expected a list of tasks").into()),
        Some(other) => {
            return Err(CodecError::new(format!("spec: expected a list of tasks, found {}", kind(other))).into());
        }
    }
    if let Some(result) = document.get_mut("result") {
        // A newer schema may differ anywhere, so it is rejected before the rest of the result is read.
        reject_newer(result)?;
        from_iter8(result);
    }
    let mut experiment: Experiment = serde_path_to_error::deserialize(&value).map_err(|error| {
        let (path, text) = (error.path(), in_plain_words(&error.inner().to_string()));
        let is_root = path.iter().len() == 0;
        CodecError::new(if is_root { text } else { format!("{path}: {text}") })
    })?;
    experiment.unknown = unknown(&value, &["spec", "result"]);
    for (task, entry) in experiment.spec.iter_mut().zip(value["spec"].as_array().into_iter().flatten()) {
        task.unknown = unknown(entry, &TaskSpec::KEYS);
    }
    Ok(experiment)
}

/// Returns the entries of a map under unknown keys.
fn unknown(map: &Value, known: &[&str]) -> BTreeMap<String, Value> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter(|(key, _)| !known.contains(&key.as_str())).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Serializes a value as YAML that a YAML 1.1 parser reads back unchanged: block style, multi-line strings as `|` blocks, struct fields in
/// their order. Fails on values without a YAML form, such as a map with maps as keys.
pub fn to_yaml<T: serde::Serialize>(value: &T) -> Result<String, CodecError> {
    let options = serde_saphyr::ser_options! {
        // Long lines are not folded, so that they can be searched for.
        folded_wrap_chars: usize::MAX,
    };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| CodecError::new(error.to_string()))
}

/// Like [`to_yaml`] for YAML that people review: invisible characters and those that reorder text are escaped, as control characters are.
pub fn to_readable_yaml(mut value: Value) -> Result<String, CodecError> {
    // The serializer puts strings with control characters in double quotes, but prints other active characters as they are.
    let is_marked = mark_active(&mut value);
    let text = to_yaml(&value)?;
    Ok(if is_marked { text.replace(MARK_IN_YAML, r"\U") } else { text })
}

/// Precedes the code point of an escaped character.
const MARK: &str = "\u{1}U";

/// The mark as the serializer escapes it.
const MARK_IN_YAML: &str = r"\x01U";

/// Replaces the active characters of all strings and keys by their marked code points. Returns true if there are any.
fn mark_active(value: &mut Value) -> bool {
    match value {
        Value::String(text) => mark_in(text),
        Value::Array(items) => {
            let mut any = false;
            items.iter_mut().for_each(|item| any |= mark_active(item));
            any
        }
        Value::Object(map) => {
            let mut any = false;
            let entries = std::mem::take(map).into_iter().map(|(mut key, mut value)| {
                any |= mark_in(&mut key) | mark_active(&mut value);
                (key, value)
            });
            *map = entries.collect();
            any
        }
        _ => false,
    }
}

fn mark_in(text: &mut String) -> bool {
    let is_escaped = |c: char| c == '\u{1}' || (is_active(c) && !c.is_control());
    // Text that looks like a mark must not be taken for one.
    if !text.contains(is_escaped) && !text.contains(MARK_IN_YAML) {
        return false;
    }
    let escape = |c: char| {
        if is_escaped(c) || c == '\\' { format!("{MARK}{:08X}", u32::from(c)) } else { c.to_string() }
    };
    *text = text.chars().map(escape).collect();
    true
}

/// Rejects a result whose schema is newer than ours.
fn reject_newer(result: &Value) -> Result<(), CodecError> {
    match result.get("schemaVersion").and_then(Value::as_u64) {
        Some(version) if version > u64::from(SCHEMA_VERSION) => Err(CodecError::new(format!(
            "written by a newer version (schema {version}; this program reads up to {SCHEMA_VERSION}); upgrade iter8"
        ))),
        _ => Ok(()),
    }
}

/// Converts Iter8's form to ours: empty lists are `null`, and an unset time is an empty string. Of a summary with a list per loop, the
/// newest counts.
fn from_iter8(result: &mut Value) {
    drop_nulls(result);
    if let Some(result) = result.as_object_mut()
        && result.get("startTime").is_some_and(|time| time == "")
    {
        result.remove("startTime");
    }
    let summaries = result.pointer_mut("/insights/SummaryMetricValues").and_then(Value::as_array_mut);
    for summary in summaries.into_iter().flatten().filter_map(Value::as_object_mut).flat_map(|map| map.values_mut()) {
        if let Some(newest) = summary.as_array_mut().and_then(|loops| loops.pop_if(|newest| newest.is_array())) {
            *summary = newest;
        }
    }
}

/// Removes `null` entries from all maps.
pub(crate) fn drop_nulls(value: &mut Value) {
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
