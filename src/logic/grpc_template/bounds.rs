//! What bounds the texts that a template's functions make: a variable that is joined with itself doubles each time.
//!
//! The engine's own functions know no bound. Each is replaced by one that looks at what it is given, has the engine's do the work if
//! that can't exceed what is left, and counts what it made. An expansion runs on one thread, which keeps the count.

use std::cell::Cell;

use gotmpl::{Template, TemplateError, Value};

/// Most bytes of all texts that the functions of one expansion make.
pub(super) const MAX_MADE: usize = 64 << 20;

/// What a call counts beside its text: room for the value, and a bound on calls.
const CALL: usize = 64;

/// Widest padding of one verb of `printf`.
const PADDING: usize = 1 << 16;

/// Most bytes that one byte of an argument becomes, by `%q` or an escape.
const GROWTH: usize = 12;

/// Longest number.
const NUMBER: usize = 400;

/// The engine's functions that make texts.
const MAKERS: [&str; 7] = ["print", "println", "printf", "html", "js", "urlquery", "slice"];

thread_local! {
    /// Bytes that may still be made in the expansion that runs on this thread.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Begins an expansion on this thread.
pub(super) fn begin() {
    LEFT.set(MAX_MADE);
}

/// The same template, whose functions are bounded.
pub(super) fn bounded(template: Template) -> Template {
    MAKERS.into_iter().fold(template, |template, name| template.func(name, move |args| call(name, args)))
}

/// A text that a function made.
pub(super) fn made(text: String) -> Result<Value, TemplateError> {
    let left = LEFT.get().checked_sub(CALL + text.len()).ok_or_else(too_much)?;
    LEFT.set(left);
    Ok(Value::String(text.into()))
}

fn too_much() -> TemplateError {
    TemplateError::Exec(format!("its functions make more than {MAX_MADE} bytes of text"))
}

/// Calls a function of the engine's.
fn call(name: &str, args: &[Value]) -> Result<Value, TemplateError> {
    if most(name, args) > LEFT.get() {
        return Err(too_much());
    }
    let params: String = (0..args.len()).map(|at| format!(" (index . {at})")).collect();
    let template = Template::new("").parse(&format!("{{{{{name}{params}}}}}"))?;
    made(template.execute_to_string(&Value::List(args.to_vec().into()))?)
}

/// How many bytes a function may make of its arguments, at most.
pub(super) fn most(name: &str, args: &[Value]) -> usize {
    let total = args.iter().map(size).fold(0, usize::saturating_add);
    match (name, args.first()) {
        ("printf", Some(Value::String(format))) => {
            // Any verb may show any argument.
            let verbs = format.bytes().filter(|byte| *byte == b'%').count();
            verbs.saturating_mul(PADDING.saturating_add(total.saturating_mul(GROWTH))).saturating_add(total)
        }
        ("html" | "js" | "urlquery", _) => total.saturating_mul(GROWTH),
        _ => total,
    }
}

/// How long a value is at most as a text.
fn size(value: &Value) -> usize {
    let inner: usize = match value {
        Value::String(text) => text.len(),
        Value::List(list) => list.iter().map(size).fold(0, usize::saturating_add),
        Value::Map(map) => {
            map.iter().map(|(key, value)| key.len().saturating_add(size(value))).fold(0, usize::saturating_add)
        }
        _ => 0,
    };
    inner.saturating_add(NUMBER)
}
