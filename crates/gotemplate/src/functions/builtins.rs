//! Go's own functions: comparisons, printing, `len` and `index`, and escapes.

use std::cmp::Ordering;
use std::rc::Rc;

use super::{ANY, Function, Outcome, args, row};
use crate::context::Context;
use crate::fmt;
use crate::printf::sprintf;
use crate::value::Value;

pub const FUNCTIONS: &[Function] = &[
    row("eq", 2, ANY, eq),
    row("ne", 2, 2, |_, args| equal(&args[0], &args[1]).map(|is_equal| Value::Bool(!is_equal))),
    row("lt", 2, 2, |_, args| ordered(args, &[Ordering::Less])),
    row("le", 2, 2, |_, args| ordered(args, &[Ordering::Less, Ordering::Equal])),
    row("gt", 2, 2, |_, args| ordered(args, &[Ordering::Greater])),
    row("ge", 2, 2, |_, args| ordered(args, &[Ordering::Greater, Ordering::Equal])),
    row("not", 1, 1, |context, args| Ok(Value::Bool(!context.is_true(&args[0])))),
    row("len", 1, 1, len),
    row("index", 1, ANY, index),
    row("print", 0, ANY, print),
    row("println", 0, ANY, println),
    row("printf", 1, ANY, printf),
    row("html", 0, ANY, |context, args| escaped(context, args, html)),
    row("js", 0, ANY, |context, args| escaped(context, args, js)),
    row("urlquery", 0, ANY, |context, args| escaped(context, args, urlquery)),
];

fn eq(_: &mut Context, args: &[Value]) -> Outcome {
    for other in &args[1..] {
        if equal(&args[0], other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn incomparable(a: &Value, b: &Value) -> String {
    let hint = match (a, b) {
        (Value::Float(_), Value::Int(_) | Value::Int64(_)) | (Value::Int(_) | Value::Int64(_), Value::Float(_)) => {
            "; use float64 for both"
        }
        _ => "",
    };
    format!("cannot compare {} and {}{hint}", a.describe(), b.describe())
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a) | Value::Int64(a), Value::Int(b) | Value::Int64(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::String(a), Value::String(b)) => Ok(a == b),
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        _ => Err(incomparable(a, b)),
    }
}

fn ordered(args: &[Value], orders: &[Ordering]) -> Outcome {
    let order = match (&args[0], &args[1]) {
        (Value::Int(a) | Value::Int64(a), Value::Int(b) | Value::Int64(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        // Comparisons with NaN are false.
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (a, b) => return Err(incomparable(a, b)),
    };
    Ok(Value::Bool(order.is_some_and(|order| orders.contains(&order))))
}

fn len(context: &mut Context, args: &[Value]) -> Outcome {
    match &args[0] {
        Value::String(_) | Value::List(_) | Value::Map(_) => Ok(Value::count(context.len_of(&args[0]))),
        other => Err(format!("{} has no length", other.describe())),
    }
}

fn index(context: &mut Context, args: &[Value]) -> Outcome {
    let mut value = args[0].clone();
    if matches!(value, Value::Nil) {
        return Err("argument 1 is missing".to_owned());
    }
    for key in &args[1..] {
        value = match (&value, key) {
            (Value::List(list), Value::Int(at) | Value::Int64(at)) => {
                let item = usize::try_from(*at).ok().and_then(|at| list.items.get(at));
                item.cloned().ok_or_else(|| out_of_range(*at, list.items.len()))?
            }
            (Value::String(text), Value::Int(at) | Value::Int64(at)) => {
                let byte = usize::try_from(*at).ok().and_then(|at| text.as_bytes().get(at));
                Value::Int(i64::from(*byte.ok_or_else(|| out_of_range(*at, text.len()))?))
            }
            (Value::Map(map), Value::String(key)) => context.entries(*map).get(key).cloned().unwrap_or(Value::Nil),
            (Value::List(_) | Value::String(_), _) => {
                return Err(format!("an index must be an integer, but is {}", key.describe()));
            }
            (Value::Map(_), _) => return Err(format!("a key must be a string, but is {}", key.describe())),
            (other, _) => return Err(format!("{} has no index", other.describe())),
        };
    }
    Ok(value)
}

fn out_of_range(at: i64, len: usize) -> String {
    format!("index {at} is out of range: the length is {len}")
}

/// Go's `fmt.Sprint`: a space between operands if neither is a string.
fn sprint(context: &Context, args: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    for (at, arg) in args.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::String(_));
        if at > 0 && !is_text(arg) && !is_text(&args[at - 1]) {
            out.push(' ');
        }
        out.push_str(&fmt::to_string(context, arg)?);
    }
    Ok(out)
}

fn print(context: &mut Context, args: &[Value]) -> Outcome {
    let text = sprint(context, args)?;
    context.string(text)
}

fn println(context: &mut Context, args: &[Value]) -> Outcome {
    let texts: Result<Vec<_>, _> = args.iter().map(|arg| fmt::to_string(context, arg)).collect();
    context.string(texts?.join(" ") + "\n")
}

fn printf(context: &mut Context, args: &[Value]) -> Outcome {
    let format = Rc::clone(args::string(args, 0)?);
    let text = sprintf(context, &format, &args[1..])?;
    context.string(text)
}

/// Largest growth of a byte by escaping.
const GROWTH: usize = 6;

fn escaped(context: &mut Context, args: &[Value], escape: fn(char, &mut String)) -> Outcome {
    let text = match args {
        [Value::String(text)] => text.to_string(),
        [Value::Nil] => return Err("argument 1 is missing; set it, or use default".to_owned()),
        _ => sprint(context, args)?,
    };
    context.spend(text.len() * GROWTH)?;
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| escape(c, &mut out));
    context.string(out)
}

fn html(c: char, out: &mut String) {
    match c {
        '\0' => out.push('\u{fffd}'),
        '"' => out.push_str("&#34;"),
        '\'' => out.push_str("&#39;"),
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        _ => out.push(c),
    }
}

fn js(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\'' => out.push_str("\\'"),
        '"' => out.push_str("\\\""),
        '<' | '>' | '&' | '=' | '\0'..'\u{20}' | '\u{2028}' | '\u{2029}' => {
            out.push_str(&format!("\\u{:04X}", u32::from(c)));
        }
        _ => out.push(c),
    }
}

fn urlquery(c: char, out: &mut String) {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '~' => out.push(c),
        ' ' => out.push('+'),
        _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}"))),
    }
}
