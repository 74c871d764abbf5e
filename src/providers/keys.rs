//! Keys of responses, compared as words: `isPartial`, `is_partial` and `IsPartial` are the same.

use serde_json::{Map, Value};

/// Returns the letters and digits of a key, in lower case.
pub(super) fn normal(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Returns the first entry whose key is this word.
pub(super) fn find<'a>(map: &'a Map<String, Value>, word: &str) -> Option<&'a Value> {
    map.iter().find(|(key, _)| normal(key) == word).map(|(_, value)| value)
}

/// Returns true for true, 1, and strings that say so.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() == Some(1.0),
        Value::String(text) => matches!(normal(text).as_str(), "true" | "yes" | "1"),
        _ => false,
    }
}

/// Returns true for false, and strings that say so.
pub(super) fn is_false(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !*flag,
        Value::String(text) => matches!(normal(text).as_str(), "false" | "no"),
        _ => false,
    }
}

/// Returns true for a string, list or object that is not empty, and for true.
pub(super) fn is_filled(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(flag) => *flag,
        Value::Null | Value::Number(_) => false,
    }
}
