//! stub
use super::*;
pub(super) const FORMAT: Format = Format {
    name: "html",
    content_type: "text/html; charset=utf-8",
    extension: "html",
    summary: "one self-contained page",
    render,
};
fn render(_: &Experiment) -> Result<String, ReportError> {
    Ok(String::new())
}
