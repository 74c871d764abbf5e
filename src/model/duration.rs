//! Durations as Go writes them (`1m30s`, `500ms`, `1.5h`): the spelling of every duration in values and documents.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A non-negative duration that reads and prints as Go's `time.Duration` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub Duration);

/// Why a text is not a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a duration; expected a number with a unit, such as `5s`, `1m30s` or `500ms`")]
pub struct DurationError {
    text: String,
}

/// Units, longest spelling first so that `ms` is not read as `m` followed by `s`; nanoseconds each.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// The same as a regular expression.
const PATTERN: &str = r"^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let error = || DurationError { text: text.to_owned() };
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if rest.is_empty() {
            return Err(error());
        }
        let mut nanos = 0.0_f64;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let (number, tail) = rest.split_at(digits);
            let number: f64 = number.parse().map_err(|_| error())?;
            let (unit, scale) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit)).ok_or_else(error)?;
            nanos += number * scale;
            rest = &tail[unit.len()..];
        }
        // The range of Go's int64 of nanoseconds, about 292 years.
        if nanos > i64::MAX as f64 {
            return Err(error());
        }
        Ok(Self(Duration::from_nanos(nanos.round() as u64)))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let fraction = |value: u128, unit: u128, name: &str| {
            let text = format!("{}.{:0width$}", value / unit, value % unit, width = unit.ilog10() as usize);
            format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
        };
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => f.write_str(&fraction(nanos, 1_000, "µs")),
            1_000_000..1_000_000_000 => f.write_str(&fraction(nanos, 1_000_000, "ms")),
            _ => {
                let minutes = nanos / 60_000_000_000;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                f.write_str(&fraction(nanos % 60_000_000_000, 1_000_000_000, "s"))
            }
        }
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
        // A number without a unit says nothing; only text is a duration.
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

/// A duration that is not zero, for what would end before it started.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_what_go_prints() {
        let cases = [
            ("0", "0s"),
            ("5s", "5s"),
            ("1m30s", "1m30s"),
            ("500ms", "500ms"),
            ("1.5h", "1h30m0s"),
            ("90s", "1m30s"),
            ("1500us", "1.5ms"),
            ("10ns", "10ns"),
            ("1500µs", "1.5ms"),
            (".5s", "500ms"),
        ];
        for (text, printed) in cases {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in ["", "5", "s", "-5s", "5 s", "5x", "1..5s", "300000h0m0s9999999h", "5sm"] {
            assert!(text.parse::<GoDuration>().is_err(), "{text}");
        }
    }
}
