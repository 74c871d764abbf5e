//! Removing what a group has, all of it or what a new launch has no more.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Client;
use serde_json::Value;

use super::ownership::check_ours;
use super::secret_data;
use crate::adapters::kubernetes::client::{Connection, Named, Object, delete, find, labelled};
use crate::manifests::Launch;
use crate::manifests::names::{GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// What an object is found by, whatever its kind.
type Place = (String, String);

fn places<'a, K: Object + 'a>(objects: impl IntoIterator<Item = &'a K>) -> BTreeSet<Place> {
    objects.into_iter().map(|object| (object.namespace(), object.name())).collect()
}

/// Deletes what the group has and this launch has not, runs first.
pub(crate) async fn prune(
    client: &Client,
    group: &Group,
    launch: &Launch,
    elsewhere: &BTreeSet<String>,
) -> Result<(), ClusterError> {
    let own = [group.namespace.clone()];
    remove_but::<CronJob>(client, group, &own, &places(&launch.cron_job)).await?;
    remove_but::<Job>(client, group, &own, &places(&launch.job)).await?;
    let kept = places(std::iter::once(&launch.secret).chain(&launch.shards));
    remove_but::<Secret>(client, group, &own, &kept).await?;
    remove_but::<ServiceAccount>(client, group, &own, &places(&launch.service_account)).await?;
    remove_but::<RoleBinding>(client, group, &own, &places(&launch.role_bindings)).await?;
    remove_but::<Role>(client, group, &own, &places(&launch.roles)).await?;
    remove_elsewhere(client, group, elsewhere, &places(&launch.roles)).await
}

/// Deletes the group's objects of a kind in these namespaces, but for those that are kept.
async fn remove_but<K: Object>(
    client: &Client,
    group: &Group,
    namespaces: &[String],
    kept: &BTreeSet<Place>,
) -> Result<bool, ClusterError> {
    let labels = format!("{GROUP}={}", group.name);
    let mut any = false;
    for namespace in namespaces {
        for object in labelled::<K>(client, Some(namespace), &labels).await? {
            // Runs of a CronJob go with it.
            let is_owned = object
                .meta()
                .owner_references
                .as_ref()
                .is_some_and(|owners| owners.iter().any(|owner| owner.kind == "CronJob" || owner.kind == "Job"));
            if !is_owned && !kept.contains(&(object.namespace(), object.name())) {
                any |= delete::<K>(client, namespace, &object.name()).await?;
            }
        }
    }
    Ok(any)
}

/// Deletes the roles that the group has in other namespaces, where no owner can take them along.
async fn remove_elsewhere(
    client: &Client,
    group: &Group,
    namespaces: &BTreeSet<String>,
    kept: &BTreeSet<Place>,
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

/// Other namespaces that have a role of this group, as far as this user may look there.
async fn roles_elsewhere(client: &Client, group: &Group) -> Result<BTreeSet<String>, ClusterError> {
    let labels = format!("{GROUP}={}", group.name);
    let roles: Vec<Role> = match labelled(client, None, &labels).await {
        Err(error) if error.kind == ClusterErrorKind::Forbidden => Vec::new(),
        roles => roles?,
    };
    let ours = |role: &Role| {
        let namespace = role.namespace();
        (namespace != group.namespace && role.name() == group.ready_role(&namespace)).then_some(namespace)
    };
    Ok(roles.iter().filter_map(ours).collect())
}

/// Deletes what runs a revision.
pub(crate) async fn remove_runs(client: &Client, group: &Group, revision: i64) -> Result<(), ClusterError> {
    delete::<CronJob>(client, &group.namespace, &group.cron_job(revision)).await?;
    delete::<Job>(client, &group.namespace, &group.job(revision)).await?;
    Ok(())
}

/// Deletes everything of a group, its Secret last. Whether there was anything. `namespaces` gives the other namespaces in which a
/// launch of these values has roles.
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
    let (own, none) = ([group.namespace.clone()], BTreeSet::new());
    let kept = places(&secret);
    let mut any = remove_but::<CronJob>(client, group, &own, &none).await?;
    any |= remove_but::<Job>(client, group, &own, &none).await?;
    let values = secret.as_ref().and_then(secret_data::values).and_then(Result::ok);
    let mut elsewhere = values.map(|values| namespaces(&values)).unwrap_or_default();
    elsewhere.extend(roles_elsewhere(client, group).await?);
    any |= !elsewhere.is_empty();
    remove_elsewhere(client, group, &elsewhere, &none).await?;
    any |= remove_but::<RoleBinding>(client, group, &own, &none).await?;
    any |= remove_but::<Role>(client, group, &own, &none).await?;
    any |= remove_but::<ServiceAccount>(client, group, &own, &none).await?;
    any |= remove_but::<Secret>(client, group, &own, &kept).await?;
    if secret.is_some() {
        any |= delete::<Secret>(client, &group.namespace, &group.secret()).await?;
    }
    Ok(any)
}
