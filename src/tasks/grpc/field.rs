//! Field types of the `grpc` task: each parses one value and has a schema.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::method::CallName;
use crate::load::plan::StopMode;
use crate::model::number::{Count, Number};
use crate::model::text::truncate;
use crate::tasks::fields::{MAX_CONNECTIONS, MAX_DISPLAYED, field};
use crate::tasks::secret_source::{Secret, schema_of_source};

/// Address of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServiceAddress {
    /// Host and port, as in a URL.
    HostPort(String),
    /// Path of a Unix socket.
    Socket(String),
}

field! {
    /// Address of the service.
    Host(ServiceAddress) as "GrpcHost", String,
    json_schema!({"type": "string", "description": "HOST:PORT, or unix:PATH for a Unix socket.", "pattern": r"^\s*(unix:.*[^/:\s]|(dns:/*)?[^/@?#\s]+:[0-9]{1,5})\s*$"}),
    |text| address(&text)
}

fn address(text: &str) -> Result<ServiceAddress, String> {
    let trimmed = text.trim();
    let expected = "expected `HOST:PORT` or `unix:PATH`";
    if let Some(path) = trimmed.strip_prefix("unix:") {
        let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        if path.trim_end_matches(['/', ':', ' ']).len() != path.len() || path.is_empty() {
            return Err(format!("`{}` is not a socket path; {expected}", truncate(text, MAX_DISPLAYED)));
        }
        return Ok(ServiceAddress::Socket(path.to_owned()));
    }
    let address = trimmed.strip_prefix("dns:").map_or(trimmed, |rest| rest.trim_start_matches('/'));
    let reject = |problem: &str| Err(format!("`{}` {problem}; {expected}", truncate(text, MAX_DISPLAYED)));
    if address.contains("://") {
        return reject("is a URL");
    }
    // Do not show the value: the part before `@` may be a password.
    if address.contains('@') {
        return Err(format!("contains `@`; {expected}"));
    }
    let port = address.rsplit_once(':').map(|(_, port)| port);
    let has_port = port.is_some_and(|port| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit()));
    if !has_port || address.ends_with(']') {
        return reject("has no port");
    }
    match url::Url::parse(&format!("http://{address}/")) {
        Ok(url) if url.path() == "/" && url.host().is_some() && url.query().is_none() => {
            Ok(ServiceAddress::HostPort(address.to_owned()))
        }
        _ => reject("is not a valid host"),
    }
}

field! {
    /// The method to call.
    Call(CallName) as "GrpcCall", String,
    json_schema!({"type": "string", "description": "package.Service/Method, or package.Service.Method.", "pattern": r"^\s*[./]*[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*[./][A-Za-z_][A-Za-z0-9_]*\s*$"}),
    |text| CallName::parse(&text)
}

field! {
    /// A number of connections or requests in flight.
    Parallel(u64) as "GrpcParallel", Count,
    json_schema!({"description": "An integer from 1 to 10000, or a string that contains one.", "anyOf": [{"type": "integer", "minimum": 1, "maximum": 10000}, {"type": "string", "pattern": r"^\s*\+?0*([1-9][0-9]{0,3}|10000)\s*$"}]}),
    |Count(count)| {
        if (1..=MAX_CONNECTIONS).contains(&count) {
            Ok(count)
        } else {
            Err(format!("{count} is out of range; expected 1 to {MAX_CONNECTIONS}"))
        }
    }
}

field! {
    /// Requests per second; `None` for as many as possible.
    Rate(Option<f64>) as "GrpcRate", Value,
    json_schema!({"description": "Requests per second; 0 or `max` for as many as possible.", "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*(max|\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?)\s*$"}]}),
    |value| {
        if value.as_str().is_some_and(|text| text.trim() == "max") {
            return Ok(None);
        }
        match serde_json::from_value::<Number>(value.clone()) {
            Ok(Number(rate)) if rate >= 0.0 => Ok(Some(rate).filter(|rate| *rate > 0.0)),
            _ => Err(format!("{} is not a rate; expected a number of 0 or more, or `max`", truncate(&value.to_string(), MAX_DISPLAYED))),
        }
    }
}

field! {
    /// Treatment of requests in flight at the end of `duration`.
    DurationStop(StopMode) as "GrpcDurationStop", String,
    json_schema!({"type": "string", "description": "Treatment of requests in flight at the end.", "enum": ["close", "wait", "ignore"]}),
    |text| match text.as_str() {
        "close" => Ok(StopMode::Abort),
        "wait" => Ok(StopMode::Wait),
        "ignore" => Ok(StopMode::Ignore),
        other => Err(format!("`{}` is not a valid mode; expected close, wait or ignore", truncate(other, MAX_DISPLAYED))),
    }
}

/// Value of metadata: text, which may have actions, or the source of a secret.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MetadataSource {
    Text(String),
    Secret(Secret),
}

field! {
    /// Metadata as written: values are strings, numbers, booleans or sources of a secret.
    Metadata(BTreeMap<String, MetadataSource>) as "GrpcMetadata", Value,
    json_schema!({"type": "object", "description": "Names and values. Values may contain actions; values of names that end in `-bin` are base64. A value may be the source of a secret: `file`, `env` or `secretKeyRef`.", "additionalProperties": {"anyOf": [{"type": ["string", "number", "boolean"]}, schema_of_source()]}}),
    |value| match value {
        Value::Object(map) => map.into_iter().map(metadata_source).collect(),
        // Do not show the value: it may contain a secret.
        _ => Err("expected a map of names to values, such as `{authorization: Bearer …}`".into()),
    }
}

fn metadata_source((name, value): (String, Value)) -> Result<(String, MetadataSource), String> {
    match Secret::of(&value) {
        Some(Ok(secret)) => Ok((name, MetadataSource::Secret(secret))),
        Some(Err(error)) => Err(format!("`{name}`: {error}")),
        None => metadata_string((name, value)).map(|(name, text)| (name, MetadataSource::Text(text))),
    }
}

/// Converts the values to strings. An error names the entry but not its value, which may be a secret.
pub(super) fn metadata_strings(map: BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, String> {
    map.into_iter().map(metadata_string).collect()
}

fn metadata_string((name, value): (String, Value)) -> Result<(String, String), String> {
    match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(_) | Value::Bool(_) => Ok((name, value.to_string())),
        _ => Err(format!("the value of `{name}` must be a string, number or boolean")),
    }
}

/// Messages as written: the JSON of a message, a list of those, or JSON in a string.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Messages(pub(super) Value);

impl JsonSchema for Messages {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GrpcMessages".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A message: a map, or the JSON of a well-known type, such as a string for `google.protobuf.StringValue`; a list of messages, sent as a stream or, by unary calls, in turn; or a string of JSON. Strings may contain actions.",
            "type": ["object", "array", "string", "number", "boolean"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_port_or_is_a_socket() {
        for (text, expected) in [("svc:50051", "svc:50051"), ("dns:///svc.ns:1", "svc.ns:1"), ("[::1]:80", "[::1]:80")]
        {
            assert_eq!(address(text), Ok(ServiceAddress::HostPort(expected.to_owned())), "{text}");
        }
        for (text, expected) in [("unix:/run/s", "/run/s"), ("unix:///run/s", "/run/s"), ("unix:s.sock", "s.sock")] {
            assert_eq!(address(text), Ok(ServiceAddress::Socket(expected.to_owned())), "{text}");
        }
        for wrong in [
            "",
            "svc",
            "svc:",
            "svc:99999",
            "http://svc:1",
            "a/b:1",
            "[::1]",
            "unix:",
            "unix:/",
            "u:p@svc:1",
            "svc:+1",
            "svc?x:1",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
        assert!(!address("u:secret@svc:1").unwrap_err().contains("secret"));
    }
}
