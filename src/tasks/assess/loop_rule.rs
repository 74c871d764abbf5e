//! The rules of `assess` on several loops: `consecutive` and `failureLimit`.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::model::loops::LoopRule;
use crate::model::number::Count;
use crate::slo::loops::MAX_RULE;
use crate::tasks::schema_fragments::given;
use crate::values::input::InputError;

pub(super) fn consecutive_schema(_: &mut SchemaGenerator) -> Schema {
    rule_schema(1, r"^\s*\+?0*([1-9][0-9]?|100)\s*$")
}

pub(super) fn failure_limit_schema(_: &mut SchemaGenerator) -> Schema {
    rule_schema(0, r"^\s*\+?0*([0-9]{1,2}|100)\s*$")
}

fn rule_schema(least: u64, pattern: &str) -> Schema {
    json_schema!({"anyOf": [
        {"type": "integer", "minimum": least, "maximum": MAX_RULE},
        {"type": "string", "pattern": pattern},
        {"type": "null"},
    ]})
}

pub(super) fn both_rules() -> Value {
    json!({"allOf": [given("consecutive"), given("failureLimit")]})
}

/// Builds the loop rule from these settings; `prefix` is the path of its fields.
pub(super) fn rule(
    prefix: &str,
    consecutive: Option<Count>,
    failure_limit: Option<Count>,
) -> Result<Option<LoopRule>, InputError> {
    let bounded = |name: &str, Count(count): Count, least: u64| {
        if (least..=MAX_RULE).contains(&count) {
            return Ok(count);
        }
        let message = format!("{count} is out of range; expected {least} to {MAX_RULE} loops");
        Err(InputError::new(format!("{prefix}{name}"), message))
    };
    match (consecutive, failure_limit) {
        (Some(_), Some(_)) => {
            let message = "cannot be combined with `consecutive`";
            Err(InputError::new(format!("{prefix}failureLimit"), message).with_hint("remove one of them"))
        }
        (Some(count), None) => bounded("consecutive", count, 1).map(|count| Some(LoopRule::Consecutive(count))),
        (None, Some(count)) => bounded("failureLimit", count, 0).map(|count| Some(LoopRule::FailureLimit(count))),
        (None, None) => Ok(None),
    }
}
