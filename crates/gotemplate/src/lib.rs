//! Go's `text/template` with the functions of sprig and Helm, for templates that are not trusted.
//!
//! The crate `gotmpl` parses the syntax; this crate evaluates it the way Go and Helm do. The one invariant: rendering is a pure
//! function of template, values and instant, and it ends within fixed [`bounds`] whatever the template contains.
//!
//! ```
//! use gotemplate::GoTemplate;
//! use serde_json::json;
//!
//! let template = GoTemplate::parse("{{ range .items }}{{ .name | upper }} {{ printf \"%.1f\" .share }}\n{{ end }}")?;
//! let values = json!({"items": [{"name": "v1", "share": 0.75}, {"name": "v2", "share": 0.25}]});
//! assert_eq!(template.render(&values, chrono::DateTime::UNIX_EPOCH)?, "V1 0.8\nV2 0.2\n");
//! # Ok::<(), gotemplate::TemplateError>(())
//! ```
//!
//! # Values
//!
//! - Numbers have Go's types. Integers in the values are `int64`, as those of Helm's `--set` are, or `float64`, as those of its values files
//!   are ([`Numbers`]); literals in a template are `int`; numbers from `fromJson` and `fromYaml` are `float64`.
//! - Maps are shared: `set`, `unset`, `merge` and `mergeOverwrite` change a map under every name it has.
//! - A missing key is `nil`: `default`, `if`, `or` and the like accept it; `.a.b` with a missing `.a` is an error, `(.a).b` is not.
//!   [`MissingKey`] selects the other behaviours.
//! - Values may have the types of a Go program ([`Options::root`]): structs have methods, absent fields have their
//!   zero values, and templates with undefined fields are rejected.
//!
//! # Bounds
//!
//! Steps, work, output, nesting and the size of regular expressions are limited, see [`bounds`]. None of the limits depends on a clock,
//! so a template that exceeds one fails on every machine, and in the same place.
//!
//! # Deliberate differences
//!
//! - An action that prints `nil` is an error, except with [`MissingKey::Zero`]. Go prints `<no value>`, and Helm nothing.
//! - Mistakes that sprig ignores are errors: a malformed regular expression, JSON or TOML text or date.
//! - No environment, network, randomness or key generation; all times are in UTC; `keys` and `values` are sorted. Functions that read the
//!   clock are errors unless [`Options::has_clock`] is set.
//! - A `printf` verb that does not fit its argument is an error if [`Options::has_strict_verbs`] is set.
//! - `trunc`, `substr`, `abbrev`, `abbrevboth` and `wrapWith` do not split characters; `slice` accepts strings too.
//! - Versions of `semver` have Go's methods, except those that set parts; times of `fromToml` have to be in UTC.
//! - Times have Go's methods without arguments and `Format`; `Month` and `Weekday` are strings.

mod block_check;
pub mod bounds;
mod budget;
mod check;
mod context;
mod decimal;
pub mod duration;
mod error;
mod exec;
mod fmt;
mod functions;
mod json;
mod layout;
mod pattern;
mod printf;
mod program;
mod strconv;
mod times;
mod toml;
mod types;
mod urls;
mod value;
mod versions;
mod yaml;

use std::rc::Rc;

use chrono::{DateTime, Utc};

pub use self::budget::Budget;
use self::context::Context;
pub use self::context::Entries;
pub use self::error::TemplateError;
use self::program::Program;
pub use self::program::{Function, MissingKey, Numbers, Options};
pub use self::types::{Struct, Type};
pub use self::value::Value;
pub use self::versions::Version;

/// A parsed Go template.
pub struct GoTemplate(Program);

impl std::fmt::Debug for GoTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GoTemplate")
    }
}

impl GoTemplate {
    /// Parses a template with default options.
    ///
    /// Fails, with the position, on syntax errors and on undefined functions and variables.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::with_options(text, Options::default())
    }

    /// Parses a template with more functions, or other settings.
    pub fn with_options(text: &str, options: Options) -> Result<Self, TemplateError> {
        Program::parse(text, std::collections::BTreeMap::new(), options).map(Self)
    }

    /// Renders the template with `values` as its dot; `now` is the instant that the template's clock returns.
    ///
    /// Fails, with the position, on expressions that cannot be evaluated, on printed `nil`, and beyond the [`bounds`].
    pub fn render(&self, values: &serde_json::Value, now: DateTime<Utc>) -> Result<String, TemplateError> {
        self.render_within(values, now, &mut Budget::default())
    }

    /// Renders the template like [`Self::render`], and spends from a budget.
    pub fn render_within(
        &self,
        values: &serde_json::Value,
        now: DateTime<Utc>,
        budget: &mut Budget,
    ) -> Result<String, TemplateError> {
        let mut context = self.context(now, budget);
        let rendered = self.render_json(values, &mut context);
        context.settle(budget);
        rendered
    }

    fn render_json(&self, values: &serde_json::Value, context: &mut Context) -> Result<String, TemplateError> {
        let root = self.0.options.root;
        let dot = match self.0.options.numbers {
            Numbers::Int64 => context.read_json(values, root, Value::Int64, &[]),
            Numbers::Float { except } => context.read_json(values, root, value::as_float, except),
        };
        let dot = dot.map_err(TemplateError::new)?;
        exec::render(&self.0, context, &dot)
    }

    /// Renders the template with a map that the caller has built, which saves the conversion from JSON.
    pub fn render_entries(&self, entries: &Rc<Entries>, now: DateTime<Utc>) -> Result<String, TemplateError> {
        let mut context = self.context(now, &Budget::default());
        let dot = context.shared_map(Rc::clone(entries));
        exec::render(&self.0, &mut context, &dot)
    }

    fn context(&self, now: DateTime<Utc>, budget: &Budget) -> Context {
        Context::new(self.0.options.has_clock.then_some(now), self.0.options.has_strict_verbs, budget)
    }
}

#[cfg(test)]
mod tests;
