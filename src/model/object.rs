//! Objects of a cluster, as tasks name them.

use std::fmt;

/// A kind of object, as the API's paths name it.
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
    /// As kubectl writes it: `deployments.apps`, `services`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => f.write_str(&self.resource),
            group => write!(f, "{}.{group}", self.resource),
        }
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// What it is.
    pub kind: ResourceKind,
    /// Its namespace; absent for that of the experiment.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    /// As kubectl writes it: `deployments.apps/web`.
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
