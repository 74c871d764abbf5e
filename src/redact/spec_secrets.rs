//! Secrets of a spec by value: what one task sends as a secret is redacted wherever the spec repeats it, whatever its variable is called.

use serde_json::{Map, Value, json};

use super::names::REDACTED;
use super::request_secrets::RequestSecrets;
use super::{redact, redact_task};
use crate::model::document::TaskSpec;

/// Name of the task whose settings are names of metrics.
const ASSESS: &str = "assess";

/// Collects the values with secret names, and the credentials in URLs.
pub(crate) fn secrets_of(spec: &[TaskSpec]) -> RequestSecrets {
    let mut secrets = Vec::new();
    for task in spec {
        let task = json!({"task": task.task, "with": task.with});
        collect(&task, &redact(&task), "", &mut secrets);
    }
    RequestSecrets::from_values(secrets)
}

/// Collects the strings of a value that redaction replaces.
fn collect(value: &Value, redacted: &Value, key: &str, secrets: &mut Vec<String>) {
    match (value, redacted) {
        (Value::Object(map), Value::Object(redacted)) => {
            for (key, value) in map {
                collect(value, redacted.get(key).unwrap_or(&Value::Null), key, secrets);
            }
        }
        (Value::Array(list), Value::Array(redacted)) => {
            list.iter().zip(redacted).for_each(|(value, redacted)| collect(value, redacted, key, secrets));
        }
        (Value::String(text), Value::String(redacted)) if redacted == REDACTED => {
            // A value that is a header has a scheme.
            let header = [(key.to_owned(), text.clone())];
            secrets.push(text.clone());
            secrets.extend(RequestSecrets::of("", &header).into_values());
        }
        (Value::String(url), Value::String(redacted)) if redacted != url => {
            // A load's URL may have no scheme.
            let url = if url.contains("://") { url.clone() } else { format!("http://{url}") };
            secrets.extend(RequestSecrets::of(&url, &[]).into_values());
        }
        (value, Value::String(redacted)) if redacted == REDACTED => strings(value, secrets),
        _ => {}
    }
}

fn strings(value: &Value, secrets: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|value| strings(value, secrets)),
        Value::Array(list) => list.iter().for_each(|value| strings(value, secrets)),
        Value::String(text) => secrets.push(text.clone()),
        _ => {}
    }
}

/// Redacts a task by names and positions, and then by value.
pub(crate) fn redact_task_with(task: &TaskSpec, secrets: &RequestSecrets) -> TaskSpec {
    let redacted = redact_task(task);
    if task.task.as_deref() == Some(ASSESS) {
        return redacted;
    }
    TaskSpec {
        with: redacted.with.as_ref().map(|with| redact_strings_with(with, secrets)),
        run: redacted.run.as_deref().map(|script| secrets.redact_setting(script)),
        ..redacted
    }
}

/// Redacts secrets in the strings of a value, and keeps its keys.
pub(crate) fn redact_strings_with(value: &Value, secrets: &RequestSecrets) -> Value {
    match value {
        Value::Object(map) => {
            let redacted: Map<String, Value> =
                map.iter().map(|(key, value)| (key.clone(), redact_strings_with(value, secrets))).collect();
            Value::Object(redacted)
        }
        Value::Array(list) => list.iter().map(|value| redact_strings_with(value, secrets)).collect(),
        Value::String(text) => Value::String(secrets.redact_setting(text)),
        other => other.clone(),
    }
}

/// Returns true if two specs are equal apart from secrets, which documents do not contain.
pub(crate) fn is_same_spec(a: &[TaskSpec], b: &[TaskSpec]) -> bool {
    let values = [a, b].map(|spec| serde_json::to_value(spec.iter().map(redact_task).collect::<Vec<_>>()));
    matches!(values, [Ok(a), Ok(b)] if is_same_apart_from_secrets(&a, &b))
}

/// Returns true if two values are equal apart from secrets, which may be redacted in either of them.
fn is_same_apart_from_secrets(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| is_same_apart_from_secrets(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_apart_from_secrets(a, b))
        }
        (Value::String(a), Value::String(b)) => a == b || fits(a, b) || fits(b, a),
        _ => a == b,
    }
}

/// Returns true if a text is what a redacted text was made from.
fn fits(redacted: &str, text: &str) -> bool {
    let mut pieces = redacted.split(REDACTED);
    let Some(mut rest) = pieces.next().and_then(|start| text.strip_prefix(start)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(end) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, with: Value) -> TaskSpec {
        TaskSpec { task: Some(name.to_owned()), with: Some(with), ..TaskSpec::default() }
    }

    #[test]
    fn a_secret_is_redacted_wherever_the_spec_repeats_it() {
        let spec = [
            task("http", json!({"url": "http://h/?x=hunter-two", "headers": {"Authorization": "Bearer hunter-two"}})),
            task("custommetrics", json!({"values": {"me": "hunter-two", "other": "p@ssw0rd", "name": "v1"}})),
            task("grpc", json!({"metadata": {"x-api-key": ["metadata-key"]}, "data": {"a": ["metadata-key"]}})),
            TaskSpec {
                run: Some("echo other-secret; curl http://u:p%40ssw0rd@h/ -d hunter-two".to_owned()),
                ..TaskSpec::default()
            },
            task("http", json!({"url": "http://u:p%40ssw0rd@h/"})),
            task("http", json!({"url": "u:other-secret@h/"})),
            task("assess", json!({"SLOs": {"upper": [{"metric": "p/hunter-two", "limit": 1}]}})),
        ];
        let secrets = secrets_of(&spec);
        let redacted: Vec<TaskSpec> = spec.iter().map(|task| redact_task_with(task, &secrets)).collect();
        assert_eq!(redacted[0].with.as_ref().unwrap()["url"], "http://h/?x=[hidden]");
        assert_eq!(
            redacted[1].with.as_ref().unwrap()["values"],
            json!({"me": REDACTED, "other": REDACTED, "name": "v1"})
        );
        assert_eq!(redacted[2].with.as_ref().unwrap()["data"], json!({"a": [REDACTED]}));
        assert_eq!(redacted[3].run.as_deref(), Some("echo [hidden]; curl http://[hidden]@h/ -d [hidden]"));
        assert_eq!(redacted[6], spec[6], "names of metrics are kept");
    }

    #[test]
    fn a_secret_that_is_a_word_does_not_hide_addresses() {
        let spec = [
            task("http", json!({"url": "http://prometheus:9090/", "headers": {"X-Api-Key": "prometheus"}})),
            task("custommetrics", json!({"values": {"mine": "prometheus"}})),
        ];
        let secrets = secrets_of(&spec);
        let with = |at: usize| redact_task_with(&spec[at], &secrets).with.unwrap();
        assert_eq!(with(0)["url"], "http://prometheus:9090/");
        assert_eq!(with(1)["values"], json!({"mine": REDACTED}));
    }

    #[test]
    fn redacted_values_equal_their_originals() {
        let original = json!({"a": ["Bearer x", 1], "b": "one two three"});
        for redacted in [
            json!({"a": [REDACTED, 1], "b": "one two three"}),
            json!({"a": ["Bearer [hidden]", 1], "b": "one [hidden] three"}),
            json!({"a": ["Bearer x", 1], "b": "[hidden]two[hidden]"}),
        ] {
            assert!(is_same_apart_from_secrets(&original, &redacted), "{redacted}");
            assert!(is_same_apart_from_secrets(&redacted, &original), "{redacted}");
        }
        for other in [
            json!({"a": [REDACTED, 2], "b": "one two three"}),
            json!({"a": [REDACTED, 1], "b": "two [hidden]"}),
            json!({"a": [REDACTED, 1], "b": "one [hidden] four"}),
            json!({"a": [REDACTED, 1]}),
            json!({"a": [REDACTED], "b": "one two three"}),
        ] {
            assert!(!is_same_apart_from_secrets(&original, &other), "{other}");
        }
    }
}
