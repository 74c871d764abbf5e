//! Runs of a revision: its Job, or the Jobs of its CronJob.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::ResourceExt;

use super::events::newest_warning;
use crate::adapters::kubernetes::client::{Connection, find};
use crate::manifests::names::Group;
use crate::ports::cluster::ClusterError;

/// State of a revision's runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunState {
    /// Nothing of it will run again: its Job has ended, or neither Job nor CronJob exists.
    Over,
    /// It runs once, in this number of active pods.
    Once { active: usize },
    /// It runs repeatedly.
    Repeated,
}

/// End of a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnded {
    /// False if the Job completed.
    pub failed: bool,
    /// The Job and the message of its controller.
    pub message: String,
}

/// Returns the state of a revision's runs.
pub(super) async fn run_state(connection: &Connection, group: &Group, revision: i64) -> Result<RunState, ClusterError> {
    let (client, namespace) = (&connection.client, &group.namespace);
    if let Some(job) = find::<Job>(client, namespace, &group.job(revision)).await? {
        let active = job.status.as_ref().and_then(|status| status.active).unwrap_or(0);
        let active = usize::try_from(active).unwrap_or(0);
        return Ok(if ended(&job).is_some() { RunState::Over } else { RunState::Once { active } });
    }
    let cron_job: Option<CronJob> = find(client, namespace, &group.cron_job(revision)).await?;
    Ok(if cron_job.is_some() { RunState::Repeated } else { RunState::Over })
}

/// Returns the end of a revision's run; `None` if it runs repeatedly or has not ended.
pub async fn run_end(connection: &Connection, group: &Group, revision: i64) -> Result<Option<RunEnded>, ClusterError> {
    let job: Option<Job> = find(&connection.client, &group.namespace, &group.job(revision)).await?;
    Ok(job.as_ref().and_then(ended))
}

/// Returns the end of a Job; `None` if it has not ended.
pub(super) fn ended(job: &Job) -> Option<RunEnded> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let is = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True");
    let (failed, condition) = match (is("Failed"), is("Complete")) {
        (Some(condition), _) => (true, condition),
        (None, Some(condition)) => (false, condition),
        (None, None) => return None,
    };
    let reason = condition.message.as_deref().or(condition.reason.as_deref()).unwrap_or("no reason given");
    let status = if failed { "failed" } else { "completed" };
    Some(RunEnded { failed, message: format!("job/{} {status}: {reason}", job.name_any()) })
}

/// Returns the reason why a revision starts no further pod, if it is suspended.
pub(super) async fn suspension(connection: &Connection, group: &Group, revision: i64) -> Option<String> {
    let cron_job = find(&connection.client, &group.namespace, &group.cron_job(revision)).await.ok()??;
    suspended(&cron_job)
}

fn suspended(cron_job: &CronJob) -> Option<String> {
    let (name, namespace) = (cron_job.name_any(), cron_job.namespace().unwrap_or_default());
    let patch = r#"'{"spec": {"suspend": false}}'"#;
    cron_job.spec.as_ref().filter(|spec| spec.suspend == Some(true)).map(|_| {
        format!("cronjob/{name} is suspended (`kubectl patch cronjob {name} -n {namespace} -p {patch}` resumes it)")
    })
}

/// Explains why a revision has no pod.
pub(super) async fn no_pod_reason(connection: &Connection, group: &Group, revision: Option<i64>) -> String {
    let unknown = "no pod yet; `kubectl get events` may show the reason".to_owned();
    let Some(revision) = revision else { return unknown };
    let (client, namespace) = (&connection.client, &group.namespace);
    let (job, cron_job) = (group.job(revision), group.cron_job(revision));
    match (find::<Job>(client, namespace, &job).await, find::<CronJob>(client, namespace, &cron_job).await) {
        (Ok(Some(job)), _) => no_pod_of_job(connection, &job).await,
        (Ok(None), Ok(Some(cron_job))) => no_pod_of_cron_job(connection, &cron_job).await,
        (Ok(None), Ok(None)) => format!(
            "no pod, because neither job/{job} nor cronjob/{cron_job} exists; `iter8 k report -g {} -n {namespace}` shows the \
             result of a run, if there was one",
            group.name
        ),
        // Permission to read pods does not imply permission to read Jobs.
        (Err(_), _) | (_, Err(_)) => unknown,
    }
}

async fn no_pod_of_job(connection: &Connection, job: &Job) -> String {
    let name = job.name_any();
    if let Some(ended) = ended(job) {
        return format!("no pod any more: {}", ended.message);
    }
    if job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true)) {
        return format!("no pod, because job/{name} is suspended");
    }
    match newest_warning(connection, job).await {
        Some(warning) => format!("no pod of job/{name}: {warning}"),
        None => format!("no pod of job/{name} yet"),
    }
}

async fn no_pod_of_cron_job(connection: &Connection, cron_job: &CronJob) -> String {
    let (name, namespace) = (cron_job.name_any(), cron_job.namespace().unwrap_or_default());
    let status = cron_job.status.clone().unwrap_or_default();
    if let Some(active) = status.active.iter().flatten().find_map(|job| job.name.as_deref()) {
        return match find::<Job>(&connection.client, &namespace, active).await {
            Ok(Some(job)) => no_pod_of_job(connection, &job).await,
            _ => format!("no pod of job/{active} yet"),
        };
    }
    if let Some(suspended) = suspended(cron_job) {
        return format!("no pod, because {suspended}");
    }
    match (status.last_schedule_time, newest_warning(connection, cron_job).await) {
        (_, Some(warning)) => format!("no pod of cronjob/{name}: {warning}"),
        (Some(last), None) => format!("no pod any more: cronjob/{name} last started a Job at {}", last.0),
        (None, None) => {
            let schedule = cron_job.spec.as_ref().map(|spec| spec.schedule.as_str()).unwrap_or_default();
            format!("no pod yet: cronjob/{name} has not been due (schedule `{schedule}`)")
        }
    }
}
