//! Go templates with the functions of sprig and Helm, within bounds: what Iter8's provider templates and payloads are written in.
//!
//! The syntax is read by the crate `gotmpl`; what it means is here, as in Go's `text/template` with Helm's settings:
//!
//! - Numbers have Go's types. Whole numbers of the values are `int64`, as those of `--set` are in Helm; those written in a template
//!   are `int`; those read by `fromJson` and `fromYaml` are `float64`.
//! - A map is shared: `set`, `unset`, `merge` and `mergeOverwrite` change it under every name it has.
//! - What is missing is `nil`: `default`, `if`, `or` and their like take it, `.a.b` with a missing `.a` is a fault, `(.a).b` is not.
//!
//! Where it differs on purpose:
//!
//! - An action that prints a missing value is a fault, where Go prints `<no value>` and Helm nothing.
//! - Faults that sprig passes over in silence are told: an expression that is none, a text that is no JSON, a date that is none.
//! - The environment, the network, chance and keys are out of reach; times are in UTC; `keys` and `values` have an order.
//! - `trunc`, `substr` and `abbrev` do not cut characters apart; `slice` takes texts too.
//! - Methods of times are `Format`, `Unix`, `UnixMilli` and `UTC` only.
//!
//! Templates come from outside: [`bounds`] says what they may take.

pub mod bounds;
mod decimal;
pub mod duration;
mod exec;
mod functions;
mod json;
mod layout;
mod memory;
mod numerals;
mod outline;
mod pattern;
mod printf;
mod program;
mod show;
mod value;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use chrono::{DateTime, Utc};

pub use self::memory::Entries;
use self::memory::Memory;
pub use self::program::{Extra, Extras, Program};
pub use self::value::Value;

/// Why a template gives no text: a fragment that begins with the line and column where they are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateFault(String);

impl TemplateFault {
    /// A fault at a place of a template, in bytes.
    fn at(text: &str, offset: usize, message: &str) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self(format!("line {line}, column {column}: {message}"))
    }
}

/// A Go template, parsed.
pub struct GoTemplate {
    program: Program,
    now: DateTime<Utc>,
}

impl fmt::Debug for GoTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GoTemplate")
    }
}

impl GoTemplate {
    /// Parses a template whose `now` is this instant.
    ///
    /// Fails on what is no template, and on functions and variables that are not known, with the place.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, TemplateFault> {
        Ok(Self { program: Program::parse(text, BTreeMap::new(), Extras::default())?, now })
    }

    /// What the template becomes with these values as its dot.
    ///
    /// Fails with the place on what can't be evaluated, on a missing value that is printed, and beyond the [`bounds`].
    pub fn render(&self, values: &serde_json::Value) -> Result<String, TemplateFault> {
        let mut memory = Memory::new(self.now);
        let dot = memory.read_json(values, Value::Int64).map_err(TemplateFault)?;
        exec::render(&self.program, &mut memory, &dot)
    }
}

impl Program {
    /// What the program becomes with these entries as its dot, at this instant.
    ///
    /// Fails as [`GoTemplate::render`] does.
    pub fn render(&self, entries: &Rc<Entries>, now: DateTime<Utc>) -> Result<String, TemplateFault> {
        let mut memory = Memory::new(now);
        let dot = memory.shared_map(Rc::clone(entries));
        exec::render(self, &mut memory, &dot)
    }
}
