//! Logs of a group's pods.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{AsyncBufReadExt, FutureExt};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::LogParams;

use super::groups::has_ended;
use crate::adapters::kubernetes::client::{Connection, INTERACTIVE, Named, Operation, kind_of, labelled, with_retry};
use crate::manifests::names::{CONTAINER, GROUP, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// How often pods are looked for that have started since.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A line of a pod's log, or a remark on a pod that has none.
pub enum LogLine<'a> {
    /// Pod and line.
    Said(&'a str, &'a str),
    /// Pod and why there is no log.
    Silent(&'a str, &'a str),
}

/// Tells the logs of the group's pods, the oldest pod first. With `follow`, it goes on with what they say from then on, and with
/// pods that start later, until the run of this revision is over; without a revision, until it is dropped. Whether there was a pod.
pub async fn follow_logs(
    connection: &Connection,
    group: &Group,
    follow: bool,
    revision: Option<i64>,
    tell: &(dyn Fn(LogLine<'_>) + Sync),
) -> Result<bool, ClusterError> {
    // Pods whose log is told; with the time at which that broke off, if it did.
    let mut known: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
    let mut streams = FuturesUnordered::new();
    loop {
        // Before the pods: a run that is over has no pod that is not seen now.
        let over = match revision {
            // Who may read logs may not be allowed to read Jobs.
            Some(revision) if follow => has_ended(connection, group, revision).await.unwrap_or(false),
            _ => false,
        };
        let pods = match pods(connection, group).await {
            // An API server that was there comes back.
            Err(error) if !known.is_empty() && error.kind == ClusterErrorKind::Unreachable => Vec::new(),
            pods => pods?,
        };
        for pod in pods {
            let name = pod.name();
            let since = match known.get(&name) {
                None => None,
                // An API server that ends takes the streams along; the pod goes on.
                Some(Some(since)) if is_running(&pod) => Some(*since),
                Some(_) => continue,
            };
            match waiting(&pod) {
                None => {
                    known.insert(name.clone(), None);
                    let log = tell_log(connection, group, name, follow, since, tell);
                    if let Some(why) = ended_badly(&pod) {
                        tell(LogLine::Silent(&pod.name(), &why));
                    }
                    if follow {
                        streams.push(log.boxed());
                    } else {
                        log.await;
                    }
                }
                Some(why) if !follow => {
                    known.insert(name.clone(), None);
                    tell(LogLine::Silent(&name, &why));
                }
                Some(_) => {}
            }
        }
        if !follow || over {
            while streams.next().await.is_some() {}
            return Ok(!known.is_empty());
        }
        let pause = tokio::time::sleep(LOOK_AGAIN);
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

/// The pods of a group, the oldest first.
async fn pods(connection: &Connection, group: &Group) -> Result<Vec<Pod>, ClusterError> {
    let labels = format!("{GROUP}={}", group.name);
    let mut pods: Vec<Pod> = labelled(&connection.client, Some(&group.namespace), &labels).await?;
    pods.sort_by_key(|pod| (pod.metadata.creation_timestamp.clone(), pod.name()));
    Ok(pods)
}

/// What became of the newest pod of a group, where it does not run and has not ended well.
pub async fn what_holds_the_pod(connection: &Connection, group: &Group) -> Result<Option<String>, ClusterError> {
    let pods = pods(connection, group).await?;
    let Some(pod) = pods.last() else {
        return Ok(Some("it has no pod yet; `kubectl get events` may say why".to_owned()));
    };
    Ok(waiting(pod).or_else(|| ended_badly(pod)).map(|why| format!("pod/{}: {why}", pod.name())))
}

fn states(pod: &Pod) -> impl Iterator<Item = &ContainerState> {
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    containers.into_iter().flatten().filter_map(|container| container.state.as_ref())
}

/// Reason and message, as far as there are any.
fn told(reason: Option<&String>, message: Option<&String>) -> String {
    [reason, message].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": ")
}

fn is_running(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
}

/// Why a pod has no log yet.
fn waiting(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref();
    if status.and_then(|status| status.phase.as_deref()).is_some_and(|phase| phase != "Pending") {
        return None;
    }
    if let Some(waiting) = states(pod).find_map(|state| state.waiting.as_ref()) {
        let hint = match waiting.reason.as_deref() {
            Some("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName") => {
                "; name an image that the cluster can pull by `iter8Image`"
            }
            _ => "",
        };
        return Some(format!("{}{hint}", told(waiting.reason.as_ref(), waiting.message.as_ref())));
    }
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let unscheduled = conditions
        .and_then(|all| all.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False"));
    Some(match unscheduled {
        Some(condition) => told(condition.reason.as_ref(), condition.message.as_ref()),
        None => "it has not started yet".to_owned(),
    })
}

/// How a pod ended, if it did not end well.
fn ended_badly(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Failed") {
        return None;
    }
    let ended = states(pod).find_map(|state| state.terminated.as_ref());
    Some(match ended {
        Some(ended) => {
            let hint = match ended.reason.as_deref() {
                Some("OOMKilled") => "; raise `resources.limits.memory`",
                _ => "",
            };
            format!(
                "ended with exit code {} ({}){hint}",
                ended.exit_code,
                told(ended.reason.as_ref(), ended.message.as_ref())
            )
        }
        None => told(status.reason.as_ref(), status.message.as_ref()),
    })
}

/// Tells the log of a pod, from a time on, and gives the name of the pod.
async fn tell_log(
    connection: &Connection,
    group: &Group,
    pod: String,
    follow: bool,
    since_time: Option<Timestamp>,
    tell: &(dyn Fn(LogLine<'_>) + Sync),
) -> String {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &group.namespace);
    let params = LogParams { follow, since_time, container: Some(CONTAINER.to_owned()), ..LogParams::default() };
    let mut kind = kind_of::<Pod>();
    kind.resource.push_str("/log");
    let operation = Operation::new("get", &kind, &group.namespace, &pod);
    let stream = match with_retry(INTERACTIVE, &operation, || api.log_stream(&pod, &params)).await {
        Ok(stream) => stream,
        // The other pods' logs can be had all the same.
        Err(error) => {
            tell(LogLine::Silent(&pod, &error.message));
            return pod;
        }
    };
    let mut lines = stream.lines();
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => tell(LogLine::Said(&pod, &line)),
            Err(error) => {
                tell(LogLine::Silent(&pod, &format!("its log breaks off: {error}")));
                break;
            }
        }
    }
    pod
}
