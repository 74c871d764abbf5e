//! Maps. As in Go, `set`, `unset` and the merges change their first argument under every name it has.

use std::rc::Rc;

use super::lists::list_of_strings;
use super::{ANY, Function, Outcome, args, row};
use crate::context::{Context, Entries, check_nesting};
use crate::fmt;
use crate::value::{MapId, Str, Value};

pub const FUNCTIONS: &[Function] = &[
    row("dict", 0, ANY, dict),
    row("get", 2, 2, |context, args| {
        let entries = context.entries(args::map(args, 0)?);
        Ok(entries.get(args::string(args, 1)?).cloned().unwrap_or_else(|| Value::string("")))
    }),
    row("set", 3, 3, |context, args| {
        context.put(args::map(args, 0)?, Rc::clone(args::string(args, 1)?), args[2].clone())?;
        Ok(args[0].clone())
    }),
    row("unset", 2, 2, |context, args| {
        context.remove(args::map(args, 0)?, args::string(args, 1)?)?;
        Ok(args[0].clone())
    }),
    row("hasKey", 2, 2, |context, args| {
        Ok(Value::Bool(context.entries(args::map(args, 0)?).contains_key(args::string(args, 1)?)))
    }),
    row("pluck", 1, ANY, pluck),
    row("keys", 0, ANY, keys),
    row("values", 1, 1, |context, args| {
        let entries = context.snapshot(args::map(args, 0)?)?;
        context.list(entries.values().cloned().collect())
    }),
    row("pick", 1, ANY, |context, args| kept(context, args, true)),
    row("omit", 1, ANY, |context, args| kept(context, args, false)),
    row("dig", 3, ANY, dig),
    row("merge", 1, ANY, |context, args| merged(context, args, false)),
    row("mustMerge", 1, ANY, |context, args| merged(context, args, false)),
    row("mergeOverwrite", 1, ANY, |context, args| merged(context, args, true)),
    row("mustMergeOverwrite", 1, ANY, |context, args| merged(context, args, true)),
];

fn dict(context: &mut Context, args: &[Value]) -> Outcome {
    let mut entries = Entries::new();
    for pair in args.chunks(2) {
        let key = match &pair[0] {
            Value::String(text) => Rc::clone(text),
            other => fmt::to_string(context, other)?.into(),
        };
        entries.insert(key, pair.get(1).cloned().unwrap_or_else(|| Value::string("")));
    }
    context.map(entries)
}

fn pluck(context: &mut Context, args: &[Value]) -> Outcome {
    let key = args::string(args, 0)?;
    let mut values = Vec::new();
    for at in 1..args.len() {
        values.extend(context.entries(args::map(args, at)?).get(key).cloned());
    }
    context.list(values)
}

/// Lists the keys of maps, sorted per map; Go's order is random.
fn keys(context: &mut Context, args: &[Value]) -> Outcome {
    let mut keys: Vec<Str> = Vec::new();
    for at in 0..args.len() {
        keys.extend(context.snapshot(args::map(args, at)?)?.keys().cloned());
    }
    list_of_strings(context, keys)
}

/// `pick` and `omit`: a map with only, or without, the given keys.
fn kept(context: &mut Context, args: &[Value], is_pick: bool) -> Outcome {
    let all = context.snapshot(args::map(args, 0)?)?;
    let mut named = std::collections::BTreeSet::new();
    for at in 1..args.len() {
        named.insert(Rc::clone(args::string(args, at)?));
    }
    let kept = all.iter().filter(|(key, _)| named.contains(*key) == is_pick);
    context.map(kept.map(|(key, value)| (Rc::clone(key), value.clone())).collect())
}

fn dig(context: &mut Context, args: &[Value]) -> Outcome {
    let last = args.len() - 1;
    let mut value = Value::Map(args::map(args, last)?);
    for at in 0..last - 1 {
        let key = args::string(args, at)?;
        let Value::Map(map) = value else {
            return Err(format!("`{}` is {}, expected a map", args::string(args, at - 1)?, value.describe()));
        };
        match context.entries(map).get(key) {
            Some(inner) => value = inner.clone(),
            None => return Ok(args[last - 1].clone()),
        }
    }
    Ok(value)
}

fn merged(context: &mut Context, args: &[Value], overwrites: bool) -> Outcome {
    let target = args::map(args, 0)?;
    for at in 1..args.len() {
        merge(context, target, args::map(args, at)?, overwrites, 1)?;
    }
    Ok(args[0].clone())
}

/// Merges maps recursively; other values replace missing and empty ones, or all if `overwrites`.
fn merge(context: &mut Context, target: MapId, source: MapId, overwrites: bool, depth: usize) -> Result<(), String> {
    check_nesting(depth)?;
    for (key, value) in context.snapshot(source)?.iter() {
        let old = context.entries(target).get(key).cloned().unwrap_or(Value::Nil);
        match (&old, value) {
            (_, Value::Nil) if !overwrites => {}
            (Value::Map(old), Value::Map(new)) if context.len_of(&Value::Map(*old)) > 0 => {
                merge(context, *old, *new, overwrites, depth + 1)?;
            }
            _ if overwrites || !context.is_true(&old) => context.put(target, Rc::clone(key), value.clone())?,
            _ => {}
        }
    }
    Ok(())
}
