//! Registry of tasks: one row per task, and everything derived from it.

use super::permissions::PermissionValues;
use super::{Task, TaskKind, assess, custommetrics, grpc, http, notify, ready, rollout, run, split};
use crate::model::document::TaskSpec;
use crate::values::input::InputError;

/// All tasks.
pub const TASKS: &[TaskKind] = &[
    ready::KIND,
    rollout::KIND,
    http::KIND,
    grpc::KIND,
    custommetrics::KIND,
    split::KIND,
    assess::KIND,
    run::KIND,
    notify::KIND,
];

/// Tasks of Iter8 that are not supported; the error names them.
pub const NOT_YET: &[&str] = &["abnmetrics"];

/// Returns the names that the `tasks` value may list.
pub fn value_names() -> impl Iterator<Item = &'static str> + Clone {
    TASKS.iter().flat_map(|kind| kind.value_names.iter().copied())
}

/// Finds the row with this key of values.
pub fn by_value_name(name: &str) -> Option<&'static TaskKind> {
    TASKS.iter().find(|kind| kind.value_names.contains(&name))
}

/// Returns the values of all tasks that name objects to which they need access.
pub fn permissions() -> Vec<PermissionValues> {
    TASKS.iter().filter_map(|kind| Some(kind.permissions?())).collect()
}

/// Parses a spec entry; the paths of errors start below the entry.
pub fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    if let Some(key) = spec.unknown.keys().next() {
        let error = InputError::new(key, format!("unknown key `{key}`; expected one of {}", TaskSpec::KEYS.join(", ")));
        return Err(error.with_suggestion(key, TaskSpec::KEYS));
    }
    match (&spec.task, &spec.run) {
        (Some(_), Some(_)) => Err(InputError::new("", "`task` cannot be combined with `run`")),
        (None, None) => Err(InputError::new("", "requires `task` or `run`")),
        _ => {
            let name = spec.name();
            let known = TASKS.iter().map(|kind| kind.name);
            let kind = TASKS.iter().find(|kind| kind.name == name).ok_or_else(|| unknown_task(name, known))?;
            (kind.parse)(spec)
        }
    }
}

/// Builds the error for an unknown task; lists the known ones.
pub fn unknown_task<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> InputError {
    let list = known.clone().collect::<Vec<_>>().join(", ");
    if NOT_YET.contains(&name) {
        return InputError::new("", format!("task `{name}` is not supported by this version; known tasks: {list}"));
    }
    let error = InputError::new("", format!("unknown task `{name}`; known tasks: {list}"));
    match TASKS.iter().find(|kind| kind.name == name || kind.value_names.contains(&name)) {
        Some(kind) if kind.name == name => {
            error.with_hint(format!("in values, this task is `{}`", kind.value_names.join("` or `")))
        }
        Some(kind) => error.with_hint(format!("in a spec, this task is `{}`", kind.name)),
        None => error.with_suggestion(name, known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_with_another_name_in_values_has_a_hint() {
        let hint = |name: &str, known: &[&'static str]| unknown_task(name, known.iter().copied()).hint;
        let (values, specs) =
            (value_names().collect::<Vec<_>>(), TASKS.iter().map(|kind| kind.name).collect::<Vec<_>>());
        assert_eq!(hint("notify", &values).as_deref(), Some("in values, this task is `slack` or `github`"));
        assert_eq!(hint("github", &specs).as_deref(), Some("in a spec, this task is `notify`"));
        assert_eq!(hint("htp", &values).as_deref(), Some("did you mean `http`?"));
    }
}
