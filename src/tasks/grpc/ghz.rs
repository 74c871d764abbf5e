//! Settings of ghz that the task does not have, and their replacements.

use serde_json::{Map, Value};

use crate::model::path::join;
use crate::values::input::InputError;

const STAGES: &str = "`stages` change the rate: in each it goes to another `qps` within a `duration`";
const CONCURRENCY: &str =
    "`concurrency` bounds the requests in flight; what changes over time is the rate, by `stages`";
const STREAM: &str = "list in `data` the messages of a stream, as many as it shall send; `timeout` ends a call";
const REPORT: &str = "leave it out; `iter8 report` writes text, HTML and JSON";
const NEEDLESS: &str = "leave it out; there is nothing to set here";
const SIZE: &str = "leave it out; messages may have up to 64 MiB";

/// The settings, with a hint for each.
const FOREIGN: [(&str, &str); 26] = [
    ("async", "leave it out; with `qps`, requests are sent when they are due, whatever became of the others"),
    ("concurrency-end", CONCURRENCY),
    ("concurrency-max-duration", CONCURRENCY),
    ("concurrency-schedule", CONCURRENCY),
    ("concurrency-start", CONCURRENCY),
    ("concurrency-step", CONCURRENCY),
    ("concurrency-step-duration", CONCURRENCY),
    (
        "count-errors",
        "leave it out; `grpc/latency` counts all answers, `grpc/success-latency` those that are no errors",
    ),
    ("cpus", NEEDLESS),
    ("debug", REPORT),
    ("disable-template-data", NEEDLESS),
    ("disable-template-functions", NEEDLESS),
    ("format", REPORT),
    ("lb-strategy", "leave it out; connections go to the addresses of the host in turn"),
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

/// Rejects such settings in any layer of the values at path `at`.
pub(super) fn refuse(values: &Value, at: &str) -> Result<(), InputError> {
    let Some(level) = values.as_object() else { return Ok(()) };
    let known = FOREIGN.iter().find(|(name, _)| level.get(*name).is_some_and(|value| !value.is_null()));
    if let Some((name, next)) = known {
        let error = InputError::new(join(at, name), "is a setting of ghz that this task does not have");
        return Err(error.with_hint(*next));
    }
    for (name, endpoint) in map(level, "endpoints") {
        refuse(endpoint, &join(at, &format!("endpoints.{name}")))?;
    }
    let versions = level.get("versionValues").and_then(Value::as_array).into_iter().flatten();
    for (index, version) in versions.enumerate() {
        refuse(version, &join(at, &format!("versionValues[{index}]")))?;
    }
    Ok(())
}

fn map<'a>(level: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    level.get(name).and_then(Value::as_object).into_iter().flatten()
}
