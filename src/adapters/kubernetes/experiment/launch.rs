//! Launching a group's next revision.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::Role;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::deletion_plan::GroupDeletion;
use super::iter8_v013::Original;
use super::ownership::{check_not_deleted, check_ours, check_overwrite};
use super::provenance::revision;
use super::remove::{plan_deletion, plan_prune, remove_runs};
use super::requirements::{check_launch, check_version, to_delete};
use super::secret_data;
use super::secret_store::SecretStore;
use super::suspension::{keep_suspended, label, newest_cron_job, to_keep_suspended};
use crate::adapters::kubernetes::client::{
    Connection, Effect, INTERACTIVE, MANAGER, Operation, apply, delete, find, kind_of, with_retry,
};
use crate::manifests::Launch;
use crate::manifests::names::Group;
use crate::model::document::Experiment;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::ports::{DocumentStore, StoreError};
use crate::values::DigestKey;

/// Maximum number of attempts if concurrent launches of the same group interfere.
const MAX_ATTEMPTS: u32 = 10;

/// An experiment to launch. Its objects and its document contain the revision, which is known only during the launch.
pub trait Launched: Sync {
    /// Builds the objects.
    fn objects(&self, revision: i64) -> Result<Launch, ClusterError>;
    /// Builds the document as it is before the first run, with the digest of the values.
    fn planned(&self, revision: i64, key: &DigestKey) -> Experiment;
    /// Returns the other namespaces in which a launch of these values has Roles.
    fn namespaces(&self, values: &Value) -> BTreeSet<String>;
}

/// Launches the group's next revision and returns its number. Ends the run of the previous revision; only its Secret remains.
///
/// A dry run of all objects comes first, so a launch that the API server rejects changes nothing. Only a RoleBinding cannot be
/// validated before its Role exists. Of concurrent launches the last one wins.
pub async fn launch(connection: &Connection, group: &Group, new: &dyn Launched) -> Result<i64, StoreError> {
    let client = &connection.client;
    let location = format!("group {} in namespace {}", group.name, group.namespace);
    let failed = |source| StoreError::Cluster { action: "launch", location: location.clone(), source };
    for _ in 0..MAX_ATTEMPTS {
        let Validated { existing, revision: next, mut objects, suspended, elsewhere, is_first } =
            validated(connection, group, new).await.map_err(failed)?;
        let failed = |source| failed(if is_first { source } else { replaced_in_part(source, suspended.as_ref()) });
        let existing = match existing {
            Some(existing) => existing,
            None => match create(client, &objects.secret).await.map_err(failed)? {
                Some(created) => created,
                None => continue,
            },
        };
        // Apply to the version read above; a later launch conflicts and starts over.
        let mut secret = objects.secret.clone();
        secret.metadata.resource_version = existing.metadata.resource_version.clone();
        let secret = match apply(client, &secret, Effect::Real).await {
            Ok(secret) => secret,
            Err(error) if error.kind == ClusterErrorKind::Conflict => continue,
            Err(error) => return Err(failed(error)),
        };
        // From here on the earlier run cannot write: it sees that the revision has changed.
        let store = SecretStore::new(connection, group.clone(), Some(next));
        let key = store.open().await?.key;
        store.save(&new.planned(next, &key)).await?;
        // A suspended CronJob remains until the new one exists: a launch after a failed one sees that it is suspended.
        let earlier = plan_prune(client, group, &objects, suspended.as_ref(), &elsewhere).await.map_err(failed)?;
        earlier.run().await.map_err(failed)?;
        objects.own(secret.metadata.uid.as_deref().unwrap_or_default());
        // Fails if a later launch has replaced this one, before overwriting its objects.
        store.open().await?;
        apply_all(client, &objects, Effect::Real).await.map_err(failed)?;
        if let Some(cron_job) = &suspended {
            delete::<CronJob>(client, &group.namespace, &cron_job.name_any()).await.map_err(failed)?;
        }
        return match store.open().await {
            Ok(_) => Ok(next),
            Err(error) => {
                // The later launch did not see the objects that were created since.
                remove_runs(client, group, next).await.map_err(failed)?;
                Err(error)
            }
        };
    }
    let message = format!("gave up after {MAX_ATTEMPTS} conflicts with concurrent launches of this group");
    Err(failed(ClusterError::new(ClusterErrorKind::Conflict, message).with_hint("retry when they have finished")))
}

/// Adds the state of the group to the error of a launch that may have deleted objects of the earlier one.
fn replaced_in_part(error: ClusterError, suspended: Option<&CronJob>) -> ClusterError {
    let kept = suspended.map(|cron_job| format!("; cronjob/{} is kept, suspended", cron_job.name_any()));
    let state = format!("the earlier launch is replaced in part{}; launch again", kept.unwrap_or_default());
    let hint = error.hint.as_ref().map_or_else(|| state.clone(), |hint| format!("{hint}; {state}"));
    error.with_hint(hint)
}

/// A launch that the API server has validated.
struct Validated {
    /// Secret of the group, if it exists and can be overwritten.
    existing: Option<Secret>,
    revision: i64,
    objects: Launch,
    /// CronJob of an earlier launch that is suspended, as the new one is.
    suspended: Option<CronJob>,
    /// Other namespaces in which the earlier launch has Roles.
    elsewhere: BTreeSet<String>,
    /// True if there is no earlier launch.
    is_first: bool,
}

/// Validates the next launch of the group by a dry run. Then deletes the group if Iter8 v0.13 launched it, except a suspended CronJob.
async fn validated(connection: &Connection, group: &Group, new: &dyn Launched) -> Result<Validated, ClusterError> {
    let client = &connection.client;
    let existing = find::<Secret>(client, &group.namespace, &group.secret()).await;
    if existing.as_ref().is_err_and(|error| error.kind == ClusterErrorKind::Forbidden) {
        // Reports all missing permissions instead of this one.
        check_launch(client, group, &new.objects(1)?, true, BTreeSet::new()).await?;
    }
    let existing = existing?;
    if let Some(secret) = &existing {
        check_ours(secret, group)?;
        check_not_deleted(secret)?;
    }
    let original = launched_by_iter8(client, group, existing.as_ref()).await?;
    let of_original = original.as_ref().map(|original| original.revision);
    let newest = newest_cron_job(client, group, of_original).await?;
    let of_secret = existing.as_ref().and_then(|secret| revision(&secret.metadata));
    let of_newest = newest.as_ref().map(|newest| newest.revision);
    let revision = of_secret.max(of_original).max(of_newest).unwrap_or(0).saturating_add(1);
    let mut objects = new.objects(revision)?;
    let values = existing.as_ref().and_then(secret_data::values).and_then(Result::ok);
    let elsewhere = values.map(|values| new.namespaces(&values)).unwrap_or_default();
    let is_first = existing.is_none() && newest.is_none();
    let suspended = to_keep_suspended(newest, &objects);
    let mut deletions = plan_prune(client, group, &objects, None, &elsewhere).await?.permissions(!is_first);
    let replaced = match &original {
        Some(_) => {
            let kept = suspended.as_ref().map(|suspended| &suspended.cron_job);
            let none = BTreeSet::new();
            Some(plan_deletion(client, group, existing.as_ref(), original.as_ref(), kept, &none).await?)
        }
        None => None,
    };
    if let Some(plan) = &replaced {
        deletions.extend(to_delete(group, original.as_ref()));
        deletions.extend(plan.permissions(true));
    }
    check_launch(client, group, &objects, is_first, deletions).await?;
    check_version(client, &objects).await?;
    check_overwrite(client, group, &objects).await?;
    if let Some(suspended) = &suspended {
        keep_suspended(suspended, &mut objects);
    }
    let suspended = suspended.map(|suspended| suspended.cron_job);
    check_account(client, &objects).await?;
    apply_all(client, &objects, Effect::DryRun).await?;
    let Some(plan) = replaced else {
        return Ok(Validated { existing, revision, objects, suspended, elsewhere, is_first });
    };
    if let Some(cron_job) = &suspended {
        label(client, group, cron_job).await?;
    }
    let end = plan.run().await.and_then(|end| match end {
        GroupDeletion::Pending(objects) => {
            let message = format!("the earlier launch is not deleted yet: {}", objects.join("; "));
            Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint("retry when they are gone"))
        }
        GroupDeletion::Absent | GroupDeletion::Done => Ok(()),
    });
    end.map_err(|error| replaced_in_part(error, suspended.as_ref()))?;
    Ok(Validated { existing: None, revision, objects, suspended, elsewhere: BTreeSet::new(), is_first })
}

/// Returns what Iter8 v0.13 launched in this group, by Helm or from its manifests. Its objects lack the group label, so they
/// would survive the launch, and its runs would write to the same Secret.
async fn launched_by_iter8(
    client: &Client,
    group: &Group,
    secret: Option<&Secret>,
) -> Result<Option<Original>, ClusterError> {
    match secret {
        Some(secret) => Original::find(client, group, Some(secret)).await,
        None => Ok(None),
    }
}

/// Creates the group's Secret with only its labels. Returns `None` if it was created concurrently.
async fn create(client: &Client, secret: &Secret) -> Result<Option<Secret>, ClusterError> {
    let ObjectMeta { name, namespace, labels, .. } = secret.metadata.clone();
    let blank =
        Secret { metadata: ObjectMeta { name, namespace, labels, ..ObjectMeta::default() }, ..Secret::default() };
    let api: Api<Secret> = Api::namespaced(client.clone(), &secret.namespace().unwrap_or_default());
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let operation =
        Operation::new("create", &kind_of::<Secret>(), &secret.namespace().unwrap_or_default(), &secret.name_any());
    match with_retry(INTERACTIVE, &operation, || api.create(&params, &blank)).await {
        Ok(created) => Ok(Some(created)),
        Err(error) if error.kind == ClusterErrorKind::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// Applies everything but the group's Secret; a dry run includes it.
async fn apply_all(client: &Client, launch: &Launch, effect: Effect) -> Result<(), ClusterError> {
    if effect == Effect::DryRun {
        apply(client, &launch.secret, effect).await?;
    }
    for secret in &launch.shards {
        apply(client, secret, effect).await?;
    }
    if let Some(account) = &launch.service_account {
        apply(client, account, effect).await?;
    }
    // A RoleBinding is validated against its Role, which a dry run does not create.
    let has_roles = effect == Effect::Real || all_exist(client, &launch.roles).await?;
    for role in &launch.roles {
        apply(client, role, effect).await?;
    }
    for binding in launch.role_bindings.iter().filter(|_| has_roles) {
        apply(client, binding, effect).await?;
    }
    if let Some(job) = &launch.job {
        apply(client, job, effect).await?;
    }
    if let Some(job) = &launch.cron_job {
        apply(client, job, effect).await?;
    }
    Ok(())
}

/// Rejects an existing service account that does not exist: its pods would never start.
async fn check_account(client: &Client, launch: &Launch) -> Result<(), ClusterError> {
    let job = launch.job.as_ref().and_then(|job| job.spec.as_ref());
    let cron_job = launch.cron_job.as_ref().and_then(|job| job.spec.as_ref()?.job_template.spec.as_ref());
    let pod = job.or(cron_job).and_then(|job| job.template.spec.as_ref());
    let name = pod.and_then(|pod| pod.service_account_name.as_deref()).filter(|_| launch.service_account.is_none());
    let (Some(name), Some(namespace)) = (name, &launch.secret.metadata.namespace) else { return Ok(()) };
    match find::<ServiceAccount>(client, namespace, name).await {
        Ok(None) => {
            let message = format!("serviceaccount/{name} in namespace {namespace} does not exist");
            let hint = "create it, or leave out serviceAccountName";
            Err(ClusterError::new(ClusterErrorKind::Refused, message).with_hint(hint))
        }
        // Users who may not read it may still use it.
        Err(error) if error.kind == ClusterErrorKind::Forbidden => Ok(()),
        found => found.map(|_| ()),
    }
}

async fn all_exist(client: &Client, roles: &[Role]) -> Result<bool, ClusterError> {
    for role in roles {
        if find::<Role>(client, &role.namespace().unwrap_or_default(), &role.name_any()).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
