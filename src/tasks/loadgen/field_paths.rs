//! Paths of a load's fields in the user's values, for errors.

use serde_json::Value;

use crate::model::path::join;
use crate::values::input::InputError;

/// Path and content of the layers that a load's fields were merged from, the most specific one first.
#[derive(Clone, Debug)]
pub(in crate::tasks) struct FieldPaths(Vec<(String, Value)>);

impl FieldPaths {
    /// Selects the layers that exist in `root`, each given as path and JSON pointer; the last one is the base.
    pub(in crate::tasks) fn new(root: &Value, at: &str, levels: &[(String, String)]) -> Self {
        let layers = levels.iter().filter_map(|(path, pointer)| Some((join(at, path), root.pointer(pointer)?.clone())));
        Self(layers.collect())
    }

    /// Returns the path of `field`: in the layer that sets it, else in the most specific one.
    pub(in crate::tasks) fn of(&self, field: &str) -> String {
        let given = self.0.iter().find(|(_, level)| level.get(field).is_some_and(|value| !value.is_null()));
        given.or(self.0.first()).map_or_else(|| field.to_owned(), |(path, _)| join(path, field))
    }

    /// Returns `field` as it was written, if it is a string.
    pub(in crate::tasks) fn text(&self, field: &str) -> Option<&str> {
        self.0.iter().find_map(|(_, level)| level.get(field).filter(|value| !value.is_null()))?.as_str()
    }

    /// Builds an error at the path of `field`.
    pub(in crate::tasks) fn error(&self, field: &str, message: impl Into<String>) -> InputError {
        InputError::new(self.of(field), message)
    }
}
