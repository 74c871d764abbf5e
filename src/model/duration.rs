//! Durations in Go's format (`1m30s`, `500ms`, `1.5h`), used in values and documents.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use gotemplate::duration;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Non-negative duration in the format of Go's `time.Duration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub Duration);

/// String that is not a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a duration; expected a number with a unit, such as `5s`, `1m30s` or `500ms`")]
pub struct DurationError {
    text: String,
}

/// Regular expression of durations.
const PATTERN: &str = r"^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        duration::parse(text).map(Self).ok_or_else(|| DurationError { text: text.to_owned() })
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration::format(self.0))
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // A number without a unit is ambiguous, so only strings are accepted.
        let parsed = if value.is_string() { text.parse() } else { Err(DurationError { text }) };
        parsed.map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for GoDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration as Go writes it: 5s, 1m30s, 500ms.",
            "pattern": PATTERN
        })
    }
}

/// Duration greater than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PositiveDuration(pub GoDuration);

impl<'de> Deserialize<'de> for PositiveDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let duration = GoDuration::deserialize(deserializer)?;
        if duration.0.is_zero() {
            return Err(serde::de::Error::custom("`0s` is too short; expected a duration greater than 0"));
        }
        Ok(Self(duration))
    }
}

impl JsonSchema for PositiveDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PositiveDuration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration greater than 0 as Go writes it: 5s, 1m30s, 500ms.",
            "pattern": PATTERN,
            "allOf": [{"pattern": "[1-9]"}]
        })
    }
}
