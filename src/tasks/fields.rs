//! Field types shared by several tasks, and the macro that defines them: each parses one value and has a schema.

use std::fmt;

use schemars::json_schema;
use serde_json::Value;

use super::schema_fragments::{HEADER_VALUE, HTTP_URL};
use super::secret_source::{Secret, schema_of_source};
use crate::model::number::{Count, Number};
use crate::model::text::truncate;
use crate::redact::{REDACTED, redact_url};

/// Maximum number of connections per load, bounded by the ports and memory of one machine.
pub(in crate::tasks) const MAX_CONNECTIONS: u64 = 10_000;

/// Pattern of headers derived from the payload.
const FROM_PAYLOAD: &str = "^([cC][oO][nN][tT][eE][nN][tT]-[lL][eE][nN][gG][tT][hH]|[tT][rR][aA][nN][sS][fF][eE][rR]-[eE][nN][cC][oO][dD][iI][nN][gG])$";

/// Defines a field type that is parsed from a raw type, with the name and content of its schema.
macro_rules! field {
    ($(#[$doc:meta])* $name:ident($inner:ty) as $schema_name:literal, $raw:ty, $schema:expr, $read:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub(in crate::tasks) struct $name(pub(in crate::tasks) $inner);

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let read: fn($raw) -> Result<$inner, String> = $read;
                let raw = <$raw as serde::Deserialize>::deserialize(deserializer)?;
                read(raw).map(Self).map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $schema_name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
pub(in crate::tasks) use field;

field! {
    /// An `http` or `https` URL with a host.
    TargetUrl(url::Url) as "TargetUrl", String,
    json_schema!({"type": "string", "description": "An http or https URL.", "pattern": HTTP_URL}),
    |text| {
        let url_text = display_url(&text);
        let expected = "expected `http://HOST[:PORT]/PATH` or `https://…`";
        // Like browsers, the `url` crate repairs `http:host` and `http:///host`, possibly to an unintended host.
        if let Some((scheme, rest)) = text.trim_start().split_once(':')
            && (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        {
            let authority = rest.strip_prefix("//").unwrap_or_default();
            if authority.is_empty() || authority.starts_with(['/', '\\', '?', '#']) {
                return Err(format!("`{url_text}` has no host; {expected}"));
            }
        }
        let url = url::Url::parse(&text).map_err(|error| match error {
            url::ParseError::EmptyHost => format!("`{url_text}` has no host; {expected}"),
            url::ParseError::RelativeUrlWithoutBase => format!("`{url_text}` has no scheme; {expected}"),
            _ => format!("`{url_text}` is not a valid URL ({error}); {expected}"),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("`{url_text}` has the scheme `{}`; {expected}", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("`{url_text}` has no host; {expected}"));
        }
        Ok(url)
    }
}

field! {
    /// An integer of at least 1.
    AtLeastOne(u64) as "AtLeastOne", Count,
    json_schema!({"description": "An integer of at least 1, or a string that contains one.", "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\s*\+?0*[1-9][0-9]{0,18}\s*$"}]}),
    |Count(count)| if count == 0 { Err("0 is out of range; expected at least 1".into()) } else { Ok(count) }
}

field! {
    /// A percentile, 0 to 100.
    Percentile(f64) as "Percentile", Number,
    json_schema!({"description": "A percentile from 0 to 100.", "anyOf": [{"type": "number", "minimum": 0, "maximum": 100}, {"type": "string", "pattern": r"^\s*\+?(0*([0-9]{1,2}(\.[0-9]*)?|100(\.0*)?|\.[0-9]+)|[0-9.]+[eE][-+]?[0-9]+)\s*$"}]}),
    // Adding 0 turns -0 into 0, because -0 would be another metric.
    |Number(p)| if (0.0..=100.0).contains(&p) { Ok(p + 0.0) } else { Err(format!("{p} is not a percentile; expected 0 to 100")) }
}

field! {
    /// A string; a number or boolean is read as it is written.
    PlainText(String) as "PlainText", Value,
    json_schema!({"type": ["string", "number", "boolean"]}),
    |value| match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        // Do not show the value: it may contain a secret.
        _ => Err("expected a string".into()),
    }
}

/// Value of a header: as written, or the source of a secret.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::tasks) enum HeaderSource {
    Literal(http::HeaderValue),
    Secret(Secret),
}

field! {
    /// Request headers.
    Headers(Vec<(http::HeaderName, HeaderSource)>) as "Headers", Value,
    json_schema!({"type": "object", "description": "Request headers; Host sets the authority. A value may be the source of a secret: `file`, `env` or `secretKeyRef`.", "propertyNames": {"pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "not": {"pattern": FROM_PAYLOAD}}, "additionalProperties": {"anyOf": [{"type": ["string", "number", "boolean"], "pattern": HEADER_VALUE}, schema_of_source()]}}),
    |value| match value {
        Value::Object(map) => map.iter().map(|(name, value)| header(name, value)).collect(),
        // Do not show the value: it may contain a secret.
        _ => Err("expected a map of header names to values".into()),
    }
}

fn header(name: &str, value: &Value) -> Result<(http::HeaderName, HeaderSource), String> {
    let parsed = name.parse::<http::HeaderName>().map_err(|_| format!("`{name}` is not a valid header name"))?;
    if [http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING].contains(&parsed) {
        return Err(format!("header `{name}` is derived from the payload and cannot be set"));
    }
    if let Some(source) = Secret::of(value) {
        let source = source.map_err(|error| format!("header `{name}`: {error}"))?;
        return Ok((parsed, HeaderSource::Secret(source)));
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err(format!("the value of header `{name}` must be a string, number or boolean")),
    };
    // Do not show the value: it may be a secret.
    let value = http::HeaderValue::from_str(&text)
        .map_err(|_| format!("the value of header `{name}` contains invalid characters"))?;
    Ok((parsed, HeaderSource::Literal(value)))
}

/// Returns `defaults` and the given percentiles, sorted and without duplicates.
pub(in crate::tasks) fn percentiles(defaults: &[f64], given: Option<&[Percentile]>) -> Vec<f64> {
    let given = given.unwrap_or_default().iter().map(|percentile| percentile.0);
    let mut percentiles: Vec<f64> = defaults.iter().copied().chain(given).collect();
    percentiles.sort_by(f64::total_cmp);
    percentiles.dedup();
    percentiles
}

/// Maximum length, in characters, of a value quoted in an error.
pub(in crate::tasks) const MAX_DISPLAYED: usize = 200;

/// Renders a URL, valid or not, for an error. Everything before the last `@` may be a password, even if it contains `/` or `?`.
pub(in crate::tasks) fn display_url(text: &str) -> String {
    let bare = match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
            let scheme = if scheme.contains('@') { String::new() } else { scheme };
            format!("{scheme}{REDACTED}@{host}")
        }
    };
    truncate(&redact_url(&bare), MAX_DISPLAYED)
}

/// Renders an invalid value for an error.
pub(in crate::tasks) fn display(value: &Value) -> impl fmt::Display + use<> {
    match value {
        Value::String(text) => format!("`{}`", truncate(text, MAX_DISPLAYED)),
        Value::Number(number) => number.to_string(),
        other => format!("`{}`", truncate(&other.to_string(), MAX_DISPLAYED)),
    }
}
