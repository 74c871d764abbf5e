//! References to objects of a cluster.

use std::fmt;

/// A resource type, as in API paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceKind {
    /// API group, such as `apps`; empty for the core group.
    pub group: String,
    /// Version, such as `v1`.
    pub version: String,
    /// Plural name, such as `deployments`.
    pub resource: String,
}

impl fmt::Display for ResourceKind {
    /// Formats as kubectl does: `deployments.apps`, `services`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => f.write_str(&self.resource),
            group => write!(f, "{}.{group}", self.resource),
        }
    }
}

/// Reference to an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Resource type.
    pub kind: ResourceKind,
    /// Namespace; `None` for the experiment's.
    pub namespace: Option<String>,
    /// Object name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    /// Formats as kubectl does: `deployments.apps/web`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Access to one object that a task needs; the experiment's Role grants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The object.
    pub object: ObjectRef,
    /// Verbs of the Kubernetes API, such as `get`.
    pub verbs: &'static [&'static str],
}
