//! Deletes the objects of a group: all of them, or those that a new launch no longer has.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::deletion_plan::{DeletionPlan, GroupDeletion, HiddenRoles, Origin, keys};
use super::iter8_v013::Original;
use super::ownership::check_ours;
use super::requirements::check_delete;
use super::secret_data;
use crate::adapters::kubernetes::client::{Connection, delete, find, list_labelled};
use crate::manifests::Launch;
use crate::manifests::names::{GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Plans the deletion of the group's objects that this launch does not have, runs first, except a suspended CronJob. `elsewhere` are the
/// other namespaces in which the earlier launch has Roles.
pub(crate) async fn plan_prune<'a>(
    client: &'a Client,
    group: &'a Group,
    launch: &Launch,
    suspended: Option<&CronJob>,
    elsewhere: &BTreeSet<String>,
) -> Result<DeletionPlan<'a>, ClusterError> {
    let (mut plan, origin) = (DeletionPlan::new(client, group), Origin::Labelled);
    plan.add_all::<CronJob>(origin, &keys(launch.cron_job.iter().chain(suspended))).await?;
    plan.add_all::<Job>(origin, &keys(&launch.job)).await?;
    let kept = keys(std::iter::once(&launch.secret).chain(&launch.shards));
    plan.add_all::<Secret>(origin, &kept).await?;
    plan.add_all::<ServiceAccount>(origin, &keys(&launch.service_account)).await?;
    plan.add_roles::<RoleBinding>(origin, &keys(&launch.role_bindings), HiddenRoles::Unlisted).await?;
    plan.add_roles::<Role>(origin, &keys(&launch.roles), HiddenRoles::Unlisted).await?;
    let kept = keys(&launch.roles);
    let is_kept = |namespace: &String| kept.contains(&(namespace.clone(), group.ready_role(namespace)));
    add_roles_elsewhere(&mut plan, group, elsewhere.iter().filter(|namespace| !is_kept(namespace))).await?;
    Ok(plan)
}

/// Deletes the Job or CronJob of a revision.
pub(crate) async fn remove_runs(client: &Client, group: &Group, revision: i64) -> Result<(), ClusterError> {
    delete::<CronJob>(client, &group.namespace, &group.cron_job(revision)).await?;
    delete::<Job>(client, &group.namespace, &group.job(revision)).await?;
    Ok(())
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
        check_delete(client, group, None, BTreeSet::new()).await?;
    }
    let secret = secret?;
    if let Some(secret) = &secret {
        check_ours(secret, group)?;
    }
    let original = Original::find(client, group, secret.as_ref()).await?;
    let values = secret.as_ref().and_then(secret_data::values).and_then(Result::ok);
    let mut elsewhere = values.map(|values| namespaces(&values)).unwrap_or_default();
    elsewhere.extend(roles_elsewhere(client, group).await?);
    let plan = plan_deletion(client, group, secret.as_ref(), original.as_ref(), None, &elsewhere).await?;
    check_delete(client, group, original.as_ref(), plan.permissions(true)).await?;
    plan.run().await
}

/// Plans the deletion of all objects of a group, its Secret last, except a suspended CronJob.
pub(crate) async fn plan_deletion<'a>(
    client: &'a Client,
    group: &'a Group,
    secret: Option<&Secret>,
    original: Option<&Original>,
    suspended: Option<&CronJob>,
    elsewhere: &BTreeSet<String>,
) -> Result<DeletionPlan<'a>, ClusterError> {
    let (origin, hidden) = match original {
        None => (Origin::Labelled, HiddenRoles::Owned),
        Some(original) if original.may_have_roles => (Origin::Any, HiddenRoles::Required),
        Some(_) => (Origin::Any, HiddenRoles::Unlisted),
    };
    let (mut plan, none) = (DeletionPlan::new(client, group), BTreeSet::new());
    plan.add_all::<CronJob>(origin, &keys(suspended)).await?;
    plan.add_all::<Job>(origin, &none).await?;
    add_roles_elsewhere(&mut plan, group, elsewhere).await?;
    for namespace in original.iter().flat_map(|original| &original.namespaces).filter(|name| **name != group.namespace)
    {
        let name = group.ready_role(&group.namespace);
        plan.add_original_elsewhere::<RoleBinding>(namespace, &name).await?;
        plan.add_original_elsewhere::<Role>(namespace, &name).await?;
    }
    plan.add_roles::<RoleBinding>(origin, &none, hidden).await?;
    plan.add_roles::<Role>(origin, &none, hidden).await?;
    plan.add_all::<ServiceAccount>(origin, &none).await?;
    plan.add_all::<Secret>(origin, &keys(secret)).await?;
    for release in original.iter().flat_map(|original| &original.releases) {
        plan.add::<Secret>(release);
    }
    if secret.is_some() {
        plan.add::<Secret>(&group.secret());
    }
    Ok(plan)
}

/// Adds the group's Roles in other namespaces: owner references do not cross namespaces.
async fn add_roles_elsewhere(
    plan: &mut DeletionPlan<'_>,
    group: &Group,
    namespaces: impl IntoIterator<Item = &String>,
) -> Result<(), ClusterError> {
    for namespace in namespaces.into_iter().filter(|namespace| **namespace != group.namespace) {
        let name = group.ready_role(namespace);
        plan.add_elsewhere::<RoleBinding>(namespace, &name).await?;
        plan.add_elsewhere::<Role>(namespace, &name).await?;
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
