//! Fields of values as a tree, read from their JSON Schema: the source of `iter8 explain`, of completion and of the reference page.
//!
//! Defaults and examples come from the descriptions, which have them as `Default: 4.` and ``such as `30s` ``.

mod read;

use serde::Serialize;
use suggest::{did_you_mean, nearest};

pub(crate) use read::values;

use super::error::AppError;
use crate::tasks::registry::value_names;

/// Maximum number of paths in a hint.
const MAX_PATHS: usize = 3;

/// A field of values.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Field {
    /// Path in the values: `http.endpoints.NAME.qps`, `http.stages[].qps`; empty for all values.
    pub(crate) path: String,
    #[serde(skip)]
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) required: bool,
    /// Description without the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<String>,
    /// Range of numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
    /// All values, if they are few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) allowed: Vec<Allowed>,
    /// A value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) example: Option<String>,
    /// Entry of a map or a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entry: Option<Box<Field>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<Field>,
}

/// A value that a field may have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Allowed {
    pub(crate) value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meaning: Option<String>,
}

impl Field {
    /// Returns the field at a path. Indexes and names of entries may be left out: `http.endpoints.get.qps` and `http.endpoints.qps` are
    /// the same field.
    pub(crate) fn find(&self, path: &str) -> Result<&Field, AppError> {
        let mut field = self;
        for segment in segments(path) {
            // A name of the user's choice, which may have dots, as those of metrics do.
            if let Some(entry) = field.entry.as_ref().filter(|entry| field.is_map() && entry.is_leaf()) {
                return Ok(entry);
            }
            field = field.child(&segment).ok_or_else(|| self.unknown(field, &segment))?;
        }
        Ok(field)
    }

    /// Returns the fields, those of the entries for a map or a list.
    pub(crate) fn children(&self) -> &[Field] {
        match &self.entry {
            Some(entry) if self.fields.is_empty() => entry.children(),
            _ => &self.fields,
        }
    }

    /// Returns a copy without the fields of its fields.
    pub(crate) fn shallow(&self) -> Self {
        let leaf = |field: &Field| Self { entry: None, fields: Vec::new(), ..field.clone() };
        let entry = self.entry.as_ref().map(|entry| Box::new(entry.shallow()));
        Self { fields: self.fields.iter().map(leaf).collect(), entry, ..self.clone() }
    }

    /// Returns the first sentence of the description.
    pub(crate) fn summary(&self) -> &str {
        read::sentences(&self.description).next().unwrap_or_default()
    }

    /// Returns true for the values of a task.
    pub(crate) fn is_task(&self) -> bool {
        value_names().any(|name| name == self.path)
    }

    pub(crate) fn is_map(&self) -> bool {
        self.kind.starts_with("map ")
    }

    /// Returns true for a field without fields and entries.
    pub(crate) fn is_leaf(&self) -> bool {
        self.entry.is_none() && self.fields.is_empty()
    }

    fn child(&self, segment: &str) -> Option<&Field> {
        if let Some(field) = self.fields.iter().find(|field| field.name == segment) {
            return Some(field);
        }
        let entry = self.entry.as_deref()?;
        let of_entry = || entry.children().iter().find(|field| field.name == segment);
        let is_entry = self.is_map() || segment.chars().all(|c| c.is_ascii_digit());
        of_entry().or(is_entry.then_some(entry))
    }

    /// Builds the error of a segment that `parent` lacks.
    fn unknown(&self, parent: &Field, segment: &str) -> AppError {
        let message = match parent.path.as_str() {
            "" => format!("unknown field `{segment}`"),
            path if parent.is_leaf() => format!("`{path}` has no fields; its type is {}", parent.kind),
            path => format!("unknown field `{segment}` of `{path}`"),
        };
        let names: Vec<&str> = parent.children().iter().map(|field| field.path.as_str()).collect();
        let typed = match parent.path.as_str() {
            "" => segment.to_owned(),
            path => format!("{}.{segment}", parent.entry.as_ref().map_or(path, |entry| entry.path.as_str())),
        };
        let elsewhere = self.paths_of(segment);
        let list = match parent.path.as_str() {
            "" => "list them with `iter8 explain`".to_owned(),
            path if parent.is_leaf() => format!("describe it with `iter8 explain {path}`"),
            path => format!("list its fields with `iter8 explain {path}`"),
        };
        let hint = match nearest(segment, parent.children().iter().map(|field| field.name.as_str())) {
            Some(_) => did_you_mean(&typed, names.iter().copied()).unwrap_or(list),
            None if parent.path.is_empty() && !elsewhere.is_empty() => {
                format!("did you mean `{}`?", elsewhere.join("` or `"))
            }
            None => list,
        };
        AppError::input(message).with_hint(hint)
    }

    /// Returns paths of fields with this name, at any depth.
    fn paths_of(&self, name: &str) -> Vec<&str> {
        let mut level: Vec<&Field> = self.fields.iter().collect();
        while !level.is_empty() {
            let paths = level.iter().filter(|field| field.name == name).map(|field| field.path.as_str());
            let paths: Vec<&str> = paths.take(MAX_PATHS).collect();
            if !paths.is_empty() {
                return paths;
            }
            level = level.into_iter().flat_map(Field::children).collect();
        }
        Vec::new()
    }
}

/// Splits a path: `a.b[0].c`, `a.b.0.c`; `\.` is a dot in a name.
fn segments(path: &str) -> Vec<String> {
    let mut segments = vec![String::new()];
    let mut characters = path.chars();
    while let Some(c) = characters.next() {
        let ends = matches!(c, '.' | '[');
        match segments.last_mut() {
            Some(_) if ends => segments.push(String::new()),
            Some(segment) if c == '\\' => segment.extend(characters.next()),
            Some(segment) if c != ']' => segment.push(c),
            _ => {}
        }
    }
    segments.retain(|segment| !segment.is_empty());
    segments
}

#[cfg(test)]
#[path = "fields/tests.rs"]
mod tests;
