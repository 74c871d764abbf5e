//! Where the fields of a load stand in what the user wrote.

use serde_json::Value;

use crate::model::path::join;
use crate::values::input::InputError;

/// The levels that a load's fields were merged of, the most specific one first: where each stands, and what it holds.
#[derive(Clone, Debug)]
pub(in crate::tasks) struct FieldPaths(Vec<(String, Value)>);

impl FieldPaths {
    /// The levels of `root` that exist, each as path and JSON pointer; the last one is the base.
    pub(in crate::tasks) fn new(root: &Value, at: &str, levels: &[(String, String)]) -> Self {
        let found = levels.iter().filter_map(|(path, pointer)| Some((join(at, path), root.pointer(pointer)?.clone())));
        Self(found.collect())
    }

    /// The path of `field`: where it is given, else where it could be.
    pub(in crate::tasks) fn of(&self, field: &str) -> String {
        let given = self.0.iter().find(|(_, level)| level.get(field).is_some_and(|value| !value.is_null()));
        given.or(self.0.first()).map_or_else(|| field.to_owned(), |(path, _)| join(path, field))
    }

    /// The text of `field` as it was written, if it is one.
    pub(in crate::tasks) fn text(&self, field: &str) -> Option<&str> {
        self.0.iter().find_map(|(_, level)| level.get(field).filter(|value| !value.is_null()))?.as_str()
    }

    /// An error about `field`.
    pub(in crate::tasks) fn error(&self, field: &str, message: impl Into<String>) -> InputError {
        InputError::new(self.of(field), message)
    }
}
