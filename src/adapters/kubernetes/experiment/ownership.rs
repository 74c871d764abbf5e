//! Ownership of objects: by the group, by Helm, or by others.

use k8s_openapi::api::core::v1::Secret;
use kube::{Client, ResourceExt};

use crate::adapters::kubernetes::client::{Object, find, kind_of};
use crate::manifests::Launch;
use crate::manifests::names::{GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Returns true if the object belongs to this group. Iter8 marks its objects with an annotation only, so both labels and
/// annotations are checked.
pub(crate) fn is_of_group<K: Object>(object: &K, group: &str) -> bool {
    let marks = [&object.meta().labels, &object.meta().annotations];
    marks.iter().any(|marks| marks.as_ref().and_then(|marks| marks.get(GROUP)).is_some_and(|name| name == group))
}

/// Rejects a Secret that belongs to no experiment or is managed by Helm.
pub(crate) fn check_ours(secret: &Secret, group: &Group) -> Result<(), ClusterError> {
    let Group { namespace, name } = group;
    if !is_of_group(secret, name) {
        let message = format!("secret/{name} in namespace {namespace} does not belong to an experiment");
        return Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint("choose another group with -g"));
    }
    let manager = secret.metadata.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/managed-by"));
    if manager.is_some_and(|manager| manager == "Helm") {
        let message = format!("group {name} in namespace {namespace} is managed by Helm");
        let hint =
            format!("use `helm upgrade {name} -n {namespace}` or `helm uninstall`, or choose another group with -g");
        return Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint(hint));
    }
    Ok(())
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
        let existing: Option<K> = find(client, &namespace, &name).await?;
        if existing.is_some_and(|object| !is_of_group(&object, &group.name)) {
            let message =
                format!("{}/{name} in namespace {namespace} exists but does not belong to this group", kind_of::<K>());
            return Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint("choose another group with -g"));
        }
    }
    Ok(())
}
