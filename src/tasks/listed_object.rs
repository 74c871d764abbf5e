//! An object that values list beside the one that they name, so that the Role of a launch grants access to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifests::dns_names;
use crate::model::object::{ObjectRef, ResourceKind};
use crate::model::path::FieldPath;
use crate::tasks::schema_fragments::{NAME, NAMESPACE};
use crate::values::input::InputError;

/// An object of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListedObject {
    /// API group, such as `apps`. Default: the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) group: String,
    /// Plural name of the kind, such as `deployments`.
    #[schemars(extend("pattern" = NAMESPACE))]
    pub(super) resource: String,
    /// Name of the object.
    #[schemars(extend("pattern" = NAME))]
    pub(super) name: String,
}

/// Returns references of the objects in a list whose path is `at`. They have no version: Roles need none.
pub(super) fn references(
    list: &[ListedObject],
    namespace: Option<&str>,
    at: &FieldPath,
) -> Result<Vec<ObjectRef>, InputError> {
    let reference = |(index, ListedObject { group, resource, name }): (usize, &ListedObject)| {
        let is_group = group.is_empty() || dns_names::is_subdomain(group);
        let kind = ResourceKind { group: group.clone(), version: String::new(), resource: resource.clone() };
        let object = ObjectRef { kind, namespace: namespace.map(str::to_owned), name: name.clone() };
        match is_group && dns_names::is_label(resource) && dns_names::is_subdomain(name) {
            true => Ok(object),
            false => Err(InputError::new(
                at.clone().index(index),
                format!(
                    "`{object}` is not a valid object; expected an API group, a plural name such as `deployments`, and a name"
                ),
            )),
        }
    };
    list.iter().enumerate().map(reference).collect()
}
