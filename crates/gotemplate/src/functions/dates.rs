//! Times and durations; all in UTC.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Function, Outcome, args, row};
use crate::context::Context;
use crate::duration;
use crate::strconv;
use crate::value::Value;

pub const FUNCTIONS: &[Function] = &[
    row("now", 0, 0, |context, _| context.now().map(Value::Time)),
    row("date", 2, 2, |context, args| formatted(context, args::string(args, 0)?, args)),
    row("dateInZone", 3, 3, in_zone),
    row("date_in_zone", 3, 3, in_zone),
    row("htmlDate", 1, 1, |context, args| {
        let time = args::time(args, 0)?;
        context.string(crate::layout::format(time, "2006-01-02"))
    }),
    row("htmlDateInZone", 2, 2, |context, args| {
        check_zone(args::string(args, 1)?)?;
        let time = args::time(args, 0)?;
        context.string(crate::layout::format(time, "2006-01-02"))
    }),
    row("dateModify", 2, 2, modify),
    row("date_modify", 2, 2, modify),
    row("mustDateModify", 2, 2, modify),
    row("must_date_modify", 2, 2, modify),
    row("toDate", 2, 2, to_date),
    row("mustToDate", 2, 2, to_date),
    row("unixEpoch", 1, 1, |context, args| {
        let time = args::time(args, 0)?;
        context.string(time.timestamp().to_string())
    }),
    row("ago", 1, 1, |context, args| {
        let past = (context.now()? - args::time(args, 0)?).num_milliseconds();
        context.string(duration_text(nanos((past + 500).div_euclid(1000))))
    }),
    row("duration", 1, 1, |context, args| context.string(duration_text(nanos(seconds(&args[0]))))),
    row("durationRound", 1, 1, rounded),
];

fn formatted(context: &mut Context, layout: &str, args: &[Value]) -> Outcome {
    let time = args::time(args, 1)?;
    context.spend(layout.len() * 32)?;
    context.string(crate::layout::format(time, layout))
}

/// Only UTC is supported: other zones need a time zone database.
fn check_zone(zone: &str) -> Result<(), String> {
    if matches!(zone, "UTC" | "" | "Etc/UTC" | "GMT" | "Local") {
        return Ok(());
    }
    Err(format!("unsupported time zone `{zone}`; use UTC"))
}

fn in_zone(context: &mut Context, args: &[Value]) -> Outcome {
    check_zone(args::string(args, 2)?)?;
    formatted(context, args::string(args, 0)?, args)
}

fn modify(_: &mut Context, args: &[Value]) -> Outcome {
    let (text, time) = (args::string(args, 0)?, args::time(args, 1)?);
    let moved = time.checked_add_signed(TimeDelta::nanoseconds(parsed(text)?));
    moved.map(Value::Time).ok_or_else(|| "the result is out of the range of times".to_owned())
}

fn to_date(context: &mut Context, args: &[Value]) -> Outcome {
    let (layout, text) = (args::string(args, 0)?, args::string(args, 1)?);
    context.spend(layout.len() * 32)?;
    let time: Option<DateTime<Utc>> = crate::layout::parse(layout, text);
    time.map(Value::Time).ok_or_else(|| format!("`{}` does not match the layout `{layout}`", short(text)))
}

/// Parses a signed duration to nanoseconds, such as `1h30m` or `-5s`.
fn parsed(text: &str) -> Result<i64, String> {
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => (-1, size),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let invalid = || format!("`{}` is not a duration; expected one such as 1h30m or -5s", short(text));
    let duration = duration::parse(size).ok_or_else(invalid)?;
    i64::try_from(duration.as_nanos()).map(|nanos| sign * nanos).map_err(|_| invalid())
}

/// Truncates a string for a message.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn nanos(seconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000)
}

fn seconds(value: &Value) -> i64 {
    match value {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::String(text) => strconv::parse_int(text).unwrap_or(0),
        _ => 0,
    }
}

/// Formats nanoseconds as a duration: `1h1m5s`, `-1.5ms`, `0s`.
fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}{}", duration::format(Duration::from_nanos(nanos.unsigned_abs())))
}

fn rounded(context: &mut Context, args: &[Value]) -> Outcome {
    const SECOND: u64 = 1_000_000_000;
    const UNITS: [(u64, &str); 6] = [
        (SECOND * 86_400 * 365, "y"),
        (SECOND * 86_400 * 30, "mo"),
        (SECOND * 86_400, "d"),
        (SECOND * 3600, "h"),
        (SECOND * 60, "m"),
        (SECOND, "s"),
    ];
    let nanos = match &args[0] {
        Value::String(text) => parsed(text)?,
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Time(time) => (context.now()? - *time).num_nanoseconds().unwrap_or(i64::MAX),
        _ => 0,
    };
    let size = nanos.unsigned_abs();
    let unit = UNITS.into_iter().find(|(unit, _)| size > *unit);
    context.string(unit.map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", size / unit)))
}
