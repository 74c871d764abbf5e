//! Maps. `set`, `unset` and the merges change the map that they are given, under every name that it has, as in Go.

use std::rc::Rc;

use super::lists::of_texts;
use super::{ANY, Function, Outcome, args, row};
use crate::memory::{Entries, Memory, check_nesting};
use crate::show::show;
use crate::value::{MapId, Text, Value};

pub const FUNCTIONS: &[Function] = &[
    row("dict", 0, ANY, dict),
    row("get", 2, 2, |memory, args| {
        let entries = memory.entries(args::map(args, 0)?);
        Ok(entries.get(args::text(args, 1)?).cloned().unwrap_or_else(|| Value::text("")))
    }),
    row("set", 3, 3, |memory, args| {
        memory.put(args::map(args, 0)?, Rc::clone(args::text(args, 1)?), args[2].clone())?;
        Ok(args[0].clone())
    }),
    row("unset", 2, 2, |memory, args| {
        memory.remove(args::map(args, 0)?, args::text(args, 1)?)?;
        Ok(args[0].clone())
    }),
    row("hasKey", 2, 2, |memory, args| {
        Ok(Value::Bool(memory.entries(args::map(args, 0)?).contains_key(args::text(args, 1)?)))
    }),
    row("pluck", 1, ANY, pluck),
    row("keys", 0, ANY, keys),
    row("values", 1, 1, |memory, args| {
        let entries = memory.snapshot(args::map(args, 0)?)?;
        memory.list(entries.values().cloned().collect())
    }),
    row("pick", 1, ANY, |memory, args| kept(memory, args, true)),
    row("omit", 1, ANY, |memory, args| kept(memory, args, false)),
    row("dig", 3, ANY, dig),
    row("merge", 1, ANY, |memory, args| merged(memory, args, false)),
    row("mustMerge", 1, ANY, |memory, args| merged(memory, args, false)),
    row("mergeOverwrite", 1, ANY, |memory, args| merged(memory, args, true)),
    row("mustMergeOverwrite", 1, ANY, |memory, args| merged(memory, args, true)),
];

fn dict(memory: &mut Memory, args: &[Value]) -> Outcome {
    let mut entries = Entries::new();
    for pair in args.chunks(2) {
        let key = match &pair[0] {
            Value::Text(text) => Rc::clone(text),
            other => show(memory, other)?.into(),
        };
        entries.insert(key, pair.get(1).cloned().unwrap_or_else(|| Value::text("")));
    }
    memory.map(entries)
}

fn pluck(memory: &mut Memory, args: &[Value]) -> Outcome {
    let key = args::text(args, 0)?;
    let mut found = Vec::new();
    for at in 1..args.len() {
        found.extend(memory.entries(args::map(args, at)?).get(key).cloned());
    }
    memory.list(found)
}

/// The keys of maps, each map's in order; Go has no order there.
fn keys(memory: &mut Memory, args: &[Value]) -> Outcome {
    let mut keys: Vec<Text> = Vec::new();
    for at in 0..args.len() {
        keys.extend(memory.snapshot(args::map(args, at)?)?.keys().cloned());
    }
    of_texts(memory, keys)
}

/// A map with only, or all but, these keys.
fn kept(memory: &mut Memory, args: &[Value], is_pick: bool) -> Outcome {
    let all = memory.snapshot(args::map(args, 0)?)?;
    let mut named = std::collections::BTreeSet::new();
    for at in 1..args.len() {
        named.insert(Rc::clone(args::text(args, at)?));
    }
    let kept = all.iter().filter(|(key, _)| named.contains(*key) == is_pick);
    memory.map(kept.map(|(key, value)| (Rc::clone(key), value.clone())).collect())
}

fn dig(memory: &mut Memory, args: &[Value]) -> Outcome {
    let last = args.len() - 1;
    let mut found = Value::Map(args::map(args, last)?);
    for at in 0..last - 1 {
        let key = args::text(args, at)?;
        let Value::Map(map) = found else {
            return Err(format!("what is at `{}` is {}, not a map", args::text(args, at - 1)?, found.described()));
        };
        match memory.entries(map).get(key) {
            Some(value) => found = value.clone(),
            None => return Ok(args[last - 1].clone()),
        }
    }
    Ok(found)
}

fn merged(memory: &mut Memory, args: &[Value], overwrites: bool) -> Outcome {
    let target = args::map(args, 0)?;
    for at in 1..args.len() {
        merge(memory, target, args::map(args, at)?, overwrites, 1)?;
    }
    Ok(args[0].clone())
}

/// Maps are merged; else what is missing or empty is filled, or everything overwritten.
fn merge(memory: &mut Memory, target: MapId, source: MapId, overwrites: bool, depth: usize) -> Result<(), String> {
    check_nesting(depth)?;
    for (key, value) in memory.snapshot(source)?.iter() {
        let old = memory.entries(target).get(key).cloned().unwrap_or(Value::Nil);
        match (&old, value) {
            (_, Value::Nil) if !overwrites => {}
            (Value::Map(old), Value::Map(new)) if memory.extent(&Value::Map(*old)) > 0 => {
                merge(memory, *old, *new, overwrites, depth + 1)?;
            }
            _ if overwrites || !memory.is_true(&old) => memory.put(target, Rc::clone(key), value.clone())?,
            _ => {}
        }
    }
    Ok(())
}
