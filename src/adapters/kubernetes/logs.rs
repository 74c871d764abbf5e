//! Logs of a group's pods.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{AsyncBufReadExt, FutureExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;

use super::connect::Connection;
use super::fault::Act;
use super::groups::has_ended;
use super::objects::{Named, kind_of, labelled};
use super::retry::{BRIEF, patiently};
use crate::logic::launch::names::{CONTAINER, GROUP, Group};
use crate::ports::cluster::ClusterError;

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
    let mut known = BTreeSet::new();
    let mut streams = FuturesUnordered::new();
    loop {
        // Before the pods: a run that is over has no pod that is not seen now.
        let over = match revision {
            // Who may read logs may not be allowed to read Jobs.
            Some(revision) if follow => has_ended(connection, group, revision).await.unwrap_or(false),
            _ => false,
        };
        for pod in pods(connection, group).await? {
            let name = pod.name();
            if known.contains(&name) {
                continue;
            }
            match waiting(&pod) {
                None => {
                    known.insert(name.clone());
                    let log = tell_log(connection, group, name, follow, tell);
                    if follow {
                        streams.push(log.boxed());
                    } else {
                        log.await;
                    }
                }
                Some(why) if !follow => {
                    known.insert(name.clone());
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
                Some(()) = streams.next() => {}
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

/// Why the newest pod of a group does not run yet, where it does not.
pub async fn what_holds_the_pod(connection: &Connection, group: &Group) -> Result<Option<String>, ClusterError> {
    let pods = pods(connection, group).await?;
    Ok(match pods.last() {
        None => Some("it has no pod yet".to_owned()),
        Some(pod) => waiting(pod).map(|why| format!("pod/{}: {why}", pod.name())),
    })
}

/// Why a pod has no log yet.
fn waiting(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref();
    if status.and_then(|status| status.phase.as_deref()).is_some_and(|phase| phase != "Pending") {
        return None;
    }
    let containers = status.and_then(|status| status.container_statuses.as_ref());
    let waiting = containers.and_then(|all| all.iter().find_map(|one| one.state.as_ref()?.waiting.clone()));
    Some(match waiting {
        Some(waiting) => [waiting.reason, waiting.message].into_iter().flatten().collect::<Vec<_>>().join(": "),
        None => "it has not started yet".to_owned(),
    })
}

async fn tell_log(
    connection: &Connection,
    group: &Group,
    pod: String,
    follow: bool,
    tell: &(dyn Fn(LogLine<'_>) + Sync),
) {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &group.namespace);
    let params = LogParams { follow, container: Some(CONTAINER.to_owned()), ..LogParams::default() };
    let mut kind = kind_of::<Pod>();
    kind.resource.push_str("/log");
    let act = Act::new("get", &kind, &group.namespace, &pod);
    let stream = match patiently(BRIEF, &act, || api.log_stream(&pod, &params)).await {
        Ok(stream) => stream,
        // The other pods' logs can be had all the same.
        Err(error) => return tell(LogLine::Silent(&pod, &error.message)),
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
}
