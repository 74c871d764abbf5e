//! Paths of a load's fields in the user's values, for errors.

use serde_json::Value;

use crate::model::path::{FieldPath, Segment};
use crate::values::input::InputError;

/// Path and content of the layers that a load's fields were merged from, the most specific one first.
#[derive(Clone, Debug)]
pub(in crate::tasks) struct FieldPaths(Vec<(FieldPath, Value)>);

impl FieldPaths {
    /// Selects the layers that exist in `root`, whose path is `at`; the last one is the base.
    pub(in crate::tasks) fn new(root: &Value, at: &FieldPath, levels: &[FieldPath]) -> Self {
        let layers = levels.iter().filter_map(|level| Some((at.clone().join(level), find(root, level)?.clone())));
        Self(layers.collect())
    }

    /// Returns the path of `field`: in the layer that sets it, else in the most specific one.
    pub(in crate::tasks) fn of(&self, field: &str) -> FieldPath {
        let given = self.0.iter().find(|(_, level)| level.get(field).is_some_and(|value| !value.is_null()));
        given.or(self.0.first()).map_or_else(FieldPath::root, |(path, _)| path.clone()).join(field)
    }

    /// Returns `field` as it was written, if it is a string.
    pub(in crate::tasks) fn text(&self, field: &str) -> Option<&str> {
        self.0.iter().find_map(|(_, level)| level.get(field).filter(|value| !value.is_null()))?.as_str()
    }

    /// Returns true if `field` was given.
    pub(in crate::tasks) fn is_set(&self, field: &str) -> bool {
        self.0.iter().any(|(_, level)| level.get(field).is_some_and(|value| !value.is_null()))
    }

    /// Returns true if a level sets all of these fields. Those of different levels override each other.
    pub(in crate::tasks) fn are_set_together(&self, fields: &[&str]) -> bool {
        let is_set = |level: &Value, field: &str| level.get(field).is_some_and(|value| !value.is_null());
        self.0.iter().any(|(_, level)| fields.iter().all(|field| is_set(level, field)))
    }

    /// Builds an error at the path of `field`.
    pub(in crate::tasks) fn error(&self, field: &str, message: impl Into<String>) -> InputError {
        InputError::new(self.of(field), message)
    }
}

fn find<'a>(root: &'a Value, path: &FieldPath) -> Option<&'a Value> {
    path.segments().iter().try_fold(root, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}
