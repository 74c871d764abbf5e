//! Functions of templates: Go's own, sprig's, and Helm's.
//!
//! Each is a pure function of its arguments and the [`Context`], which holds the budgets. Malformed input that Go and sprig ignore
//! (`regexMatch` with an invalid expression, `toDate` and `fromJson` of malformed text) is an error.

mod args;
mod builtins;
mod dates;
mod defaults;
mod dicts;
mod encodings;
mod lists;
mod numbers;
mod patterns;
mod refused;
mod strings;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::context::Context;
use super::value::Value;

/// Result of a function; the error is a fragment without the function's name.
pub type Outcome = Result<Value, String>;

/// A function of templates.
pub struct Function {
    pub name: &'static str,
    /// Fewest arguments.
    pub least: usize,
    /// Most arguments.
    pub most: usize,
    pub call: fn(&mut Context, &[Value]) -> Outcome,
}

/// Any number of arguments.
const ANY: usize = usize::MAX;

/// A row of the tables of functions.
const fn row(name: &'static str, least: usize, most: usize, call: fn(&mut Context, &[Value]) -> Outcome) -> Function {
    Function { name, least, most, call }
}

/// Functions that the executor implements, because they evaluate lazily or render templates.
pub const SPECIAL: [&str; 4] = ["and", "or", "include", "tpl"];

static FUNCTIONS: LazyLock<BTreeMap<&'static str, &'static Function>> = LazyLock::new(|| {
    let tables = [
        builtins::FUNCTIONS,
        dates::FUNCTIONS,
        defaults::FUNCTIONS,
        dicts::FUNCTIONS,
        encodings::FUNCTIONS,
        lists::FUNCTIONS,
        numbers::FUNCTIONS,
        patterns::FUNCTIONS,
        strings::FUNCTIONS,
    ];
    tables.into_iter().flatten().map(|function| (function.name, function)).collect()
});

pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.get(name).copied()
}

fn names<'a>() -> impl Iterator<Item = &'a str> {
    FUNCTIONS.keys().copied().chain(SPECIAL)
}

/// The message for an undefined function: the reason if it is left out on purpose, else the nearest name.
pub fn unknown(name: &str, added: &[&str]) -> String {
    if let Some(reason) = refused::reason(name) {
        return format!("function \"{name}\" is refused: {reason}");
    }
    match suggest::nearest(name, names().chain(added.iter().copied())) {
        Some(nearest) => format!("function \"{name}\" is not known here; did you mean \"{nearest}\"?"),
        None => format!("function \"{name}\" is not known here"),
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
        assert_eq!(unknown("foor", &[]), "function \"foor\" is not known here; did you mean \"floor\"?");
        assert_eq!(unknown("zzzzzz", &[]), "function \"zzzzzz\" is not known here");
        assert_eq!(unknown("newUID", &["newUUID"]), "function \"newUID\" is not known here; did you mean \"newUUID\"?");
        assert!(unknown("env", &[]).starts_with("function \"env\" is refused: templates don't see the environment"));
    }
}
