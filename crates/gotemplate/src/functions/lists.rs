//! Lists. They never change: each function makes a new one.

use std::rc::Rc;

use super::defaults::same;
use super::{ANY, Function, Outcome, args, row};
use crate::bounds::VALUE;
use crate::memory::{Entries, Memory};
use crate::show::show;
use crate::value::{Element, List, Value};

pub const FUNCTIONS: &[Function] = &[
    row("list", 0, ANY, |memory, args| memory.list(args.to_vec())),
    row("tuple", 0, ANY, |memory, args| memory.list(args.to_vec())),
    row("first", 1, 1, first),
    row("mustFirst", 1, 1, first),
    row("last", 1, 1, last),
    row("mustLast", 1, 1, last),
    row("rest", 1, 1, |memory, args| part(memory, args::list(args, 0)?, 1, 0)),
    row("mustRest", 1, 1, |memory, args| part(memory, args::list(args, 0)?, 1, 0)),
    row("initial", 1, 1, |memory, args| part(memory, args::list(args, 0)?, 0, 1)),
    row("mustInitial", 1, 1, |memory, args| part(memory, args::list(args, 0)?, 0, 1)),
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
    row("toStrings", 1, 1, |memory, args| {
        let texts = strings(memory, &args[0])?;
        memory.texts(texts.iter().map(String::as_str))
    }),
    row("splitList", 2, 2, |memory, args| {
        let parts = split(args, None)?;
        memory.spend(parts.len() * VALUE)?;
        memory.texts(parts)
    }),
    row("split", 2, 2, |memory, args| numbered(memory, split(args, None)?)),
    row("splitn", 3, 3, |memory, args| numbered(memory, split(args, Some(args::whole(args, 1)?))?)),
];

fn first(_: &mut Memory, args: &[Value]) -> Outcome {
    Ok(args::list(args, 0)?.items.first().cloned().unwrap_or(Value::Nil))
}

fn last(_: &mut Memory, args: &[Value]) -> Outcome {
    Ok(args::list(args, 0)?.items.last().cloned().unwrap_or(Value::Nil))
}

/// A list without its first and last elements.
fn part(memory: &mut Memory, list: &List, from_start: usize, from_end: usize) -> Outcome {
    let end = list.items.len().saturating_sub(from_end);
    memory.list(list.items.get(from_start..end).unwrap_or_default().to_vec())
}

fn append(memory: &mut Memory, args: &[Value]) -> Outcome {
    let items = args::list(args, 0)?.items.iter().chain([&args[1]]);
    memory.list(items.cloned().collect())
}

fn prepend(memory: &mut Memory, args: &[Value]) -> Outcome {
    let items = [&args[1]].into_iter().chain(&args::list(args, 0)?.items);
    memory.list(items.cloned().collect())
}

fn concat(memory: &mut Memory, args: &[Value]) -> Outcome {
    let mut items = Vec::new();
    for at in 0..args.len() {
        let list = args::list(args, at)?;
        memory.spend(list.items.len() * VALUE)?;
        items.extend(list.items.iter().cloned());
    }
    memory.list(items)
}

/// Whether a value is among others.
fn is_among(memory: &Memory, value: &Value, others: &[Value]) -> Result<bool, String> {
    for other in others {
        if same(memory, value, other, 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(memory: &mut Memory, args: &[Value]) -> Outcome {
    let mut kept = Vec::new();
    for item in &args::list(args, 0)?.items {
        if !is_among(memory, item, &kept)? {
            kept.push(item.clone());
        }
    }
    memory.list(kept)
}

fn without(memory: &mut Memory, args: &[Value]) -> Outcome {
    let mut kept = Vec::new();
    for item in &args::list(args, 0)?.items {
        if !is_among(memory, item, &args[1..])? {
            kept.push(item.clone());
        }
    }
    memory.list(kept)
}

fn has(memory: &mut Memory, args: &[Value]) -> Outcome {
    if matches!(args[1], Value::Nil) {
        return Ok(Value::Bool(false));
    }
    Ok(Value::Bool(is_among(memory, &args[0], &args::list(args, 1)?.items)?))
}

fn reverse(memory: &mut Memory, args: &[Value]) -> Outcome {
    memory.list(args::list(args, 0)?.items.iter().rev().cloned().collect())
}

fn compact(memory: &mut Memory, args: &[Value]) -> Outcome {
    let items = args::list(args, 0)?.items.iter().filter(|item| memory.is_true(item));
    memory.list(items.cloned().collect())
}

/// A part of a list, as sprig's `slice`; of a text too, as Go's own.
fn slice(memory: &mut Memory, args: &[Value]) -> Outcome {
    let len = memory.extent(&args[0]);
    let bound = |at: usize, default: usize| if at < args.len() { args::count(args, at) } else { Ok(default) };
    let (start, end) = (bound(1, 0)?, bound(2, len)?);
    let fault = || format!("there is no part from {start} to {end}: there are {len}");
    match &args[0] {
        Value::Text(text) => memory.text(text.get(start..end).ok_or_else(fault)?.to_owned()),
        Value::List(list) if list.items.is_empty() => Ok(Value::Nil),
        Value::List(list) => memory.list_of(list.element, list.items.get(start..end).ok_or_else(fault)?.to_vec()),
        _ => args::list(args, 0).map(|_| Value::Nil),
    }
}

fn chunk(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (size, list) = (args::count(args, 0)?, args::list(args, 1)?);
    if size == 0 {
        return Err("argument 1 must not be 0".to_owned());
    }
    let chunks: Result<Vec<_>, _> = list.items.chunks(size).map(|chunk| memory.list(chunk.to_vec())).collect();
    memory.list(chunks?)
}

/// The elements of a list as texts, without those that are missing; anything else as the only text.
fn strings(memory: &Memory, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => {
            memory.spend(list.items.len() * VALUE)?;
            list.items.iter().filter(|item| !matches!(item, Value::Nil)).map(|item| show(memory, item)).collect()
        }
        other => Ok(vec![show(memory, other)?]),
    }
}

fn sort(memory: &mut Memory, args: &[Value]) -> Outcome {
    let mut texts = strings(memory, &args[0])?;
    texts.sort_unstable();
    memory.texts(texts.iter().map(String::as_str))
}

fn join(memory: &mut Memory, args: &[Value]) -> Outcome {
    let separator = args::text(args, 0)?;
    let texts = strings(memory, &args[1])?;
    memory.spend(texts.len().saturating_mul(separator.len()))?;
    memory.text(texts.join(separator))
}

/// Parts of the last argument between separators, at most so many; between characters for an empty separator.
fn split(args: &[Value], limit: Option<i64>) -> Result<Vec<&str>, String> {
    let (separator, text) = (args::text(args, 0)?, args::text(args, args.len() - 1)?);
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

/// Parts as a map with the keys `_0`, `_1`, ….
fn numbered(memory: &mut Memory, parts: Vec<&str>) -> Outcome {
    let mut entries = Entries::new();
    for (at, part) in parts.into_iter().enumerate() {
        entries.insert(format!("_{at}").into(), memory.text(part.to_owned())?);
    }
    memory.map(entries)
}

/// Elements of a list, for others that make lists of texts.
pub fn of_texts(memory: &Memory, texts: impl IntoIterator<Item = Rc<str>>) -> Outcome {
    memory.list_of(Element::Text, texts.into_iter().map(Value::Text).collect())
}
