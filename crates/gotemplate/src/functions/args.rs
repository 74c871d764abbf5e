//! Typed access to arguments. As in Go, nothing is converted implicitly.

use chrono::{DateTime, Utc};

use crate::value::{List, MapId, Str, Value};

/// The argument at an index; `nil` if there is none.
pub fn any(args: &[Value], at: usize) -> &Value {
    args.get(at).unwrap_or(&Value::Nil)
}

fn wrong(args: &[Value], at: usize, expected: &str, hint: &str) -> String {
    format!("argument {} must be {expected}, but is {}{hint}", at + 1, any(args, at).described())
}

pub fn string(args: &[Value], at: usize) -> Result<&Str, String> {
    match any(args, at) {
        Value::String(text) => Ok(text),
        Value::Nil => Err(wrong(args, at, "a text", "; give it a value, or use default")),
        Value::List(_) | Value::Map(_) => Err(wrong(args, at, "a text", "")),
        _ => Err(wrong(args, at, "a text", "; use toString")),
    }
}

pub fn integer(args: &[Value], at: usize) -> Result<i64, String> {
    match any(args, at) {
        Value::Int(number) | Value::Int64(number) => Ok(*number),
        Value::Float(_) | Value::String(_) => Err(wrong(args, at, "a whole number", "; use int")),
        _ => Err(wrong(args, at, "a whole number", "")),
    }
}

/// A non-negative integer.
pub fn count(args: &[Value], at: usize) -> Result<usize, String> {
    usize::try_from(integer(args, at)?).map_err(|_| format!("argument {} must not be negative", at + 1))
}

pub fn boolean(args: &[Value], at: usize) -> Result<bool, String> {
    match any(args, at) {
        Value::Bool(is_so) => Ok(*is_so),
        _ => Err(wrong(args, at, "a truth value", "")),
    }
}

pub fn list(args: &[Value], at: usize) -> Result<&List, String> {
    match any(args, at) {
        Value::List(list) => Ok(list),
        _ => Err(wrong(args, at, "a list", "")),
    }
}

pub fn map(args: &[Value], at: usize) -> Result<MapId, String> {
    match any(args, at) {
        Value::Map(map) => Ok(*map),
        _ => Err(wrong(args, at, "a map", "")),
    }
}

/// A time; integers are seconds since 1970.
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
