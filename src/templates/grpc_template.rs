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
//! Beside these, a template has what every [Go template](super::go_template) has, within the same bounds; but a name that is not
//! there is a fault at once.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::templates::random::{self, RandomBits, uuid};
pub use gotemplate::TemplateFault;
use gotemplate::bounds::MAX_OUTPUT;
use gotemplate::{Entries, Extra, Extras, Program, Value};

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

/// What differs between calls.
pub struct CallValues {
    entries: Rc<Entries>,
    now: DateTime<Utc>,
}

impl CallValues {
    /// The values of call `number`.
    pub fn new(number: u64, now: DateTime<Utc>, random: &RandomBits, fixed: &Fixed) -> Self {
        let mut entries = Entries::new();
        for (name, value) in fixed {
            let value = match value {
                FixedValue::Text(text) => Value::text(text.as_str()),
                FixedValue::Bool(is_so) => Value::Bool(*is_so),
            };
            entries.insert(name.as_str().into(), value);
        }
        let mut put = |name: &str, value| entries.insert(name.into(), value);
        put("RequestNumber", Value::Int64(i64::try_from(number).unwrap_or(i64::MAX)));
        put("Timestamp", Value::text(now.to_rfc3339_opts(SecondsFormat::Secs, true)));
        put("TimestampUnix", Value::Int64(now.timestamp()));
        put("TimestampUnixMilli", Value::Int64(now.timestamp_millis()));
        put("TimestampUnixNano", Value::Int64(now.timestamp_nanos_opt().unwrap_or(i64::MAX)));
        put("UUID", Value::text(uuid(random)));
        Self { entries: Rc::new(entries), now }
    }
}

/// A text with actions, parsed.
pub struct RequestTemplate(Program);

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
        let functions: [(&'static str, Extra); 3] = [
            ("newUUID", Arc::new(move |_| Ok(Value::text(uuid(&ids))))),
            ("randomInt", Arc::new(move |args| random_int(&numbers, args))),
            ("randomString", Arc::new(move |args| random_string(&texts, args))),
        ];
        let extras = Extras { functions: functions.into(), refuses_missing: true, longest: MAX_OUTPUT };
        Program::parse(text, BTreeMap::new(), extras).map(Self)
    }

    /// The text for one call.
    pub fn expand(&self, values: &CallValues) -> Result<String, TemplateFault> {
        self.0.render(&values.entries, values.now)
    }
}

fn whole(args: &[Value], at: usize, function: &str) -> Result<i64, String> {
    match args.get(at) {
        Some(Value::Int(number) | Value::Int64(number)) => Ok(*number),
        _ => Err(format!("needs whole numbers, such as {function} 10 20")),
    }
}

fn random_int(random: &RandomBits, args: &[Value]) -> Result<Value, String> {
    let (low, high) = (whole(args, 0, "randomInt")?, whole(args, 1, "randomInt")?);
    random::integer(random, low, high).map(Value::Int64)
}

fn random_string(random: &RandomBits, args: &[Value]) -> Result<Value, String> {
    let length = whole(args, 0, "randomString")?;
    random::text(random, length).map(Value::text)
}

#[cfg(test)]
#[path = "grpc_template_tests.rs"]
mod tests;
