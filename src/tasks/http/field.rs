//! The field types of the `http` task: each reads one value, and says what was expected when it is another.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

use crate::model::number::{Count, Number};
use crate::model::text::truncate;
use crate::redact::{REDACTED, redact_url};
use crate::tasks::schema_fragments::{HEADER_VALUE, HTTP_URL, each_given};

/// Most connections of one load: enough for one machine's ports and memory.
pub(super) const MAX_CONNECTIONS: u64 = 10_000;

/// Most requests in flight on one connection of HTTP/2.
const MAX_STREAMS: u64 = 1_000;

/// Most redirects that are followed within one request.
const MAX_REDIRECTS: u64 = 50;

/// Headers that follow from the payload, as a regular expression.
const FROM_PAYLOAD: &str = "^([cC][oO][nN][tT][eE][nN][tT]-[lL][eE][nN][gG][tT][hH]|[tT][rR][aA][nN][sS][fF][eE][rR]-[eE][nN][cC][oO][dD][iI][nN][gG])$";

/// A field read by `read` from `Self::Raw`, with its schema.
macro_rules! field {
    ($(#[$doc:meta])* $name:ident($inner:ty), $raw:ty, $schema:expr, $read:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub(in crate::tasks) struct $name(pub(in crate::tasks) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = <$raw>::deserialize(deserializer)?;
                let read: fn($raw) -> Result<$inner, String> = $read;
                read(raw).map(Self).map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

field! {
    /// An `http` or `https` URL with a host.
    TargetUrl(url::Url), String,
    json_schema!({"type": "string", "description": "An http or https URL.", "pattern": HTTP_URL}),
    |text| {
        let shown = shown_url(&text);
        let expected = "expected `http://HOST[:PORT]/PATH` or `https://…`";
        // The `url` crate repairs what browsers do, such as `http:host` and `http:///host`, to a host that nobody may have meant.
        if let Some((scheme, rest)) = text.trim_start().split_once(':')
            && (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        {
            let authority = rest.strip_prefix("//").unwrap_or_default();
            if authority.is_empty() || authority.starts_with(['/', '\\', '?', '#']) {
                return Err(format!("`{shown}` has no host; {expected}"));
            }
        }
        let url = url::Url::parse(&text).map_err(|error| match error {
            url::ParseError::EmptyHost => format!("`{shown}` has no host; {expected}"),
            url::ParseError::RelativeUrlWithoutBase => format!("`{shown}` has no scheme; {expected}"),
            _ => format!("`{shown}` is not a URL ({error}); {expected}"),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("`{shown}` has the scheme `{}`; {expected}", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("`{shown}` has no host; {expected}"));
        }
        Ok(url)
    }
}

field! {
    /// A whole number of at least 1.
    AtLeastOne(u64), Count,
    json_schema!({"description": "A whole number of at least 1, or a string that holds one.", "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\s*\+?0*[1-9][0-9]{0,18}\s*$"}]}),
    |Count(count)| if count == 0 { Err("0 is not a whole number of 1 or more".into()) } else { Ok(count) }
}

field! {
    /// A number of connections.
    Connections(u64), Count,
    json_schema!({"description": "A whole number from 1 to 10000, or a string that holds one.", "anyOf": [{"type": "integer", "minimum": 1, "maximum": 10000}, {"type": "string", "pattern": r"^\s*\+?0*([1-9][0-9]{0,3}|10000)\s*$"}]}),
    |Count(count)| {
        if (1..=MAX_CONNECTIONS).contains(&count) {
            Ok(count)
        } else {
            Err(format!("{count} is not a number of connections; expected 1 to {MAX_CONNECTIONS}"))
        }
    }
}

field! {
    /// A number of requests in flight on one connection.
    Streams(u64), Count,
    json_schema!({"description": "A whole number from 1 to 1000, or a string that holds one.", "anyOf": [{"type": "integer", "minimum": 1, "maximum": 1000}, {"type": "string", "pattern": r"^\s*\+?0*([1-9][0-9]{0,2}|1000)\s*$"}]}),
    |Count(count)| {
        if (1..=MAX_STREAMS).contains(&count) {
            Ok(count)
        } else {
            Err(format!("{count} is not a number of streams; expected 1 to {MAX_STREAMS}"))
        }
    }
}

field! {
    /// Requests per second; `None` for as many as possible.
    Qps(Option<f64>), Value,
    json_schema!({"description": "Requests per second, greater than 0, or `max`.", "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": r"^\s*max\s*$"}, {"type": "string", "pattern": r"^\s*\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$", "allOf": [{"pattern": "^[^eE]*[1-9]"}]}]}),
    |value| {
        if value.as_str().is_some_and(|text| text.trim() == "max") {
            return Ok(None);
        }
        match serde_json::from_value::<Number>(value.clone()) {
            Ok(Number(rate)) if rate > 0.0 => Ok(Some(rate)),
            _ => Err(format!("{} is not a rate; expected a number > 0 or `max`", shown(&value))),
        }
    }
}

field! {
    /// A percentile, 0 to 100.
    Percentile(f64), Number,
    json_schema!({"description": "A percentile from 0 to 100.", "anyOf": [{"type": "number", "minimum": 0, "maximum": 100}, {"type": "string", "pattern": r"^\s*\+?(0*([0-9]{1,2}(\.[0-9]*)?|100(\.0*)?|\.[0-9]+)|[0-9.]+[eE][-+]?[0-9]+)\s*$"}]}),
    // Adding 0 makes a 0 of -0, which would be another metric.
    |Number(p)| if (0.0..=100.0).contains(&p) { Ok(p + 0.0) } else { Err(format!("{p} is not a percentile; expected 0 to 100")) }
}

field! {
    /// How many redirects are followed.
    Redirects(u32), Value,
    json_schema!({"description": "How many redirects are followed within one request, up to 50; true for 10, false for none.", "anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 50}, {"type": "string", "pattern": r"^\s*\+?0*([0-9]|[1-4][0-9]|50)\s*$"}]}),
    |value| match &value {
        Value::Bool(true) => Ok(10),
        Value::Bool(false) => Ok(0),
        other => match serde_json::from_value::<Count>(other.clone()) {
            Ok(Count(count)) if count <= MAX_REDIRECTS => Ok(count as u32),
            _ => Err(format!("{} is not a number of redirects; expected 0 to {MAX_REDIRECTS}, true or false", shown(other))),
        },
    }
}

field! {
    /// An HTTP method.
    Method(http::Method), String,
    json_schema!({"type": "string", "description": "An HTTP method, such as GET or PUT.", "pattern": r"^\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*$", "not": {"pattern": r"^\s*[cC][oO][nN][nN][eE][cC][tT]\s*$"}}),
    |text| {
        let method = text.trim().to_ascii_uppercase().parse::<http::Method>();
        match method {
            Ok(method) if method != http::Method::CONNECT => Ok(method),
            _ => Err(format!("`{text}` is not a usable method; expected GET, POST, PUT …")),
        }
    }
}

field! {
    /// Request headers.
    Headers(Vec<(http::HeaderName, http::HeaderValue)>), Value,
    json_schema!({"type": "object", "description": "Request headers; Host sets the authority.", "propertyNames": {"pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "not": {"pattern": FROM_PAYLOAD}}, "additionalProperties": {"type": ["string", "number", "boolean"], "pattern": HEADER_VALUE}}),
    |value| match value {
        Value::Object(map) => map.iter().map(|(name, value)| header(name, value)).collect(),
        // What else it is may hold a secret: it is not shown.
        _ => Err("is not a map; expected names and values of headers".into()),
    }
}

fn header(name: &str, value: &Value) -> Result<(http::HeaderName, http::HeaderValue), String> {
    let parsed = name.parse::<http::HeaderName>().map_err(|_| format!("`{name}` is not a header name"))?;
    if [http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING].contains(&parsed) {
        return Err(format!("header `{name}` follows from the payload and can't be set"));
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err(format!("the value of header `{name}` is not text")),
    };
    // The value may be a secret, so it is not shown.
    let value = http::HeaderValue::from_str(&text)
        .map_err(|_| format!("the value of header `{name}` holds characters that a header can't"))?;
    Ok((parsed, value))
}

/// The schema of an end of a [`StatusRange`]; what it may be is checked where the levels are merged.
struct Status;

impl JsonSchema for Status {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "An HTTP status from 0 to 999, or a string that holds one.", "anyOf": [{"type": "integer", "minimum": 0, "maximum": 999}, {"type": "string", "pattern": r"^\s*\+?0*[0-9]{1,3}\s*$"}]})
    }
}

/// A range of statuses that count as errors; at least one end is given.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = each_given(&["lower", "upper"])))]
pub(super) struct StatusRange {
    /// Lowest status, included.
    #[schemars(with = "Option<Status>")]
    pub(super) lower: Option<Count>,
    /// Highest status, included.
    #[schemars(with = "Option<Status>")]
    pub(super) upper: Option<Count>,
}

/// Longest text that an error repeats, in characters.
const MAX_SHOWN: usize = 200;

/// A URL, or what was meant to be one, as an error may show it. What stands before the last `@` may be a password that holds a
/// `/` or `?`, whatever the URL's grammar makes of it.
pub(super) fn shown_url(text: &str) -> String {
    let bare = match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
            let scheme = if scheme.contains('@') { String::new() } else { scheme };
            format!("{scheme}{REDACTED}@{host}")
        }
    };
    truncate(&redact_url(&bare), MAX_SHOWN)
}

/// How a wrong value is named in an error.
fn shown(value: &Value) -> impl fmt::Display + use<> {
    match value {
        Value::String(text) => format!("`{}`", truncate(text, MAX_SHOWN)),
        Value::Number(number) => number.to_string(),
        other => format!("`{}`", truncate(&other.to_string(), MAX_SHOWN)),
    }
}
