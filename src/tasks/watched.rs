//! Which values of a task name objects of the cluster that it waits for, as data: the chart's roles are made by it.

use serde::Serialize;

/// What the map of values of a task names.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct WatchedValues {
    /// The name that the task's values stand under.
    pub task: &'static str,
    /// The value with the namespace of all objects; they are in that of the experiment unless it is given.
    pub namespace: &'static str,
    /// The values that name objects of one kind: a name, or a list of names.
    pub kinds: Vec<WatchedKind>,
    /// The value with a list of objects of any kind: maps with `group`, `resource` and `name`.
    pub list: &'static str,
}

/// A value that names objects of one kind.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct WatchedKind {
    /// Its name.
    pub value: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural name of the kind.
    pub resource: &'static str,
}
