//! Regular expressions.

use std::rc::Rc;

use super::{Function, Outcome, args, row};
use crate::context::Context;
use crate::pattern::Pattern;
use crate::value::{Str, Value};

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

/// Work units per match.
const MATCH: usize = 64;

/// Returns the compiled expression and the text, after spending the cost of the scan.
fn both<'a>(context: &mut Context, args: &'a [Value]) -> Result<(Rc<Pattern>, &'a Str), String> {
    let (pattern, text) = (args::string(args, 0)?, args::string(args, 1)?);
    let pattern = context.pattern(pattern)?;
    context.spend(pattern.cost(text.len()))?;
    Ok((pattern, text))
}

/// Returns a limit argument; negative means no limit.
fn limit(args: &[Value], at: usize) -> Result<usize, String> {
    Ok(usize::try_from(args::integer(args, at)?).unwrap_or(usize::MAX))
}

fn is_match(context: &mut Context, args: &[Value]) -> Outcome {
    let (pattern, text) = both(context, args)?;
    Ok(Value::Bool(pattern.regex.is_match(text)))
}

fn find(context: &mut Context, args: &[Value]) -> Outcome {
    let (pattern, text) = both(context, args)?;
    context.string(pattern.regex.find(text).map_or(String::new(), |matched| matched.as_str().to_owned()))
}

fn find_all(context: &mut Context, args: &[Value]) -> Outcome {
    let limit = limit(args, 2)?;
    let (pattern, text) = both(context, args)?;
    let mut matches = Vec::new();
    for matched in pattern.regex.find_iter(text).take(limit) {
        context.spend(MATCH + pattern.cost_after_match(text.len() - matched.end()))?;
        matches.push(matched.as_str());
    }
    context.strings(matches)
}

fn replace_all(context: &mut Context, args: &[Value]) -> Outcome {
    let (pattern, text) = both(context, args)?;
    let with = args::string(args, 2)?;
    let mut out = String::new();
    let mut from = 0;
    for captures in pattern.regex.captures_iter(text) {
        let Some(matched) = captures.get(0) else { continue };
        let before = out.len();
        out.push_str(text.get(from..matched.start()).unwrap_or_default());
        captures.expand(with, &mut out);
        let next = pattern.cost_after_match(text.len() - matched.end());
        context.spend((MATCH + out.len() - before + with.len()).saturating_add(next))?;
        from = matched.end();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    context.string(out)
}

fn replace_all_literal(context: &mut Context, args: &[Value]) -> Outcome {
    let (pattern, text) = both(context, args)?;
    let with = args::string(args, 2)?;
    let mut out = String::new();
    let mut from = 0;
    for matched in pattern.regex.find_iter(text) {
        let next = pattern.cost_after_match(text.len() - matched.end());
        context.spend((MATCH + matched.start() - from + with.len()).saturating_add(next))?;
        out.push_str(text.get(from..matched.start()).unwrap_or_default());
        out.push_str(with);
        from = matched.end();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    context.string(out)
}

fn split(context: &mut Context, args: &[Value]) -> Outcome {
    let limit = limit(args, 2)?;
    let (pattern, text) = both(context, args)?;
    if limit == 0 {
        return context.strings([]);
    }
    if !pattern.regex.as_str().is_empty() && text.is_empty() {
        return context.strings([""]);
    }
    let (mut parts, mut from, mut end) = (Vec::new(), 0, 0);
    for matched in pattern.regex.find_iter(text) {
        if parts.len() + 1 == limit {
            break;
        }
        context.spend(MATCH + pattern.cost_after_match(text.len() - matched.end()))?;
        end = matched.start();
        // An empty match at the start does not split.
        if matched.end() != 0 {
            parts.push(text.get(from..end).unwrap_or_default());
        }
        from = matched.end();
    }
    if end != text.len() {
        parts.push(text.get(from..).unwrap_or_default());
    }
    context.strings(parts)
}

fn quote_meta(context: &mut Context, args: &[Value]) -> Outcome {
    let text = args::string(args, 0)?;
    context.spend(text.len())?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    context.string(out)
}
