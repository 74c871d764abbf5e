//! Tasks with their status, as bars over time.

use serde::Serialize;

use super::state::{State, named, state};
use crate::model::document::TaskStatus;
use crate::report::show::{elapsed, rounded};
use crate::report::text;
use crate::report::view::TaskReport;

/// A task.
#[derive(Serialize)]
pub(super) struct Task {
    name: String,
    state: State,
    condition: Option<String>,
    start: Option<String>,
    duration: Option<String>,
    /// Start and length of the bar, in percent.
    bar: Option<[f64; 2]>,
    error: Option<String>,
    notes: Vec<String>,
}

/// Returns true if a task has something to say: it did not end well, or it left a note.
pub(super) fn is_remarkable(tasks: &[TaskReport]) -> bool {
    let is_quiet =
        |task: &TaskReport| matches!(task.status, TaskStatus::Done | TaskStatus::Skipped) && task.notes.is_empty();
    !tasks.iter().all(is_quiet)
}

pub(super) fn tasks(tasks: &[TaskReport]) -> Vec<Task> {
    let millis = |t: chrono::DateTime<chrono::Utc>| t.timestamp_millis() as f64;
    let end = |t: &TaskReport| t.start.map(|start| millis(start) + t.seconds.unwrap_or(0.0) * 1000.0);
    let first = tasks.iter().filter_map(|t| t.start).map(millis).fold(f64::INFINITY, f64::min);
    let last = tasks.iter().filter_map(end).fold(f64::NEG_INFINITY, f64::max);
    let span = (last - first).max(1.0);
    let percent = |ms: f64| ((ms / span * 100.0).clamp(0.0, 100.0) * 10.0).round() / 10.0;
    let task = |t: &TaskReport| Task {
        name: named(&t.task),
        state: status(t.status),
        condition: t.condition.clone(),
        start: t.start.map(|s| format!("+{} s", rounded((millis(s) - first) / 1000.0))),
        duration: t.seconds.map(elapsed),
        bar: t.start.filter(|_| t.status != TaskStatus::Skipped).map(|start| {
            let from = percent(millis(start) - first).min(99.2);
            // Long enough to be visible, and within the track.
            [from, percent(t.seconds.unwrap_or(0.0) * 1000.0).max(0.8).min(100.0 - from)]
        }),
        error: t.error.clone(),
        notes: t.notes.clone(),
    };
    tasks.iter().map(task).collect()
}

fn status(status: TaskStatus) -> State {
    match status {
        TaskStatus::Done => state("good", "✓", text::status(status)),
        TaskStatus::Failed => state("bad", "✗", text::status(status)),
        TaskStatus::Interrupted => state("open", "!", text::status(status)),
        TaskStatus::Running => state("plain", "…", text::status(status)),
        TaskStatus::Planned | TaskStatus::Skipped => state("plain", "–", text::status(status)),
    }
}
