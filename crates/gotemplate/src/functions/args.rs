//! Typed access to arguments. As in Go, nothing is converted implicitly.

use chrono::{DateTime, Utc};

use crate::value::{List, MapId, Str, Value};

/// Returns the argument at an index; `nil` if there is none.
pub fn any(args: &[Value], at: usize) -> &Value {
    args.get(at).unwrap_or(&Value::Nil)
}

fn type_error(args: &[Value], at: usize, expected: &str, hint: &str) -> String {
    format!("argument {} must be {expected}, but is {}{hint}", at + 1, any(args, at).describe())
}

pub fn string(args: &[Value], at: usize) -> Result<&Str, String> {
    match any(args, at) {
        Value::String(text) => Ok(text),
        Value::Nil => Err(type_error(args, at, "a string", "; set it, or use default")),
        Value::List(_) | Value::Map(_) => Err(type_error(args, at, "a string", "")),
        _ => Err(type_error(args, at, "a string", "; use toString")),
    }
}

pub fn integer(args: &[Value], at: usize) -> Result<i64, String> {
    match any(args, at) {
        Value::Int(number) | Value::Int64(number) => Ok(*number),
        Value::Float(_) | Value::String(_) => Err(type_error(args, at, "an integer", "; use int")),
        _ => Err(type_error(args, at, "an integer", "")),
    }
}

/// Returns a non-negative integer.
pub fn count(args: &[Value], at: usize) -> Result<usize, String> {
    usize::try_from(integer(args, at)?).map_err(|_| format!("argument {} must not be negative", at + 1))
}

pub fn boolean(args: &[Value], at: usize) -> Result<bool, String> {
    match any(args, at) {
        Value::Bool(is_so) => Ok(*is_so),
        _ => Err(type_error(args, at, "a boolean", "")),
    }
}

pub fn list(args: &[Value], at: usize) -> Result<&List, String> {
    match any(args, at) {
        Value::List(list) => Ok(list),
        _ => Err(type_error(args, at, "a list", "")),
    }
}

pub fn map(args: &[Value], at: usize) -> Result<MapId, String> {
    match any(args, at) {
        Value::Map(map) => Ok(*map),
        _ => Err(type_error(args, at, "a map", "")),
    }
}

/// Returns a time; integers are seconds since 1970.
pub fn time(args: &[Value], at: usize) -> Result<DateTime<Utc>, String> {
    let seconds = |seconds: i64| {
        DateTime::from_timestamp(seconds, 0).ok_or_else(|| format!("argument {} is out of the range of times", at + 1))
    };
    match any(args, at) {
        Value::Time(time) => Ok(*time),
        Value::Int(number) | Value::Int64(number) => seconds(*number),
        Value::Float(_) => Err(type_error(args, at, "a time", "; use int64 for seconds since 1970")),
        _ => Err(type_error(args, at, "a time", "; use toDate for a string")),
    }
}
