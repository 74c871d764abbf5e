//! First line of a run that repeats a document: a run without values may be one whose URL is missing.

use serde_json::Value;

use crate::app::values::redact_url;
use crate::model::document::{Experiment, TaskSpec};
use crate::model::text::{one_line, truncate};

/// Maximum targets of a load, and maximum characters of one.
const MAX_TARGETS: usize = 3;
const MAX_TARGET: usize = 100;

/// Names the document, its tasks, and the targets of its loads.
pub(super) fn line(experiment: &Experiment, location: &str) -> String {
    let again = if experiment.result.is_some() { " again" } else { "" };
    let tasks: Vec<String> = experiment.spec.iter().map(task).collect();
    one_line(&format!("running {location}{again}: {}", tasks.join(", ")))
}

fn task(task: &TaskSpec) -> String {
    let field = match task.name() {
        "http" => "url",
        "grpc" => "host",
        // URLs of other tasks may be secrets, such as those of webhooks.
        other => return other.to_owned(),
    };
    let mut targets = Vec::new();
    if let Some(with) = &task.with {
        find(with, field, &mut targets);
    }
    let more = targets.len().saturating_sub(MAX_TARGETS);
    targets.truncate(MAX_TARGETS);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{} {}{more}", task.name(), targets.join(" ")).trim_end().to_owned()
}

/// Collects the targets of a load, of its versions and of its endpoints.
fn find(load: &Value, field: &str, targets: &mut Vec<String>) {
    if let Some(target) = load[field].as_str() {
        let target = truncate(&redact_url(target), MAX_TARGET);
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    load["versionValues"].as_array().into_iter().flatten().for_each(|version| find(version, field, targets));
    load["endpoints"].as_object().into_iter().flatten().for_each(|(_, endpoint)| find(endpoint, field, targets));
}
