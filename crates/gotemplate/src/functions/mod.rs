//! Functions of templates: Go's own, sprig's, and Helm's.
//!
//! Each is a pure function of its arguments and the [`Context`], which holds the budgets. Malformed input that Go and sprig ignore
//! (`regexMatch` with an invalid expression, `toDate` and `fromJson` of malformed text) is an error.

mod args;
mod builtins;
mod cases;
mod dates;
mod defaults;
mod dicts;
mod encodings;
mod lists;
mod numbers;
mod paths;
mod patterns;
mod strings;
mod unsupported;
mod urls;
mod versions;
mod wrapping;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::context::Context;
use super::value::Value;

/// Result of a function; the error is a fragment without the function's name.
pub type Outcome = Result<Value, String>;

/// A function of templates.
pub struct Function {
    pub name: &'static str,
    /// Minimum number of arguments.
    pub min_args: usize,
    /// Maximum number of arguments.
    pub max_args: usize,
    pub call: fn(&mut Context, &[Value]) -> Outcome,
}

/// Any number of arguments.
const ANY: usize = usize::MAX;

/// Creates a row of the function tables.
const fn row(
    name: &'static str,
    min_args: usize,
    max_args: usize,
    call: fn(&mut Context, &[Value]) -> Outcome,
) -> Function {
    Function { name, min_args, max_args, call }
}

/// Functions that the executor implements, because they evaluate lazily or render templates.
pub const SPECIAL: [&str; 4] = ["and", "or", "include", "tpl"];

/// Functions that always read the clock. `durationRound` reads it only for times.
pub const CLOCK: [&str; 2] = ["now", "ago"];

static FUNCTIONS: LazyLock<BTreeMap<&'static str, &'static Function>> = LazyLock::new(|| {
    let tables = [
        builtins::FUNCTIONS,
        cases::FUNCTIONS,
        dates::FUNCTIONS,
        defaults::FUNCTIONS,
        dicts::FUNCTIONS,
        encodings::FUNCTIONS,
        lists::FUNCTIONS,
        numbers::FUNCTIONS,
        paths::FUNCTIONS,
        patterns::FUNCTIONS,
        strings::FUNCTIONS,
        urls::FUNCTIONS,
        versions::FUNCTIONS,
        wrapping::FUNCTIONS,
    ];
    tables.into_iter().flatten().map(|function| (function.name, function)).collect()
});

pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.get(name).copied()
}

fn names<'a>() -> impl Iterator<Item = &'a str> {
    FUNCTIONS.keys().copied().chain(SPECIAL)
}

/// Returns the message for an undefined function: the reason if it is left out on purpose, else the nearest name.
pub fn unknown(name: &str, added: &[&str]) -> String {
    if let Some(reason) = unsupported::reason(name) {
        return format!("unsupported function `{name}`: {reason}");
    }
    match suggest::nearest(name, names().chain(added.iter().copied())) {
        Some(nearest) => format!("undefined function `{name}`; did you mean `{nearest}`?"),
        None => format!("undefined function `{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_in_the_table_that_helm_renders() {
        let table = include_str!("../../../../testdata/templates/functions.txt");
        let words: Vec<&str> = table.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        // The table has one of `x` and `mustX`.
        let same = |name: &str| {
            ["must", ""].iter().any(|prefix| {
                let bare = name.strip_prefix("must").filter(|bare| !bare.is_empty()).unwrap_or(name);
                words.iter().any(|word| word.eq_ignore_ascii_case(&format!("{prefix}{bare}")))
            })
        };
        let others = ["fail", "date_in_zone", "must_date_modify", "htmlDateInZone", "ago"];
        let missing: Vec<&str> = names().filter(|name| !same(name) && !others.contains(name)).collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn an_undefined_function_is_reported_with_the_nearest_name_or_the_reason() {
        assert_eq!(unknown("foor", &[]), "undefined function `foor`; did you mean `floor`?");
        assert_eq!(unknown("zzzzzz", &[]), "undefined function `zzzzzz`");
        assert_eq!(unknown("newUID", &["newUUID"]), "undefined function `newUID`; did you mean `newUUID`?");
        assert!(unknown("env", &[]).starts_with("unsupported function `env`: templates cannot read the environment"));
    }
}
