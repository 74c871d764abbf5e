//! State of groups.

use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::iter8_v013::is_original;
use super::provenance::{Planned, is_of_launch, is_outdated, revision};
use super::runs::{RunEnded, ended};
use super::secret_data;
use crate::adapters::kubernetes::client::{Connection, Object, find, list_labelled, list_metadata};
use crate::manifests::names::{GROUP, Group, SHARD};
use crate::model::codec::DocumentError;
use crate::model::document::Experiment;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// State of a group.
#[derive(Debug)]
pub struct GroupState {
    /// Name and namespace.
    pub group: Group,
    /// Revision of the last launch.
    pub revision: Option<i64>,
    /// `job`, `cronjob` or `none`, if set in the values.
    pub runner: Option<String>,
    /// The document of the last launch, if it exists.
    pub document: Option<Result<Experiment, DocumentError>>,
    /// True if the values have changed since the document was written.
    pub is_outdated: bool,
    /// End of its run, if it runs once and has ended.
    pub over: Option<RunEnded>,
    /// Its CronJob, if it runs repeatedly.
    pub cron_job: Option<CronJobState>,
}

/// State of a CronJob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronJobState {
    /// True if it starts no Jobs.
    pub is_suspended: bool,
    /// True if a Job of it has not ended. It starts no other one until then.
    pub is_active: bool,
    /// Time of the last Job.
    pub last_schedule: Option<DateTime<Utc>>,
}

/// Lists the groups of the connection's namespace, or of all namespaces.
pub async fn groups(
    connection: &Connection,
    all_namespaces: bool,
    planned: Planned,
) -> Result<Vec<GroupState>, ClusterError> {
    let namespace = (!all_namespaces).then_some(connection.namespace.as_str());
    let labels = format!("{GROUP},!{SHARD}");
    let mut secrets: Vec<Secret> = list_labelled(&connection.client, namespace, &labels).await?;
    secrets.extend(originals(connection, namespace).await?);
    let jobs: Vec<Job> = runs(connection, namespace).await?;
    let cron_jobs: Vec<CronJob> = runs(connection, namespace).await?;
    let with_runs = |secret| Some(with_runs(state(secret, planned)?, &jobs, &cron_jobs));
    let mut states: Vec<GroupState> = secrets.iter().filter_map(with_runs).collect();
    states.sort_by(|a, b| (&a.group.namespace, &a.group.name).cmp(&(&b.group.namespace, &b.group.name)));
    Ok(states)
}

/// Returns the Secrets of groups that Iter8 launched, which have no label.
async fn originals(connection: &Connection, namespace: Option<&str>) -> Result<Vec<Secret>, ClusterError> {
    let mut found = Vec::new();
    for metadata in list_metadata::<Secret>(&connection.client, namespace).await? {
        let names = (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default());
        let Ok(group) = Group::new(names.0, names.1) else { continue };
        if is_original(&metadata, &group) {
            found.extend(find::<Secret>(&connection.client, &group.namespace, &group.secret()).await?);
        }
    }
    Ok(found)
}

/// Lists the Jobs or CronJobs of all groups; none if that is forbidden, because the documents also show the state of the runs.
async fn runs<K: Object>(connection: &Connection, namespace: Option<&str>) -> Result<Vec<K>, ClusterError> {
    match list_labelled(&connection.client, namespace, GROUP).await {
        Err(error) if error.kind == ClusterErrorKind::Forbidden => Ok(Vec::new()),
        runs => runs,
    }
}

fn with_runs(state: GroupState, jobs: &[Job], cron_jobs: &[CronJob]) -> GroupState {
    let Some(revision) = state.revision else { return state };
    let (group, namespace) = (&state.group, Some(state.group.namespace.clone()));
    let (job, cron_job) = (group.job(revision), group.cron_job(revision));
    let job = jobs.iter().find(|found| found.namespace() == namespace && found.name_any() == job);
    let cron_job = cron_jobs.iter().find(|found| found.namespace() == namespace && found.name_any() == cron_job);
    GroupState { over: job.and_then(ended), cron_job: cron_job.map(cron_job_state), ..state }
}

fn cron_job_state(cron_job: &CronJob) -> CronJobState {
    let status = cron_job.status.as_ref();
    let last = status.and_then(|status| status.last_schedule_time.as_ref());
    CronJobState {
        is_suspended: cron_job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true)),
        is_active: status.is_some_and(|status| status.active.iter().flatten().next().is_some()),
        last_schedule: last.and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0)),
    }
}

fn state(secret: &Secret, planned: Planned) -> Option<GroupState> {
    let group = Group::new(secret.namespace().unwrap_or_default(), secret.name_any()).ok()?;
    let values = secret_data::values(secret).and_then(Result::ok);
    let runner = values.as_ref().and_then(|values| values["runner"].as_str()).map(str::to_owned);
    let revision = revision(&secret.metadata);
    let document = secret_data::document(secret);
    let document =
        document.filter(|read| read.as_ref().is_ok_and(|document| is_of_launch(document, revision)) || read.is_err());
    let is_outdated = matches!(&document, Some(Ok(document)) if is_outdated(secret, document, Some(planned)));
    Some(GroupState { document, is_outdated, group, revision, runner, over: None, cron_job: None })
}
