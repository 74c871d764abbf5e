//! Lists. They are immutable: each function returns a new one.

use std::rc::Rc;

use super::defaults::same;
use super::{ANY, Function, Outcome, args, row};
use crate::bounds::VALUE;
use crate::context::{Context, Entries};
use crate::fmt;
use crate::value::{Element, List, Value};

pub const FUNCTIONS: &[Function] = &[
    row("list", 0, ANY, |context, args| context.list(args.to_vec())),
    row("tuple", 0, ANY, |context, args| context.list(args.to_vec())),
    row("first", 1, 1, first),
    row("mustFirst", 1, 1, first),
    row("last", 1, 1, last),
    row("mustLast", 1, 1, last),
    row("rest", 1, 1, |context, args| part(context, args::list(args, 0)?, 1, 0)),
    row("mustRest", 1, 1, |context, args| part(context, args::list(args, 0)?, 1, 0)),
    row("initial", 1, 1, |context, args| part(context, args::list(args, 0)?, 0, 1)),
    row("mustInitial", 1, 1, |context, args| part(context, args::list(args, 0)?, 0, 1)),
    row("append", 2, 2, append),
    row("mustAppend", 2, 2, append),
    row("push", 2, 2, append),
    row("mustPush", 2, 2, append),
    row("prepend", 2, 2, prepend),
    row("mustPrepend", 2, 2, prepend),
    row("concat", 0, ANY, concat),
    row("uniq", 1, 1, uniq),
    row("mustUniq", 1, 1, uniq),
    row("without", 1, ANY, without),
    row("mustWithout", 1, ANY, without),
    row("has", 2, 2, has),
    row("mustHas", 2, 2, has),
    row("reverse", 1, 1, reverse),
    row("mustReverse", 1, 1, reverse),
    row("compact", 1, 1, compact),
    row("mustCompact", 1, 1, compact),
    row("slice", 1, 3, slice),
    row("mustSlice", 1, 3, slice),
    row("chunk", 2, 2, chunk),
    row("mustChunk", 2, 2, chunk),
    row("sortAlpha", 1, 1, sort),
    row("join", 2, 2, join),
    row("toStrings", 1, 1, |context, args| {
        let texts = strings(context, &args[0])?;
        context.strings(texts.iter().map(String::as_str))
    }),
    row("splitList", 2, 2, |context, args| {
        let parts = split(args, None)?;
        context.spend(parts.len() * VALUE)?;
        context.strings(parts)
    }),
    row("split", 2, 2, |context, args| numbered(context, split(args, None)?)),
    row("splitn", 3, 3, |context, args| numbered(context, split(args, Some(args::integer(args, 1)?))?)),
];

fn first(_: &mut Context, args: &[Value]) -> Outcome {
    Ok(args::list(args, 0)?.items.first().cloned().unwrap_or(Value::Nil))
}

fn last(_: &mut Context, args: &[Value]) -> Outcome {
    Ok(args::list(args, 0)?.items.last().cloned().unwrap_or(Value::Nil))
}

/// Returns a list without elements at its start and end.
fn part(context: &mut Context, list: &List, from_start: usize, from_end: usize) -> Outcome {
    let end = list.items.len().saturating_sub(from_end);
    context.list(list.items.get(from_start..end).unwrap_or_default().to_vec())
}

fn append(context: &mut Context, args: &[Value]) -> Outcome {
    let items = args::list(args, 0)?.items.iter().chain([&args[1]]);
    context.list(items.cloned().collect())
}

fn prepend(context: &mut Context, args: &[Value]) -> Outcome {
    let items = [&args[1]].into_iter().chain(&args::list(args, 0)?.items);
    context.list(items.cloned().collect())
}

fn concat(context: &mut Context, args: &[Value]) -> Outcome {
    let mut items = Vec::new();
    for at in 0..args.len() {
        let list = args::list(args, at)?;
        context.spend(list.items.len() * VALUE)?;
        items.extend(list.items.iter().cloned());
    }
    context.list(items)
}

/// Returns true if a list contains a value.
fn is_among(context: &Context, value: &Value, others: &[Value]) -> Result<bool, String> {
    for other in others {
        if same(context, value, other, 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(context: &mut Context, args: &[Value]) -> Outcome {
    let mut kept = Vec::new();
    for item in &args::list(args, 0)?.items {
        if !is_among(context, item, &kept)? {
            kept.push(item.clone());
        }
    }
    context.list(kept)
}

fn without(context: &mut Context, args: &[Value]) -> Outcome {
    let mut kept = Vec::new();
    for item in &args::list(args, 0)?.items {
        if !is_among(context, item, &args[1..])? {
            kept.push(item.clone());
        }
    }
    context.list(kept)
}

fn has(context: &mut Context, args: &[Value]) -> Outcome {
    if matches!(args[1], Value::Nil) {
        return Ok(Value::Bool(false));
    }
    Ok(Value::Bool(is_among(context, &args[0], &args::list(args, 1)?.items)?))
}

fn reverse(context: &mut Context, args: &[Value]) -> Outcome {
    context.list(args::list(args, 0)?.items.iter().rev().cloned().collect())
}

fn compact(context: &mut Context, args: &[Value]) -> Outcome {
    let items = args::list(args, 0)?.items.iter().filter(|item| context.is_true(item));
    context.list(items.cloned().collect())
}

/// Returns a part of a list, as sprig's `slice`, or of a string, as Go's.
fn slice(context: &mut Context, args: &[Value]) -> Outcome {
    let len = context.len_of(&args[0]);
    let bound = |at: usize, default: usize| if at < args.len() { args::count(args, at) } else { Ok(default) };
    let (start, end) = (bound(1, 0)?, bound(2, len)?);
    let out_of_range = || format!("range {start} to {end} is out of bounds: the length is {len}");
    match &args[0] {
        Value::String(text) => context.string(text.get(start..end).ok_or_else(out_of_range)?.to_owned()),
        Value::List(list) if list.items.is_empty() => Ok(Value::Nil),
        Value::List(list) => {
            context.list_of(list.element, list.items.get(start..end).ok_or_else(out_of_range)?.to_vec())
        }
        _ => args::list(args, 0).map(|_| Value::Nil),
    }
}

fn chunk(context: &mut Context, args: &[Value]) -> Outcome {
    let (size, list) = (args::count(args, 0)?, args::list(args, 1)?);
    if size == 0 {
        return Err("argument 1 must not be 0".to_owned());
    }
    let chunks: Result<Vec<_>, _> = list.items.chunks(size).map(|chunk| context.list(chunk.to_vec())).collect();
    context.list(chunks?)
}

/// Returns the elements of a list as strings, without `nil`; any other value as a single string.
fn strings(context: &Context, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => {
            context.spend(list.items.len() * VALUE)?;
            list.items
                .iter()
                .filter(|item| !matches!(item, Value::Nil))
                .map(|item| fmt::to_string(context, item))
                .collect()
        }
        other => Ok(vec![fmt::to_string(context, other)?]),
    }
}

fn sort(context: &mut Context, args: &[Value]) -> Outcome {
    let mut texts = strings(context, &args[0])?;
    texts.sort_unstable();
    context.strings(texts.iter().map(String::as_str))
}

fn join(context: &mut Context, args: &[Value]) -> Outcome {
    let separator = args::string(args, 0)?;
    let texts = strings(context, &args[1])?;
    context.spend(texts.len().saturating_mul(separator.len()))?;
    context.string(texts.join(separator))
}

/// Splits the last argument at separators into at most `limit` parts; into characters if the separator is empty.
fn split(args: &[Value], limit: Option<i64>) -> Result<Vec<&str>, String> {
    let (separator, text) = (args::string(args, 0)?, args::string(args, args.len() - 1)?);
    let limit = usize::try_from(limit.unwrap_or(-1)).unwrap_or(usize::MAX);
    if !separator.is_empty() {
        return Ok(if limit == 0 { Vec::new() } else { text.splitn(limit, &**separator).collect() });
    }
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices().take(limit) {
        let is_last = parts.len() + 1 == limit;
        let end = if is_last { text.len() } else { at + c.len_utf8() };
        parts.push(&text[from..end]);
        from = end;
    }
    Ok(parts)
}

/// Creates a map of parts with the keys `_0`, `_1`, ….
fn numbered(context: &mut Context, parts: Vec<&str>) -> Outcome {
    let mut entries = Entries::new();
    for (at, part) in parts.into_iter().enumerate() {
        entries.insert(format!("_{at}").into(), context.string(part.to_owned())?);
    }
    context.map(entries)
}

/// Creates a list of shared strings.
pub fn list_of_strings(context: &Context, texts: impl IntoIterator<Item = Rc<str>>) -> Outcome {
    context.list_of(Element::String, texts.into_iter().map(Value::String).collect())
}
