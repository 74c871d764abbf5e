//! Errors of parsing and rendering.

/// An error in a template: a lowercase fragment that starts with line and column if they are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl TemplateError {
    /// Creates an error without a position.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Creates an error at a byte offset of a template.
    pub(crate) fn at(text: &str, offset: usize, message: &str) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self(format!("line {line}, column {column}: {message}"))
    }
}
