//! Values during rendering, with Go's types as far as templates can distinguish them.

use std::rc::Rc;

use chrono::{DateTime, Utc};

use crate::versions::Version;

/// A shared string.
pub type Str = Rc<str>;

/// Index of a map in the rendering's table. Go's maps are shared and change under every name they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapId(pub(super) usize);

/// A value of a template.
#[derive(Clone, Debug)]
pub enum Value {
    /// `nil`, and a missing key.
    Nil,
    /// Go's `bool`.
    Bool(bool),
    /// Go's `int`: literals of the template, and counts.
    Int(i64),
    /// Go's `int64`: integers of the values, and results of integer arithmetic.
    Int64(i64),
    /// Go's `float64`.
    Float(f64),
    /// Go's `string`.
    String(Str),
    /// An immutable list.
    List(Rc<List>),
    /// A map, shared and mutable.
    Map(MapId),
    /// An instant.
    Time(DateTime<Utc>),
    /// A semantic version.
    Version(Rc<Version>),
}

/// Element type of a list in Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `[]interface {}`.
    Any,
    /// `[]string`.
    String,
    /// `[]int`.
    Int,
}

/// A list.
#[derive(Debug)]
pub struct List {
    pub items: Vec<Value>,
    pub element: Element,
    /// Levels of nested lists, this one included. Maps do not count, as they are only references.
    pub depth: usize,
}

impl Value {
    /// Creates a string.
    pub fn string(text: impl Into<Str>) -> Self {
        Self::String(text.into())
    }

    /// Creates a count, as Go's `int`.
    pub(crate) fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Returns the type's name, as `%T` prints it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Float(_) => "float64",
            Self::String(_) => "string",
            Self::List(list) => match list.element {
                Element::Any => "[]interface {}",
                Element::String => "[]string",
                Element::Int => "[]int",
            },
            Self::Map(_) => "map[string]interface {}",
            Self::Time(_) => "time.Time",
            Self::Version(_) => "*semver.Version",
        }
    }

    /// Returns the kind's name in Go's `reflect`.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            Self::Version(_) => "ptr",
            _ => self.type_name(),
        }
    }

    /// Returns a noun for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Nil => "missing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Int64(_) => "an integer",
            Self::Float(_) => "a float",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Time(_) => "a time",
            Self::Version(_) => "a version",
        }
    }
}

/// Converts an integer in JSON or YAML to a float, as Go does.
pub fn as_float(number: i64) -> Value {
    Value::Float(number as f64)
}
