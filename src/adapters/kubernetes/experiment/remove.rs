//! Deletes the objects of a group: all of them, or those that a new launch no longer has.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::ownership::check_ours;
use super::secret_data;
use crate::adapters::kubernetes::client::{Connection, Object, delete, find, list_labelled};
use crate::manifests::Launch;
use crate::manifests::names::{GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Namespace and name.
type ObjectKey = (String, String);

fn keys<'a, K: Object + 'a>(objects: impl IntoIterator<Item = &'a K>) -> BTreeSet<ObjectKey> {
    objects.into_iter().map(|object| (object.namespace().unwrap_or_default(), object.name_any())).collect()
}

/// Deletes objects of the group that this launch does not have, runs first.
pub(crate) async fn prune(
    client: &Client,
    group: &Group,
    launch: &Launch,
    elsewhere: &BTreeSet<String>,
) -> Result<(), ClusterError> {
    let home = [group.namespace.clone()];
    remove_except::<CronJob>(client, group, &home, &keys(&launch.cron_job)).await?;
    remove_except::<Job>(client, group, &home, &keys(&launch.job)).await?;
    let kept = keys(std::iter::once(&launch.secret).chain(&launch.shards));
    remove_except::<Secret>(client, group, &home, &kept).await?;
    remove_except::<ServiceAccount>(client, group, &home, &keys(&launch.service_account)).await?;
    remove_except::<RoleBinding>(client, group, &home, &keys(&launch.role_bindings)).await?;
    remove_except::<Role>(client, group, &home, &keys(&launch.roles)).await?;
    remove_elsewhere(client, group, elsewhere, &keys(&launch.roles)).await
}

/// Deletes the group's objects of one kind in these namespaces, except those in `kept`.
async fn remove_except<K: Object>(
    client: &Client,
    group: &Group,
    namespaces: &[String],
    kept: &BTreeSet<ObjectKey>,
) -> Result<bool, ClusterError> {
    let labels = format!("{GROUP}={}", group.name);
    let mut any = false;
    for namespace in namespaces {
        for object in list_labelled::<K>(client, Some(namespace), &labels).await? {
            // Jobs of a CronJob are deleted with it.
            let is_owned = object
                .meta()
                .owner_references
                .as_ref()
                .is_some_and(|owners| owners.iter().any(|owner| owner.kind == "CronJob" || owner.kind == "Job"));
            if !is_owned && !kept.contains(&(object.namespace().unwrap_or_default(), object.name_any())) {
                any |= delete::<K>(client, namespace, &object.name_any()).await?;
            }
        }
    }
    Ok(any)
}

/// Deletes the group's Roles in other namespaces: owner references do not cross namespaces.
async fn remove_elsewhere(
    client: &Client,
    group: &Group,
    namespaces: &BTreeSet<String>,
    kept: &BTreeSet<ObjectKey>,
) -> Result<(), ClusterError> {
    for namespace in namespaces.iter().filter(|namespace| **namespace != group.namespace) {
        let name = group.ready_role(namespace);
        if !kept.contains(&(namespace.clone(), name.clone())) {
            delete::<RoleBinding>(client, namespace, &name).await?;
            delete::<Role>(client, namespace, &name).await?;
        }
    }
    Ok(())
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

/// Deletes the Job or CronJob of a revision.
pub(crate) async fn remove_runs(client: &Client, group: &Group, revision: i64) -> Result<(), ClusterError> {
    delete::<CronJob>(client, &group.namespace, &group.cron_job(revision)).await?;
    delete::<Job>(client, &group.namespace, &group.job(revision)).await?;
    Ok(())
}

/// Deletes a group, its Secret last. Returns false if there was nothing to delete. `namespaces` returns the other namespaces in which a launch
/// of these values has Roles.
pub async fn delete_group(
    connection: &Connection,
    group: &Group,
    namespaces: &(dyn Fn(&Value) -> BTreeSet<String> + Sync),
) -> Result<bool, ClusterError> {
    let client = &connection.client;
    let secret: Option<Secret> = find(client, &group.namespace, &group.secret()).await?;
    if let Some(secret) = &secret {
        check_ours(secret, group)?;
    }
    let (home, none) = ([group.namespace.clone()], BTreeSet::new());
    let kept = keys(&secret);
    let mut any = remove_except::<CronJob>(client, group, &home, &none).await?;
    any |= remove_except::<Job>(client, group, &home, &none).await?;
    let values = secret.as_ref().and_then(secret_data::values).and_then(Result::ok);
    let mut elsewhere = values.map(|values| namespaces(&values)).unwrap_or_default();
    elsewhere.extend(roles_elsewhere(client, group).await?);
    any |= !elsewhere.is_empty();
    remove_elsewhere(client, group, &elsewhere, &none).await?;
    any |= remove_except::<RoleBinding>(client, group, &home, &none).await?;
    any |= remove_except::<Role>(client, group, &home, &none).await?;
    any |= remove_except::<ServiceAccount>(client, group, &home, &none).await?;
    any |= remove_except::<Secret>(client, group, &home, &kept).await?;
    if secret.is_some() {
        any |= delete::<Secret>(client, &group.namespace, &group.secret()).await?;
    }
    Ok(any)
}
