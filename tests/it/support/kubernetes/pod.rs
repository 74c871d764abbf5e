//! The life cycle of a pod on the test node, reported like a kubelet does: Pending, Running, then Succeeded or Failed, then deleted.
//!
//! The node runs the first container of a pod. All others are reported as running until the pod is deleted, as sidecars are.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::container::{self, Log, Plan, Started};
use super::node::Parts;
use super::root_directory::{self, Source};

/// The user that the image runs as.
const NOBODY: i64 = 65_532;

/// Delay before retrying a request that failed because an object does not exist yet or the API server is down.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// State of a pod on the node.
pub struct Known {
    pub uid: String,
    pub container: String,
    pub log: Arc<Log>,
    pub has_started: AtomicBool,
    /// The process, while it runs.
    pub process: Mutex<Option<Pid>>,
    /// Grace period, once the pod is being deleted.
    pub deletion: watch::Sender<Option<Duration>>,
}

/// Takes care of a pod until it is deleted.
pub async fn live(parts: Arc<Parts>, pod: Pod, known: Arc<Known>) {
    let status = Status { pods: pods(&parts.client, &pod), pod: &pod, started: now() };
    let mut deletion = known.deletion.subscribe();
    let plan = tokio::select! {
        plan = prepare(&parts, &pod, &status) => Some(plan),
        _ = deletion.wait_for(Option::is_some) => None,
    };
    if let Some(plan) = plan {
        match container::start(&plan, &known.log) {
            Ok(started) => {
                *known.process.lock().unwrap() = Some(started.pid);
                known.has_started.store(true, Ordering::Release);
                status.running().await;
                let exit = run(started, &known.log, &mut deletion).await;
                *known.process.lock().unwrap() = None;
                status.ended(container::exit_code(exit)).await;
            }
            Err(error) => {
                known.log.close();
                status.waiting("CreateContainerError", &error.to_string()).await;
            }
        }
    }
    let _ = deletion.wait_for(Option::is_some).await;
    known.log.close();
    remove(&parts, &pod).await;
    let _ = std::fs::remove_dir_all(root_directory::of(&parts.pods, &pod));
}

/// Reports that a pod has left the node, by deleting it from the API server.
pub async fn remove(parts: &Parts, pod: &Pod) {
    let pods = pods(&parts.client, pod);
    let uid = pod.metadata.uid.clone();
    let now = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid, resource_version: None }),
        ..DeleteParams::default()
    };
    let name = pod.metadata.name.as_deref().unwrap();
    persist(|| async { pods.delete(name, &now).await.map(drop) }).await;
}

fn pods(client: &kube::Client, pod: &Pod) -> Api<Pod> {
    Api::namespaced(client.clone(), pod.metadata.namespace.as_deref().unwrap())
}

/// Waits for the end of a process; ends it when the pod is to be deleted.
async fn run(mut started: Started, log: &Log, deletion: &mut watch::Receiver<Option<Duration>>) -> ExitStatus {
    let ended = tokio::select! {
        exit = &mut started.exited => Ok(exit),
        grace = deletion.wait_for(Option::is_some) => Err(grace.unwrap().unwrap()),
    };
    let exit = match ended {
        Ok(exit) => exit,
        Err(grace) => {
            container::signal(started.pid, Signal::TERM);
            match tokio::time::timeout(grace, &mut started.exited).await {
                Ok(exit) => exit,
                Err(_) => {
                    container::signal(started.pid, Signal::KILL);
                    started.exited.await
                }
            }
        }
    };
    log.closed().await;
    exit.unwrap()
}

/// Retries until success or a permanent error (4xx except 429).
pub async fn persist<F: Future<Output = Result<(), kube::Error>>>(attempt: impl Fn() -> F) {
    loop {
        match attempt().await {
            Ok(()) => return,
            Err(kube::Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => return,
            Err(_) => tokio::time::sleep(TRY_AGAIN).await,
        }
    }
}

/// Makes what a container needs; waits for what is not there yet.
async fn prepare(parts: &Parts, pod: &Pod, status: &Status<'_>) -> Plan {
    let mut message = String::new();
    loop {
        match try_prepare(parts, pod).await {
            Ok(plan) => return plan,
            Err(reason) if reason == message => tokio::time::sleep(TRY_AGAIN).await,
            Err(reason) => {
                status.waiting("CreateContainerConfigError", &reason).await;
                message = reason;
            }
        }
    }
}

async fn try_prepare(parts: &Parts, pod: &Pod) -> Result<Plan, String> {
    let spec = pod.spec.as_ref().ok_or("no spec")?;
    let container = spec.containers.first().ok_or("no container")?;
    if spec.init_containers.iter().flatten().next().is_some() || container.env_from.iter().flatten().next().is_some() {
        return Err("this node knows neither initContainers nor envFrom".to_owned());
    }
    let for_all = spec.security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let user = own.run_as_user.or(for_all.run_as_user).unwrap_or(NOBODY);
    let group = own.run_as_group.or(for_all.run_as_group).unwrap_or(NOBODY);
    if own.run_as_non_root.or(for_all.run_as_non_root) == Some(true) && user == 0 {
        return Err("container has runAsNonRoot and image will run as root".to_owned());
    }
    let root = root_directory::of(&parts.pods, pod);
    root_directory::make(&parts.client, pod, &parts.program, &root).await?;
    let env = environment(parts, pod, container.env.as_deref().unwrap_or_default()).await?;
    let image = vec!["/iter8".to_owned()];
    let command = container.command.clone().filter(|command| !command.is_empty()).unwrap_or(image);
    let command = command.iter().chain(container.args.iter().flatten()).map(|word| expand(word, &env)).collect();
    Ok(Plan {
        setpriv: parts.setpriv.clone(),
        chroot: parts.chroot.clone(),
        root,
        command,
        env,
        user,
        group,
        other_groups: for_all.fs_group.into_iter().chain(for_all.supplemental_groups.into_iter().flatten()).collect(),
    })
}

async fn environment(parts: &Parts, pod: &Pod, wanted: &[EnvVar]) -> Result<BTreeMap<String, String>, String> {
    let source = Source { client: &parts.client, pod };
    let mut env = BTreeMap::from([
        ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOSTNAME".to_owned(), pod.metadata.name.clone().unwrap()),
        ("HOME".to_owned(), "/".to_owned()),
        ("KUBERNETES_SERVICE_HOST".to_owned(), "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT".to_owned(), parts.api_server.to_string()),
    ]);
    for variable in wanted {
        let value = match &variable.value_from {
            None => Some(expand(variable.value.as_deref().unwrap_or_default(), &env)),
            Some(from) => {
                if let Some(path) = &from.field_ref {
                    Some(field(pod, &path.field_path)?)
                } else if let Some(key) = &from.secret_key_ref {
                    one(source.secret(&key.name, key.optional).await?, &key.key, key.optional)?
                } else if let Some(key) = &from.config_map_key_ref {
                    one(source.config_map(&key.name, key.optional).await?, &key.key, key.optional)?
                } else {
                    return Err(format!("this node can't make {}", variable.name));
                }
            }
        };
        env.extend(value.map(|value| (variable.name.clone(), value)));
    }
    Ok(env)
}

fn one(mut data: BTreeMap<String, Vec<u8>>, key: &str, optional: Option<bool>) -> Result<Option<String>, String> {
    match data.remove(key) {
        Some(value) => String::from_utf8(value).map(Some).map_err(|error| error.to_string()),
        None if optional == Some(true) => Ok(None),
        None => Err(format!("couldn't find key {key}")),
    }
}

/// Puts variables in for `$(NAME)`; `$$` is a dollar, and an unknown name stays.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        match name.and_then(|(name, after)| Some((env.get(name)?, after))) {
            Some((value, after)) => {
                expanded.push_str(value);
                rest = after;
            }
            None => {
                expanded.push('$');
                rest = rest.strip_prefix('$').unwrap_or(rest);
            }
        }
    }
    expanded + rest
}

/// A field of a pod, as `fieldRef` names it.
pub fn field(pod: &Pod, path: &str) -> Result<String, String> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref().ok_or("no spec")?;
    let among = |map: &Option<BTreeMap<String, String>>, key: &str| {
        map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default()
    };
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        return match map {
            "metadata.annotations" => Ok(among(&metadata.annotations, key)),
            "metadata.labels" => Ok(among(&metadata.labels, key)),
            _ => Err(format!("this node knows no field {path}")),
        };
    }
    let value = match path {
        "metadata.name" => metadata.name.clone(),
        "metadata.namespace" => metadata.namespace.clone(),
        "metadata.uid" => metadata.uid.clone(),
        "spec.nodeName" => spec.node_name.clone(),
        "spec.serviceAccountName" => spec.service_account_name.clone(),
        "status.podIP" | "status.hostIP" => Some("127.0.0.1".to_owned()),
        _ => return Err(format!("this node knows no field {path}")),
    };
    Ok(value.unwrap_or_default())
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Reports the status of a pod to the API server.
struct Status<'a> {
    pods: Api<Pod>,
    pod: &'a Pod,
    started: String,
}

impl Status<'_> {
    async fn waiting(&self, reason: &str, message: &str) {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        self.tell("Pending", &state, ("ContainersNotReady", false)).await;
    }

    async fn running(&self) {
        self.tell("Running", &json!({"running": {"startedAt": now()}}), ("", true)).await;
    }

    async fn ended(&self, code: i32) {
        let (phase, reason, ready) = match code {
            0 => ("Succeeded", "Completed", "PodCompleted"),
            _ => ("Failed", "Error", "PodFailed"),
        };
        let phase = if self.sidecars().is_empty() { phase } else { "Running" };
        let state = json!({"terminated": {
            "exitCode": code, "reason": reason, "startedAt": self.started, "finishedAt": now(), "containerID": self.id(),
        }});
        self.tell(phase, &state, (ready, false)).await;
    }

    fn id(&self) -> String {
        format!("test://{}", self.pod.metadata.uid.as_deref().unwrap())
    }

    fn sidecars(&self) -> &[Container] {
        &self.pod.spec.as_ref().unwrap().containers[1..]
    }

    /// `readiness` is a reason, and whether the pod is ready.
    async fn tell(&self, phase: &str, state: &Value, readiness: (&str, bool)) {
        let container = &self.pod.spec.as_ref().unwrap().containers[0];
        let is_pending = phase == "Pending";
        let condition = |kind: &str, is_so: bool, reason: &str| {
            let status = if is_so { "True" } else { "False" };
            let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": now()});
            if !reason.is_empty() {
                condition["reason"] = reason.into();
            }
            condition
        };
        let (reason, is_ready) = readiness;
        let status_of = |container: &Container, state: &Value, is_ready: bool| {
            json!({
                "name": container.name,
                "image": container.image,
                "imageID": container.image,
                "containerID": if is_pending { String::new() } else { self.id() },
                "ready": is_ready,
                "started": is_ready,
                "restartCount": 0,
                "state": state,
            })
        };
        let of_sidecars = match is_pending {
            true => json!({"waiting": {"reason": "ContainerCreating"}}),
            false => json!({"running": {"startedAt": self.started}}),
        };
        let sidecars = self.sidecars().iter().map(|sidecar| status_of(sidecar, &of_sidecars, !is_pending));
        let containers: Vec<Value> = [status_of(container, state, is_ready)].into_iter().chain(sidecars).collect();
        // `Initialized` is always true, so a reason for not being ready does not apply to it.
        let status = json!({
            "phase": phase,
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "podIP": "127.0.0.1",
            "podIPs": [{"ip": "127.0.0.1"}],
            "startTime": self.started,
            "conditions": [
                condition("PodReadyToStartContainers", phase == "Running", ""),
                condition("Initialized", true, if reason == "PodCompleted" { reason } else { "" }),
                condition("Ready", is_ready, reason),
                condition("ContainersReady", is_ready, reason),
                condition("PodScheduled", true, ""),
            ],
            "containerStatuses": containers,
        });
        let patch = json!({"metadata": {"uid": self.pod.metadata.uid}, "status": status});
        let name = self.pod.metadata.name.as_deref().unwrap();
        persist(|| async {
            let parameters = PatchParams::default();
            self.pods.patch_status(name, &parameters, &Patch::Strategic(&patch)).await.map(drop)
        })
        .await;
    }
}
