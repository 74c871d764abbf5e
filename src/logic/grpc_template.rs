//! Calls of the `grpc` task that differ from each other: texts with actions in Go's template language, as ghz has them.
//!
//! Number, time and random bits are passed in, so that the same ones give the same text. What actions can name:
//!
//! | action | becomes |
//! |---|---|
//! | `{{.RequestNumber}}` | the number of the call, from 0 |
//! | `{{.Timestamp}}`, `{{.TimestampUnix}}`, `{{.TimestampUnixMilli}}`, `{{.TimestampUnixNano}}` | the time, RFC 3339 or since 1970 |
//! | `{{.UUID}}`, `{{newUUID}}` | a random UUID: one for the call, or a new one each time |
//! | `{{randomInt MIN MAX}}` | a number from MIN up to, not including, MAX |
//! | `{{randomString LENGTH}}` | letters and digits; 2 to 16 of them for a length of 0 |
//! | `{{.WorkerID}}` and what else [`Fixed`] holds | what stays the same during a load |
//!
//! Templates may come from outside, and must end within bounds: loops, the text they become, and the texts that their functions make
//! on the way are limited. Named templates (`define`, `block`) are refused: they call each other, and a few lines of them take for ever.

mod bounds;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use gotmpl::{MissingKey, Template, TemplateError, Value};

use super::random::{self, RandomBits, uuid};

/// Longest text that a template may become, in bytes.
pub const MAX_OUTPUT: usize = 16 << 20;

/// Most turns of all loops of one expansion.
const MAX_LOOPS: u64 = 10_000;

/// What stays the same during a load, by name; text or a truth value.
pub type Fixed = BTreeMap<String, FixedValue>;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FixedValue {
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
}

/// Why a template gives no text; the words of the template engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateFault(String);

impl From<TemplateError> for TemplateFault {
    fn from(error: TemplateError) -> Self {
        match error {
            // It reports what its output says, and that says no more than this.
            TemplateError::Write => Self(format!("becomes longer than {MAX_OUTPUT} bytes")),
            error => Self(error.to_string()),
        }
    }
}

/// What differs between calls.
pub struct CallValues(Value);

impl CallValues {
    /// The values of call `number`.
    pub fn new(number: u64, now: DateTime<Utc>, random: &RandomBits, fixed: &Fixed) -> Self {
        let mut values: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        for (name, value) in fixed {
            let value = match value {
                FixedValue::Text(text) => Value::String(text.as_str().into()),
                FixedValue::Bool(is_so) => Value::Bool(*is_so),
            };
            values.insert(name.as_str().into(), value);
        }
        let mut put = |name: &str, value| values.insert(name.into(), value);
        put("RequestNumber", Value::Int(i64::try_from(number).unwrap_or(i64::MAX)));
        put("Timestamp", Value::String(now.to_rfc3339_opts(SecondsFormat::Secs, true).into()));
        put("TimestampUnix", Value::Int(now.timestamp()));
        put("TimestampUnixMilli", Value::Int(now.timestamp_millis()));
        put("TimestampUnixNano", Value::Int(now.timestamp_nanos_opt().unwrap_or(i64::MAX)));
        put("UUID", Value::String(uuid(random).into()));
        Self(Value::Map(Arc::new(values)))
    }
}

/// A text with actions, parsed.
pub struct RequestTemplate(Template);

impl fmt::Debug for RequestTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestTemplate")
    }
}

/// Whether a text may hold actions.
pub fn has_actions(text: &str) -> bool {
    text.contains("{{")
}

impl RequestTemplate {
    /// Parses a text whose random values come from `random`.
    pub fn parse(text: &str, random: &RandomBits) -> Result<Self, TemplateFault> {
        let draw = || Arc::clone(random);
        let (ids, numbers, texts) = (draw(), draw(), draw());
        // Without a name, an error starts with line and column.
        let template = bounds::bounded(Template::new(""))
            .missing_key(MissingKey::Error)
            .max_range_iters(MAX_LOOPS)
            .func("newUUID", move |_| bounds::made(uuid(&ids)))
            .func("randomInt", move |args| random_int(&numbers, args))
            .func("randomString", move |args| random_string(&texts, args))
            .parse(text)?;
        match template.templates().first() {
            Some(name) => {
                Err(TemplateFault(format!("defines the template `{name}`; named templates are not known here")))
            }
            None => Ok(Self(template)),
        }
    }

    /// The text for one call.
    pub fn expand(&self, values: &CallValues) -> Result<String, TemplateFault> {
        let mut output = Bounded(String::new());
        bounds::begin();
        self.0.execute_fmt(&mut output, &values.0)?;
        Ok(output.0)
    }
}

/// Text that can't grow without bound.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_OUTPUT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn whole(args: &[Value], at: usize, function: &str) -> Result<i64, TemplateError> {
    match args.get(at) {
        Some(Value::Int(number)) => Ok(*number),
        Some(Value::Uint(number)) => Ok(i64::try_from(*number).unwrap_or(i64::MAX)),
        _ => Err(TemplateError::Exec(format!("{function} needs whole numbers, such as {function} 10 20"))),
    }
}

fn random_int(random: &RandomBits, args: &[Value]) -> Result<Value, TemplateError> {
    let (low, high) = (whole(args, 0, "randomInt")?, whole(args, 1, "randomInt")?);
    random::integer(random, low, high).map(Value::Int).map_err(TemplateError::Exec)
}

fn random_string(random: &RandomBits, args: &[Value]) -> Result<Value, TemplateError> {
    let length = whole(args, 0, "randomString")?;
    random::text(random, length).map_err(TemplateError::Exec).and_then(bounds::made)
}

#[cfg(test)]
#[path = "grpc_template_tests.rs"]
mod tests;
