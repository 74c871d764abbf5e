//! Finds the parts of a document that a filter reads, from the filter alone.
//!
//! An abstract evaluation: each value is a place in the document, or was made of such places. It follows all branches, so it may find
//! places that one run does not read, but misses none. A filter that it cannot follow has no list of reads.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::{Part, Path};

/// Maximum number of parts of a filter that are evaluated: nested loops are evaluated several times.
const MAX_STEPS: usize = 20_000;

/// Maximum number of places that a value may stand for.
const MAX_PLACES: usize = 64;

/// Functions that yield plain values, such as numbers; their arguments see the input.
const PLAIN: [&str; 42] = [
    "abs",
    "ascii_downcase",
    "ascii_upcase",
    "ceil",
    "contains",
    "empty",
    "endswith",
    "error",
    "exp",
    "exp10",
    "fabs",
    "false",
    "floor",
    "fromjson",
    "infinite",
    "inside",
    "isempty",
    "isfinite",
    "isinfinite",
    "isnan",
    "isnormal",
    "join",
    "log",
    "log10",
    "log2",
    "ltrimstr",
    "nan",
    "not",
    "null",
    "pow",
    "range",
    "round",
    "rtrimstr",
    "split",
    "sqrt",
    "startswith",
    "tojson",
    "tonumber",
    "tostring",
    "trim",
    "true",
    "type",
];

/// Functions that yield their input, or nothing.
const SELF: [&str; 9] =
    ["values", "nulls", "booleans", "numbers", "strings", "arrays", "objects", "iterables", "scalars"];

/// Functions whose argument sees the entries of the input.
const LISTS: [&str; 9] = ["all", "any", "group_by", "map", "map_values", "max_by", "min_by", "sort_by", "unique_by"];

/// A step from a value to one within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The entry of an object with this key.
    Key(String),
    /// Entries of a list, or values of an object: all, or those that the filter computes.
    Entries,
}

/// The way to a place in the document.
pub(crate) type Place = Vec<Step>;

/// An abstract value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Abstract {
    /// A place in the document.
    Read(Place),
    /// A list or object that the filter builds, with what it may contain.
    Built(Vec<Abstract>),
}

type Values = Vec<Abstract>;

/// The filter cannot be followed.
struct Unknown;

/// Values of variables, innermost last.
type Scope<'s> = Vec<(&'s str, Values)>;

/// Returns the places whose keys or entries a filter reads, without duplicates; `None` if that is not known.
pub(super) fn reads(filter: &Term<&str>) -> Option<Vec<Place>> {
    let mut reader = Reader { places: Vec::new(), steps: MAX_STEPS };
    let root = vec![Abstract::Read(Vec::new())];
    reader.term(filter, &root, &mut Vec::new()).ok()?;
    Some(reader.places)
}

struct Reader {
    places: Vec<Place>,
    steps: usize,
}

impl Reader {
    /// Returns what a term may yield for an input.
    fn term<'s>(&mut self, term: &Term<&'s str>, input: &Values, scope: &mut Scope<'s>) -> Result<Values, Unknown> {
        self.steps = self.steps.checked_sub(1).ok_or(Unknown)?;
        let values = match term {
            Term::Id => input.clone(),
            Term::Num(_) | Term::Break(_) | Term::Arr(None) => Vec::new(),
            Term::Str(_, parts) => {
                for part in parts {
                    if let StrPart::Term(term) = part {
                        self.term(term, input, scope)?;
                    }
                }
                Vec::new()
            }
            Term::Arr(Some(inner)) => vec![Abstract::Built(self.term(inner, input, scope)?)],
            Term::Obj(pairs) => {
                let mut content = Vec::new();
                for (key, value) in pairs {
                    content.extend(match (key, value) {
                        (key, Some(value)) => {
                            self.term(key, input, scope)?;
                            self.term(value, input, scope)?
                        }
                        (Term::Var(_), None) => self.term(key, input, scope)?,
                        // `{a}` is `{a: .a}`.
                        (key, None) => match constant(key) {
                            Some(key) => self.key(input, key),
                            None => return Err(Unknown),
                        },
                    });
                }
                vec![Abstract::Built(content)]
            }
            Term::Neg(inner) => {
                self.term(inner, input, scope)?;
                Vec::new()
            }
            Term::Label(_, inner) => self.term(inner, input, scope)?,
            Term::BinOp(left, op, right) => self.binary(left, op, right, input, scope)?,
            Term::Fold(_, source, pattern, parts) => self.fold(source, pattern, parts, input, scope)?,
            Term::TryCatch(tried, caught) => {
                let mut values = self.term(tried, input, scope)?;
                if let Some(caught) = caught {
                    values.extend(self.term(caught, &Vec::new(), scope)?);
                }
                values
            }
            Term::IfThenElse(cases, otherwise) => {
                let mut values = Vec::new();
                for (condition, then) in cases {
                    self.term(condition, input, scope)?;
                    values.extend(self.term(then, input, scope)?);
                }
                values.extend(match otherwise {
                    Some(otherwise) => self.term(otherwise, input, scope)?,
                    None => input.clone(),
                });
                values
            }
            Term::Var(name) => match scope.iter().rev().find(|(known, _)| known == name) {
                Some((_, values)) => values.clone(),
                None => return Err(Unknown),
            },
            Term::Call(name, arguments) => self.call(name, arguments, input, scope)?,
            Term::Path(base, path) => self.path(base, path, input, scope)?,
            Term::Recurse | Term::Def(..) => return Err(Unknown),
        };
        bounded(values)
    }

    fn binary<'s>(
        &mut self,
        left: &Term<&'s str>,
        op: &BinaryOp<&'s str>,
        right: &Term<&'s str>,
        input: &Values,
        scope: &mut Scope<'s>,
    ) -> Result<Values, Unknown> {
        let mut values = self.term(left, input, scope)?;
        match op {
            BinaryOp::Pipe(None) => self.term(right, &values, scope),
            BinaryOp::Pipe(Some(pattern)) => {
                let outer = scope.len();
                self.bind(pattern, &values, scope)?;
                let result = self.term(right, input, scope);
                scope.truncate(outer);
                result
            }
            // Sums of lists and objects contain what their parts do.
            BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Math(_) => {
                values.extend(self.term(right, input, scope)?);
                Ok(values)
            }
            BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => {
                self.term(right, input, scope)?;
                Ok(Vec::new())
            }
            // The result is the input, with other values in it.
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                let seen = if matches!(op, BinaryOp::Update) { &values } else { input };
                let new = self.term(right, &seen.clone(), scope)?;
                Ok(input.iter().cloned().chain([Abstract::Built(new)]).collect())
            }
        }
    }

    fn fold<'s>(
        &mut self,
        source: &Term<&'s str>,
        pattern: &Pattern<&'s str>,
        parts: &[Term<&'s str>],
        input: &Values,
        scope: &mut Scope<'s>,
    ) -> Result<Values, Unknown> {
        let [start, update, rest @ ..] = parts else { return Err(Unknown) };
        let entries = self.term(source, input, scope)?;
        let mut state = self.term(start, input, scope)?;
        let outer = scope.len();
        self.bind(pattern, &entries, scope)?;
        // The second round sees the results of the first.
        for _ in 0..2 {
            state.extend(self.term(update, &state, scope)?);
            state = bounded(state)?;
        }
        for term in rest {
            state.extend(self.term(term, &state, scope)?);
        }
        scope.truncate(outer);
        Ok(state)
    }

    fn bind<'s>(&mut self, pattern: &Pattern<&'s str>, values: &Values, scope: &mut Scope<'s>) -> Result<(), Unknown> {
        match pattern {
            Pattern::Var(name) => scope.push((name, values.clone())),
            Pattern::Arr(patterns) => {
                let entries = self.entries(values);
                patterns.iter().try_for_each(|pattern| self.bind(pattern, &entries, scope))?;
            }
            Pattern::Obj(pairs) => {
                for (key, pattern) in pairs {
                    let entry = self.key(values, constant(key).ok_or(Unknown)?);
                    self.bind(pattern, &entry, scope)?;
                }
            }
        }
        Ok(())
    }

    fn path<'s>(
        &mut self,
        base: &Term<&'s str>,
        path: &Path<Term<&'s str>>,
        input: &Values,
        scope: &mut Scope<'s>,
    ) -> Result<Values, Unknown> {
        let mut values = self.term(base, input, scope)?;
        for (part, _) in &path.0 {
            values = match part {
                Part::Index(index) => match constant(index) {
                    Some(key) => self.key(&values, key),
                    None => {
                        self.term(index, input, scope)?;
                        self.entries(&values)
                    }
                },
                Part::Range(None, None) => self.entries(&values),
                Part::Range(from, to) => {
                    for bound in [from, to].into_iter().flatten() {
                        self.term(bound, input, scope)?;
                    }
                    self.entries(&values);
                    values
                }
            };
        }
        Ok(values)
    }

    fn call<'s>(
        &mut self,
        name: &str,
        arguments: &[Term<&'s str>],
        input: &Values,
        scope: &mut Scope<'s>,
    ) -> Result<Values, Unknown> {
        if arguments.is_empty()
            && let Some(values) = self.call_plain(name, input)
        {
            return Ok(values);
        }
        if let [inner] = arguments
            && LISTS.contains(&name)
        {
            let entries = self.entries(input);
            let values = self.term(inner, &entries, scope)?;
            return Ok(match name {
                "any" | "all" => Vec::new(),
                "map" | "map_values" => vec![Abstract::Built(values)],
                "sort_by" | "unique_by" => input.clone(),
                "group_by" => vec![Abstract::Built(vec![Abstract::Built(entries)])],
                _ => entries,
            });
        }
        match (name, arguments) {
            ("any" | "all", [entries, condition]) => {
                let entries = self.term(entries, input, scope)?;
                self.term(condition, &entries, scope)?;
                Ok(Vec::new())
            }
            ("first" | "last" | "add", [inner]) => self.term(inner, input, scope),
            ("limit" | "skip" | "nth", [count, inner]) => {
                self.term(count, input, scope)?;
                self.term(inner, input, scope)
            }
            ("nth", [index]) => {
                self.term(index, input, scope)?;
                Ok(self.entries(input))
            }
            ("select", [condition]) => {
                self.term(condition, input, scope)?;
                Ok(input.clone())
            }
            ("with_entries", [inner]) => {
                let entry = vec![Abstract::Built(self.entries(input))];
                let entries = self.term(inner, &entry, scope)?;
                Ok(vec![Abstract::Built(self.entries(&entries))])
            }
            // What is deleted is not read.
            ("del", [deleted]) => {
                let known = self.places.len();
                self.term(deleted, input, scope)?;
                self.places.truncate(known);
                Ok(input.clone())
            }
            ("getpath", [Term::Arr(Some(path))]) => self.get_path(path, input),
            ("has", [key]) => {
                match constant(key) {
                    Some(key) => self.key(input, key),
                    None => self.entries(input),
                };
                Ok(Vec::new())
            }
            (name, arguments) if PLAIN.contains(&name) => {
                for argument in arguments {
                    self.term(argument, input, scope)?;
                }
                Ok(Vec::new())
            }
            _ => Err(Unknown),
        }
    }

    /// Calls a function of its input alone; `None` if it is another one.
    fn call_plain(&mut self, name: &str, input: &Values) -> Option<Values> {
        Some(match name {
            "any" | "all" | "length" | "keys" | "keys_unsorted" => {
                self.entries(input);
                Vec::new()
            }
            name if SELF.contains(&name) => input.clone(),
            "add" | "min" | "max" | "first" | "last" => self.entries(input),
            "sort" | "unique" | "reverse" => {
                self.entries(input);
                input.clone()
            }
            "flatten" => {
                let mut values = self.entries(input);
                let inner = self.entries(&values);
                values.extend(inner);
                vec![Abstract::Built(values)]
            }
            "to_entries" => vec![Abstract::Built(vec![Abstract::Built(self.entries(input))])],
            "from_entries" => {
                let entries = self.entries(input);
                vec![Abstract::Built(self.entries(&entries))]
            }
            _ => return None,
        })
    }

    /// Reads the place of a constant list of keys and positions.
    fn get_path(&mut self, path: &Term<&str>, input: &Values) -> Result<Values, Unknown> {
        match path {
            Term::BinOp(first, BinaryOp::Comma, rest) => {
                let values = self.get_path(first, input)?;
                self.get_path(rest, &values)
            }
            Term::Num(_) => Ok(self.entries(input)),
            other => Ok(self.key(input, constant(other).ok_or(Unknown)?)),
        }
    }

    /// Reads a key of each value.
    fn key(&mut self, values: &Values, key: &str) -> Values {
        self.step(values, &Step::Key(key.to_owned()))
    }

    /// Reads the entries of each value.
    fn entries(&mut self, values: &Values) -> Values {
        self.step(values, &Step::Entries)
    }

    fn step(&mut self, values: &Values, step: &Step) -> Values {
        let mut result = Vec::new();
        for value in values {
            match value {
                Abstract::Read(place) => {
                    let place: Place = place.iter().chain([step]).cloned().collect();
                    if !self.places.contains(&place) {
                        self.places.push(place.clone());
                    }
                    result.push(Abstract::Read(place));
                }
                // Any of its entries: those of objects are not told apart.
                Abstract::Built(content) => result.extend(content.iter().cloned()),
            }
        }
        result
    }
}

/// Removes duplicates, and bounds the number of values.
fn bounded(mut values: Values) -> Result<Values, Unknown> {
    let mut unique: Values = Vec::new();
    for value in values.drain(..) {
        if !unique.contains(&value) {
            unique.push(value);
        }
    }
    if unique.len() > MAX_PLACES { Err(Unknown) } else { Ok(unique) }
}

/// Returns the text of a constant string.
fn constant<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    match term {
        Term::Str(None, parts) => match parts.as_slice() {
            [StrPart::Str(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::jq::Filter;

    /// Returns the places in words: `a.[].b`.
    fn words(filter: &str) -> Option<String> {
        let step = |step: &Step| match step {
            Step::Key(key) => key.clone(),
            Step::Entries => "[]".to_owned(),
        };
        let filter = Filter::compile(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        let places = filter.reads()?.iter().map(|place| place.iter().map(step).collect::<Vec<_>>().join("."));
        Some(places.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn places_that_a_filter_reads_are_found() {
        for (filter, expected) in [
            (".", ""),
            ("3", ""),
            ("length", "[]"),
            (".v // 0", "v"),
            (".a.b? // 0", "a a.b"),
            (".[\"a\"].\"b\"", "a a.b"),
            ("(.errors // []) | length", "errors errors.[]"),
            (
                "[.series[].pointlist[-1][1]] | add",
                "series series.[] series.[].pointlist series.[].pointlist.[] series.[].pointlist.[].[]",
            ),
            (".a[1:3] | length", "a a.[]"),
            ("[.a[] | select(.b == \"x\") | .c] | length", "a a.[] a.[].b a.[].c"),
            (".a | map(.b) | add / length", "a a.[] a.[].b"),
            (".a as $x | .b as {c: $y} | $x.d + $y", "a b b.c a.d"),
            (".a as [$x] | $x.b", "a a.[] a.[].b"),
            ("reduce .a[] as $x (0; . + $x.b)", "a a.[] a.[].b"),
            ("if .a then .b else .c end", "a b c"),
            ("if .a then 1 else error(.b) end", "a b"),
            ("{x: .a} | .x.b", "a a.b"),
            ("{a} | .a.b", "a a.b"),
            ("[.a] | .[0].b", "a a.b"),
            ("[.a, .b] | max_by(.c).d", "a b a.c b.c a.d b.d"),
            ("try .a.b catch 0", "a a.b"),
            (".a | has(\"b\")", "a a.b"),
            ("-.a + .b * 2", "a b"),
            ("\"\\(.a)\" | tonumber", "a"),
            (".a | group_by(.b) | map(length) | max", "a a.[] a.[].b"),
            ("any(.a[]; .b)", "a a.[] a.[].b"),
            ("[limit(1; .a[])] | first.b", "a a.[] a.[].b"),
            (".a[.b].c", "a b a.[] a.[].c"),
            (".a | to_entries | map(.value.b) | add", "a a.[] a.[].b"),
            (".a | with_entries(select(.key == \"b\")) | .b.c", "a a.[] a.[].c"),
            ("del(.a) | .v", "v"),
            (".a |= .b | .v", "a a.b v"),
            (".a += 1 | .v", "a v"),
            ("getpath([\"a\", 0, \"b\"])", "a a.[] a.[].b"),
        ] {
            assert_eq!(words(filter).as_deref(), Some(expected), "{filter}");
        }
    }

    #[test]
    fn filters_that_cannot_be_followed_have_no_list() {
        for filter in [
            "[.. | numbers] | add",
            "def f: .a; f",
            "getpath([.a])",
            "[paths] | length",
            ". as {(.a): $x} | $x",
            "walk(.)",
        ] {
            assert_eq!(words(filter), None, "{filter}");
        }
    }

    #[test]
    fn the_search_is_bounded() {
        let nested = format!("{}.a{}", "reduce .a[] as $x (0; ".repeat(30), ")".repeat(30));
        let wide = "(.a, .b) | ".repeat(60) + ".c";
        let started = std::time::Instant::now();
        assert_eq!(words(&nested), None);
        assert_eq!(words(&wide), None);
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
