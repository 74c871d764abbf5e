//! Redacts secrets in everything that is displayed: specs in reports and dry runs, URLs, error messages.
//!
//! A value is secret by its name (`Authorization`, `apiKey`, `token` …) or its position (user and password of a URL, the path of a webhook).
//! The name of a file or variable with a secret (`tokenFile`, `passwordEnv`) is not secret. The invariant: when in doubt, redact.

mod command_line;
mod encodings;
mod excerpt;
mod free_text;
mod names;
mod pieces;
mod references;
mod request_secrets;
mod shapes;
mod spec_secrets;
mod value;
mod wrapped;

pub(crate) use excerpt::excerpt;
pub(crate) use free_text::secrets_in_literal;
pub use free_text::{redact_form, redact_text, redact_url, redact_webhook};
pub(crate) use names::is_secret_header;
pub use names::{REDACTED, is_secret};
pub(crate) use pieces::pieces;
pub use request_secrets::RequestSecrets;
pub(crate) use spec_secrets::{is_same_spec, redact_strings_with, redact_task_with, secrets_of};

use serde_json::{Map, Value, json};

use crate::model::document::TaskSpec;
use crate::model::path::FieldPath;
use free_text::redact_literal;
use names::{is_reference, is_secret_parameter};

/// Maximum length of a string that is searched as JSON.
const MAX_EMBEDDED: usize = 64 * 1024;

/// Maximum nesting that is searched; everything below is redacted.
const MAX_DEPTH: usize = 64;

/// Replaces every secret in a value by [`REDACTED`].
pub fn redact(value: &Value) -> Value {
    let mut redacted = redact_value(value, "", MAX_DEPTH);
    // The insights of an experiment have metrics, SLOs and endpoints as keys, which users name.
    if value["spec"].is_array()
        && let Some(insights) = value.pointer("/result/insights")
        && let Some(place) = redacted.pointer_mut("/result/insights")
    {
        *place = redact_strings(insights, MAX_DEPTH);
    }
    redacted
}

/// Replaces every secret in a task, including its script.
pub fn redact_task(task: &TaskSpec) -> TaskSpec {
    let with = task.with.as_ref().map(|with| redact(&json!({"task": task.task, "with": with}))["with"].take());
    TaskSpec { with, run: task.run.as_deref().map(redact_text), ..task.clone() }
}

/// Redacts a body that may be JSON.
pub(crate) fn redact_body(body: &str) -> String {
    redact_string(body, MAX_DEPTH)
}

/// Returns the path of the first string that contains [`REDACTED`], if any: such a value is no longer usable.
pub fn find_redacted(value: &Value) -> Option<FieldPath> {
    let root = FieldPath::root;
    match value {
        Value::String(text) => text.contains(REDACTED).then(root),
        Value::Object(map) => map.iter().find_map(|(key, value)| Some(root().key(key).join(find_redacted(value)?))),
        Value::Array(list) => {
            list.iter().enumerate().find_map(|(at, item)| Some(root().index(at).join(find_redacted(item)?)))
        }
        _ => None,
    }
}

/// Returns true if a value is secret by one of the keys of its path.
pub fn is_secret_path(path: &[&str]) -> bool {
    path.iter().enumerate().any(|(at, key)| {
        let within = if at > 0 { path[at - 1] } else { "" };
        is_secret_in(key, within) || (is_webhook_key(key, within) && !is_name(path.get(at.wrapping_sub(2)).copied()))
    })
}

fn is_name(within: Option<&str>) -> bool {
    within == Some("endpoints")
}

/// Returns true if the value of `key` in the map `within` is secret.
fn is_secret_in(key: &str, within: &str) -> bool {
    // The keys of endpoints and metrics are chosen by users.
    !is_name(Some(within)) && !key.contains('/') && is_secret_entry(key, within)
}

/// Returns true if a name is secret in the map or list `within`, which may be one of parameters or headers.
fn is_secret_entry(name: &str, within: &str) -> bool {
    match within {
        "params" => is_secret_parameter(name),
        "headers" | "metadata" => is_secret_header(name),
        _ => is_secret(name),
    }
}

fn redact_value(value: &Value, within: &str, depth: usize) -> Value {
    if depth == 0 {
        return Value::String(REDACTED.to_owned());
    }
    match value {
        Value::Object(map) => Value::Object(redact_map(map, within, depth)),
        Value::Array(list) => {
            let arguments = redact_arguments(value, list);
            let list = arguments.as_ref().unwrap_or(list);
            Value::Array(list.iter().map(|item| redact_value(item, within, depth - 1)).collect())
        }
        Value::String(text) => Value::String(redact_string(text, depth)),
        other => other.clone(),
    }
}

/// Redacts the arguments of a command: `["--token", "X"]`. They are searched as one string, because an
/// option decides if the next argument is secret.
fn redact_arguments(value: &Value, list: &[Value]) -> Option<Vec<Value>> {
    let is_command = list.iter().any(|item| item.as_str().is_some_and(|item| item.starts_with('-')));
    if !is_command || !list.iter().all(Value::is_string) {
        return None;
    }
    serde_json::from_str(&redact_literal(&value.to_string()))
        .ok()
        .filter(|redacted: &Vec<Value>| redacted.len() == list.len())
}

fn redact_map(map: &Map<String, Value>, within: &str, depth: usize) -> Map<String, Value> {
    // In a spec, the task's name is a sibling of its settings; in values, it is their key.
    let task = map.get("task").and_then(Value::as_str).unwrap_or_default();
    // An entry of a list of headers or parameters: `{name: Authorization, value: …}`.
    let name = map.get("name").and_then(Value::as_str);
    let named_secret = name.is_some_and(|name| is_secret_entry(name, within));
    let redacted = map.iter().map(|(key, value)| {
        // The fields of `basicAuth: {username: …, password: …}` are judged one by one.
        let has_fields = value.is_object() && key.eq_ignore_ascii_case("basicauth");
        let redacted = if (is_secret_in(key, within) && !has_fields) || (named_secret && key == "value") {
            redact_secret(value)
        } else {
            match (key.as_str(), value) {
                (_, Value::String(url)) if is_webhook_key(key, within) => Value::String(redact_webhook(url)),
                ("with", _) => redact_value(value, task, depth - 1),
                ("run", Value::String(script)) => Value::String(redact_text(script)),
                _ if is_name(Some(within)) => redact_value(value, "", depth - 1),
                _ => redact_value(value, key, depth - 1),
            }
        };
        (key.clone(), redacted)
    });
    redacted.collect()
}

/// Redacts the strings of a value, and ignores its keys.
fn redact_strings(value: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::String(REDACTED.to_owned());
    }
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), redact_strings(value, depth - 1))).collect(),
        Value::Array(list) => list.iter().map(|item| redact_strings(item, depth - 1)).collect(),
        Value::String(text) => Value::String(redact_text(text)),
        other => other.clone(),
    }
}

/// Redacts the value of a secret key, except references to a secret.
fn redact_secret(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Object(map) => {
            // References are kept on the first level; deeper levels are redacted as a whole.
            let redacted = |(key, value): (&String, &Value)| {
                let is_leaf = !value.is_object() && !value.is_array();
                let kept = match value {
                    Value::Object(map) => is_reference(key) && is_key_of_secret(map),
                    _ => is_leaf && (is_reference(key) || value.is_boolean() || value.is_null()),
                };
                (key.clone(), if kept { value.clone() } else { Value::String(REDACTED.to_owned()) })
            };
            Value::Object(map.iter().map(redacted).collect())
        }
        Value::String(text) if text.is_empty() || matches!(text.as_str(), "true" | "false") => value.clone(),
        _ => Value::String(REDACTED.to_owned()),
    }
}

/// Returns true for the name of a Kubernetes Secret and a key in it.
fn is_key_of_secret(map: &Map<String, Value>) -> bool {
    map.iter().all(|(key, value)| matches!(key.as_str(), "name" | "key") && value.is_string())
}

fn is_webhook_key(key: &str, within: &str) -> bool {
    let (key, within) = (key.to_lowercase(), within.to_lowercase());
    (key.contains("webhook") && !is_reference(&key.replace("url", "")))
        || (key == "url" && (within == "notify" || within.contains("slack") || within.contains("webhook")))
}

fn redact_string(text: &str, depth: usize) -> String {
    let start = text.trim_start();
    if text.len() <= MAX_EMBEDDED
        && (start.starts_with('{') || start.starts_with('['))
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        let redacted = redact_value(&value, "", depth - 1);
        return if redacted == value { text.to_owned() } else { redacted.to_string() };
    }
    redact_literal(text)
}

#[cfg(test)]
mod tests;
