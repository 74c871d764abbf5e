//! Templates of the `grpc` task, in Go's template language with the actions of ghz: each call can differ from the others.
//!
//! Rendering is deterministic: call number, time and random bits are passed in.
//!
//! | action | value |
//! |---|---|
//! | `{{.RequestNumber}}` | the number of the call, from 0 |
//! | `{{.Timestamp}}`, `{{.TimestampUnix}}`, `{{.TimestampUnixMilli}}`, `{{.TimestampUnixNano}}` | the time, RFC 3339 or since 1970 |
//! | `{{.UUID}}`, `{{newUUID}}` | a random UUID: one for the call, or a new one each time |
//! | `{{randomInt MIN MAX}}` | an integer from MIN up to, but not including, MAX |
//! | `{{randomString LENGTH}}` | letters and digits; between 2 and 16 of them if LENGTH is 0 |
//! | `{{.WorkerID}}` and others in [`Fixed`] | constant during a load |
//!
//! Functions and bounds are those of every [Go template](gotemplate), but a missing key is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::templates::random::{self, RandomBits, uuid};
use gotemplate::bounds::MAX_OUTPUT;
use gotemplate::{Entries, Function, GoTemplate, MissingKey, Options, TemplateError, Value};

/// Values that are constant during a load, by name.
pub(crate) type Fixed = BTreeMap<String, FixedValue>;

/// A constant value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FixedValue {
    Text(String),
    Bool(bool),
}

/// Values of one call.
pub(crate) struct CallValues {
    entries: Rc<Entries>,
    now: DateTime<Utc>,
}

impl CallValues {
    /// Creates the values of call `number`.
    pub(crate) fn new(number: u64, now: DateTime<Utc>, random: &RandomBits, fixed: &Fixed) -> Self {
        let mut entries = Entries::new();
        for (name, value) in fixed {
            let value = match value {
                FixedValue::Text(text) => Value::string(text.as_str()),
                FixedValue::Bool(is_so) => Value::Bool(*is_so),
            };
            entries.insert(name.as_str().into(), value);
        }
        let mut insert = |name: &str, value| entries.insert(name.into(), value);
        insert("RequestNumber", Value::Int64(i64::try_from(number).unwrap_or(i64::MAX)));
        insert("Timestamp", Value::string(now.to_rfc3339_opts(SecondsFormat::Secs, true)));
        insert("TimestampUnix", Value::Int64(now.timestamp()));
        insert("TimestampUnixMilli", Value::Int64(now.timestamp_millis()));
        insert("TimestampUnixNano", Value::Int64(now.timestamp_nanos_opt().unwrap_or(i64::MAX)));
        insert("UUID", Value::string(uuid(random)));
        Self { entries: Rc::new(entries), now }
    }
}

/// A parsed template.
pub(crate) struct RequestTemplate(GoTemplate);

impl fmt::Debug for RequestTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestTemplate")
    }
}

/// Returns true if a string may contain actions.
pub(crate) fn has_actions(text: &str) -> bool {
    text.contains("{{")
}

impl RequestTemplate {
    /// Parses a template whose random values come from `random`.
    pub(crate) fn parse(text: &str, random: &RandomBits) -> Result<Self, TemplateError> {
        let draw = || Arc::clone(random);
        let (ids, numbers, texts) = (draw(), draw(), draw());
        let functions: [(&'static str, Function); 3] = [
            ("newUUID", Arc::new(move |_| Ok(Value::string(uuid(&ids))))),
            ("randomInt", Arc::new(move |args| random_int(&numbers, args))),
            ("randomString", Arc::new(move |args| random_string(&texts, args))),
        ];
        let options = Options {
            functions: functions.into(),
            missing_key: MissingKey::Error,
            max_length: MAX_OUTPUT,
            has_strict_verbs: true,
            ..Options::default()
        };
        GoTemplate::with_options(text, options).map(Self)
    }

    /// Renders the template for one call.
    pub(crate) fn expand(&self, values: &CallValues) -> Result<String, TemplateError> {
        self.0.render_entries(&values.entries, values.now)
    }
}

fn whole(args: &[Value], at: usize, function: &str) -> Result<i64, String> {
    match args.get(at) {
        Some(Value::Int(number) | Value::Int64(number)) => Ok(*number),
        _ => Err(format!("expected integers, such as {function} 10 20")),
    }
}

fn random_int(random: &RandomBits, args: &[Value]) -> Result<Value, String> {
    let (low, high) = (whole(args, 0, "randomInt")?, whole(args, 1, "randomInt")?);
    random::integer(random, low, high).map(Value::Int64)
}

fn random_string(random: &RandomBits, args: &[Value]) -> Result<Value, String> {
    let length = whole(args, 0, "randomString")?;
    random::text(random, length).map(Value::string)
}

#[cfg(test)]
#[path = "grpc_template_tests.rs"]
mod tests;
