//! Rendering reports.

use super::error::AppError;
use crate::model::document::Experiment;
use crate::report::FORMATS;

/// Names of the report formats, each with one line about it.
pub(crate) fn formats() -> impl Iterator<Item = (&'static str, &'static str)> {
    FORMATS.iter().map(|format| (format.name, format.summary))
}

/// Renders a report on an experiment; `subject` is its name in errors.
pub(crate) fn render(experiment: &Experiment, format: &str, subject: &str) -> Result<String, AppError> {
    let format = FORMATS.iter().find(|known| known.name == format);
    let format = format.ok_or_else(|| AppError::input("unknown format"))?;
    (format.render)(experiment).map_err(|error| AppError::input(format!("cannot report on {subject}")).caused_by(error))
}
