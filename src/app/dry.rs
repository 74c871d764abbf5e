//! Values and specs as `--dry` prints them, without secrets.
//!
//! A header whose name is not known to be harmless is redacted, too: its value may be a credential, and what is printed is often pasted
//! into issues and logs. A run refuses redacted values, so that it never sends something else.

use serde_json::{Map, Value};

use crate::model::path::{FieldPath, Segment};
use crate::redact::{REDACTED, RequestSecrets, redact, redact_strings_with};
use crate::tasks::registry::by_value_name;
use crate::values::input::InputError;
use crate::values::without_nulls;

/// Maps of headers.
const HEADER_MAPS: [&str; 3] = ["headers", "metadata", "reflect-metadata"];

/// Maps whose keys users choose; none of them is a map of headers.
const NAMED: [&str; 2] = ["endpoints", "providers"];

/// Headers that carry no credentials.
const HARMLESS: [&str; 22] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-type",
    "date",
    "dnt",
    "expect",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "host",
    "pragma",
    "priority",
    "range",
    "te",
    "trailer",
    "user-agent",
];

/// Values without secrets.
pub(crate) struct DryValues {
    /// The values, as `-f` reads them.
    pub(crate) value: Map<String, Value>,
    /// Paths of values that are redacted.
    pub(crate) hidden: Vec<String>,
}

/// Redacts the values of an experiment, which sends `secrets`.
pub(crate) fn values(values: &Value, secrets: &RequestSecrets) -> DryValues {
    let redacted = redact(&without_nulls(values.clone()));
    let entry = |(name, value): (&String, &Value)| {
        // Names of tasks and metrics are no secrets.
        let mut value = match name.as_str() {
            "tasks" | "assess" => value.clone(),
            _ => redact_strings_with(value, secrets),
        };
        if by_value_name(name).is_some() {
            hide_headers(&mut value, name);
        }
        (name.clone(), value)
    };
    let value: Map<String, Value> = redacted.as_object().into_iter().flatten().map(entry).collect();
    let mut hidden = Vec::new();
    for (name, value) in &value {
        find_hidden(value, FieldPath::root().key(name), &mut hidden);
    }
    DryValues { value, hidden }
}

/// Redacts the headers in a spec or in the values of a task; `within` is the key of the value.
pub(crate) fn hide_headers(value: &mut Value, within: &str) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| match value {
            Value::Object(headers) if HEADER_MAPS.contains(&key.as_str()) && !NAMED.contains(&within) => {
                headers.iter_mut().for_each(|(name, value)| hide_header(name, value));
            }
            _ => hide_headers(value, key),
        }),
        Value::Array(list) => list.iter_mut().for_each(|item| hide_headers(item, within)),
        _ => {}
    }
}

/// Redacts a header, unless it is harmless or only names its source: a file, a variable or a Secret.
fn hide_header(name: &str, value: &mut Value) {
    let is_harmless = HARMLESS.contains(&name.to_ascii_lowercase().as_str());
    let is_plain = value.is_string() || value.is_number() || value.is_array();
    if is_plain && !is_harmless {
        *value = Value::from(REDACTED);
    }
}

/// Adds the next step to an error about a redacted value.
pub(crate) fn with_next_step(error: InputError, values: &Value) -> InputError {
    let value = error.path.segments().iter().try_fold(values, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    });
    match value.and_then(Value::as_str) {
        Some(text) if text.contains(REDACTED) => error
            .with_hint("set it again, such as with -H or --set, or let a file or an environment variable provide it"),
        _ => error,
    }
}

/// Collects the paths of redacted values.
fn find_hidden(value: &Value, at: FieldPath, hidden: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| find_hidden(value, at.clone().key(key), hidden)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, item)| find_hidden(item, at.clone().index(index), hidden));
        }
        Value::String(text) if text.contains(REDACTED) => hidden.push(at.to_string()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_are_hidden_unless_they_are_harmless_or_name_their_source() {
        let mut http = json!({
            "headers": {"Accept": "text/html", "X-User": "7", "X-Id": 7, "X-Token": {"env": "TOKEN"}, "X-List": ["a"]},
            "endpoints": {"headers": {"url": "http://h/", "headers": {"X-Team": "red"}}},
            "versionValues": [{"headers": {"X-Canary": "always", "host": "v1"}}],
        });
        hide_headers(&mut http, "http");
        let expected = json!({
            "headers": {"Accept": "text/html", "X-User": REDACTED, "X-Id": REDACTED, "X-Token": {"env": "TOKEN"}, "X-List": REDACTED},
            "endpoints": {"headers": {"url": "http://h/", "headers": {"X-Team": REDACTED}}},
            "versionValues": [{"headers": {"X-Canary": REDACTED, "host": "v1"}}],
        });
        assert_eq!(http, expected);
    }
}
