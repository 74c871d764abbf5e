//! Settings of ghz: those that the task does not support, with their replacements, and the defaults that ghz writes into documents.

use serde_json::{Map, Value, json};

use crate::model::path::FieldPath;
use crate::values::input::InputError;

const STAGES: &str = "use `stages` to change the rate: each stage goes to a `qps` within a `duration`";
const CONCURRENCY: &str = "`concurrency` limits requests in flight; use `stages` to change the rate over time";
const STREAM: &str = "list the messages of the stream in `data`; `timeout` ends a call";
const REPORT: &str = "remove it; `iter8 report -o FORMAT` writes the report";
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

/// Defaults of ghz's own settings that are not a zero of their type.
const DEFAULTS: [(&str, &str); 5] = [
    ("concurrency-schedule", "const"),
    ("concurrency-start", "1"),
    ("count-errors", "true"),
    ("format", "summary"),
    ("load-schedule", "const"),
];

/// Settings of this task that ghz writes as a zero if they are not set; an empty string is never a setting.
const UNSET_IF_ZERO: [&str; 20] = [
    "authority",
    "binary-file",
    "cacert",
    "cert",
    "cname",
    "concurrency",
    "connect-timeout",
    "connections",
    "data-file",
    "duration-stop",
    "key",
    "max-duration",
    "metadata-file",
    "proto",
    "protoset",
    "qps",
    "rps",
    "stream-interval",
    "total",
    "keepalive",
];

/// Longest timeout, for calls that ghz would wait for without a limit. Latencies are measured up to this.
const NO_TIMEOUT: &str = "1h";

/// Schema of the configuration that Iter8 v0.13 writes into documents: all settings of ghz, with their defaults.
pub(super) fn written_by_iter8() -> Value {
    let default = |(name, _): &(&str, &str)| {
        let other = DEFAULTS.iter().find(|(known, _)| known == name).map(|(_, default)| *default);
        let zeros = json!([0, "", "0", "0s", false, null]);
        let mut values = if *name == "count-errors" { json!([true, "true"]) } else { zeros };
        values.as_array_mut().into_iter().for_each(|values| values.extend(other.map(number_or_text)));
        ((*name).to_owned(), json!({"enum": values}))
    };
    let properties: Map<String, Value> = FOREIGN.iter().map(default).collect();
    json!({
        "description": "The settings of ghz as Iter8 v0.13 writes them.",
        "type": "object",
        "required": ["load-schedule", "concurrency-schedule", "count-errors"],
        "properties": properties,
    })
}

fn number_or_text(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}

/// Removes the settings that ghz and Iter8 write without being asked, from every layer of the values at path `at`, and rejects settings of
/// ghz that change the load in a way that this task does not support.
///
/// Iter8 v0.13 writes all of ghz's settings with their defaults into its documents. Zeros of settings that both have count as not given only
/// in such a complete configuration: a user who writes `total: 0` made a mistake.
pub(super) fn normalized(values: &Value, at: &FieldPath) -> Result<Value, InputError> {
    let Some(level) = values.as_object() else { return Ok(values.clone()) };
    let mut level = own_settings(level, at)?;
    if let Some(Value::Object(endpoints)) = level.get_mut("endpoints") {
        for (name, endpoint) in endpoints {
            if let Some(endpoint) = endpoint.as_object_mut().filter(|endpoint| has_foreign(endpoint)) {
                // In a configuration that ghz wrote, zeros of every type mean that the base's setting applies.
                let is_complete = is_complete(endpoint);
                endpoint.retain(|name, value| !is_zero(value) || (name == "count-errors" && !is_complete));
            }
            *endpoint = normalized(endpoint, &at.clone().key("endpoints").key(name))?;
        }
    }
    if let Some(Value::Array(versions)) = level.get_mut("versionValues") {
        for (index, version) in versions.iter_mut().enumerate() {
            *version = normalized(version, &at.clone().key("versionValues").index(index))?;
        }
    }
    Ok(Value::Object(level))
}

fn own_settings(level: &Map<String, Value>, at: &FieldPath) -> Result<Map<String, Value>, InputError> {
    let is_default = |name: &str, value: &Value| {
        let other = DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, default)| *default);
        match (name, other) {
            // Without errors, `grpc/latency` would be another metric.
            ("count-errors", _) => text(value) == "true" || value.is_null(),
            (_, other) => is_zero(value) || Some(text(value).as_str()) == other,
        }
    };
    let is_written_by_ghz = has_foreign(level);
    let is_unset = |value: &Value| if is_written_by_ghz { is_zero(value) } else { value == "" };
    let mut own = Map::new();
    for (name, value) in level {
        match FOREIGN.iter().find(|(known, _)| known == name) {
            Some(_) if is_default(name, value) => {}
            Some((_, next)) => {
                let error = InputError::new(at.clone().key(name), "is a ghz setting that this task does not support");
                return Err(error.with_hint(*next));
            }
            None if UNSET_IF_ZERO.contains(&name.as_str()) && is_unset(value) => {}
            None if name == "timeout" && !value.is_null() && is_unset(value) => {
                own.insert(name.clone(), NO_TIMEOUT.into());
            }
            None => drop(own.insert(name.clone(), value.clone())),
        }
    }
    Ok(own)
}

/// Returns true for an endpoint that has most of the settings that only ghz knows: users write those that they need.
fn is_complete(endpoint: &Map<String, Value>) -> bool {
    FOREIGN.iter().filter(|(name, _)| endpoint.contains_key(*name)).count() > FOREIGN.len() / 2
}

/// Returns true if a level has settings that only ghz knows.
fn has_foreign(level: &Map<String, Value>) -> bool {
    FOREIGN.iter().any(|(name, _)| level.contains_key(*name))
}

/// Returns true for null, false, 0, an empty string and a duration of 0.
fn is_zero(value: &Value) -> bool {
    ["", "0", "0s", "0ms", "0.0", "false", "null"].contains(&text(value).as_str())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &Value) -> Result<Value, String> {
        normalized(values, &"with".into()).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_that_ghz_writes_are_as_if_they_were_not_given() {
        let written = json!({
            "host": "h:1", "call": "a.B/C", "total": 60, "concurrency": 5, "insecure": true, "duration": "0s",
            "load-schedule": "const", "concurrency-start": 1, "concurrency-end": 0, "count-errors": true, "format": "summary",
            "cpus": 0, "load-max-duration": "0s", "stream-dynamic-messages": false, "max-recv-message-size": "", "async": "false",
            "proto": "", "cert": "", "authority": "", "rps": 0, "metadata-file": "", "connections": "0", "duration-stop": "",
            "timeout": "0s", "data": null,
        });
        assert_eq!(
            read(&written),
            Ok(json!({
                "host": "h:1", "call": "a.B/C", "total": 60, "concurrency": 5, "insecure": true, "duration": "0s", "timeout": "1h",
                "data": null,
            }))
        );
    }

    #[test]
    fn settings_that_change_the_load_are_rejected_in_every_layer() {
        for (field, value) in [
            ("load-schedule", json!("step")),
            ("concurrency-start", json!(2)),
            ("count-errors", json!(false)),
            ("format", json!("json")),
            ("stream-call-duration", json!("1s")),
            ("async", json!(true)),
        ] {
            let rejected = |at: &str| Err(format!("{at}.{field}: is a ghz setting that this task does not support"));
            assert_eq!(read(&json!({field: value})), rejected("with"));
            assert_eq!(read(&json!({"endpoints": {"a": {field: value}}})), rejected("with.endpoints.a"));
            assert_eq!(read(&json!({"versionValues": [{field: value}]})), rejected("with.versionValues[0]"));
        }
    }

    #[test]
    fn zeros_in_an_endpoint_that_ghz_wrote_override_nothing() {
        let written =
            json!({"endpoints": {"a": {"call": "a.B/C", "insecure": false, "duration": "0s", "total": 0, "cpus": 0}}});
        assert_eq!(read(&written), Ok(json!({"endpoints": {"a": {"call": "a.B/C"}}})));
        let mut all: Map<String, Value> = FOREIGN.iter().map(|(name, _)| ((*name).to_owned(), json!(0))).collect();
        all.extend([("count-errors".to_owned(), json!(false)), ("timeout".to_owned(), json!("0s"))]);
        assert_eq!(
            read(&json!({"timeout": "5s", "endpoints": {"a": all}})),
            Ok(json!({"timeout": "5s", "endpoints": {"a": {}}}))
        );
        // Written by a user.
        let own = json!({"total": 0, "timeout": "0s", "endpoints": {"a": {"call": "a.B/C", "insecure": false, "duration": "0s"}}});
        assert_eq!(read(&own), Ok(own));
        assert_eq!(read(&json!({"proto": "", "cacert": ""})), Ok(json!({})));
    }
}
