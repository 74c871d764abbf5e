//! Values that name objects in the cluster; the chart generates its Roles from them.

use serde::Serialize;

/// Values of one task that name objects.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PermissionValues {
    /// Key of the task's values.
    pub task: &'static str,
    /// Value with the map that holds the others; empty if they are values of the task itself. Without a map, there are no objects.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub within: &'static str,
    /// Value with the namespace of all objects. Default: the namespace of the experiment.
    pub namespace: &'static str,
    /// Values that name objects of one kind.
    pub kinds: Vec<KindValue>,
    /// Value with a list of objects of any kind: maps with `group`, `resource` and `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<&'static str>,
    /// Verbs on the objects of the list.
    #[serde(rename = "listVerbs")]
    pub list_verbs: &'static [&'static str],
}

/// Value that names objects of one kind: a name, or a list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KindValue {
    /// Key of the value.
    pub value: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural name of the kind.
    pub resource: &'static str,
    /// Text before the name of the object.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub prefix: &'static str,
    /// Verbs of the Kubernetes API. A Role cannot restrict `create` to names.
    pub verbs: &'static [&'static str],
}
