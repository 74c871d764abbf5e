//! What a value is, what stands in for it, and when to stop.

use std::rc::Rc;

use super::{ANY, Function, Outcome, args, row};
use crate::memory::{Memory, check_nesting};
use crate::value::Value;

pub const FUNCTIONS: &[Function] = &[
    row("default", 1, ANY, |memory, args| {
        Ok(if memory.is_true(args::any(args, 1)) { args[1].clone() } else { args[0].clone() })
    }),
    row("empty", 1, 1, |memory, args| Ok(Value::Bool(!memory.is_true(&args[0])))),
    row("coalesce", 0, ANY, |memory, args| {
        Ok(args.iter().find(|value| memory.is_true(value)).cloned().unwrap_or(Value::Nil))
    }),
    row("all", 0, ANY, |memory, args| Ok(Value::Bool(args.iter().all(|value| memory.is_true(value))))),
    row("any", 0, ANY, |memory, args| Ok(Value::Bool(args.iter().any(|value| memory.is_true(value))))),
    row("ternary", 3, 3, |_, args| Ok(if args::truth(args, 2)? { args[0].clone() } else { args[1].clone() })),
    row("fail", 1, 1, |_, args| Err(args::text(args, 0)?.to_string())),
    row("required", 2, 2, required),
    row("typeOf", 1, 1, |_, args| Ok(Value::text(args[0].type_name()))),
    row("typeIs", 2, 2, |_, args| Ok(Value::Bool(**args::text(args, 0)? == *args[1].type_name()))),
    row("typeIsLike", 2, 2, |_, args| Ok(Value::Bool(**args::text(args, 0)? == *args[1].type_name()))),
    row("kindOf", 1, 1, |_, args| Ok(Value::text(args[0].kind_name()))),
    row("kindIs", 2, 2, |_, args| Ok(Value::Bool(**args::text(args, 0)? == *args[1].kind_name()))),
    row("deepEqual", 2, 2, |memory, args| Ok(Value::Bool(same(memory, &args[0], &args[1], 1)?))),
    row("deepCopy", 1, 1, |memory, args| copy(memory, &args[0], 1)),
    row("mustDeepCopy", 1, 1, |memory, args| copy(memory, &args[0], 1)),
];

fn required(_: &mut Memory, args: &[Value]) -> Outcome {
    let is_missing = match &args[1] {
        Value::Nil => true,
        Value::Text(text) => text.is_empty(),
        _ => false,
    };
    if is_missing { Err(args::text(args, 0)?.to_string()) } else { Ok(args[1].clone()) }
}

/// Go's `reflect.DeepEqual`: types count, also those of numbers and of the elements of lists.
pub fn same(memory: &Memory, a: &Value, b: &Value, depth: usize) -> Result<bool, String> {
    check_nesting(depth)?;
    memory.spend(8)?;
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Int64(a), Value::Int64(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => {
            memory.spend(a.len().min(b.len()) / 8)?;
            a == b
        }
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            if a.element != b.element || a.items.len() != b.items.len() {
                return Ok(false);
            }
            for (a, b) in a.items.iter().zip(&b.items) {
                if !same(memory, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a == b {
                return Ok(true);
            }
            let (a, b) = (memory.entries(*a), memory.entries(*b));
            if a.len() != b.len() {
                return Ok(false);
            }
            for ((key, a), (other, b)) in a.iter().zip(b) {
                if key != other || !same(memory, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

/// The same value with maps of its own.
fn copy(memory: &mut Memory, value: &Value, depth: usize) -> Outcome {
    check_nesting(depth)?;
    match value {
        Value::List(list) => {
            let items: Result<Vec<_>, _> = list.items.iter().map(|item| copy(memory, item, depth + 1)).collect();
            memory.list_of(list.element, items?)
        }
        Value::Map(map) => {
            let mut entries = std::collections::BTreeMap::new();
            for (key, value) in memory.snapshot(*map)?.iter() {
                entries.insert(Rc::clone(key), copy(memory, value, depth + 1)?);
            }
            memory.map(entries)
        }
        _ => Ok(value.clone()),
    }
}
