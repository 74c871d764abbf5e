//! Regular expressions.

use std::rc::Rc;

use super::{Function, Outcome, args, row};
use crate::memory::Memory;
use crate::pattern::Pattern;
use crate::value::{Text, Value};

pub const FUNCTIONS: &[Function] = &[
    row("regexMatch", 2, 2, is_match),
    row("mustRegexMatch", 2, 2, is_match),
    row("regexFind", 2, 2, find),
    row("mustRegexFind", 2, 2, find),
    row("regexFindAll", 3, 3, find_all),
    row("mustRegexFindAll", 3, 3, find_all),
    row("regexReplaceAll", 3, 3, replace_all),
    row("mustRegexReplaceAll", 3, 3, replace_all),
    row("regexReplaceAllLiteral", 3, 3, replace_all_literal),
    row("mustRegexReplaceAllLiteral", 3, 3, replace_all_literal),
    row("regexSplit", 3, 3, split),
    row("mustRegexSplit", 3, 3, split),
    row("regexQuoteMeta", 1, 1, quote_meta),
];

/// Units of work for each match.
const MATCH: usize = 64;

/// The expression and the text that it is for, the work paid.
fn both<'a>(memory: &mut Memory, args: &'a [Value]) -> Result<(Rc<Pattern>, &'a Text), String> {
    let (pattern, text) = (args::text(args, 0)?, args::text(args, 1)?);
    let pattern = memory.pattern(pattern)?;
    memory.spend(pattern.cost(text.len()))?;
    Ok((pattern, text))
}

/// How many at most: all, for a negative number.
fn limit(args: &[Value], at: usize) -> Result<usize, String> {
    Ok(usize::try_from(args::whole(args, at)?).unwrap_or(usize::MAX))
}

fn is_match(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (pattern, text) = both(memory, args)?;
    Ok(Value::Bool(pattern.regex.is_match(text)))
}

fn find(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (pattern, text) = both(memory, args)?;
    memory.text(pattern.regex.find(text).map_or(String::new(), |found| found.as_str().to_owned()))
}

fn find_all(memory: &mut Memory, args: &[Value]) -> Outcome {
    let limit = limit(args, 2)?;
    let (pattern, text) = both(memory, args)?;
    let found = pattern.regex.find_iter(text).take(limit).map(|found| found.as_str());
    memory.texts(found)
}

fn replace_all(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (pattern, text) = both(memory, args)?;
    let with = args::text(args, 2)?;
    let mut out = String::new();
    let mut from = 0;
    for captures in pattern.regex.captures_iter(text) {
        let Some(found) = captures.get(0) else { continue };
        let before = out.len();
        out.push_str(text.get(from..found.start()).unwrap_or_default());
        captures.expand(with, &mut out);
        memory.spend(MATCH + out.len() - before + with.len())?;
        from = found.end();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    memory.text(out)
}

fn replace_all_literal(memory: &mut Memory, args: &[Value]) -> Outcome {
    let (pattern, text) = both(memory, args)?;
    let with = args::text(args, 2)?;
    let mut out = String::new();
    let mut from = 0;
    for found in pattern.regex.find_iter(text) {
        memory.spend(MATCH + found.start() - from + with.len())?;
        out.push_str(text.get(from..found.start()).unwrap_or_default());
        out.push_str(with);
        from = found.end();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    memory.text(out)
}

fn split(memory: &mut Memory, args: &[Value]) -> Outcome {
    let limit = limit(args, 2)?;
    let (pattern, text) = both(memory, args)?;
    if limit == 0 {
        return memory.texts([]);
    }
    if !pattern.regex.as_str().is_empty() && text.is_empty() {
        return memory.texts([""]);
    }
    let (mut parts, mut from, mut end) = (Vec::new(), 0, 0);
    for found in pattern.regex.find_iter(text) {
        if parts.len() + 1 == limit {
            break;
        }
        end = found.start();
        // An empty match at the start splits nothing.
        if found.end() != 0 {
            parts.push(text.get(from..end).unwrap_or_default());
        }
        from = found.end();
    }
    if end != text.len() {
        parts.push(text.get(from..).unwrap_or_default());
    }
    memory.texts(parts)
}

fn quote_meta(memory: &mut Memory, args: &[Value]) -> Outcome {
    let text = args::text(args, 0)?;
    memory.spend(text.len())?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    memory.text(out)
}
