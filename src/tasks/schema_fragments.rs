//! Pieces of JSON Schema that several tasks share.
//!
//! The patterns use only what the regex engines of all validators know: Go's, which Helm has, knows no look-around.

use serde_json::{Value, json};

/// Starts like an `http` or `https` URL with a host.
pub(super) const HTTP_URL: &str = r"^\s*[hH][tT][tT][pP][sS]?:[/\\]*[^/\\?#:\s]";

/// A text that can be a header's value.
pub(super) const HEADER_VALUE: &str = r"^[^\x00-\x08\x0a-\x1f\x7f]*$";

/// A map in which `name` stands, and not for `null`.
pub(super) fn given(name: &str) -> Value {
    json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}})
}

/// For the keyword `oneOf`: exactly one of these is given.
pub(super) fn each_given(names: &[&str]) -> Value {
    names.iter().copied().map(given).collect()
}

/// A map in which `name` stands for a map with at least one entry that `entry` describes.
pub(super) fn some_entry(name: &str, entry: &Value) -> Value {
    json!({
        "required": [name],
        "properties": {name: {"type": "object", "not": {"additionalProperties": {"not": entry}}}},
    })
}

/// What is not `null`.
pub(super) fn anything() -> Value {
    json!({"not": {"type": "null"}})
}
