//! Logs of a group's pods.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{AsyncBufReadExt, FutureExt};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::LogParams;
use kube::{Api, ResourceExt};

use super::groups::has_ended;
use crate::adapters::kubernetes::client::{Connection, INTERACTIVE, Operation, kind_of, list_labelled, with_retry};
use crate::manifests::names::{CONTAINER, GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Poll interval for new pods.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A line of a pod's log, or the reason why there is none.
pub enum LogLine<'a> {
    /// Pod and line.
    Line(&'a str, &'a str),
    /// Pod and reason.
    NoLog(&'a str, &'a str),
}

/// Passes the logs of the group's pods to `print`, oldest pod first, and returns false if there was no pod. With `follow`,
/// continues with new lines and pods until the run of this revision has ended; without a revision, until the future is dropped.
pub async fn follow_logs(
    connection: &Connection,
    group: &Group,
    follow: bool,
    revision: Option<i64>,
    print: &(dyn Fn(LogLine<'_>) + Sync),
) -> Result<bool, ClusterError> {
    // Pods whose log was opened, with the time at which the stream broke, if it did.
    let mut known: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
    let mut streams = FuturesUnordered::new();
    loop {
        // Check before listing pods: once the run has ended, no further pod appears.
        let over = match revision {
            // Permission to read logs does not imply permission to read Jobs.
            Some(revision) if follow => has_ended(connection, group, revision).await.unwrap_or(false),
            _ => false,
        };
        let pods = match pods(connection, group).await {
            // It responded before, so it is probably restarting.
            Err(error) if !known.is_empty() && error.kind == ClusterErrorKind::Unreachable => Vec::new(),
            pods => pods?,
        };
        for pod in pods {
            let name = pod.name_any();
            let since = match known.get(&name) {
                None => None,
                // The stream broke with a stopping API server; the pod still runs.
                Some(Some(since)) if is_running(&pod) => Some(*since),
                Some(_) => continue,
            };
            match waiting_reason(&pod) {
                None => {
                    known.insert(name.clone(), None);
                    let log = print_log(connection, group, name, follow, since, print);
                    if let Some(reason) = failure_reason(&pod) {
                        print(LogLine::NoLog(&pod.name_any(), &reason));
                    }
                    if follow {
                        streams.push(log.boxed());
                    } else {
                        log.await;
                    }
                }
                Some(reason) if !follow => {
                    known.insert(name.clone(), None);
                    print(LogLine::NoLog(&name, &reason));
                }
                Some(_) => {}
            }
        }
        if !follow || over {
            while streams.next().await.is_some() {}
            return Ok(!known.is_empty());
        }
        let pause = tokio::time::sleep(POLL_INTERVAL);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                Some(pod) = streams.next() => {
                    known.insert(pod, Some(Timestamp::now()));
                }
            }
        }
    }
}

/// Lists the pods of a group, oldest first.
async fn pods(connection: &Connection, group: &Group) -> Result<Vec<Pod>, ClusterError> {
    let labels = format!("{GROUP}={}", group.name);
    let mut pods: Vec<Pod> = list_labelled(&connection.client, Some(&group.namespace), &labels).await?;
    pods.sort_by_key(|pod| (pod.metadata.creation_timestamp.clone(), pod.name_any()));
    Ok(pods)
}

/// Returns the reason why the newest pod of a group does not run or has failed; `None` if it runs or has succeeded.
pub async fn pod_problem(connection: &Connection, group: &Group) -> Result<Option<String>, ClusterError> {
    let pods = pods(connection, group).await?;
    let Some(pod) = pods.last() else {
        return Ok(Some("no pod yet; `kubectl get events` may show the reason".to_owned()));
    };
    Ok(waiting_reason(pod).or_else(|| failure_reason(pod)).map(|reason| format!("pod/{}: {reason}", pod.name_any())))
}

fn states(pod: &Pod) -> impl Iterator<Item = &ContainerState> {
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    containers.into_iter().flatten().filter_map(|container| container.state.as_ref())
}

/// Joins reason and message.
fn explanation(reason: Option<&String>, message: Option<&String>) -> String {
    [reason, message].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": ")
}

fn is_running(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
}

/// Returns the reason why a pod has no log yet.
fn waiting_reason(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref();
    if status.and_then(|status| status.phase.as_deref()).is_some_and(|phase| phase != "Pending") {
        return None;
    }
    if let Some(waiting) = states(pod).find_map(|state| state.waiting.as_ref()) {
        let hint = match waiting.reason.as_deref() {
            Some("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName") => {
                "; set `iter8Image` to an image that the cluster can pull"
            }
            _ => "",
        };
        return Some(format!("{}{hint}", explanation(waiting.reason.as_ref(), waiting.message.as_ref())));
    }
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let unscheduled = conditions
        .and_then(|all| all.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False"));
    Some(match unscheduled {
        Some(condition) => explanation(condition.reason.as_ref(), condition.message.as_ref()),
        None => "not started yet".to_owned(),
    })
}

/// Returns the reason why a pod has failed.
fn failure_reason(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Failed") {
        return None;
    }
    let ended = states(pod).find_map(|state| state.terminated.as_ref());
    Some(match ended {
        Some(ended) => {
            let hint = match ended.reason.as_deref() {
                Some("OOMKilled") => "; increase `resources.limits.memory`",
                _ => "",
            };
            format!(
                "exited with code {} ({}){hint}",
                ended.exit_code,
                explanation(ended.reason.as_ref(), ended.message.as_ref())
            )
        }
        None => explanation(status.reason.as_ref(), status.message.as_ref()),
    })
}

/// Passes the log of a pod since a given time to `print`. Returns the name of the pod.
async fn print_log(
    connection: &Connection,
    group: &Group,
    pod: String,
    follow: bool,
    since_time: Option<Timestamp>,
    print: &(dyn Fn(LogLine<'_>) + Sync),
) -> String {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &group.namespace);
    let params = LogParams { follow, since_time, container: Some(CONTAINER.to_owned()), ..LogParams::default() };
    let mut kind = kind_of::<Pod>();
    kind.resource.push_str("/log");
    let operation = Operation::new("get", &kind, &group.namespace, &pod);
    let stream = match with_retry(INTERACTIVE, &operation, || api.log_stream(&pod, &params)).await {
        Ok(stream) => stream,
        // The logs of other pods may still be readable.
        Err(error) => {
            print(LogLine::NoLog(&pod, &error.message));
            return pod;
        }
    };
    let mut lines = stream.lines();
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => print(LogLine::Line(&pod, &line)),
            Err(error) => {
                print(LogLine::NoLog(&pod, &format!("its log is incomplete: {error}")));
                break;
            }
        }
    }
    pod
}
