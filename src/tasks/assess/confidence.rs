//! The `confidence` of `assess`, and the settings that depend on it.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::model::duration::GoDuration;
use crate::model::number::Number;
use crate::model::objectives::Confidence;
use crate::tasks::schema_fragments::given;
use crate::values::input::InputError;

/// Strings that are a confidence: above 0.5 and at most 0.9999.
const LEVEL: &str =
    r"^\s*\+?0*\.(5[0-9]*[1-9][0-9]*|[6-8][0-9]*|9([0-8][0-9]*|9([0-8][0-9]*|9([0-8][0-9]*|90*)?)?)?)\s*$";

/// Longest burst that an early end assumes; 0 is a duration, too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Burst(pub(super) Duration);

impl<'de> Deserialize<'de> for Burst {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            // `--set assess.burst=0` is a number.
            value if value.as_u64() == Some(0) => Ok(Self(Duration::ZERO)),
            value => GoDuration::deserialize(value).map(|duration| Self(duration.0)).map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for Burst {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Burst".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [generator.subschema_for::<GoDuration>(), {"const": 0}]})
    }
}

/// Schema of the level.
pub(super) fn level_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": "number", "exclusiveMinimum": 0.5, "maximum": 0.9999},
        {"type": "string", "pattern": LEVEL},
        {"type": "null"},
    ]})
}

/// Schema of a map that has settings without the confidence on which they depend.
pub(super) fn lacks_level() -> Value {
    json!({"anyOf": [given("burst"), given("strict")], "not": given("confidence")})
}

/// Builds the confidence from its settings; `prefix` is the path of its fields.
pub(super) fn confidence(
    prefix: &str,
    level: Option<Number>,
    burst: Option<Burst>,
    strict: Option<bool>,
) -> Result<Option<Confidence>, InputError> {
    let Some(Number(level)) = level else {
        let given = [("burst", burst.is_some()), ("strict", strict.is_some())];
        return match given.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(None),
            Some((name, _)) => Err(InputError::new(format!("{prefix}{name}"), "has no effect without `confidence`")
                .with_hint("add `confidence`, such as 0.95, or remove it")),
        };
    };
    if !(level > 0.5 && level <= 0.9999) {
        let message = format!("{level} is out of range; expected more than 0.5 and at most 0.9999");
        let fraction = if (50.0..=99.99).contains(&level) { (level * 1e6).round() / 1e8 } else { 0.95 };
        let hint = format!("confidence is a fraction of 1, such as {fraction}");
        return Err(InputError::new(format!("{prefix}confidence"), message).with_hint(hint));
    }
    let burst = burst.map_or(Confidence::DEFAULT_BURST, |burst| burst.0);
    Ok(Some(Confidence { level, burst, is_strict: strict.unwrap_or(false) }))
}
