//! jq filters, compiled once and evaluated within bounds.
//!
//! Neither filters nor documents are trusted, and a jq filter can run forever. So every part of a filter is rewritten to call a [`guard`]
//! first, which counts steps by the [`cost`] of operations and checks the size of values and the depth of the stack. A filter that exceeds a bound is stopped
//! immediately; `try` cannot catch that.
//!
//! Supported are the core language and the standard library, without regular expressions, dates, trigonometry, formats other than JSON,
//! modules and I/O.

mod cost;
mod excerpt;
mod guard;
mod library;
mod reads;
mod rewrite;

use std::ops::ControlFlow;

use jaq_core::load::lex::Lexer;
use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader, Parser};
use jaq_core::{Compiler, Ctx, Vars};
use jaq_json::Val;
use jaq_std::ValT as _;

use self::excerpt::{excerpt, formatted};
use self::guard::{Bounded, Guard, STEPS};
pub(crate) use self::reads::{Place, Step};

use crate::model::text::truncate;

/// Maximum length of a filter, in bytes.
const MAX_LENGTH: usize = 4096;

/// Maximum nesting of brackets in a filter; the parser is recursive.
const MAX_DEPTH: usize = 64;

/// Maximum outputs that are read.
const MAX_OUTPUTS: usize = 10_000;

/// Name of the compiled filter; not a name of the language.
const MAIN: &str = "iter8_filter";

/// A compiled filter.
pub struct Filter {
    compiled: jaq_core::Filter<Bounded>,
    text: String,
    /// Places in the document that the filter reads, if they are known.
    reads: Option<Vec<Place>>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Filter").field(&self.text).finish()
    }
}

/// Result of running a filter as a condition. The strings are reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At least one output is neither `false` nor `null`.
    Satisfied,
    /// All outputs are `false` or `null`, or there is none.
    NotSatisfied,
    /// The document is not JSON, or nested too deeply.
    NotJson(String),
    /// The filter failed, or exceeded its bounds.
    Failed(String),
}

/// Result of running a filter for one value.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// No output, or `null`; the word for it.
    Nothing(&'static str),
    /// A number, also NaN or infinite, and its spelling.
    Number(f64, String),
    /// A string.
    Text(String),
    /// Any other value, or several outputs, formatted for messages.
    Other(String),
    /// The document is not JSON, or nested too deeply.
    NotJson(String),
    /// The filter failed, or exceeded its bounds.
    Failed(String),
}

impl Filter {
    /// Compiles a filter.
    pub fn compile(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("is longer than {MAX_LENGTH} bytes"));
        }
        if depth(text) > MAX_DEPTH {
            return Err(format!("nests deeper than {MAX_DEPTH} levels"));
        }
        let tokens =
            Lexer::new(text).lex().map_err(|errors| syntax_error(text, errors.first().map(|error| error.1)))?;
        let parsed = Parser::new(&tokens).parse(|parser| parser.term());
        let term = parsed.map_err(|errors| {
            let rest = errors.first().and_then(|(_, rest)| rest.as_ref());
            syntax_error(text, rest.map(|token| token.0))
        })?;
        let reads = reads::reads(&term);
        let library = library::defs().map(shortened);
        let main = Def { name: MAIN, args: Vec::new(), body: term };
        let defs = library.chain([main]).map(rewrite::guarded);
        let arena = Arena::default();
        let modules = Loader::new(defs).load(&arena, File { code: MAIN, path: () });
        let modules = modules.map_err(|_| "cannot be parsed".to_owned())?;
        let compiled = Compiler::default().with_funs(library::funs()).compile(modules).map_err(|errors| {
            let unknown = errors.iter().flat_map(|(_, undefined)| undefined).map(|(name, kind)| (*name, kind.as_str()));
            let unknown: Vec<_> = unknown.map(|(name, kind)| format!("{kind} `{name}`")).collect();
            format!("uses undefined {}", unknown.join(", "))
        })?;
        Ok(Self { compiled, text: text.to_owned(), reads })
    }

    /// Returns the filter as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the places in a document whose keys or entries the filter reads; `None` if it is too complex to know them.
    pub(crate) fn reads(&self) -> Option<&[Place]> {
        self.reads.as_deref()
    }

    /// Evaluates the filter on a JSON document as a condition.
    pub fn run(&self, document: &[u8]) -> Verdict {
        self.run_within(document, STEPS)
    }

    /// Evaluates the filter on a JSON document to one value.
    pub fn value(&self, document: &[u8]) -> Output {
        let mut outputs = Vec::new();
        let ended = self.each(document, STEPS, &mut |output| {
            outputs.push(output);
            if outputs.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match ended {
            Err(RunError::NotJson(error)) => return Output::NotJson(error),
            Err(RunError::Failed(error)) => return Output::Failed(error),
            Ok(()) => {}
        }
        let mut outputs = outputs.into_iter();
        match (outputs.next(), outputs.next()) {
            (None, _) => Output::Nothing("nothing"),
            (Some(first), Some(second)) => {
                let [first, second] = [first, second].map(|value| excerpt(&value, MAX_EXCERPT));
                Output::Other(format!("several values ({first}, {second} …)"))
            }
            (Some(Val::Null), None) => Output::Nothing("null"),
            (Some(Val::TStr(text)), None) => Output::Text(String::from_utf8_lossy(&text).into_owned()),
            (Some(other), None) => match other.as_f64() {
                Some(number) => Output::Number(number, excerpt(&other, MAX_EXCERPT)),
                None => Output::Other(excerpt(&other, MAX_EXCERPT)),
            },
        }
    }

    fn run_within(&self, document: &[u8], steps: usize) -> Verdict {
        let mut verdict = Verdict::NotSatisfied;
        let ended = self.each(document, steps, &mut |output| match output {
            Val::Null | Val::Bool(false) => ControlFlow::Continue(()),
            _ => {
                verdict = Verdict::Satisfied;
                ControlFlow::Break(())
            }
        });
        match ended {
            Ok(()) => verdict,
            Err(RunError::NotJson(error)) => Verdict::NotJson(error),
            Err(RunError::Failed(error)) => Verdict::Failed(error),
        }
    }

    /// Passes outputs to `take` until it breaks.
    fn each(
        &self,
        document: &[u8],
        steps: usize,
        take: &mut dyn FnMut(Val) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        // The parser bounds the nesting of the document.
        let input: Val = serde_json::from_slice(document).map_err(|error| RunError::NotJson(error.to_string()))?;
        let guard = Guard::new(steps);
        let context = Ctx::<Bounded>::new(guard.data(&self.compiled.lut), Vars::new([]));
        for output in self.compiled.id.run((context, input)).take(MAX_OUTPUTS) {
            let output = output.map_err(|exception| match (guard.stopped(), exception.get_err()) {
                (Some(stopped), _) => RunError::Failed(stopped.message().to_owned()),
                (None, Ok(error)) => RunError::Failed(match formatted(error).into_val() {
                    Val::TStr(text) => truncate(&String::from_utf8_lossy(&text), MAX_MESSAGE),
                    other => excerpt(&other, MAX_EXCERPT),
                }),
                (None, Err(_)) => RunError::Failed("the filter halts".to_owned()),
            })?;
            if take(output).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Error of a run.
enum RunError {
    NotJson(String),
    Failed(String),
}

/// Shortens the lifetime of a definition to that of the filter's text.
fn shortened<'s>(def: Def) -> Def<&'s str> {
    def
}

/// Returns the deepest nesting of brackets, including those in strings.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Returns the message for a syntax error, with its position if known.
fn syntax_error(text: &str, rest: Option<&str>) -> String {
    match rest.filter(|rest| !rest.is_empty()) {
        Some(rest) => format!("cannot be parsed at `{}`", truncate(rest, MAX_EXCERPT)),
        None if text.trim().is_empty() => "is empty".to_owned(),
        None => "ends unexpectedly".to_owned(),
    }
}

/// Maximum length of an error message, in characters.
const MAX_MESSAGE: usize = 160;

/// Maximum length of an excerpt of a document or filter in a message, in characters.
const MAX_EXCERPT: usize = 80;

#[cfg(test)]
#[path = "jq_tests.rs"]
mod tests;
