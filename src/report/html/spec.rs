//! The resolved spec as YAML, with secrets redacted and long strings truncated.

use serde_json::{Value, json};

use super::page::Bounds;
use crate::model::codec;
use crate::model::document::{Experiment, TaskSpec};
use crate::redact::{redact, redact_text};
use crate::report::ReportError;
use crate::report::show::clipped;

/// Maximum tasks.
const MAX_TASKS: usize = 200;

/// Renders the spec of an experiment.
pub(super) fn render(experiment: &Experiment, bounds: &Bounds) -> Result<String, ReportError> {
    let redact = |task: &TaskSpec| {
        let redacted = redact(&json!({"task": task.task, "with": task.with}));
        let mut with = task.with.as_ref().and(redacted.get("with").cloned());
        if let Some(with) = &mut with {
            truncate_all(with, bounds.text);
        }
        TaskSpec {
            task: task.task.as_ref().map(|name| clipped(name, bounds.text)),
            run: task.run.as_ref().map(|script| clipped(&redact_text(script), bounds.text * 4)),
            with,
            condition: task.condition.as_ref().map(|condition| clipped(&redact_text(condition), bounds.text)),
            ..TaskSpec::default()
        }
    };
    let tasks: Vec<TaskSpec> = experiment.spec.iter().take(MAX_TASKS).map(redact).collect();
    Ok(clipped(&codec::to_yaml(&tasks)?, bounds.spec))
}

fn truncate_all(value: &mut Value, max: usize) {
    match value {
        Value::String(text) => *text = clipped(text, max),
        Value::Array(items) => items.iter_mut().for_each(|item| truncate_all(item, max)),
        Value::Object(map) => map.iter_mut().for_each(|(_, item)| truncate_all(item, max)),
        _ => {}
    }
}
