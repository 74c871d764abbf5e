//! Counts in the Prometheus text format, under the names of Knative's revision metrics.

use std::fmt::{self, Write};

use super::stats::{BUCKETS_MS, Series};
use super::version::Version;

const COUNT: &str = "revision_app_request_count";
const LATENCIES: &str = "revision_app_request_latencies";

/// The content type of the text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Renders the counts of all versions.
pub(super) fn render<'a>(versions: impl Iterator<Item = &'a Version>) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = write(&mut text, versions);
    text
}

fn write<'a>(text: &mut String, versions: impl Iterator<Item = &'a Version>) -> fmt::Result {
    let counted: Vec<(String, Series)> = versions
        .flat_map(|version| version.counts().into_iter().map(|(status, series)| (labels(version, status), series)))
        .collect();
    writeln!(text, "# HELP {COUNT} Predictions served by the model.")?;
    writeln!(text, "# TYPE {COUNT} counter")?;
    for (labels, series) in &counted {
        writeln!(text, "{COUNT}{{{labels}}} {}", series.count)?;
    }
    writeln!(text, "# HELP {LATENCIES} Response time of the model, in milliseconds.")?;
    writeln!(text, "# TYPE {LATENCIES} histogram")?;
    for (labels, series) in &counted {
        let mut so_far = 0;
        for (bound, count) in BUCKETS_MS.iter().zip(series.buckets) {
            so_far += count;
            writeln!(text, "{LATENCIES}_bucket{{{labels},le=\"{bound}\"}} {so_far}")?;
        }
        writeln!(text, "{LATENCIES}_bucket{{{labels},le=\"+Inf\"}} {}", series.count)?;
        writeln!(text, "{LATENCIES}_sum{{{labels}}} {}", series.sum_ms)?;
        writeln!(text, "{LATENCIES}_count{{{labels}}} {}", series.count)?;
    }
    Ok(())
}

/// Labels of a series. No value needs escaping, as the configuration accepts plain names only.
fn labels(version: &Version, status: u16) -> String {
    let (service, revision, namespace) = (&version.service, &version.revision, &version.namespace);
    format!(
        "service_name=\"{service}\",revision_name=\"{revision}\",configuration_name=\"{service}\",\
         namespace_name=\"{namespace}\",response_code=\"{status}\",response_code_class=\"{}xx\"",
        status / 100
    )
}
