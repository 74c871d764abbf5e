//! Parses and checks a spec before it runs.

use std::collections::BTreeMap;

use super::document::masked;
use crate::model::document::{Experiment, TaskSpec};
use crate::ports::Files;
use crate::redact;
use crate::slo::condition;
use crate::tasks::{Task, registry};
use crate::values::input::InputError;

/// An experiment whose tasks are parsed and checked.
pub struct Prepared {
    pub(super) experiment: Experiment,
    pub(super) tasks: Vec<Box<dyn Task>>,
    /// The spec to save if it differs from the one to run: without secrets.
    pub(super) saved_spec: Option<Vec<TaskSpec>>,
}

impl Prepared {
    /// Saves the document without the secrets in its spec. For specs made from values; a spec that the user wrote is saved unchanged.
    #[must_use]
    pub fn saved_without_secrets(mut self) -> Self {
        self.saved_spec = Some(masked(&self.experiment.spec));
        self
    }
}

/// Parses and checks every task; opens no connection and reads only files that tasks name. Paths of errors start at `spec`.
pub fn prepare(experiment: Experiment, files: &dyn Files) -> Result<Prepared, InputError> {
    let tasks = parse_all(&experiment.spec)?;
    for (index, task) in tasks.iter().enumerate() {
        task.check(files).map_err(|error| error.under(&format!("spec[{index}]")))?;
    }
    Ok(Prepared { experiment, tasks, saved_spec: None })
}

/// Parses every task and condition, without I/O. Paths of errors start at `spec`.
pub(crate) fn parse_all(spec: &[TaskSpec]) -> Result<Vec<Box<dyn Task>>, InputError> {
    if spec.is_empty() {
        return Err(InputError::new("spec", "there are no tasks"));
    }
    let parse = |(index, task): (usize, &TaskSpec)| parse(task).map_err(|error| error.under(&format!("spec[{index}]")));
    let tasks: Vec<_> = spec.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    check_together(spec, &tasks)?;
    Ok(tasks)
}

fn parse(task: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    if let Some(place) = task.with.as_ref().and_then(redact::find_hidden) {
        return Err(InputError::new(place, format!("a secret stands here as `{}`", redact::HIDDEN))
            .with_hint("documents keep no secrets: run from the values again, or give the secret by file or environment variable")
            .under("with"));
    }
    if task.run.as_ref().is_some_and(|script| script.contains(redact::HIDDEN)) {
        return Err(InputError::new("run", format!("a secret in the script stands here as `{}`", redact::HIDDEN))
            .with_hint("documents keep no secrets: run from the values again, or let the script read the secret from a file or variable (`$NAME`)"));
    }
    if let Some(text) = &task.condition {
        condition::check(text).map_err(|error| InputError::new("if", error.to_string()))?;
    }
    registry::parse(task)
}

/// Finds tasks that do not fit each other: a loop measures a provider once, and all tasks measure the same number of versions.
fn check_together(spec: &[TaskSpec], tasks: &[Box<dyn Task>]) -> Result<(), InputError> {
    let mut versions: Option<(usize, usize)> = None;
    let mut providers = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        let facts = task.facts();
        if let Some(count) = facts.versions {
            let (first, expected) = *versions.get_or_insert((index, count));
            if count != expected {
                let message = format!("it measures {count} versions, and spec[{first}] measures {expected}");
                return Err(InputError::new(format!("spec[{index}]"), message)
                    .with_hint("all tasks of an experiment measure the same versions"));
            }
        }
        // One of two tasks with conditions may be skipped, so these are checked when they run.
        for provider in facts.providers {
            if let Some(first) = providers.insert(provider.clone(), index)
                && spec[first].condition.is_none()
                && spec[index].condition.is_none()
            {
                return Err(measured_twice(index, &provider));
            }
        }
    }
    Ok(())
}

/// The error for a provider that two tasks of one loop measure.
pub(super) fn measured_twice(index: usize, provider: &str) -> InputError {
    InputError::new(format!("spec[{index}]"), format!("`{provider}` is measured by an earlier task already"))
        .with_hint("give each target a name of its own in `endpoints` of one task")
}
