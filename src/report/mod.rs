//! One file per report format; pure functions of the document.
//!
//! Nothing here reads a clock, a file, the environment or the network: the same document gives the same bytes, now or in a year. What
//! the document means is worked out once, in [`digest`]; each format only writes it down. A new format is one file and one row of
//! [`FORMATS`].

pub mod digest;
mod distribution;
mod html;
mod json;
mod show;
mod text;

use crate::model::codec::CodecError;
use crate::model::document::Experiment;

/// One row of the registry.
pub struct Format {
    /// The format's name on the command line.
    pub name: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// How names of its files end, without the dot.
    pub extension: &'static str,
    /// One line for help and README.
    pub summary: &'static str,
    /// Writes the report.
    pub render: fn(&Experiment) -> Result<String, ReportError>,
}

/// All formats, the default first.
pub const FORMATS: [Format; 3] = [text::FORMAT, html::FORMAT, json::FORMAT];

/// The format of this name.
pub fn format(name: &str) -> Option<&'static Format> {
    static ROWS: [Format; 3] = FORMATS;
    ROWS.iter().find(|format| format.name == name)
}

/// Why a report could not be written; the document is never the cause, as long as it could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The page template and what it is given do not fit.
    #[error("cannot render the HTML report")]
    Template(#[from] tera::Error),
    /// The report can't be written as JSON.
    #[error("cannot write the report as JSON")]
    Json(#[from] serde_json::Error),
    /// The spec can't be written as YAML.
    #[error("cannot write the spec as YAML")]
    Yaml(#[from] CodecError),
}
