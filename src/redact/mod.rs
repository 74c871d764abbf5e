//! Hiding secrets in what is shown: specs in reports and dry runs, URLs and error texts.
//!
//! A value is hidden by what it is called (`Authorization`, `apiKey`, `token` …) or by where it stands (user and password of a URL,
//! the path of a webhook). What names a file or variable that holds a secret (`tokenFile`, `passwordEnv`) stays: it helps, and harms
//! nobody. When in doubt, hide.

mod forms;
mod names;
mod references;
mod sent;
mod texts;
mod urls;

pub use names::{HIDDEN, is_secret};
pub use sent::SentSecrets;
pub use texts::mask_text;
pub use urls::{mask_form, mask_url, mask_webhook};

use serde_json::{Map, Value, json};

use crate::model::document::TaskSpec;
use crate::model::path::join;
use names::{is_reference, is_secret_parameter};
use texts::mask_literal;

/// Longest text that is looked into as JSON, and how deep values are followed.
const MAX_EMBEDDED: usize = 64 * 1024;
const MAX_DEPTH: usize = 64;

/// The same value with every secret replaced by [`HIDDEN`].
pub fn mask(value: &Value) -> Value {
    let mut shown = masked(value, "", MAX_DEPTH);
    // In a whole experiment, insights are under names of metrics, SLOs and endpoints.
    if value["spec"].is_array()
        && let Some(insights) = value.pointer("/result/insights")
        && let Some(place) = shown.pointer_mut("/result/insights")
    {
        *place = masked_texts(insights, MAX_DEPTH);
    }
    shown
}

/// The same task with every secret replaced by [`HIDDEN`], in its script too.
pub fn mask_task(task: &TaskSpec) -> TaskSpec {
    let with = task.with.as_ref().map(|with| mask(&json!({"task": task.task, "with": with}))["with"].take());
    TaskSpec { with, run: task.run.as_deref().map(mask_text), ..task.clone() }
}

/// The path of the first text that holds [`HIDDEN`]: a value that once was masked can't be used again.
pub fn find_hidden(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains(HIDDEN).then(String::new),
        Value::Object(map) => map.iter().find_map(|(key, value)| Some(join(key, &find_hidden(value)?))),
        Value::Array(list) => {
            list.iter().enumerate().find_map(|(at, item)| Some(join(&format!("[{at}]"), &find_hidden(item)?)))
        }
        _ => None,
    }
}

/// Whether the value at a path of keys is a secret by one of them.
pub fn is_secret_path(path: &[&str]) -> bool {
    path.iter().enumerate().any(|(at, key)| {
        let within = if at > 0 { path[at - 1] } else { "" };
        is_secret_in(key, within) || (is_webhook_key(key, within) && !is_name(path.get(at.wrapping_sub(2)).copied()))
    })
}

fn is_name(within: Option<&str>) -> bool {
    within == Some("endpoints")
}

/// Whether what is called `key` in a map called `within` is a secret.
fn is_secret_in(key: &str, within: &str) -> bool {
    // Endpoints and metrics have names of the user's own choice.
    !is_name(Some(within)) && !key.contains('/') && (is_secret(key) || (within == "params" && is_secret_parameter(key)))
}

fn masked(value: &Value, within: &str, depth: usize) -> Value {
    if depth == 0 {
        return Value::String(HIDDEN.to_owned());
    }
    match value {
        Value::Object(map) => Value::Object(masked_map(map, within, depth)),
        Value::Array(list) => Value::Array(list.iter().map(|item| masked(item, within, depth - 1)).collect()),
        Value::String(text) => Value::String(mask_string(text, depth)),
        other => other.clone(),
    }
}

fn masked_map(map: &Map<String, Value>, within: &str, depth: usize) -> Map<String, Value> {
    // A spec entry says what its settings belong to beside them; values say it as their key.
    let task = map.get("task").and_then(Value::as_str).unwrap_or_default();
    // `{name: Authorization, value: …}`, as lists of headers and parameters are written.
    let named_secret = map.get("name").and_then(Value::as_str).is_some_and(is_secret);
    let shown = map.iter().map(|(key, value)| {
        // `basicAuth: {username: …, password: …}` has fields of its own.
        let has_fields = value.is_object() && key.eq_ignore_ascii_case("basicauth");
        let shown = if (is_secret_in(key, within) && !has_fields) || (named_secret && key == "value") {
            hidden(value)
        } else {
            match (key.as_str(), value) {
                (_, Value::String(url)) if is_webhook_key(key, within) => Value::String(mask_webhook(url)),
                ("with", _) => masked(value, task, depth - 1),
                ("run", Value::String(script)) => Value::String(mask_text(script)),
                _ if is_name(Some(within)) => masked(value, "", depth - 1),
                _ => masked(value, key, depth - 1),
            }
        };
        (key.clone(), shown)
    });
    shown.collect()
}

/// The same value with the secrets in its texts hidden, whatever its keys are called.
fn masked_texts(value: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::String(HIDDEN.to_owned());
    }
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), masked_texts(value, depth - 1))).collect(),
        Value::Array(list) => list.iter().map(|item| masked_texts(item, depth - 1)).collect(),
        Value::String(text) => Value::String(mask_text(text)),
        other => other.clone(),
    }
}

/// Everything in a secret's place is hidden, except what only says where the secret is.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Object(map) => {
            // One level of references is kept; what lies deeper is hidden with its names.
            let shown = |(key, value): (&String, &Value)| {
                let is_leaf = !value.is_object() && !value.is_array();
                let kept = is_leaf && (is_reference(key) || value.is_boolean() || value.is_null());
                (key.clone(), if kept { value.clone() } else { Value::String(HIDDEN.to_owned()) })
            };
            Value::Object(map.iter().map(shown).collect())
        }
        Value::String(text) if text.is_empty() || matches!(text.as_str(), "true" | "false") => value.clone(),
        _ => Value::String(HIDDEN.to_owned()),
    }
}

fn is_webhook_key(key: &str, within: &str) -> bool {
    let (key, within) = (key.to_lowercase(), within.to_lowercase());
    (key.contains("webhook") && !is_reference(&key.replace("url", "")))
        || (key == "url" && (within == "notify" || within.contains("slack") || within.contains("webhook")))
}

fn mask_string(text: &str, depth: usize) -> String {
    let start = text.trim_start();
    if text.len() <= MAX_EMBEDDED
        && (start.starts_with('{') || start.starts_with('['))
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        let shown = masked(&value, "", depth - 1);
        return if shown == value { text.to_owned() } else { shown.to_string() };
    }
    mask_literal(text)
}

#[cfg(test)]
mod tests;
