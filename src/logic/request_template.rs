//! Requests that differ from call to call: text with actions in Go's template language.
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

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use gotmpl::{MissingKey, Template, TemplateError, Value};

/// Longest text that a template may become, in bytes.
pub const MAX_OUTPUT: usize = 16 << 20;

/// Most turns of all loops of one expansion.
const MAX_LOOPS: u64 = 10_000;

/// Longest random text.
const MAX_RANDOM: i64 = 1 << 16;

/// What a random text is made of.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Gives sixty-four random bits.
pub type RandomBits = Arc<dyn Fn() -> u64 + Send + Sync>;

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
        let template = Template::new("")
            .missing_key(MissingKey::Error)
            .max_range_iters(MAX_LOOPS)
            .func("newUUID", move |_| Ok(Value::String(uuid(&ids).into())))
            .func("randomInt", move |args| random_int(&numbers, args))
            .func("randomString", move |args| random_string(&texts, args))
            .parse(text)?;
        Ok(Self(template))
    }

    /// The text for one call.
    pub fn expand(&self, values: &CallValues) -> Result<String, TemplateFault> {
        let mut output = Bounded(String::new());
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

/// Evenly from 0 up to, not including, `end`.
fn below(random: &RandomBits, end: u64) -> u64 {
    ((u128::from(random()) * u128::from(end)) >> 64) as u64
}

/// A UUID of version 4 (RFC 9562, 5.4).
fn uuid(random: &RandomBits) -> String {
    let (high, low) = (random(), random());
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
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
    if high <= low || args.len() > 2 {
        return Err(TemplateError::Exec(format!("randomInt {low} {high}: expected a lower and a higher number")));
    }
    let offset = below(random, high.abs_diff(low));
    Ok(Value::Int(low.wrapping_add_unsigned(offset)))
}

fn random_string(random: &RandomBits, args: &[Value]) -> Result<Value, TemplateError> {
    let length = match whole(args, 0, "randomString")? {
        ..=0 => 2 + below(random, 15) as i64,
        length @ 1..=MAX_RANDOM => length,
        length => return Err(TemplateError::Exec(format!("randomString {length}: expected at most {MAX_RANDOM}"))),
    };
    let letter = |_| char::from(LETTERS[below(random, LETTERS.len() as u64) as usize]);
    Ok(Value::String((0..length).map(letter).collect::<String>().into()))
}

#[cfg(test)]
#[path = "request_template_tests.rs"]
mod tests;
