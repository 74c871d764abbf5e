//! JSON Schema fragments shared by several tasks.
//!
//! Patterns use only features of all regex engines: that of Go, used by Helm, has no look-around.

use serde_json::{Value, json};

/// Pattern of the start of an `http` or `https` URL with a host.
pub(super) const HTTP_URL: &str = r"^\s*[hH][tT][tT][pP][sS]?:[/\\]*[^/\\?#:\s]";

/// Pattern of a header value.
pub(super) const HEADER_VALUE: &str = r"^[^\x00-\x08\x0a-\x1f\x7f]*$";

/// Pattern of an object's name.
pub(super) const NAME: &str = "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$";

/// Pattern of a namespace.
pub(super) const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// Pattern of a metric name.
pub(super) const METRIC: &str = r"^[^/\s]([^/]*[^/\s])?/[^/\s]([^/]*[^/\s])?(/(mean|stddev|min|max|count|p['\x22]*(0*([0-9]{1,2}(\.[0-9]*)?|100(\.0*)?|\.[0-9]+))['\x22]*))?$";

/// Schema of a map in which `name` is present and not `null`.
pub(super) fn given(name: &str) -> Value {
    json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}})
}

/// Schemas for `oneOf` and `anyOf`: one per name that must be present.
pub(super) fn each_given(names: &[&str]) -> Value {
    names.iter().copied().map(given).collect()
}

/// Schema of a map whose `name` is a map with at least one entry that matches `entry`.
pub(super) fn some_entry(name: &str, entry: &Value) -> Value {
    json!({
        "required": [name],
        "properties": {name: {"type": "object", "not": {"additionalProperties": {"not": entry}}}},
    })
}

/// Schema of any value except `null`.
pub(super) fn anything() -> Value {
    json!({"not": {"type": "null"}})
}
