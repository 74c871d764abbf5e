//! Filters in the jq language, compiled once and run within bounds.
//!
//! The documents that a filter reads come from outside, and nothing in the language keeps a filter from running forever. So every
//! part of it is rewritten to ask a [`guard`] first, which counts steps and looks at the size of values and at the stack. A filter
//! that exceeds a bound ends at once; `try` does not catch that.
//!
//! What the language has here: its core and the standard library without regular expressions, dates, trigonometry, formats other
//! than JSON, modules, and whatever reads or writes.

mod guard;
mod rewrite;

use std::ops::ControlFlow;

use jaq_core::load::lex::Lexer;
use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader, Parser};
use jaq_core::{Compiler, Ctx, Vars};
use jaq_json::Val;
use jaq_std::ValT as _;

use self::guard::{Bounded, Guard, STEPS};

use crate::model::text::truncate;

/// Longest filter, in bytes.
const MAX_LENGTH: usize = 4096;

/// Deepest nesting of brackets in a filter; its parser calls itself for each.
const MAX_DEPTH: usize = 64;

/// Most outputs that are looked at.
const MAX_OUTPUTS: usize = 10_000;

/// The name that a filter is compiled under; none of the language's.
const MAIN: &str = "iter8_filter";

/// A filter, ready to run.
pub struct Filter {
    compiled: jaq_core::Filter<Bounded>,
    text: String,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Filter").field(&self.text).finish()
    }
}

/// What became of running a filter. The texts say why it gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At least one output is neither `false` nor `null`.
    Satisfied,
    /// All are, or there is none.
    NotSatisfied,
    /// The document is not JSON, or nested too deeply.
    NotJson(String),
    /// The filter failed, or exceeded its bounds.
    Failed(String),
}

/// What a filter makes of a document, where it makes one value of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// No output at all, or `null`; the word for it.
    Nothing(&'static str),
    /// A number, which may be NaN or infinite, and how it is written.
    Number(f64, String),
    /// A text.
    Text(String),
    /// Something else, or more than one output, as a message may show it.
    Other(String),
    /// The document is not JSON, or nested too deeply.
    NotJson(String),
    /// The filter failed, or exceeded its bounds.
    Failed(String),
}

impl Filter {
    /// Compiles a filter; the error says what is wrong with it.
    pub fn compile(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("is longer than {MAX_LENGTH} bytes"));
        }
        if depth(text) > MAX_DEPTH {
            return Err(format!("nests deeper than {MAX_DEPTH} levels"));
        }
        let tokens = Lexer::new(text).lex().map_err(|errors| unreadable(text, errors.first().map(|error| error.1)))?;
        let parsed = Parser::new(&tokens).parse(|parser| parser.term());
        let term = parsed.map_err(|errors| {
            let found = errors.first().and_then(|(_, found)| found.as_ref());
            unreadable(text, found.map(|token| token.0))
        })?;
        let library = guard::defs().map(shortened);
        let main = Def { name: MAIN, args: Vec::new(), body: term };
        let defs = library.chain([main]).map(|def| Def { body: rewrite::guarded(def.body), ..def });
        let arena = Arena::default();
        let modules = Loader::new(defs).load(&arena, File { code: MAIN, path: () });
        let modules = modules.map_err(|_| "can't be read".to_owned())?;
        let compiled = Compiler::default().with_funs(guard::funs()).compile(modules).map_err(|errors| {
            let unknown = errors.iter().flat_map(|(_, undefined)| undefined).map(|(name, kind)| (*name, kind.as_str()));
            let unknown: Vec<_> = unknown.map(|(name, kind)| format!("{kind} `{name}`")).collect();
            format!("names what there is not: {}", unknown.join(", "))
        })?;
        Ok(Self { compiled, text: text.to_owned() })
    }

    /// Runs the filter on a JSON document.
    pub fn run(&self, document: &[u8]) -> Verdict {
        self.run_within(document, STEPS)
    }

    /// The one value that the filter makes of a JSON document.
    pub fn value(&self, document: &[u8]) -> Output {
        let mut found = Vec::new();
        let ended = self.each(document, STEPS, &mut |output| {
            found.push(output);
            if found.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match ended {
            Err(Fault::NotJson(words)) => return Output::NotJson(words),
            Err(Fault::Failed(words)) => return Output::Failed(words),
            Ok(()) => {}
        }
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (None, _) => Output::Nothing("nothing"),
            (Some(first), Some(second)) => {
                let [first, second] = [first, second].map(|value| truncate(&value.to_string(), SHOWN));
                Output::Other(format!("several values ({first}, {second} …)"))
            }
            (Some(Val::Null), None) => Output::Nothing("null"),
            (Some(Val::TStr(text)), None) => Output::Text(String::from_utf8_lossy(&text).into_owned()),
            (Some(other), None) => match other.as_f64() {
                Some(number) => Output::Number(number, truncate(&other.to_string(), SHOWN)),
                None => Output::Other(truncate(&other.to_string(), SHOWN)),
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
            Err(Fault::NotJson(words)) => Verdict::NotJson(words),
            Err(Fault::Failed(words)) => Verdict::Failed(words),
        }
    }

    /// Gives the outputs to `take`, one after the other, until it has enough.
    fn each(&self, document: &[u8], steps: usize, take: &mut dyn FnMut(Val) -> ControlFlow<()>) -> Result<(), Fault> {
        // This reader bounds how deep a document nests, and so does everything that is done with it later.
        let input: Val = serde_json::from_slice(document).map_err(|error| Fault::NotJson(error.to_string()))?;
        let guard = Guard::new(steps);
        let context = Ctx::<Bounded>::new(guard.data(&self.compiled.lut), Vars::new([]));
        for output in self.compiled.id.run((context, input)).take(MAX_OUTPUTS) {
            let output = output.map_err(|exception| match (guard.stopped(), exception.get_err()) {
                (Some(stopped), _) => Fault::Failed(stopped.words().to_owned()),
                (None, Ok(error)) => Fault::Failed(truncate(&error.to_string(), SHOWN)),
                (None, Err(_)) => Fault::Failed("the filter halts".to_owned()),
            })?;
            if take(output).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Why a filter gave no output.
enum Fault {
    NotJson(String),
    Failed(String),
}

/// The same, for as long as a filter's text.
fn shortened<'s>(def: Def) -> Def<&'s str> {
    def
}

/// How deep brackets nest, those in texts included.
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

/// Where a filter can't be read, if that is known.
fn unreadable(text: &str, found: Option<&str>) -> String {
    match found.filter(|found| !found.is_empty()) {
        Some(found) => format!("can't be read at `{}`", truncate(found, SHOWN)),
        None if text.trim().is_empty() => "is empty".to_owned(),
        None => "ends where more is expected".to_owned(),
    }
}

/// Longest part of a document or a filter that a message repeats, in characters.
const SHOWN: usize = 80;

#[cfg(test)]
#[path = "jq_tests.rs"]
mod tests;
