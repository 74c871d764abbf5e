//! The report as one HTML page: no script, no request, charts as inline SVG; readable on a phone, in the dark, on paper and aloud.
//!
//! Everything from the document reaches the page through the template's autoescaping, after [`tidy`] has cut it to a bounded length and
//! made control characters visible. The page stays below [`MAX_BYTES`]: where a document is too large for that, tables and charts are
//! cut, and the page says so.

mod asked;
mod axis;
mod chart;
mod figure;
mod loads;
mod page;
mod spec;
mod state;
mod timeline;
mod trend;

use serde_json::Value;

use super::show::{clipped, visible};
use super::{Format, ReportError, digest};
use crate::model::document::Experiment;
use page::Bounds;

pub(super) const FORMAT: Format = Format {
    name: "html",
    content_type: "text/html; charset=utf-8",
    extension: "html",
    summary: "one self-contained page with charts, for people",
    render,
};

/// Largest page, in bytes: small enough to mail and to attach anywhere.
const MAX_BYTES: usize = 300_000;
/// How often the bounds are halved before the page is taken as it is.
const HALVINGS: u32 = 6;

fn render(experiment: &Experiment) -> Result<String, ReportError> {
    let digest = digest::of(experiment);
    let mut tera = tera::Tera::default();
    tera.add_raw_templates([
        ("report.html", include_str!("html/report.html")),
        ("figure.html", include_str!("html/figure.html")),
        ("chart.html", include_str!("html/chart.html")),
        ("timeline.html", include_str!("html/timeline.html")),
        ("trend.html", include_str!("html/trend.html")),
    ])?;
    let mut text = String::new();
    for halvings in 0..=HALVINGS {
        let bounds = Bounds::halved(halvings);
        let mut view = serde_json::to_value(page::of(experiment, &digest, &bounds))?;
        tidy(&mut view, bounds.text);
        let mut context = tera::Context::from_serialize(&view)?;
        context.insert("style", include_str!("html/style.css"));
        context.insert("spec", &visible(&spec::shown(experiment, &bounds)?));
        text = tera.render("report.html", &context)?;
        if text.len() <= MAX_BYTES {
            break;
        }
    }
    Ok(text)
}

/// Cuts every text in a view to at most `most` characters, queries to some more, and makes what would act on the page visible. Paths
/// of curves stay whole: they are ours.
fn tidy(view: &mut Value, most: usize) {
    match view {
        Value::String(text) => *text = visible(&clipped(text, most)),
        Value::Array(items) => items.iter_mut().for_each(|item| tidy(item, most)),
        Value::Object(map) => {
            for (key, item) in map.iter_mut().filter(|(key, _)| *key != "path") {
                tidy(item, if key == "query" { most * 20 } else { most });
            }
        }
        _ => {}
    }
}
