//! The values of a template while it is rendered, with Go's types as far as templates can tell them apart.

use std::rc::Rc;

use chrono::{DateTime, Utc};

/// A text that is shared.
pub type Text = Rc<str>;

/// A map, by its place in [`Memory`](super::memory::Memory): Go's maps are shared and change under every name they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapId(pub(super) usize);

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `nil`, and what is missing.
    Nil,
    /// A truth value.
    Bool(bool),
    /// Go's `int`: numbers written in the template, and counts.
    Int(i64),
    /// Go's `int64`: whole numbers of the values, and the results of sums.
    Int64(i64),
    /// Go's `float64`.
    Float(f64),
    /// A text.
    Text(Text),
    /// A list; lists never change.
    List(Rc<List>),
    /// A map.
    Map(MapId),
    /// An instant.
    Time(DateTime<Utc>),
}

/// What the elements of a list are to Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `[]interface {}`.
    Any,
    /// `[]string`.
    Text,
    /// `[]int`.
    Int,
}

/// A list.
#[derive(Debug)]
pub struct List {
    /// Its elements.
    pub items: Vec<Value>,
    /// What they are to Go.
    pub element: Element,
    /// How deep lists are nested in it; 1 if there are none. Maps do not count: they are kept elsewhere.
    pub depth: usize,
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A count.
    pub fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// The type as Go's `%T` names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(list) => match list.element {
                Element::Any => "[]interface {}",
                Element::Text => "[]string",
                Element::Int => "[]int",
            },
            Self::Map(_) => "map[string]interface {}",
            Self::Time(_) => "time.Time",
        }
    }

    /// The kind as Go's `reflect` names it.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            _ => self.type_name(),
        }
    }

    /// What a value is, for messages.
    pub fn described(&self) -> &'static str {
        match self {
            Self::Nil => "missing",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Int64(_) => "a whole number",
            Self::Float(_) => "a float",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Time(_) => "a time",
        }
    }
}
