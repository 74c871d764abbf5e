//! Names of the tasks to run: those of `tasks`, and after a rollout those that analyze it.

use serde_json::{Map, Value};

use crate::model::path::FieldPath;
use crate::tasks::rollout::{ANALYSIS, NAME as ROLLOUT};
use crate::values::input::InputError;

/// A task in the values: the path of its name, and the name.
pub(super) type Listed = (FieldPath, String);

/// Adds the tasks that analyze a rollout after it.
pub(super) fn with_analysis(
    listed: Vec<Listed>,
    map: &Map<String, Value>,
    errors: &mut Vec<InputError>,
) -> Vec<Listed> {
    let at = FieldPath::root().key(ROLLOUT).key(ANALYSIS);
    let analysis = match map.get(ROLLOUT).and_then(|values| values.get(ANALYSIS)) {
        None => Vec::new(),
        Some(Value::Array(list)) if list.is_empty() => {
            errors.push(InputError::new(at, "must not be empty"));
            Vec::new()
        }
        Some(Value::Array(list)) => names(list, &at, errors),
        Some(other) => {
            let hint = "list the tasks that analyze a step, such as --set \"rollout.analysis={http,assess}\"";
            errors.push(InputError::new(at, format!("`{other}` is not a list of task names")).with_hint(hint));
            Vec::new()
        }
    };
    let mut all = Vec::new();
    for (at, name) in listed {
        let is_rollout = name == ROLLOUT;
        all.push((at, name));
        if is_rollout {
            all.extend(analysis.iter().cloned());
        }
    }
    all
}

/// Returns the task names in a list whose path is `at`.
fn names(list: &[Value], at: &FieldPath, errors: &mut Vec<InputError>) -> Vec<Listed> {
    let name = |(index, entry): (usize, &Value)| match entry {
        Value::String(name) => Some((at.clone().index(index), name.clone())),
        other => {
            errors.push(InputError::new(at.clone().index(index), format!("`{other}` is not a task name")));
            None
        }
    };
    list.iter().enumerate().filter_map(name).collect()
}

/// Returns the entries of `tasks`.
pub(super) fn listed_tasks(tasks: Option<&Value>, errors: &mut Vec<InputError>) -> Vec<Listed> {
    let message = match tasks {
        None => "required".to_owned(),
        Some(Value::Array(list)) if list.is_empty() => "must not be empty".to_owned(),
        Some(Value::Array(list)) => return names(list, &FieldPath::root().key("tasks"), errors),
        Some(other) => format!("`{other}` is not a list of task names"),
    };
    let hint = "list the tasks to run, such as --set \"tasks={http,assess}\"";
    errors.push(InputError::new("tasks", message).with_hint(hint));
    Vec::new()
}
