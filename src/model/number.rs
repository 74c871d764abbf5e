//! Numbers that may also be written as strings.
//!
//! `--set` recognizes only decimal integers, so `--set assess.SLOs.upper.m=0.5` arrives as the string `"0.5"`. Every numeric field accepts a
//! numeric string.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Finite number, read from a number or a numeric string.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize)]
pub struct Number(pub f64);

/// Non-negative integer, read from a number or a numeric string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Count(pub u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum Raw<'a> {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(std::borrow::Cow<'a, str>),
    Other(serde_json::Value),
}

impl Raw<'_> {
    /// Formats the value for an error.
    fn describe(&self) -> String {
        match self {
            Raw::Unsigned(n) => n.to_string(),
            Raw::Signed(n) => n.to_string(),
            Raw::Float(n) => n.to_string(),
            Raw::Text(text) => format!("`{text}`"),
            Raw::Other(value) => format!("`{value}`"),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        let number = match &raw {
            Raw::Unsigned(n) => Some(*n as f64),
            Raw::Signed(n) => Some(*n as f64),
            Raw::Float(n) => Some(*n),
            Raw::Text(text) => text.trim().parse().ok(),
            Raw::Other(_) => None,
        };
        match number {
            Some(n) if f64::is_finite(n) => Ok(Self(n)),
            _ => Err(serde::de::Error::custom(format!("{} is not a number", raw.describe()))),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        let count = match &raw {
            Raw::Unsigned(n) => Some(*n),
            // YAML and JSON writers may print an integer as `1e3` or `100.0`.
            Raw::Float(n) if n.fract() == 0.0 && (0.0..9e15).contains(n) => Some(*n as u64),
            Raw::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        let too_large = matches!(raw, Raw::Float(n) if n.fract() == 0.0 && n >= 9e15);
        let problem = if too_large { "is too large" } else { "is not a non-negative integer" };
        count.map(Self).ok_or_else(|| serde::de::Error::custom(format!("{} {problem}", raw.describe())))
    }
}

impl JsonSchema for Number {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A number, or a numeric string.",
            "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"}]
        })
    }
}

impl JsonSchema for Count {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A non-negative integer, or a numeric string.",
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\s*\+?[0-9]+\s*$"}]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_may_be_strings() {
        for (value, expected) in [(json!(1), 1.0), (json!("0.5"), 0.5), (json!(-2), -2.0), (json!("1e3"), 1000.0)] {
            assert_eq!(serde_json::from_value::<Number>(value).unwrap().0, expected);
        }
    }

    #[test]
    fn other_values_are_quoted_in_the_error() {
        let error = serde_json::from_value::<Number>(json!("abc")).unwrap_err().to_string();
        assert_eq!(error, "`abc` is not a number");
        let error = serde_json::from_value::<Count>(json!(-3)).unwrap_err().to_string();
        assert_eq!(error, "-3 is not a non-negative integer");
        for value in [json!("NaN"), json!(true), json!(null), json!([1])] {
            assert!(serde_json::from_value::<Number>(value.clone()).is_err(), "{value}");
        }
    }
}
