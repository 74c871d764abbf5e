//! Report formats: one file each, and pure functions of the document.
//!
//! Nothing here reads a clock, a file, the environment or the network: the same document gives the same bytes. The [`view`] interprets
//! the document; each format only writes the view. A new format is one file and one row of [`FORMATS`].

pub(crate) mod comparison;
mod csv;
mod difference;
mod explain;
mod gate;
mod github;
mod html;
mod interval;
mod json;
mod junit;
mod load_figures;
mod markdown;
mod openmetrics;
mod show;
mod summary;
mod text;
mod view;

use std::sync::OnceLock;

use crate::model::codec::CodecError;
use crate::model::document::Experiment;
use view::ReportView;

/// An experiment and its view, which is computed once for all formats.
pub struct Report<'a> {
    experiment: &'a Experiment,
    view: OnceLock<ReportView>,
}

impl<'a> Report<'a> {
    /// Creates the report of a document; nothing is computed yet.
    pub fn of(experiment: &'a Experiment) -> Self {
        Self { experiment, view: OnceLock::new() }
    }

    /// Renders the document.
    pub fn render(&self, format: &Format) -> Result<String, ReportError> {
        (format.render)(self.experiment, self.view())
    }

    /// Renders the document as OpenMetrics, with further labels on every series.
    pub(crate) fn openmetrics(&self, labels: &[(String, String)]) -> Result<String, ReportError> {
        openmetrics::with_labels(self.experiment, self.view(), labels)
    }

    /// Describes the difference between two versions under the same load; `None` if there are not exactly two.
    pub(crate) fn difference(&self) -> Option<String> {
        difference::difference(self.experiment, || self.view())
    }

    fn view(&self) -> &ReportView {
        self.view.get_or_init(|| ReportView::of(self.experiment))
    }
}

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
    /// True for formats that a pipeline or an alert acts on, where the report of an earlier experiment would cause a wrong decision.
    pub is_gate: bool,
    /// Recognizes a report in this format by its start; false if reports are like other files.
    pub(crate) is_own: fn(&str) -> bool,
    /// Renders a document, whose view is given.
    render: fn(&Experiment, &ReportView) -> Result<String, ReportError>,
}

/// All formats, the default first.
pub static FORMATS: &[Format] = &[
    text::FORMAT,
    summary::FORMAT,
    html::FORMAT,
    json::FORMAT,
    junit::FORMAT,
    markdown::FORMAT,
    github::FORMAT,
    openmetrics::FORMAT,
    csv::FORMAT,
];

/// Label names of the OpenMetrics format, which `--label` must not reuse.
pub(crate) const METRIC_LABELS: &[&str] = openmetrics::LABELS;

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
    /// The test results cannot be serialized as XML.
    #[error("cannot write the report as JUnit XML")]
    Xml(#[from] quick_junit::SerializeError),
    /// The table cannot be serialized as CSV.
    #[error("cannot write the report as CSV")]
    Csv(#[from] ::csv::Error),
    /// The metrics cannot be encoded.
    #[error("cannot write the report as OpenMetrics")]
    Metrics(#[from] std::fmt::Error),
}
