//! Report formats: one file each, and pure functions of the document.
//!
//! Nothing here reads a clock, a file, the environment or the network: the same document gives the same bytes. The [`view`] interprets
//! the document; each format only writes the view. A new format is one file and one row of [`FORMATS`].

pub(crate) mod comparison;
mod html;
mod interval;
mod json;
mod show;
mod text;
mod view;

use crate::model::codec::CodecError;
use crate::model::document::Experiment;

/// One row of the registry.
pub struct Format {
    /// Name on the command line.
    pub name: &'static str,
    /// Media type.
    pub content_type: &'static str,
    /// File extension, without the dot.
    pub extension: &'static str,
    /// One line for the help text.
    pub summary: &'static str,
    /// Renders a document.
    pub render: fn(&Experiment) -> Result<String, ReportError>,
}

/// All formats, the default first.
pub static FORMATS: &[Format] = &[text::FORMAT, html::FORMAT, json::FORMAT];

/// Finds a format by name.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// Failure to render a report. The document is never the cause: every one that can be read can be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The page template does not fit its context.
    #[error("cannot render the HTML report")]
    Template(#[from] tera::Error),
    /// The view cannot be serialized as JSON.
    #[error("cannot write the report as JSON")]
    Json(#[from] serde_json::Error),
    /// The spec cannot be serialized as YAML.
    #[error("cannot write the spec as YAML")]
    Yaml(#[from] CodecError),
}
