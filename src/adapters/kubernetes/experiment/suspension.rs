//! Suspended CronJobs stay suspended: whoever suspended one did not expect the next launch to start it.
//!
//! The CronJob of the earlier launch remains until the new one exists, so a launch after a failed one sees that it was suspended.

use k8s_openapi::api::batch::v1::CronJob;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::provenance::revision;
use crate::adapters::kubernetes::client::{INTERACTIVE, Operation, find, kind_of, list_labelled, with_retry};
use crate::manifests::Launch;
use crate::manifests::names::{GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// CronJob of a launch.
pub(crate) struct Launched {
    pub(crate) revision: i64,
    pub(crate) cron_job: CronJob,
}

/// Returns the newest CronJob of the group. Launches that failed, or of another runner, have none. `original` is the revision of Iter8's
/// last launch, whose CronJob has no label.
pub(crate) async fn newest_cron_job(
    client: &Client,
    group: &Group,
    original: Option<i64>,
) -> Result<Option<Launched>, ClusterError> {
    let labels = format!("{GROUP}={}", group.name);
    let listed: Result<Vec<CronJob>, _> = list_labelled(client, Some(&group.namespace), &labels).await;
    let mut all = match listed {
        // Missing permissions are reported later, all of them together.
        Err(error) if error.kind == ClusterErrorKind::Forbidden => return Ok(None),
        listed => listed?,
    };
    if let Some(original) = original {
        all.extend(find(client, &group.namespace, &group.cron_job(original)).await?);
    }
    let with_revision = |cron_job: CronJob| {
        let revision = revision(&cron_job.metadata).or(original).unwrap_or(0);
        Launched { revision, cron_job }
    };
    Ok(all.into_iter().map(with_revision).max_by_key(|launched| launched.revision))
}

/// Returns the newest CronJob if it is suspended and the new one, whose values say nothing else, has to be suspended too.
pub(crate) fn to_keep_suspended(newest: Option<Launched>, objects: &Launch) -> Option<Launched> {
    let is_open = |cron_job: &CronJob| cron_job.spec.as_ref().is_some_and(|spec| spec.suspend.is_none());
    let is_suspended = |cron_job: &CronJob| cron_job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
    newest.filter(|newest| is_suspended(&newest.cron_job) && objects.cron_job.as_ref().is_some_and(is_open))
}

/// Suspends the CronJob of a launch like the earlier one.
pub(crate) fn keep_suspended(earlier: &Launched, objects: &mut Launch) {
    let revision = earlier.revision;
    tracing::warn!(
        "the CronJob stays suspended, because that of revision {revision} is; set `suspend=false` to resume it"
    );
    if let Some(spec) = objects.cron_job.as_mut().and_then(|cron_job| cron_job.spec.as_mut()) {
        spec.suspend = Some(true);
    }
}

/// Adds our label to a CronJob of Iter8 that remains while the other objects of its launch are deleted: launches and deletions find it by
/// this label.
pub(crate) async fn label(client: &Client, group: &Group, cron_job: &CronJob) -> Result<(), ClusterError> {
    let name = cron_job.name_any();
    let api: Api<CronJob> = Api::namespaced(client.clone(), &group.namespace);
    let operation = Operation::new("patch", &kind_of::<CronJob>(), &group.namespace, &name);
    let patch = Patch::Merge(json!({"metadata": {"labels": {GROUP: group.name}}}));
    let params = PatchParams::default();
    with_retry(INTERACTIVE, &operation, || api.patch(&name, &params, &patch)).await.map(|_| ())
}
