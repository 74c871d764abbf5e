//! Reads maps of the user's YAML and collects all mistakes.
//!
//! Keys match case-insensitively, as in Go's JSON library, with which Iter8 reads its files: `Group` and `group` are the same key.

use serde_json::{Map, Value};

use crate::model::codec::kind;
use crate::model::path::FieldPath;
use crate::model::text::{one_line, truncate};
use crate::values::input::{InputError, InputErrors};

/// Maximum mistakes that are reported for one input.
const MAX_MISTAKES: usize = 20;

/// Longest value that a message repeats, in characters.
const MAX_VALUE: usize = 80;

/// Mistakes of one input, in its order.
#[derive(Default)]
pub(super) struct Mistakes(Vec<InputError>);

/// Entries of a map with its path.
pub(super) struct Fields<'v> {
    path: FieldPath,
    map: Option<&'v Map<String, Value>>,
    /// True if keys match case-insensitively.
    folds: bool,
}

impl<'v> Fields<'v> {
    /// Fields of a Kubernetes object: any keys, which match exactly.
    pub(super) fn exact(map: &'v Map<String, Value>, path: FieldPath) -> Self {
        Self { path, map: Some(map), folds: false }
    }

    /// Returns the value of a key; null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'v Value> {
        let map = self.map?;
        let folded =
            || map.iter().find(|(name, _)| self.folds && name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
        map.get(key).or_else(folded).filter(|value| !value.is_null())
    }

    /// Returns false if the value was not a map; that mistake is recorded already.
    pub(super) fn is_map(&self) -> bool {
        self.map.is_some()
    }

    /// Returns the path of a key.
    pub(super) fn at(&self, key: &str) -> FieldPath {
        self.path.clone().key(key)
    }
}

impl Mistakes {
    pub(super) fn add(&mut self, path: FieldPath, message: impl Into<String>) {
        self.push(InputError::new(path, message));
    }

    pub(super) fn push(&mut self, error: InputError) {
        if self.0.len() < MAX_MISTAKES {
            self.0.push(error);
        }
    }

    /// Returns `value` if there are no mistakes.
    pub(super) fn check<T>(self, value: T) -> Result<T, InputErrors> {
        InputErrors::check(self.0, value)
    }

    /// Reads a map with these keys.
    pub(super) fn fields<'v>(&mut self, value: &'v Value, path: FieldPath, known: &[&str]) -> Fields<'v> {
        let map = value.as_object();
        if map.is_none() {
            self.mistyped(path.clone(), value, "a map");
        }
        for name in map.into_iter().flat_map(Map::keys) {
            if !known.iter().any(|key| key.eq_ignore_ascii_case(name)) {
                let name = shown(name);
                let message = format!("unknown field `{name}`; expected one of {}", known.join(", "));
                let error = InputError::new(path.clone().key(&name), message);
                self.push(error.with_suggestion(&name, known.iter().copied()));
            }
        }
        Fields { path, map, folds: true }
    }

    /// Reads a list of at most `max` items; absent means empty.
    pub(super) fn list<'v>(&mut self, fields: &Fields<'v>, key: &str, max: usize) -> &'v [Value] {
        let items = match fields.get(key) {
            None => &[],
            Some(Value::Array(items)) => items.as_slice(),
            Some(other) => {
                self.mistyped(fields.at(key), other, "a list");
                &[]
            }
        };
        self.limited(fields.at(key), items.len(), max);
        items.get(..max).unwrap_or(items)
    }

    /// Reads a map of at most `max` entries with names that the user chose; absent means empty.
    pub(super) fn entries<'v>(
        &mut self,
        fields: &Fields<'v>,
        key: &str,
        max: usize,
    ) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
        let entries = match fields.get(key) {
            None => None,
            Some(Value::Object(entries)) => Some(entries),
            Some(other) => {
                self.mistyped(fields.at(key), other, "a map");
                None
            }
        };
        self.limited(fields.at(key), entries.map_or(0, Map::len), max);
        entries.into_iter().flatten().take(max)
    }

    fn limited(&mut self, path: FieldPath, count: usize, max: usize) {
        if count > max {
            self.add(path, format!("has {count} entries; at most {max} are allowed"));
        }
    }

    /// Reads a string.
    pub(super) fn text<'v>(&mut self, fields: &Fields<'v>, key: &str) -> Option<&'v str> {
        match fields.get(key)? {
            Value::String(text) => Some(text),
            other => {
                self.mistyped(fields.at(key), other, "a string");
                None
            }
        }
    }

    /// Reads a string that must not be empty.
    pub(super) fn required<'v>(&mut self, fields: &Fields<'v>, key: &str) -> Option<&'v str> {
        let is_given = fields.get(key).is_some();
        let text = self.text(fields, key);
        // A wrong type, of the field or of its parent, is recorded already.
        if fields.map.is_some() && (!is_given || text == Some("")) {
            self.add(fields.at(key), if is_given { "is empty" } else { "is missing" });
        }
        text.filter(|text| !text.is_empty())
    }

    /// Reads a boolean; absent means false.
    pub(super) fn switch(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        match fields.get(key) {
            None => false,
            Some(Value::Bool(is_on)) => *is_on,
            Some(other) => {
                self.mistyped(fields.at(key), other, "a boolean");
                false
            }
        }
    }

    /// Reads a weight of at most `max`.
    pub(super) fn weight(&mut self, path: FieldPath, value: &Value, max: u32) -> Option<u32> {
        if !value.is_i64() && !value.is_u64() {
            self.mistyped(path, value, "an integer");
            return None;
        }
        let weight = value.as_u64().and_then(|weight| u32::try_from(weight).ok()).filter(|weight| *weight <= max);
        if weight.is_none() {
            self.add(path, format!("{} is not a valid weight (0-{max})", quoted(value)));
        }
        weight
    }

    /// Adds the mistake of a wrong type.
    pub(super) fn mistyped(&mut self, path: FieldPath, value: &Value, expected: &str) {
        self.add(path, format!("{}; expected {expected}", found(value)));
    }
}

/// Describes a value: scalars with their text.
fn found(value: &Value) -> String {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => format!("is {}", kind(value)),
        scalar => format!("{} is {}", quoted(scalar), kind(scalar)),
    }
}

/// Formats a value for a message.
pub(super) fn quoted(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("`{}`", shown(&text))
}

/// Makes text of the user safe to print.
pub(super) fn shown(text: &str) -> String {
    one_line(&truncate(text, MAX_VALUE))
}
