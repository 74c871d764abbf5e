//! Deletes the objects of a group: all of them, or those that a new launch no longer has.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::iter8_v013::{Original, is_original, is_original_elsewhere};
use super::ownership::check_ours;
use super::requirements::check_delete;
use super::secret_data;
use crate::adapters::kubernetes::client::{
    Connection, Deletion, Object, delete, find, kind_of, list_labelled, list_metadata,
};
use crate::manifests::Launch;
use crate::manifests::names::{GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Namespace and name.
type ObjectKey = (String, String);

fn keys<'a, K: Object + 'a>(objects: impl IntoIterator<Item = &'a K>) -> BTreeSet<ObjectKey> {
    objects.into_iter().map(|object| (object.namespace().unwrap_or_default(), object.name_any())).collect()
}

/// Deletes objects of the group that this launch does not have, runs first, except a suspended CronJob.
pub(crate) async fn prune(
    client: &Client,
    group: &Group,
    launch: &Launch,
    suspended: Option<&CronJob>,
    elsewhere: &BTreeSet<String>,
) -> Result<(), ClusterError> {
    let mut removal = Removal::new(client, group, Origin::Labelled);
    removal.all_except::<CronJob>(&keys(launch.cron_job.iter().chain(suspended))).await?;
    removal.all_except::<Job>(&keys(&launch.job)).await?;
    let kept = keys(std::iter::once(&launch.secret).chain(&launch.shards));
    removal.all_except::<Secret>(&kept).await?;
    removal.all_except::<ServiceAccount>(&keys(&launch.service_account)).await?;
    removal.roles_except::<RoleBinding>(&keys(&launch.role_bindings)).await?;
    removal.roles_except::<Role>(&keys(&launch.roles)).await?;
    removal.elsewhere(elsewhere, &keys(&launch.roles)).await
}

/// Deletes the Job or CronJob of a revision.
pub(crate) async fn remove_runs(client: &Client, group: &Group, revision: i64) -> Result<(), ClusterError> {
    delete::<CronJob>(client, &group.namespace, &group.cron_job(revision)).await?;
    delete::<Job>(client, &group.namespace, &group.job(revision)).await?;
    Ok(())
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

/// Deletes a group, its Secret last. `namespaces` returns the other namespaces in which a launch of these values has Roles.
pub async fn delete_group(
    connection: &Connection,
    group: &Group,
    namespaces: &(dyn Fn(&Value) -> BTreeSet<String> + Sync),
) -> Result<GroupDeletion, ClusterError> {
    let client = &connection.client;
    let secret = find::<Secret>(client, &group.namespace, &group.secret()).await;
    if secret.as_ref().is_err_and(|error| error.kind == ClusterErrorKind::Forbidden) {
        // Reports all missing permissions instead of this one.
        check_delete(client, group, None).await?;
    }
    let secret = secret?;
    if let Some(secret) = &secret {
        check_ours(secret, group)?;
    }
    let original = Original::find(client, group, secret.as_ref()).await?;
    check_delete(client, group, original.as_ref()).await?;
    let origin = if original.is_some() { Origin::Any } else { Origin::Labelled };
    let mut removal = Removal::new(client, group, origin);
    removal.skips_hidden_roles |= original.as_ref().is_some_and(|original| !original.may_have_roles);
    let none = BTreeSet::new();
    removal.all_except::<CronJob>(&none).await?;
    removal.all_except::<Job>(&none).await?;
    let values = secret.as_ref().and_then(secret_data::values).and_then(Result::ok);
    let mut elsewhere = values.map(|values| namespaces(&values)).unwrap_or_default();
    elsewhere.extend(roles_elsewhere(client, group).await?);
    removal.elsewhere(&elsewhere, &none).await?;
    if let Some(original) = &original {
        removal.original_elsewhere(original).await?;
    }
    removal.roles_except::<RoleBinding>(&none).await?;
    removal.roles_except::<Role>(&none).await?;
    removal.all_except::<ServiceAccount>(&none).await?;
    removal.all_except::<Secret>(&keys(&secret)).await?;
    for release in original.iter().flat_map(|original| &original.releases) {
        removal.delete::<Secret>(&group.namespace, release).await?;
    }
    if secret.is_some() {
        removal.delete::<Secret>(&group.namespace, &group.secret()).await?;
    }
    Ok(removal.end())
}

/// Returns other namespaces with a Role of this group, if this user is authorized to list Roles.
async fn roles_elsewhere(client: &Client, group: &Group) -> Result<BTreeSet<String>, ClusterError> {
    let labels = format!("{GROUP}={}", group.name);
    let roles: Vec<Role> = match list_labelled(client, None, &labels).await {
        Err(error) if error.kind == ClusterErrorKind::Forbidden => Vec::new(),
        roles => roles?,
    };
    let namespace_of = |role: &Role| {
        let namespace = role.namespace().unwrap_or_default();
        (namespace != group.namespace && role.name_any() == group.ready_role(&namespace)).then_some(namespace)
    };
    Ok(roles.iter().filter_map(namespace_of).collect())
}

/// Marks of the objects to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Objects with the group label.
    Labelled,
    /// Also objects of Iter8 v0.13, which have no label.
    Any,
}

/// Deletion of a group's objects.
struct Removal<'a> {
    client: &'a Client,
    group: &'a Group,
    origin: Origin,
    /// True if Roles that this user may not list are deleted without it, or cannot exist.
    skips_hidden_roles: bool,
    found: bool,
    pending: Vec<String>,
}

impl<'a> Removal<'a> {
    fn new(client: &'a Client, group: &'a Group, origin: Origin) -> Self {
        let skips_hidden_roles = origin == Origin::Labelled;
        Self { client, group, origin, skips_hidden_roles, found: false, pending: Vec::new() }
    }

    async fn delete<K: Object>(&mut self, namespace: &str, name: &str) -> Result<(), ClusterError> {
        match delete::<K>(self.client, namespace, name).await? {
            Deletion::Absent => return Ok(()),
            Deletion::Done => {}
            Deletion::Pending(finalizers) => {
                let place = match namespace == self.group.namespace {
                    true => String::new(),
                    false => format!(" in namespace {namespace}"),
                };
                let names = finalizers.join(", ");
                self.pending.push(format!("{}/{name}{place} waits for the finalizers {names}", kind_of::<K>()));
            }
        }
        self.found = true;
        Ok(())
    }

    /// Returns the metadata of the group's objects of one kind in its namespace.
    async fn members<K: Object>(&self) -> Result<Vec<ObjectMeta>, ClusterError> {
        let namespace = Some(self.group.namespace.as_str());
        if self.origin == Origin::Any {
            let is_member = |metadata: &ObjectMeta| {
                let label = metadata.labels.as_ref().and_then(|labels| labels.get(GROUP));
                label.is_some_and(|name| *name == self.group.name) || is_original(metadata, self.group)
            };
            let all = list_metadata::<K>(self.client, namespace).await?;
            return Ok(all.into_iter().filter(is_member).collect());
        }
        let labels = format!("{GROUP}={}", self.group.name);
        let objects: Vec<K> = list_labelled(self.client, namespace, &labels).await?;
        Ok(objects.into_iter().map(|object| object.meta().clone()).collect())
    }

    /// Deletes the group's objects of one kind in its namespace, except those in `kept`.
    async fn all_except<K: Object>(&mut self, kept: &BTreeSet<ObjectKey>) -> Result<(), ClusterError> {
        for metadata in self.members::<K>().await? {
            // Jobs of a CronJob are deleted with it.
            let is_owned = metadata
                .owner_references
                .as_ref()
                .is_some_and(|owners| owners.iter().any(|owner| owner.kind == "CronJob" || owner.kind == "Job"));
            let key = (self.group.namespace.clone(), metadata.name.unwrap_or_default());
            // A name with a dot belongs to a group of another namespace that waits for objects of this one.
            if !is_owned && !kept.contains(&key) && !key.1.contains('.') {
                self.delete::<K>(&key.0, &key.1).await?;
            }
        }
        Ok(())
    }

    /// Deletes Roles or RoleBindings in the group's namespace like [`Self::all_except`]. Users who may not list them have launched none;
    /// those of others are deleted with the group's Secret, which owns them.
    async fn roles_except<K: Object>(&mut self, kept: &BTreeSet<ObjectKey>) -> Result<(), ClusterError> {
        match self.all_except::<K>(kept).await {
            Err(error) if error.kind == ClusterErrorKind::Forbidden && self.skips_hidden_roles => Ok(()),
            end => end,
        }
    }

    /// Deletes the group's Roles in other namespaces: owner references do not cross namespaces.
    async fn elsewhere(
        &mut self,
        namespaces: &BTreeSet<String>,
        kept: &BTreeSet<ObjectKey>,
    ) -> Result<(), ClusterError> {
        for namespace in namespaces.iter().filter(|namespace| **namespace != self.group.namespace) {
            let name = self.group.ready_role(namespace);
            if !kept.contains(&(namespace.clone(), name.clone())) {
                self.delete::<RoleBinding>(namespace, &name).await?;
                self.delete::<Role>(namespace, &name).await?;
            }
        }
        Ok(())
    }

    /// Deletes Iter8's Roles in other namespaces.
    async fn original_elsewhere(&mut self, original: &Original) -> Result<(), ClusterError> {
        for namespace in original.namespaces.iter().filter(|namespace| **namespace != self.group.namespace) {
            self.original::<RoleBinding>(namespace).await?;
            self.original::<Role>(namespace).await?;
        }
        Ok(())
    }

    /// Deletes Iter8's object of this kind for `ready` in another namespace, unless it belongs to a group of that namespace.
    async fn original<K: Object>(&mut self, namespace: &str) -> Result<(), ClusterError> {
        let name = self.group.ready_role(&self.group.namespace);
        let found = find::<K>(self.client, namespace, &name).await?;
        if found.is_some_and(|object| is_original_elsewhere(object.meta(), self.group)) {
            self.delete::<K>(namespace, &name).await?;
        }
        Ok(())
    }

    fn end(self) -> GroupDeletion {
        match (self.found, self.pending.is_empty()) {
            (false, _) => GroupDeletion::Absent,
            (true, true) => GroupDeletion::Done,
            (true, false) => GroupDeletion::Pending(self.pending),
        }
    }
}
