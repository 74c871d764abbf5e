//! Arguments of functions, with Go's types: a text is not a number, and nothing is made of anything in silence.

use chrono::{DateTime, Utc};

use crate::value::{List, MapId, Text, Value};

/// The argument at a place; missing where there is none.
pub fn any(args: &[Value], at: usize) -> &Value {
    args.get(at).unwrap_or(&Value::Nil)
}

fn wrong(args: &[Value], at: usize, expected: &str, hint: &str) -> String {
    format!("argument {} must be {expected}, but is {}{hint}", at + 1, any(args, at).described())
}

/// A text.
pub fn text(args: &[Value], at: usize) -> Result<&Text, String> {
    match any(args, at) {
        Value::Text(text) => Ok(text),
        Value::Nil => Err(wrong(args, at, "a text", "; give it a value, or use default")),
        Value::List(_) | Value::Map(_) => Err(wrong(args, at, "a text", "")),
        _ => Err(wrong(args, at, "a text", "; use toString")),
    }
}

/// A whole number.
pub fn whole(args: &[Value], at: usize) -> Result<i64, String> {
    match any(args, at) {
        Value::Int(number) | Value::Int64(number) => Ok(*number),
        Value::Float(_) | Value::Text(_) => Err(wrong(args, at, "a whole number", "; use int")),
        _ => Err(wrong(args, at, "a whole number", "")),
    }
}

/// A count, position or size: a whole number from 0 on.
pub fn count(args: &[Value], at: usize) -> Result<usize, String> {
    usize::try_from(whole(args, at)?).map_err(|_| format!("argument {} must not be negative", at + 1))
}

/// A truth value.
pub fn truth(args: &[Value], at: usize) -> Result<bool, String> {
    match any(args, at) {
        Value::Bool(is_so) => Ok(*is_so),
        _ => Err(wrong(args, at, "a truth value", "")),
    }
}

/// A list.
pub fn list(args: &[Value], at: usize) -> Result<&List, String> {
    match any(args, at) {
        Value::List(list) => Ok(list),
        _ => Err(wrong(args, at, "a list", "")),
    }
}

/// A map.
pub fn map(args: &[Value], at: usize) -> Result<MapId, String> {
    match any(args, at) {
        Value::Map(map) => Ok(*map),
        _ => Err(wrong(args, at, "a map", "")),
    }
}

/// A time; whole numbers are seconds since 1970.
pub fn time(args: &[Value], at: usize) -> Result<DateTime<Utc>, String> {
    let seconds = |seconds: i64| {
        DateTime::from_timestamp(seconds, 0).ok_or_else(|| format!("argument {} is out of the range of times", at + 1))
    };
    match any(args, at) {
        Value::Time(time) => Ok(*time),
        Value::Int(number) | Value::Int64(number) => seconds(*number),
        Value::Float(_) => Err(wrong(args, at, "a time", "; use int64 for seconds since 1970")),
        _ => Err(wrong(args, at, "a time", "; use toDate for a text")),
    }
}
