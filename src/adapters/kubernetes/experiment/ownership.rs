//! Ownership of objects: the group's own, Helm's, or somebody else's.

use k8s_openapi::api::core::v1::Secret;
use kube::{Client, ResourceExt};

use crate::adapters::kubernetes::client::{Object, find, kind_of};
use crate::manifests::Launch;
use crate::manifests::names::{GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Returns true if the object belongs to this group. Iter8 marked its objects with an annotation only, hence both.
pub(crate) fn is_of_group<K: Object>(object: &K, group: &str) -> bool {
    let marks = [&object.meta().labels, &object.meta().annotations];
    marks.iter().any(|marks| marks.as_ref().and_then(|marks| marks.get(GROUP)).is_some_and(|name| name == group))
}

/// Rejects a Secret that is not an experiment's, or that Helm manages.
pub(crate) fn check_ours(secret: &Secret, group: &Group) -> Result<(), ClusterError> {
    let Group { namespace, name } = group;
    if !is_of_group(secret, name) {
        let message = format!("the Secret {name} in namespace {namespace} is not that of an experiment");
        return Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint("name another group with -g"));
    }
    let manager = secret.metadata.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/managed-by"));
    if manager.is_some_and(|manager| manager == "Helm") {
        let message = format!("the group {name} in namespace {namespace} is a release of Helm");
        let hint =
            format!("use `helm upgrade {name} -n {namespace}` or `helm uninstall`, or name another group with -g");
        return Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint(hint));
    }
    Ok(())
}

/// Rejects a launch that would overwrite objects of somebody else.
pub(crate) async fn check_free(client: &Client, group: &Group, launch: &Launch) -> Result<(), ClusterError> {
    check_each_free(client, group, &launch.shards).await?;
    check_each_free(client, group, &launch.service_account).await?;
    check_each_free(client, group, &launch.roles).await?;
    check_each_free(client, group, &launch.role_bindings).await?;
    check_each_free(client, group, &launch.job).await?;
    check_each_free(client, group, &launch.cron_job).await
}

async fn check_each_free<'a, K: Object + 'a>(
    client: &Client,
    group: &Group,
    objects: impl IntoIterator<Item = &'a K>,
) -> Result<(), ClusterError> {
    for object in objects {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let found: Option<K> = find(client, &namespace, &name).await?;
        if found.is_some_and(|found| !is_of_group(&found, &group.name)) {
            let message = format!("{}/{name} in namespace {namespace} is there, and not of this group", kind_of::<K>());
            return Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint("name another group with -g"));
        }
    }
    Ok(())
}
