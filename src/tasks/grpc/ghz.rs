//! Settings of ghz that the task does not support, and their replacements.

use serde_json::{Map, Value};

use crate::model::path::FieldPath;
use crate::values::input::InputError;

const STAGES: &str = "use `stages` to change the rate: each stage goes to a `qps` within a `duration`";
const CONCURRENCY: &str = "`concurrency` limits requests in flight; use `stages` to change the rate over time";
const STREAM: &str = "list the messages of the stream in `data`; `timeout` ends a call";
const REPORT: &str = "remove it; `iter8 report` writes text, HTML and JSON";
const UNNEEDED: &str = "remove it; it is not needed";
const SIZE: &str = "remove it; messages are limited to 64 MiB";

/// The settings, with a hint for each.
const FOREIGN: [(&str, &str); 26] = [
    ("async", "remove it; with `qps`, requests are sent when they are due, regardless of earlier ones"),
    ("concurrency-end", CONCURRENCY),
    ("concurrency-max-duration", CONCURRENCY),
    ("concurrency-schedule", CONCURRENCY),
    ("concurrency-start", CONCURRENCY),
    ("concurrency-step", CONCURRENCY),
    ("concurrency-step-duration", CONCURRENCY),
    ("count-errors", "remove it; `grpc/latency` covers all responses, `grpc/success-latency` only successful ones"),
    ("cpus", UNNEEDED),
    ("debug", REPORT),
    ("disable-template-data", UNNEEDED),
    ("disable-template-functions", UNNEEDED),
    ("format", REPORT),
    ("lb-strategy", "remove it; connections use the host's addresses in turn"),
    ("load-end", STAGES),
    ("load-max-duration", STAGES),
    ("load-schedule", STAGES),
    ("load-start", STAGES),
    ("load-step", STAGES),
    ("load-step-duration", STAGES),
    ("max-recv-message-size", SIZE),
    ("max-send-message-size", SIZE),
    ("output", REPORT),
    ("stream-call-count", STREAM),
    ("stream-call-duration", STREAM),
    ("stream-dynamic-messages", STREAM),
];

/// Rejects such settings in every layer of the values at path `at`.
pub(super) fn reject(values: &Value, at: &FieldPath) -> Result<(), InputError> {
    let Some(level) = values.as_object() else { return Ok(()) };
    let known = FOREIGN.iter().find(|(name, _)| level.get(*name).is_some_and(|value| !value.is_null()));
    if let Some((name, next)) = known {
        let error = InputError::new(at.clone().key(*name), "is a ghz setting that this task does not support");
        return Err(error.with_hint(*next));
    }
    for (name, endpoint) in map(level, "endpoints") {
        reject(endpoint, &at.clone().key("endpoints").key(name))?;
    }
    let versions = level.get("versionValues").and_then(Value::as_array).into_iter().flatten();
    for (index, version) in versions.enumerate() {
        reject(version, &at.clone().key("versionValues").index(index))?;
    }
    Ok(())
}

fn map<'a>(level: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    level.get(name).and_then(Value::as_object).into_iter().flatten()
}
