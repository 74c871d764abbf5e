//! Methods of Go's `time.Time`; all times are in UTC.

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::context::Context;
use super::functions::Outcome;
use super::value::Value;

/// Methods without arguments.
const METHODS: [&str; 14] = [
    "Day",
    "Hour",
    "IsZero",
    "Minute",
    "Month",
    "Nanosecond",
    "Second",
    "String",
    "UTC",
    "Unix",
    "UnixMilli",
    "Weekday",
    "Year",
    "YearDay",
];

/// Method with a layout as its argument.
const FORMAT: &str = "Format";

/// Checks that a method exists.
pub fn check(method: &str) -> Result<(), String> {
    if method == FORMAT || METHODS.contains(&method) { Ok(()) } else { Err(undefined(method)) }
}

fn undefined(method: &str) -> String {
    format!(
        "undefined method `{method}` of a time; expected {FORMAT}, {}, or the functions date and dateModify",
        METHODS.join(", ")
    )
}

/// Calls a method with arguments.
pub fn call(context: &Context, time: DateTime<Utc>, method: &str, args: &[Value]) -> Outcome {
    let number = |number: u32| Ok(Value::Int(number.into()));
    match (method, args) {
        (FORMAT, [Value::String(layout)]) => {
            context.spend(layout.len() * 32)?;
            context.string(crate::layout::format(time, layout))
        }
        (FORMAT, _) => Err("Format: expected a layout, such as \"2006-01-02\"".to_owned()),
        (method, [_, ..]) if METHODS.contains(&method) => Err(format!("{method}: expected no arguments")),
        ("Year", _) => Ok(Value::Int(time.year().into())),
        // As Go prints them; they are numbers there.
        ("Month", _) => context.string(crate::layout::format(time, "January")),
        ("Weekday", _) => context.string(crate::layout::format(time, "Monday")),
        ("String", _) => context.string(crate::fmt::to_string(context, &Value::Time(time))?),
        ("Day", _) => number(time.day()),
        ("YearDay", _) => number(time.ordinal()),
        ("Hour", _) => number(time.hour()),
        ("Minute", _) => number(time.minute()),
        ("Second", _) => number(time.second()),
        ("Nanosecond", _) => number(time.nanosecond()),
        ("IsZero", _) => Ok(Value::Bool(false)),
        ("Unix", _) => Ok(Value::Int64(time.timestamp())),
        ("UnixMilli", _) => Ok(Value::Int64(time.timestamp_millis())),
        ("UTC", _) => Ok(Value::Time(time)),
        (method, _) => Err(undefined(method)),
    }
}
