//! Ownership of objects: by the group, by Helm, or by others.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, ResourceExt};

use super::iter8_v013::{is_managed_by_helm, is_original, managed_by_helm};
use crate::adapters::kubernetes::client::{Object, find, kind_of};
use crate::manifests::Launch;
use crate::manifests::names::{GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Returns true if the object belongs to this group. Iter8 marks its objects with an annotation only, so both labels and
/// annotations are checked.
pub(crate) fn is_of_group(metadata: &ObjectMeta, group: &Group) -> bool {
    let marks = [&metadata.labels, &metadata.annotations];
    let has_mark = |name: &String| *name == group.name;
    marks.iter().any(|marks| marks.as_ref().and_then(|marks| marks.get(GROUP)).is_some_and(has_mark))
        || is_original(metadata, group)
}

/// Rejects a Secret that belongs to no experiment, or to a release of our chart.
pub(crate) fn check_ours(secret: &Secret, group: &Group) -> Result<(), ClusterError> {
    let Group { namespace, name } = group;
    if !is_of_group(&secret.metadata, group) {
        let message = format!("secret/{name} in namespace {namespace} does not belong to an experiment");
        return Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint("choose another group with -g"));
    }
    if is_managed_by_helm(&secret.metadata) && !is_original(&secret.metadata, group) {
        return Err(managed_by_helm(group));
    }
    Ok(())
}

/// Rejects an object that is being deleted: changes to it would be lost.
pub(crate) fn check_not_deleted<K: Object>(object: &K) -> Result<(), ClusterError> {
    if object.meta().deletion_timestamp.is_none() {
        return Ok(());
    }
    let (kind, name, namespace) = (kind_of::<K>(), object.name_any(), object.namespace().unwrap_or_default());
    let finalizers = match object.finalizers() {
        [] => String::new(),
        names => format!("; it waits for the finalizers {}", names.join(", ")),
    };
    let message = format!("{kind}/{name} in namespace {namespace} is being deleted{finalizers}");
    let hint = "retry when it is gone, or choose another group with -g";
    Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint(hint))
}

/// Rejects a launch that would overwrite objects of others.
pub(crate) async fn check_overwrite(client: &Client, group: &Group, launch: &Launch) -> Result<(), ClusterError> {
    check_each(client, group, &launch.shards).await?;
    check_each(client, group, &launch.service_account).await?;
    check_each(client, group, &launch.roles).await?;
    check_each(client, group, &launch.role_bindings).await?;
    check_each(client, group, &launch.job).await?;
    check_each(client, group, &launch.cron_job).await
}

async fn check_each<'a, K: Object + 'a>(
    client: &Client,
    group: &Group,
    objects: impl IntoIterator<Item = &'a K>,
) -> Result<(), ClusterError> {
    for object in objects {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let Some(existing) = find::<K>(client, &namespace, &name).await? else { continue };
        if !is_of_group(existing.meta(), group) {
            let message =
                format!("{}/{name} in namespace {namespace} exists but does not belong to this group", kind_of::<K>());
            return Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint("choose another group with -g"));
        }
        check_not_deleted(&existing)?;
    }
    Ok(())
}
