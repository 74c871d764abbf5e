//! Strings: trimming, case, substrings, quotes and indentation.

use super::{ANY, Function, Outcome, args, row};
use crate::context::Context;
use crate::fmt;
use crate::value::{Str, Value};

pub const FUNCTIONS: &[Function] = &[
    row("toString", 1, 1, |context, args| match &args[0] {
        Value::String(text) => Ok(Value::String(Str::clone(text))),
        other => {
            let text = fmt::to_string(context, other)?;
            context.string(text)
        }
    }),
    row("quote", 0, ANY, |context, args| quoted(context, args, fmt::quote)),
    row("squote", 0, ANY, |context, args| quoted(context, args, |text| format!("'{text}'"))),
    row("cat", 0, ANY, cat),
    row("upper", 1, 1, |context, args| mapped(context, args, upper)),
    row("lower", 1, 1, |context, args| mapped(context, args, lower)),
    row("title", 1, 1, title),
    row("untitle", 1, 1, untitle),
    row("trim", 1, 1, |context, args| cut(context, args::string(args, 0)?.trim())),
    row("trimAll", 2, 2, trim_all),
    row("trimall", 2, 2, trim_all),
    row("trimPrefix", 2, 2, |context, args| {
        let (prefix, text) = (args::string(args, 0)?, args::string(args, 1)?);
        cut(context, text.strip_prefix(&**prefix).unwrap_or(text))
    }),
    row("trimSuffix", 2, 2, |context, args| {
        let (suffix, text) = (args::string(args, 0)?, args::string(args, 1)?);
        cut(context, text.strip_suffix(&**suffix).unwrap_or(text))
    }),
    row("trunc", 2, 2, trunc),
    row("substr", 3, 3, substr),
    row("abbrev", 2, 2, abbrev),
    row("repeat", 2, 2, repeat),
    row("nospace", 1, 1, |context, args| {
        context.string(args::string(args, 0)?.chars().filter(|c| !c.is_whitespace()).collect())
    }),
    row("replace", 3, 3, replace),
    row("contains", 2, 2, |_, args| Ok(Value::Bool(args::string(args, 1)?.contains(&**args::string(args, 0)?)))),
    row("hasPrefix", 2, 2, |_, args| Ok(Value::Bool(args::string(args, 1)?.starts_with(&**args::string(args, 0)?)))),
    row("hasSuffix", 2, 2, |_, args| Ok(Value::Bool(args::string(args, 1)?.ends_with(&**args::string(args, 0)?)))),
    row("indent", 2, 2, |context, args| indent(context, args, "")),
    row("nindent", 2, 2, |context, args| indent(context, args, "\n")),
    row("plural", 3, 3, |_, args| Ok(if args::integer(args, 2)? == 1 { args[0].clone() } else { args[1].clone() })),
];

/// Returns a substring.
fn cut(context: &mut Context, text: &str) -> Outcome {
    context.string(text.to_owned())
}

fn quoted(context: &mut Context, args: &[Value], quote: fn(&str) -> String) -> Outcome {
    let mut texts = Vec::new();
    for arg in args.iter().filter(|arg| !matches!(arg, Value::Nil)) {
        let text = fmt::to_string(context, arg)?;
        context.spend(text.len() * 4)?;
        texts.push(quote(&text));
    }
    context.string(texts.join(" "))
}

fn cat(context: &mut Context, args: &[Value]) -> Outcome {
    let present = args.iter().filter(|arg| !matches!(arg, Value::Nil));
    let texts: Result<Vec<_>, _> = present.map(|arg| fmt::to_string(context, arg)).collect();
    context.string(texts?.join(" "))
}

fn mapped(context: &mut Context, args: &[Value], map: fn(char) -> char) -> Outcome {
    context.string(args::string(args, 0)?.chars().map(map).collect())
}

/// Returns the upper case of a character if it is a single character, as in Go.
pub fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Returns the lower case of a character; the first of several, as in Go.
pub fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn title(context: &mut Context, args: &[Value]) -> Outcome {
    let mut before = ' ';
    let text = args::string(args, 0)?.chars().map(|c| {
        let is_within = before.is_alphanumeric() || before == '_' || (!before.is_ascii() && !before.is_whitespace());
        before = c;
        if is_within { c } else { upper(c) }
    });
    context.string(text.collect())
}

/// Lowercases the first letter of each word.
fn untitle(context: &mut Context, args: &[Value]) -> Outcome {
    let mut before = ' ';
    let text = args::string(args, 0)?.chars().map(|c| {
        let is_first = before.is_whitespace();
        before = c;
        if is_first { lower(c) } else { c }
    });
    context.string(text.collect())
}

fn trim_all(context: &mut Context, args: &[Value]) -> Outcome {
    let (set, text) = (args::string(args, 0)?, args::string(args, 1)?);
    context.spend(set.len().saturating_mul(text.len()) / 8)?;
    cut(context, text.trim_matches(|c| set.contains(c)))
}

/// Returns the last character boundary at or before `at`. Go splits characters instead.
pub fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn trunc(context: &mut Context, args: &[Value]) -> Outcome {
    let (length, text) = (args::integer(args, 0)?, args::string(args, 1)?);
    let size = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    if size >= text.len() {
        return Ok(args[1].clone());
    }
    let part =
        if length < 0 { text.split_at(boundary(text, text.len() - size)).1 } else { &text[..boundary(text, size)] };
    cut(context, part)
}

fn substr(context: &mut Context, args: &[Value]) -> Outcome {
    let (start, end, text) = (args::integer(args, 0)?, args::integer(args, 1)?, args::string(args, 2)?);
    let end = usize::try_from(end).ok().filter(|end| *end <= text.len());
    let range = match usize::try_from(start) {
        Ok(start) => text.get(boundary(text, start)..boundary(text, end.unwrap_or(text.len()))),
        Err(_) => end.and_then(|end| text.get(..boundary(text, end))),
    };
    cut(context, range.ok_or_else(|| format!("the range is out of bounds: the string has {} bytes", text.len()))?)
}

fn abbrev(context: &mut Context, args: &[Value]) -> Outcome {
    let (width, text) = (args::integer(args, 0)?, args::string(args, 1)?);
    match usize::try_from(width) {
        Ok(width) if width >= 4 && text.len() > width => {
            context.string(format!("{}...", &text[..boundary(text, width - 3)]))
        }
        _ => Ok(args[1].clone()),
    }
}

fn repeat(context: &mut Context, args: &[Value]) -> Outcome {
    let (count, text) = (args::count(args, 0)?, args::string(args, 1)?);
    context.spend(count.saturating_mul(text.len()))?;
    context.string(text.repeat(if text.is_empty() { 0 } else { count }))
}

fn replace(context: &mut Context, args: &[Value]) -> Outcome {
    let (old, new, text) = (args::string(args, 0)?, args::string(args, 1)?, args::string(args, 2)?);
    context.spend(text.len())?;
    context.spend(text.matches(&**old).count().saturating_mul(new.len()))?;
    context.string(text.replace(&**old, new))
}

fn indent(context: &mut Context, args: &[Value], before: &str) -> Outcome {
    let (spaces, text) = (args::count(args, 0)?, args::string(args, 1)?);
    let lines = text.matches('\n').count() + 1;
    context.spend(spaces.saturating_mul(lines.saturating_add(1)))?;
    let pad = " ".repeat(spaces);
    context.string(format!("{before}{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}
