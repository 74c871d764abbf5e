//! Pods of a group: the state of their container `iter8`. Other containers, such as sidecars, may run on after it has ended, so the phase
//! of the pod says less.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt;

use crate::adapters::kubernetes::client::{Connection, list_labelled};
use crate::manifests::names::{CONTAINER, GROUP, Group, REVISION};
use crate::ports::cluster::ClusterError;

/// State of the container `iter8`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PodState {
    /// Not started, so there is no log.
    Waiting {
        reason: String,
        /// True if every pod waits like this for a while.
        is_usual: bool,
    },
    Running,
    Ended {
        /// Reason why it failed.
        failure: Option<String>,
        /// Containers that keep the pod running.
        kept_by: Vec<String>,
    },
}

impl PodState {
    /// Returns the problems of a container that has ended.
    pub(super) fn problems(&self) -> Vec<String> {
        let Self::Ended { failure, kept_by } = self else { return Vec::new() };
        let kept = (!kept_by.is_empty()).then(|| {
            format!(
                "iter8 has ended, but {} keeps the pod running: its Job does not end, and a CronJob starts no further loop \
                 (`activeDeadlineSeconds` limits its time)",
                containers(kept_by)
            )
        });
        failure.iter().cloned().chain(kept).collect()
    }
}

fn containers(names: &[String]) -> String {
    let noun = if names.len() == 1 { "container" } else { "containers" };
    format!("{noun} {}", names.join(", "))
}

/// Lists the pods of a group, oldest first.
pub(super) async fn pods(connection: &Connection, group: &Group) -> Result<Vec<Pod>, ClusterError> {
    let labels = format!("{GROUP}={}", group.name);
    let mut pods: Vec<Pod> = list_labelled(&connection.client, Some(&group.namespace), &labels).await?;
    pods.sort_by_key(|pod| (pod.metadata.creation_timestamp.clone(), pod.name_any()));
    Ok(pods)
}

/// Returns true if all active pods of this revision have ended and are kept running by other containers.
pub(super) fn are_kept(pods: &[Pod], revision: i64, active: usize) -> bool {
    let is_kept = |pod: &&Pod| {
        let of_revision = pod.labels().get(REVISION).is_some_and(|label| *label == revision.to_string());
        of_revision && matches!(state(pod), PodState::Ended { kept_by, .. } if !kept_by.is_empty())
    };
    active > 0 && pods.iter().filter(is_kept).count() == active
}

/// Returns the state of a pod's container `iter8`.
pub(super) fn state(pod: &Pod) -> PodState {
    let is_over = matches!(phase(pod), Some("Succeeded" | "Failed"));
    let state = statuses(pod).find(|status| status.name == CONTAINER).and_then(|status| status.state.as_ref());
    match state {
        Some(ContainerState { terminated: Some(ended), .. }) => {
            PodState::Ended { failure: failure_of(ended).or_else(|| failure(pod)), kept_by: kept_by(pod) }
        }
        _ if is_over => PodState::Ended { failure: failure(pod), kept_by: Vec::new() },
        Some(ContainerState { running: Some(_), .. }) => PodState::Running,
        state => waiting(pod, state),
    }
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten())
}

fn kept_by(pod: &Pod) -> Vec<String> {
    let is_running = |status: &&ContainerStatus| status.state.as_ref().is_some_and(|state| state.running.is_some());
    statuses(pod).filter(is_running).map(|status| status.name.clone()).collect()
}

/// Joins reason and message.
fn explanation(reason: Option<&String>, message: Option<&String>) -> String {
    [reason, message].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": ")
}

fn waiting(pod: &Pod, state: Option<&ContainerState>) -> PodState {
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let is_usual = |reason: Option<&str>| matches!(reason, None | Some("ContainerCreating" | "PodInitializing"));
    if let Some(waiting) = waiting.filter(|waiting| !is_usual(waiting.reason.as_deref())) {
        let hint = match waiting.reason.as_deref() {
            Some("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName") => {
                "; set `iter8Image` to an image that the cluster can pull"
            }
            _ => "",
        };
        let reason = format!("{}{hint}", explanation(waiting.reason.as_ref(), waiting.message.as_ref()));
        return PodState::Waiting { reason, is_usual: false };
    }
    if let Some(reason) = init_problem(pod).or_else(|| unscheduled(pod)) {
        return PodState::Waiting { reason, is_usual: false };
    }
    let reason = waiting.map(|waiting| explanation(waiting.reason.as_ref(), waiting.message.as_ref()));
    let reason = reason.filter(|reason| !reason.is_empty()).unwrap_or_else(|| "not started yet".to_owned());
    PodState::Waiting { reason, is_usual: true }
}

/// Returns the problem of an init container, for which the others wait.
fn init_problem(pod: &Pod) -> Option<String> {
    let statuses = pod.status.iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    statuses.into_iter().find_map(|status| {
        let state = status.state.as_ref()?;
        let waiting = state.waiting.as_ref().filter(|waiting| waiting.reason.as_deref() != Some("PodInitializing"));
        let problem = match (waiting, &state.terminated) {
            (Some(waiting), _) => explanation(waiting.reason.as_ref(), waiting.message.as_ref()),
            (None, Some(ended)) => failure_of(ended)?,
            (None, None) => return None,
        };
        Some(format!("init container {}: {problem}", status.name))
    })
}

fn unscheduled(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition =
        conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    Some(explanation(condition.reason.as_ref(), condition.message.as_ref()))
}

fn failure_of(ended: &ContainerStateTerminated) -> Option<String> {
    let hint = match ended.reason.as_deref() {
        Some("OOMKilled") => "; increase `resources.limits.memory`",
        _ => "",
    };
    let explanation = explanation(ended.reason.as_ref(), ended.message.as_ref());
    (ended.exit_code != 0).then(|| format!("exited with code {} ({explanation}){hint}", ended.exit_code))
}

/// Returns the reason why a pod has failed: another container, or the pod itself, such as an eviction.
fn failure(pod: &Pod) -> Option<String> {
    if phase(pod) != Some("Failed") {
        return None;
    }
    let status = pod.status.as_ref()?;
    let of_pod = explanation(status.reason.as_ref(), status.message.as_ref());
    let of_container = statuses(pod).find_map(|status| {
        let failure = failure_of(status.state.as_ref()?.terminated.as_ref()?)?;
        Some(format!("container {} {failure}", status.name))
    });
    of_container.or(Some(of_pod).filter(|reason| !reason.is_empty())).or_else(|| Some("failed".to_owned()))
}

#[cfg(test)]
#[path = "pods_tests.rs"]
mod tests;
