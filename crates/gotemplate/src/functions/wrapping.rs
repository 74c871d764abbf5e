//! Strings: line breaks, abbreviations in the middle, initials and swapped case.

use super::strings::{boundary, lower, upper};
use super::{Function, Outcome, args, row};
use crate::context::Context;
use crate::value::Value;

pub const FUNCTIONS: &[Function] = &[
    row("wrap", 2, 2, |context, args| {
        let (width, text) = (args::integer(args, 0)?, args::string(args, 1)?);
        wrapped(context, text, width, "\n", false)
    }),
    row("wrapWith", 3, 3, |context, args| {
        let (width, separator, text) = (args::integer(args, 0)?, args::string(args, 1)?, args::string(args, 2)?);
        wrapped(context, text, width, if separator.is_empty() { "\n" } else { separator }, true)
    }),
    row("abbrevboth", 3, 3, abbrevboth),
    row("initials", 1, 1, |context, args| {
        let words = args::string(args, 0)?.split_whitespace();
        context.string(words.filter_map(|word| word.chars().next()).collect())
    }),
    row("swapcase", 1, 1, swapcase),
];

/// Breaks lines at spaces so that they have at most `width` bytes. Longer words are broken too, or get a line of their own.
fn wrapped(context: &mut Context, text: &str, width: i64, separator: &str, breaks_words: bool) -> Outcome {
    context.spend(text.len().saturating_mul(2))?;
    let width = usize::try_from(width).unwrap_or(0).max(1);
    let mut output = String::new();
    let mut rest = text;
    while rest.len() > width {
        rest = rest.trim_start_matches(' ');
        if rest.len() <= width {
            break;
        }
        let space = rest.as_bytes()[..=width].iter().rposition(|byte| *byte == b' ');
        let (line, next) = match space {
            Some(at) => (at, at + 1),
            None if breaks_words => {
                let at = end_of_part(rest, width);
                (at, at)
            }
            None => match rest.as_bytes()[width..].iter().position(|byte| *byte == b' ') {
                Some(at) => (width + at, width + at + 1),
                None => break,
            },
        };
        context.spend(line + separator.len())?;
        output.push_str(&rest[..line]);
        output.push_str(separator);
        rest = &rest[next..];
    }
    output.push_str(rest);
    context.string(output)
}

/// Returns the end of a part of at most `width` bytes, and at least one character.
fn end_of_part(text: &str, width: usize) -> usize {
    match boundary(text, width) {
        0 => text.chars().next().map_or(0, char::len_utf8),
        end => end,
    }
}

/// Replaces the start, from an offset, and the end of a string by ellipses.
fn abbrevboth(context: &mut Context, args: &[Value]) -> Outcome {
    let (offset, width, text) = (args::integer(args, 0)?, args::integer(args, 1)?, args::string(args, 2)?);
    let width = usize::try_from(width).unwrap_or(0);
    if width < 4 || (offset > 0 && width < 7) || text.len() <= width {
        return Ok(args[2].clone());
    }
    let kept = width - 3;
    let offset = usize::try_from(offset).unwrap_or(0).min(text.len() - kept);
    if offset <= 4 {
        return context.string(format!("{}...", &text[..boundary(text, kept)]));
    }
    let end = &text[boundary(text, offset)..];
    if offset + kept < text.len() && kept >= 4 {
        return context.string(format!("...{}...", &end[..boundary(end, kept - 3)]));
    }
    context.string(format!("...{end}"))
}

fn swapcase(context: &mut Context, args: &[Value]) -> Outcome {
    let swap = |c: char| if c.is_uppercase() { lower(c) } else { upper(c) };
    context.string(args::string(args, 0)?.chars().map(swap).collect())
}
