//! Texts: trimming, cases, parts, quotes and lines.

use super::{ANY, Function, Outcome, args, row};
use crate::memory::Memory;
use crate::show::{self, show};
use crate::value::{Text, Value};

pub const FUNCTIONS: &[Function] = &[
    row("toString", 1, 1, |memory, args| match &args[0] {
        Value::Text(text) => Ok(Value::Text(Text::clone(text))),
        other => {
            let text = show(memory, other)?;
            memory.text(text)
        }
    }),
    row("quote", 0, ANY, |memory, args| quoted(memory, args, show::quote)),
    row("squote", 0, ANY, |memory, args| quoted(memory, args, |text| format!("'{text}'"))),
    row("cat", 0, ANY, cat),
    row("upper", 1, 1, |memory, args| mapped(memory, args, upper)),
    row("lower", 1, 1, |memory, args| mapped(memory, args, lower)),
    row("title", 1, 1, title),
    row("untitle", 1, 1, untitle),
    row("trim", 1, 1, |memory, args| cut(memory, args::text(args, 0)?.trim())),
    row("trimAll", 2, 2, trim_all),
    row("trimall", 2, 2, trim_all),
    row("trimPrefix", 2, 2, |memory, args| {
        let (prefix, text) = (args::text(args, 0)?, args::text(args, 1)?);
        cut(memory, text.strip_prefix(&**prefix).unwrap_or(text))
    }),
    row("trimSuffix", 2, 2, |memory, args| {
        let (suffix, text) = (args::text(args, 0)?, args::text(args, 1)?);
        cut(memory, text.strip_suffix(&**suffix).unwrap_or(text))
    }),
    row("trunc", 2, 2, trunc),
    row("substr", 3, 3, substr),
    row("abbrev", 2, 2, abbrev),
    row("repeat", 2, 2, repeat),
    row("nospace", 1, 1, |memory, args| {
        memory.text(args::text(args, 0)?.chars().filter(|c| !c.is_whitespace()).collect())
    }),
    row("replace", 3, 3, replace),
    row("contains", 2, 2, |_, args| Ok(Value::Bool(args::text(args, 1)?.contains(&**args::text(args, 0)?)))),
    row("hasPrefix", 2, 2, |_, args| Ok(Value::Bool(args::text(args, 1)?.starts_with(&**args::text(args, 0)?)))),
    row("hasSuffix", 2, 2, |_, args| Ok(Value::Bool(args::text(args, 1)?.ends_with(&**args::text(args, 0)?)))),
    row("indent", 2, 2, |memory, args| indent(memory, args, "")),
    row("nindent", 2, 2, |memory, args| indent(memory, args, "\n")),
    row("plural", 3, 3, |_, args| Ok(if args::whole(args, 2)? == 1 { args[0].clone() } else { args[1].clone() })),
];

/// A part of a text.
fn cut(memory: &mut Memory, text: &str) -> Outcome {
    memory.text(text.to_owned())
}

fn quoted(memory: &mut Memory, args: &[Value], quote: fn(&str) -> String) -> Outcome {
    let mut texts = Vec::new();
    for arg in args.iter().filter(|arg| !matches!(arg, Value::Nil)) {
        let text = show(memory, arg)?;
        memory.spend(text.len() * 4)?;
        texts.push(quote(&text));
    }
    memory.text(texts.join(" "))
}

fn cat(memory: &mut Memory, args: &[Value]) -> Outcome {
    let there = args.iter().filter(|arg| !matches!(arg, Value::Nil));
    let texts: Result<Vec<_>, _> = there.map(|arg| show(memory, arg)).collect();
    memory.text(texts?.join(" "))
}

fn mapped(memory: &mut Memory, args: &[Value], map: fn(char) -> char) -> Outcome {
    memory.text(args::text(args, 0)?.chars().map(map).collect())
}

/// The upper case of a character, where that is one character, as in Go.
fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// The lower case of a character; the first of several, as in Go.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn title(memory: &mut Memory, args: &[Value]) -> Outcome {
    let mut before = ' ';
    let text = args::text(args, 0)?.chars().map(|c| {
        let is_within = before.is_alphanumeric() || before == '_' || (!before.is_ascii() && !before.is_whitespace());
        before = c;
        if is_within { c } else { upper(c) }
    });
    memory.text(text.collect())
}

/// Lower case for the first letter of each word.
fn untitle(memory: &mut Memory, args: &[Value]) -> Outcome {
    let mut before = ' ';
    let text = args::text(args, 0)?.chars().map(|c| {
        let is_first = before.is_whitespace();
        before = c;
        if is_first { lower(c) } else { c }
    });
    memory.text(text.collect())
}

fn trim_all(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (set, text) = (args::text(args, 0)?, args::text(args, 1)?);
    memory.spend(set.len().saturating_mul(text.len()) / 8)?;
    cut(memory, text.trim_matches(|c| set.contains(c)))
}

/// The nearest place at or before `at` where a text may be cut. Go cuts characters apart.
fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn trunc(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (length, text) = (args::whole(args, 0)?, args::text(args, 1)?);
    let size = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    if size >= text.len() {
        return Ok(args[1].clone());
    }
    let part =
        if length < 0 { text.split_at(boundary(text, text.len() - size)).1 } else { &text[..boundary(text, size)] };
    cut(memory, part)
}

fn substr(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (start, end, text) = (args::whole(args, 0)?, args::whole(args, 1)?, args::text(args, 2)?);
    let end = usize::try_from(end).ok().filter(|end| *end <= text.len());
    let range = match usize::try_from(start) {
        Ok(start) => text.get(boundary(text, start)..boundary(text, end.unwrap_or(text.len()))),
        Err(_) => end.and_then(|end| text.get(..boundary(text, end))),
    };
    cut(memory, range.ok_or_else(|| format!("there is no such part: the text has {} bytes", text.len()))?)
}

fn abbrev(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (width, text) = (args::whole(args, 0)?, args::text(args, 1)?);
    match usize::try_from(width) {
        Ok(width) if width >= 4 && text.len() > width => {
            memory.text(format!("{}...", &text[..boundary(text, width - 3)]))
        }
        _ => Ok(args[1].clone()),
    }
}

fn repeat(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (count, text) = (args::count(args, 0)?, args::text(args, 1)?);
    memory.spend(count.saturating_mul(text.len()))?;
    memory.text(text.repeat(if text.is_empty() { 0 } else { count }))
}

fn replace(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (old, new, text) = (args::text(args, 0)?, args::text(args, 1)?, args::text(args, 2)?);
    memory.spend(text.len())?;
    memory.spend(text.matches(&**old).count().saturating_mul(new.len()))?;
    memory.text(text.replace(&**old, new))
}

fn indent(memory: &mut Memory, args: &[Value], before: &str) -> Outcome {
    let (spaces, text) = (args::count(args, 0)?, args::text(args, 1)?);
    let lines = text.matches('\n').count() + 1;
    memory.spend(spaces.saturating_mul(lines.saturating_add(1)))?;
    let pad = " ".repeat(spaces);
    memory.text(format!("{before}{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}
