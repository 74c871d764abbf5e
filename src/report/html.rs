//! The report as one HTML page: no script, no request, charts as inline SVG. Works on a phone, in dark mode, on paper and with a screen
//! reader.
//!
//! All document text passes the template's autoescaping, after [`tidy`] has truncated it and escaped control characters. The page stays
//! below [`MAX_BYTES`]: for a larger document tables and charts are shortened, and the page says so.

mod axis;
mod banner;
mod changes;
mod chart;
mod figure;
mod interval;
mod links;
mod loads;
mod metrics;
mod overview;
mod page;
mod queried;
mod rollout;
mod slos;
mod spec;
mod splits;
mod state;
mod tasks;
mod timeline;
mod trend;

use serde_json::Value;

use super::show::clipped;
use super::view::ReportView;
use super::{Format, ReportError};
use crate::model::document::Experiment;
use crate::model::text::{one_line, printable, without_commands};
use page::Bounds;

pub(super) const FORMAT: Format = Format {
    name: "html",
    content_type: "text/html; charset=utf-8",
    extension: "html",
    summary: "one self-contained page with charts, for people",
    is_gate: false,
    is_own: |start| start.starts_with("<!DOCTYPE html>") && start.contains(" – iter8 experiment report</title>"),
    render,
};

/// Maximum bytes of a page: small enough for an e-mail attachment.
const MAX_BYTES: usize = 300_000;
/// Number of times that the bounds are halved before a larger page is accepted.
const HALVINGS: u32 = 6;

fn render(experiment: &Experiment, view: &ReportView) -> Result<String, ReportError> {
    let mut tera = tera::Tera::default();
    tera.add_raw_templates([
        ("components.html", include_str!("html/components.html")),
        ("report.html", include_str!("html/report.html")),
        ("overview.html", include_str!("html/overview.html")),
        ("slos.html", include_str!("html/slos.html")),
        ("changes.html", include_str!("html/changes.html")),
        ("details.html", include_str!("html/details.html")),
        ("failures.html", include_str!("html/failures.html")),
        ("figure.html", include_str!("html/figure.html")),
        ("chart.html", include_str!("html/chart.html")),
        ("timeline.html", include_str!("html/timeline.html")),
        ("interval.html", include_str!("html/interval.html")),
        ("trend.html", include_str!("html/trend.html")),
        ("rollout.html", include_str!("html/rollout.html")),
        ("stretches.html", include_str!("html/stretches.html")),
    ])?;
    let mut text = String::new();
    for halvings in 0..=HALVINGS {
        let bounds = Bounds::halved(halvings);
        let mut page = serde_json::to_value(page::of(experiment, view, &bounds))?;
        tidy(&mut page, bounds.text);
        let mut context = tera::Context::from_serialize(&page)?;
        context.insert("style", include_str!("html/style.css"));
        context.insert("spec", &printable(&spec::render(experiment, &bounds)?));
        // Queries and the spec have several lines.
        text = without_commands(&tera.render("report.html", &context)?, "&#58;:");
        if text.len() <= MAX_BYTES {
            break;
        }
    }
    Ok(text)
}

/// Truncates every string of a page, queries less than others, and escapes active characters. Paths of curves are our own and stay whole.
fn tidy(page: &mut Value, max: usize) {
    match page {
        Value::String(text) => *text = one_line(&clipped(text, max)),
        Value::Array(items) => items.iter_mut().for_each(|item| tidy(item, max)),
        Value::Object(map) => {
            for (key, item) in map.iter_mut().filter(|(key, _)| *key != "path") {
                match item {
                    // Queries may have several lines.
                    Value::String(text) if key == "query" => *text = printable(&clipped(text, max * 20)),
                    _ => tidy(item, max),
                }
            }
        }
        _ => {}
    }
}
