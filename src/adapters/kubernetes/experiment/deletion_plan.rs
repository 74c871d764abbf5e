//! Deletion of a group's objects. All objects are found first, so that missing permissions are reported before anything is deleted.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, ResourceExt};

use super::iter8_v013::{is_original, is_original_elsewhere};
use crate::adapters::kubernetes::client::{
    Access, Deletion, Object, delete, find, kind_of, list_labelled, list_metadata,
};
use crate::manifests::names::{GROUP, Group};
use crate::model::object::ResourceKind;
use crate::ports::BoxFuture;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Namespace and name.
pub(crate) type ObjectKey = (String, String);

pub(crate) fn keys<'a, K: Object + 'a>(objects: impl IntoIterator<Item = &'a K>) -> BTreeSet<ObjectKey> {
    objects.into_iter().map(|object| (object.namespace().unwrap_or_default(), object.name_any())).collect()
}

/// Result of deleting a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupDeletion {
    /// There was nothing to delete.
    Absent,
    /// Everything is deleted.
    Done,
    /// These objects exist until their finalizers are removed.
    Pending(Vec<String>),
}

/// Marks of the objects to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Objects with the group label.
    Labelled,
    /// Also objects of Iter8 v0.13, which have no label.
    Any,
}

/// Handling of Roles and RoleBindings that this user is not authorized to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HiddenRoles {
    /// They are skipped if this user may not list them: who may not has launched none.
    Unlisted,
    /// They are skipped if this user may not list or delete them: the Secret that is deleted owns them.
    Owned,
    /// They are required.
    Required,
}

/// One object to delete.
struct Target {
    kind: ResourceKind,
    namespace: String,
    name: String,
    is_optional: bool,
    delete: Delete,
}

type Delete = for<'a> fn(&'a Client, &'a str, &'a str) -> BoxFuture<'a, Result<Deletion, ClusterError>>;

/// Objects of a group to delete, in this order.
pub(crate) struct DeletionPlan<'a> {
    client: &'a Client,
    group: &'a Group,
    targets: Vec<Target>,
    /// Permissions to find further objects.
    hidden: BTreeSet<Access>,
    /// Permissions to delete them, if there are any.
    unseen: BTreeSet<Access>,
    /// First error due to these permissions.
    error: Option<ClusterError>,
}

impl<'a> DeletionPlan<'a> {
    pub(crate) fn new(client: &'a Client, group: &'a Group) -> Self {
        Self { client, group, targets: Vec::new(), hidden: BTreeSet::new(), unseen: BTreeSet::new(), error: None }
    }

    /// Returns the permissions that the deletion needs; with `has_more` also those for objects that this user may not see.
    pub(crate) fn permissions(&self, has_more: bool) -> BTreeSet<Access> {
        let required = self.targets.iter().filter(|target| !target.is_optional);
        let to_delete = required.map(|target| Access::new(&target.namespace, &target.kind, "delete").on(&target.name));
        let unseen = self.unseen.iter().filter(|_| has_more);
        self.hidden.iter().chain(unseen).cloned().chain(to_delete).collect()
    }

    /// Adds one object of the group's namespace.
    pub(crate) fn add<K: Object + 'static>(&mut self, name: &str) {
        let namespace = self.group.namespace.clone();
        self.push::<K>(namespace, name.to_owned(), false);
    }

    fn push<K: Object + 'static>(&mut self, namespace: String, name: String, is_optional: bool) {
        let delete: Delete = |client, namespace, name| Box::pin(delete::<K>(client, namespace, name));
        self.targets.push(Target { kind: kind_of::<K>(), namespace, name, is_optional, delete });
    }

    /// Adds an object of another namespace, if it exists as far as this user may see.
    pub(crate) async fn add_elsewhere<K: Object + 'static>(
        &mut self,
        namespace: &str,
        name: &str,
    ) -> Result<(), ClusterError> {
        match find::<K>(self.client, namespace, name).await {
            Ok(None) => return Ok(()),
            Err(error) if error.kind != ClusterErrorKind::Forbidden => return Err(error),
            Ok(Some(_)) | Err(_) => self.push::<K>(namespace.to_owned(), name.to_owned(), false),
        }
        Ok(())
    }

    /// Adds an object of Iter8 in another namespace, unless it belongs to a group of that namespace with the same name.
    pub(crate) async fn add_original_elsewhere<K: Object + 'static>(
        &mut self,
        namespace: &str,
        name: &str,
    ) -> Result<(), ClusterError> {
        match find::<K>(self.client, namespace, name).await {
            Ok(Some(object)) if is_original_elsewhere(object.meta(), self.group) => {
                self.push::<K>(namespace.to_owned(), name.to_owned(), false);
            }
            Ok(_) => {}
            Err(error) if error.kind == ClusterErrorKind::Forbidden => {
                let access = |verb| Access::new(namespace, &kind_of::<K>(), verb).on(name);
                self.hide(access("get"), access("delete"), error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Adds the group's objects of one kind in its namespace, except those in `kept`.
    pub(crate) async fn add_all<K: Object + 'static>(
        &mut self,
        origin: Origin,
        kept: &BTreeSet<ObjectKey>,
    ) -> Result<(), ClusterError> {
        match self.members::<K>(origin, kept).await {
            Ok(names) => names.into_iter().for_each(|name| self.add::<K>(&name)),
            Err(error) if error.kind == ClusterErrorKind::Forbidden => {
                let access = |verb| Access::new(&self.group.namespace, &kind_of::<K>(), verb);
                self.hide(access("list"), access("delete"), error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Adds Roles or RoleBindings like [`Self::add_all`].
    pub(crate) async fn add_roles<K: Object + 'static>(
        &mut self,
        origin: Origin,
        kept: &BTreeSet<ObjectKey>,
        hidden: HiddenRoles,
    ) -> Result<(), ClusterError> {
        match self.members::<K>(origin, kept).await {
            Ok(names) => {
                let namespace = &self.group.namespace.clone();
                let is_optional = hidden == HiddenRoles::Owned;
                names.into_iter().for_each(|name| self.push::<K>(namespace.clone(), name, is_optional));
            }
            Err(error) if error.kind == ClusterErrorKind::Forbidden => {
                if hidden == HiddenRoles::Required {
                    let access = |verb| Access::new(&self.group.namespace, &kind_of::<K>(), verb);
                    self.hide(access("list"), access("delete"), error);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn hide(&mut self, find: Access, delete: Access, error: ClusterError) {
        self.hidden.insert(find);
        self.unseen.insert(delete);
        self.error.get_or_insert(error);
    }

    /// Returns the names of the group's objects of one kind in its namespace.
    async fn members<K: Object>(
        &self,
        origin: Origin,
        kept: &BTreeSet<ObjectKey>,
    ) -> Result<Vec<String>, ClusterError> {
        let found = members::<K>(self.client, self.group, origin).await?;
        // Jobs of a CronJob are deleted with it.
        let is_owned = |metadata: &ObjectMeta| {
            let owners = metadata.owner_references.iter().flatten();
            owners.into_iter().any(|owner| owner.kind == "CronJob" || owner.kind == "Job")
        };
        let names = found.into_iter().filter(|metadata| !is_owned(metadata)).filter_map(|metadata| metadata.name);
        // A name with a dot belongs to a group of another namespace that waits for objects of this one.
        let names = names.filter(|name| !name.contains('.'));
        Ok(names.filter(|name| !kept.contains(&(self.group.namespace.clone(), name.clone()))).collect())
    }

    /// Deletes the objects. Deletes none if some could not be found.
    pub(crate) async fn run(self) -> Result<GroupDeletion, ClusterError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let (mut is_absent, mut pending) = (true, Vec::new());
        for Target { kind, namespace, name, is_optional, delete } in self.targets {
            match delete(self.client, &namespace, &name).await {
                Ok(Deletion::Absent) => continue,
                Ok(Deletion::Done) => {}
                Ok(Deletion::Pending(finalizers)) => {
                    let place = match namespace == self.group.namespace {
                        true => String::new(),
                        false => format!(" in namespace {namespace}"),
                    };
                    pending.push(format!("{kind}/{name}{place} waits for the finalizers {}", finalizers.join(", ")));
                }
                Err(error) if error.kind == ClusterErrorKind::Forbidden && is_optional => continue,
                Err(error) => return Err(error),
            }
            is_absent = false;
        }
        Ok(match (is_absent, pending.is_empty()) {
            (true, _) => GroupDeletion::Absent,
            (false, true) => GroupDeletion::Done,
            (false, false) => GroupDeletion::Pending(pending),
        })
    }
}

/// Returns the metadata of the group's objects of one kind in its namespace.
async fn members<K: Object>(client: &Client, group: &Group, origin: Origin) -> Result<Vec<ObjectMeta>, ClusterError> {
    let namespace = Some(group.namespace.as_str());
    if origin == Origin::Any {
        let all = list_metadata::<K>(client, namespace).await?;
        return Ok(all.into_iter().filter(|metadata| is_member(metadata, group)).collect());
    }
    let objects: Vec<K> = list_labelled(client, namespace, &format!("{GROUP}={}", group.name)).await?;
    Ok(objects.into_iter().map(|object| object.meta().clone()).collect())
}

/// Returns true for objects of this group, and for those of Iter8 v0.13.
fn is_member(metadata: &ObjectMeta, group: &Group) -> bool {
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(GROUP));
    label.is_some_and(|name| *name == group.name) || is_original(metadata, group)
}
