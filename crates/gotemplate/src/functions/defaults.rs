//! Defaults, type tests, deep comparison and copy, `fail` and `required`.

use std::rc::Rc;

use super::{ANY, Function, Outcome, args, row};
use crate::context::{Context, check_nesting};
use crate::value::Value;

pub const FUNCTIONS: &[Function] = &[
    row("default", 1, ANY, |context, args| {
        Ok(if context.is_true(args::any(args, 1)) { args[1].clone() } else { args[0].clone() })
    }),
    row("empty", 1, 1, |context, args| Ok(Value::Bool(!context.is_true(&args[0])))),
    row("coalesce", 0, ANY, |context, args| {
        Ok(args.iter().find(|value| context.is_true(value)).cloned().unwrap_or(Value::Nil))
    }),
    row("all", 0, ANY, |context, args| Ok(Value::Bool(args.iter().all(|value| context.is_true(value))))),
    row("any", 0, ANY, |context, args| Ok(Value::Bool(args.iter().any(|value| context.is_true(value))))),
    row("ternary", 3, 3, |_, args| Ok(if args::boolean(args, 2)? { args[0].clone() } else { args[1].clone() })),
    row("fail", 1, 1, |_, args| Err(args::string(args, 0)?.to_string())),
    row("required", 2, 2, required),
    row("typeOf", 1, 1, |_, args| Ok(Value::string(args[0].type_name()))),
    row("typeIs", 2, 2, |_, args| Ok(Value::Bool(**args::string(args, 0)? == *args[1].type_name()))),
    row("typeIsLike", 2, 2, |_, args| Ok(Value::Bool(**args::string(args, 0)? == *args[1].type_name()))),
    row("kindOf", 1, 1, |_, args| Ok(Value::string(args[0].kind_name()))),
    row("kindIs", 2, 2, |_, args| Ok(Value::Bool(**args::string(args, 0)? == *args[1].kind_name()))),
    row("deepEqual", 2, 2, |context, args| Ok(Value::Bool(same(context, &args[0], &args[1], 1)?))),
    row("deepCopy", 1, 1, |context, args| copy(context, &args[0], 1)),
    row("mustDeepCopy", 1, 1, |context, args| copy(context, &args[0], 1)),
];

fn required(_: &mut Context, args: &[Value]) -> Outcome {
    let is_missing = match &args[1] {
        Value::Nil => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    if is_missing { Err(args::string(args, 0)?.to_string()) } else { Ok(args[1].clone()) }
}

/// Go's `reflect.DeepEqual`: the types of numbers and of list elements count.
pub fn same(context: &Context, a: &Value, b: &Value, depth: usize) -> Result<bool, String> {
    check_nesting(depth)?;
    context.spend(8)?;
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Int64(a), Value::Int64(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::String(a), Value::String(b)) => {
            context.spend(a.len().min(b.len()) / 8)?;
            a == b
        }
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::Version(a), Value::Version(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            if a.element != b.element || a.items.len() != b.items.len() {
                return Ok(false);
            }
            for (a, b) in a.items.iter().zip(&b.items) {
                if !same(context, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a == b {
                return Ok(true);
            }
            let (a, b) = (context.entries(*a), context.entries(*b));
            if a.len() != b.len() {
                return Ok(false);
            }
            for ((key, a), (other, b)) in a.iter().zip(b) {
                if key != other || !same(context, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

/// Copies a value with all maps inside.
fn copy(context: &mut Context, value: &Value, depth: usize) -> Outcome {
    check_nesting(depth)?;
    match value {
        Value::List(list) => {
            let items: Result<Vec<_>, _> = list.items.iter().map(|item| copy(context, item, depth + 1)).collect();
            context.list_of(list.element, items?)
        }
        Value::Map(map) => {
            let mut entries = std::collections::BTreeMap::new();
            for (key, value) in context.snapshot(*map)?.iter() {
                entries.insert(Rc::clone(key), copy(context, value, depth + 1)?);
            }
            context.map(entries)
        }
        _ => Ok(value.clone()),
    }
}
