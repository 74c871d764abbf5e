//! Formats values as Go's `fmt` does: `%v`, `%q`, and the float formats of `strconv` and `encoding/json`.

use chrono::{DateTime, Utc};

use super::context::{Context, check_nesting};
use super::value::Value;

/// Formats a value like `%v`.
pub fn to_string(context: &Context, value: &Value) -> Result<String, String> {
    let mut out = String::new();
    write_value(context, value, 1, &mut out)?;
    Ok(out)
}

fn write_value(context: &Context, value: &Value, depth: usize, out: &mut String) -> Result<(), String> {
    check_nesting(depth)?;
    let before = out.len();
    match value {
        Value::Nil => out.push_str("<nil>"),
        Value::Bool(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
        Value::Int(number) | Value::Int64(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&float(*number)),
        Value::String(text) => {
            context.spend(text.len())?;
            out.push_str(text);
        }
        Value::Time(time) => out.push_str(&time_text(*time)),
        Value::Version(version) => out.push_str(&version.to_string()),
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.items.iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                write_value(context, item, depth + 1, out)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push_str("map[");
            for (at, (key, value)) in context.entries(*map).iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                context.spend(key.len())?;
                out.push_str(key);
                out.push(':');
                write_value(context, value, depth + 1, out)?;
            }
            out.push(']');
        }
    }
    // The strings inside are already paid for; everything else is small.
    context.spend((out.len() - before).min(64) + 1)
}

/// Formats a time like Go's `Time.String`, in UTC.
fn time_text(time: DateTime<Utc>) -> String {
    let nanos = time.timestamp_subsec_nanos();
    let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}") };
    format!("{}{} +0000 UTC", time.format("%Y-%m-%d %H:%M:%S"), fraction.trim_end_matches('0'))
}

/// Returns digits and exponent of the shortest decimal that reads back as the same float: `d.ddd` times ten to the exponent.
fn shortest(number: f64) -> (String, i32) {
    let text = format!("{:e}", number.abs());
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// Returns Go's name for a float that is not finite.
pub fn not_finite(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// Formats a float like `%v`: shortest digits, with an exponent below 1e-4 and from one million on.
pub fn float(number: f64) -> String {
    if let Some(name) = not_finite(number) {
        return name.to_owned();
    }
    let (digits, exponent) = shortest(number);
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if (-4..6).contains(&exponent) {
        format!("{sign}{}", plain(&digits, exponent))
    } else {
        format!("{sign}{}", with_exponent(&digits, exponent, 'e', 2))
    }
}

/// Formats a float like `encoding/json`.
pub fn json_float(number: f64) -> String {
    let (digits, exponent) = shortest(number);
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number == 0.0 || (-6..21).contains(&exponent) {
        format!("{sign}{}", plain(&digits, exponent))
    } else {
        format!("{sign}{}", with_exponent(&digits, exponent, 'e', if exponent < 0 { 1 } else { 2 }))
    }
}

/// Formats digits without an exponent.
pub fn plain(digits: &str, exponent: i32) -> String {
    let len = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if exponent < 0 {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        return format!("0.{}{digits}", "0".repeat(zeros));
    }
    if exponent >= len - 1 {
        let zeros = usize::try_from(exponent - len + 1).unwrap_or(0);
        return format!("{digits}{}", "0".repeat(zeros));
    }
    let (whole, fraction) = digits.split_at(usize::try_from(exponent + 1).unwrap_or(0));
    format!("{whole}.{fraction}")
}

/// Formats digits with an exponent of at least `width` digits.
pub fn with_exponent(digits: &str, exponent: i32, letter: char, width: usize) -> String {
    let (first, others) = digits.split_at(digits.len().min(1));
    let point = if others.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{others}{letter}{sign}{:0width$}", exponent.unsigned_abs())
}

/// Quotes a string like `%q`.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            _ => quote_char(c, &mut out),
        }
    }
    out.push('"');
    out
}

/// Escapes a character inside quotes, except the quotes themselves.
pub fn quote_char(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        _ if is_printable(c) => out.push(c),
        _ if u32::from(c) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        _ if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        _ => out.push_str(&format!("\\U{:08x}", u32::from(c))),
    }
}

/// Returns true if Go prints a character unescaped: letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_printable(c: char) -> bool {
    // Behind another character, `escape_debug` keeps combining marks, as Go does.
    matches!(c, '\'' | '"') || ['a', c].iter().collect::<String>().escape_debug().nth(1) == Some(c) && c != '\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_formatted_as_in_go() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (100_000.0, "100000"),
            (123_456.5, "123456.5"),
            (1e6, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (1e20, "1e+20"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-2.5e-300, "-2.5e-300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(float(number), expected);
        }
        for (number, expected) in [(1e6, "1000000"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1e-7, "1e-7")] {
            assert_eq!(json_float(number), expected);
        }
    }

    #[test]
    fn strings_are_quoted_as_in_go() {
        assert_eq!(
            quote("a\"b\\c\n\té\u{301}\u{a0}\u{7f}\u{0}\u{10ffff}'"),
            r#""a\"b\\c\n\té"#.to_owned() + "\u{301}" + r#"\u00a0\x7f\x00\U0010ffff'""#
        );
    }
}
