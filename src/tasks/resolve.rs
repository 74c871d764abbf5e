//! From merged values to the spec that will run.

use serde_json::Value;

use super::registry::{by_value_name, unknown_task, value_names};
use crate::manifests::settings;
use crate::model::document::TaskSpec;
use crate::model::path::join;
use crate::values::input::InputError;
use crate::values::without_nulls;
use suggest::nearest;

/// A spec, and what the user should know about the values it was made of.
pub struct Resolved {
    /// For each entry of the spec, the name its values stand under.
    names: Vec<String>,
    /// The tasks, in order.
    pub spec: Vec<TaskSpec>,
    /// Values that have no effect.
    pub warnings: Vec<String>,
}

impl Resolved {
    /// The same error, with a path in the values instead of one in the spec made of them.
    pub fn locate(&self, error: InputError) -> InputError {
        let place = error.path.strip_prefix("spec[").and_then(|path| path.split_once(']'));
        let name = place.and_then(|(index, _)| self.names.get(index.parse::<usize>().ok()?));
        match (place, name) {
            (Some((_, inner)), Some(name)) => {
                InputError { path: join(name, in_values(inner.trim_start_matches('.'))), ..error }
            }
            _ => error,
        }
    }
}

/// A path within a spec entry as a path within the values it was made of.
fn in_values(path: &str) -> &str {
    path.strip_prefix("with").map_or(path, |path| path.trim_start_matches('.'))
}

/// Makes a spec of merged values: one entry, or several, per name in `tasks`.
pub fn spec_from_values(values: &Value) -> Result<Resolved, InputError> {
    // Helm keeps a `null` that no default stood under; nobody means it as a value.
    let values = without_nulls(values.clone());
    let map = values.as_object().ok_or_else(|| InputError::new("", "the values are not a map"))?;
    if map.contains_key("spec") && !map.contains_key("tasks") {
        return Err(InputError::new("spec", "this is an experiment document, not values")
            .with_hint("run it as experiment.yaml in its directory: iter8 run --runDir DIR"));
    }
    let listed = listed_tasks(map.get("tasks"))?;
    let known = || settings::value_names().chain(["tasks"]).chain(value_names());
    let mut warnings = Vec::new();
    for key in map.keys() {
        if by_value_name(key).is_some() {
            if !listed.iter().any(|(_, name)| name == key) {
                warnings.push(format!("the values of `{key}` have no effect: `tasks` does not list it"));
            }
        } else if !known().any(|name| name == key) {
            let names = known().collect::<Vec<_>>().join(", ");
            let error = InputError::new(key, format!("unknown value `{key}`; known here: {names}"));
            return Err(match nearest(key, known()) {
                Some(candidate) => error.with_hint(format!("did you mean `{candidate}`?")),
                None => error,
            });
        }
    }
    settings::check(map)?;
    let (mut spec, mut names) = (Vec::new(), Vec::new());
    for (index, name) in &listed {
        let kind =
            by_value_name(name).ok_or_else(|| unknown_task(name, value_names()).under(&format!("tasks[{index}]")))?;
        let empty = Value::Object(serde_json::Map::new());
        let own = map.get(name).unwrap_or(&empty);
        let (own, condition) = take_condition(own).map_err(|error| error.under(name))?;
        for mut entry in (kind.from_values)(name, &own).map_err(|error| error.under(name))? {
            entry.condition = condition.clone().or(entry.condition);
            check_entry(&entry, name)?;
            spec.push(entry);
            names.push(name.clone());
        }
    }
    Ok(Resolved { names, spec, warnings })
}

/// The entries of `tasks` with their indices.
fn listed_tasks(tasks: Option<&Value>) -> Result<Vec<(usize, String)>, InputError> {
    let hint = "list the tasks to run, such as --set \"tasks={http,assess}\"";
    let list = match tasks {
        None => return Err(InputError::new("tasks", "no tasks are given").with_hint(hint)),
        Some(Value::Array(list)) if list.is_empty() => {
            return Err(InputError::new("tasks", "the list of tasks is empty").with_hint(hint));
        }
        Some(Value::Array(list)) => list,
        Some(other) => {
            return Err(InputError::new("tasks", format!("`{other}` is not a list of task names")).with_hint(hint));
        }
    };
    list.iter()
        .enumerate()
        .map(|(index, entry)| match entry {
            Value::String(name) => Ok((index, name.clone())),
            other => Err(InputError::new(format!("tasks[{index}]"), format!("`{other}` is not the name of a task"))),
        })
        .collect()
}

/// Parses the entry as the run will, so that an error names the values and not the spec made of them.
fn check_entry(entry: &TaskSpec, name: &str) -> Result<(), InputError> {
    let place = |mut error: InputError| {
        error.path = join(name, in_values(&error.path));
        error
    };
    super::registry::parse(entry).map_err(place)?;
    if let Some(condition) = &entry.condition {
        crate::slo::condition::check(condition)
            .map_err(|error| InputError::new(join(name, "if"), error.to_string()))?;
    }
    Ok(())
}

/// The value of `if` among a task's values, taken out of them.
fn take_condition(values: &Value) -> Result<(Value, Option<String>), InputError> {
    let mut values = values.clone();
    let condition = values.as_object_mut().and_then(|map| map.remove("if"));
    match condition {
        None => Ok((values, None)),
        Some(Value::String(condition)) => Ok((values, Some(condition))),
        // `--set http.if=true` arrives typed.
        Some(Value::Bool(literal)) => Ok((values, Some(literal.to_string()))),
        Some(other) => {
            Err(InputError::new("if", format!("`{other}` is not a condition; expected text such as `SLOs()`")))
        }
    }
}
