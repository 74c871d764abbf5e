//! Values that name objects in the cluster, as data: the chart generates its Roles from them.

use serde::Serialize;

/// The values of one task that name objects.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PermissionValues {
    /// Key of the task's values.
    pub task: &'static str,
    /// The value with the namespace of all objects; they are in the experiment's if it is not given.
    pub namespace: &'static str,
    /// The values that name objects of one kind: a name, or a list of names.
    pub kinds: Vec<KindValue>,
    /// The value with a list of objects of any kind: maps with `group`, `resource` and `name`.
    pub list: &'static str,
}

/// A value that names objects of one kind.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct KindValue {
    /// Key of the value.
    pub value: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural name of the kind.
    pub resource: &'static str,
}
