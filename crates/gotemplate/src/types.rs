//! Go types of the values: structs with fields and methods, for templates written for a Go program.
//!
//! A template that uses a field that its struct does not have can never be rendered, so it is rejected when it is parsed.

use chrono::DateTime;

use super::context::{Context, Entries};
use super::value::Value;

/// Seconds since 1970 of Go's zero time.
const YEAR_ONE: i64 = -62_135_596_800;

/// Type of a value.
#[derive(Clone, Copy, Debug, Default)]
pub enum Type {
    /// Not described; any field may exist.
    #[default]
    Any,
    /// An integer.
    Int,
    /// A boolean.
    Bool,
    /// A string.
    String,
    /// A pointer to a scalar, which the values have as such.
    Pointer,
    /// A pointer to a struct, which is a map in the values.
    Struct(&'static Struct),
    /// A list.
    List(&'static Type),
    /// A map with any keys.
    Map(&'static Type),
    /// An instant, which is a string in RFC 3339 in the values.
    Time,
}

/// A struct.
#[derive(Debug)]
pub struct Struct {
    /// Fields by their keys in the values. Templates may also write the first letter in upper case, as Go does.
    pub fields: &'static [(&'static str, Type)],
    /// Methods, in the spelling of Go.
    pub methods: &'static [&'static str],
}

/// A field or a method of a struct.
pub(crate) enum Member {
    Field(&'static str, Type),
    Method(&'static str),
}

impl Struct {
    /// Finds a member by its name in a template. The error names the nearest one.
    pub(crate) fn member(&self, name: &str) -> Result<Member, String> {
        if let Some((key, kind)) = self.fields.iter().find(|(key, _)| *key == name || is_go_name(name, key)) {
            return Ok(Member::Field(key, *kind));
        }
        if let Some(method) = self.methods.iter().find(|method| **method == name) {
            return Ok(Member::Method(method));
        }
        let keys = self.fields.iter().map(|(key, _)| *key).chain(self.methods.iter().copied());
        Err(undefined_field(name, keys))
    }
}

impl Type {
    /// Returns true for pointers, which are printed as `<nil>` if they are absent.
    pub(crate) fn is_pointer(self) -> bool {
        matches!(self, Self::Pointer | Self::Struct(_))
    }

    /// Returns the zero value, which an absent field has in Go.
    pub(crate) fn zero(self, context: &mut Context) -> Result<Value, String> {
        match self {
            Self::Any | Self::Pointer | Self::Struct(_) => Ok(Value::Nil),
            Self::Int => Ok(Value::Int64(0)),
            Self::Bool => Ok(Value::Bool(false)),
            Self::String => context.string(String::new()),
            Self::List(_) => context.list(Vec::new()),
            Self::Map(_) => context.map(Entries::new()),
            Self::Time => Ok(DateTime::from_timestamp(YEAR_ONE, 0).map_or(Value::Nil, Value::Time)),
        }
    }

    /// Returns the type of the elements.
    pub(crate) fn element(self) -> Self {
        match self {
            Self::List(inner) | Self::Map(inner) => *inner,
            _ => Self::Any,
        }
    }

    /// Returns the type of a field.
    pub(crate) fn field(self, key: &str) -> Self {
        match self {
            Self::Struct(structure) => {
                structure.fields.iter().find(|(name, _)| *name == key).map_or(Self::Any, |(_, kind)| *kind)
            }
            other => other.element(),
        }
    }

    /// Checks a chain of fields and returns its type.
    pub(crate) fn path<'f>(self, fields: impl IntoIterator<Item = &'f str>) -> Result<Self, String> {
        let mut kind = self;
        for field in fields {
            kind = match kind {
                Self::Any | Self::Int | Self::Bool | Self::String | Self::Pointer => Self::Any,
                Self::Map(inner) => *inner,
                Self::Time => {
                    crate::times::check(field)?;
                    Self::Any
                }
                Self::List(_) => return Err(format!("cannot access `.{field}` of a list")),
                Self::Struct(structure) => match structure.member(field)? {
                    Member::Field(_, kind) => kind,
                    Member::Method(_) => Self::Any,
                },
            };
        }
        Ok(kind)
    }
}

/// Returns true if a name is the key with its first letter in upper case.
fn is_go_name(name: &str, key: &str) -> bool {
    name.len() == key.len() && name.get(1..) == key.get(1..) && name.eq_ignore_ascii_case(key)
}

/// Builds the message for a field that does not exist.
pub(crate) fn undefined_field<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let hint = suggest::nearest(name, known);
    let hint = hint.map_or(String::new(), |nearest| format!("; did you mean `.{nearest}`?"));
    format!("undefined field `.{name}`{hint}")
}
