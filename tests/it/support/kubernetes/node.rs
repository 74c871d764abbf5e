//! A node without machinery: it takes every pod, and runs the one container of each as a local process, in a root directory that
//! holds nothing but the static program and what is mounted. It does not restart containers, probe them, or limit what they use; and
//! as they are not the first processes of a namespace, a signal that they don't handle ends them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Node as NodeObject, Pod};
use kube::Api;
use kube::api::PostParams;
use kube::runtime::{WatchStreamExt, watcher};
use rustix::process::{Pid, Signal};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::container::{self, Log};
use super::pod::{self, Known};
use super::{ControlPlane, serve_logs};
use crate::support::runtime::{block_on, runtime};
use crate::support::tools;

/// Its name.
const NAME: &str = "test-node";

/// Default grace period of a process.
const GRACE: Duration = Duration::from_secs(30);

/// A running node. Dropping it simulates a power failure: processes end, and nothing is reported.
pub struct Node {
    parts: Arc<Parts>,
}

/// State shared by its tasks.
pub struct Parts {
    pub client: kube::Client,
    pub setpriv: PathBuf,
    pub chroot: PathBuf,
    /// The program that images consist of.
    pub program: PathBuf,
    /// Parent of the root directories.
    pub pods: PathBuf,
    /// The port of the API server.
    pub api_server: u16,
    known: Mutex<BTreeMap<(String, String), Arc<Known>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Node {
    /// The node of the control plane that tests share; `None` if this machine cannot run it.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Node>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(ControlPlane::shared()?)).as_ref()
    }

    /// Adds a node to a control plane; `None` if this machine cannot run it.
    pub fn start(cluster: &ControlPlane) -> Option<Self> {
        let Some(static_program) = tools::tool("iter8-static") else {
            tools::skip("iter8-static is missing; `make test` builds it");
            return None;
        };
        let setpriv = tools::needed("setpriv")?;
        let chroot = tools::needed("chroot")?;
        if !container::is_possible(&setpriv) {
            tools::skip("only root may change user and root directory");
            return None;
        }
        // A copy, because a root directory has a link to it, and links do not cross file systems.
        let program = cluster.directory.path().join("iter8");
        std::fs::copy(static_program, &program).unwrap();
        let pods = cluster.directory.path().join("pods");
        std::fs::create_dir(&pods).unwrap();
        let parts = Arc::new(Parts {
            client: cluster.client(),
            setpriv,
            chroot,
            program,
            pods,
            api_server: cluster.port(),
            known: Mutex::default(),
            tasks: Mutex::default(),
        });
        let listener = block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let authority = &cluster.certificates.authority;
        parts.spawn(serve_logs::serve(listener, authority.server(Some(authority)), Arc::clone(&parts)));
        block_on(register(&parts, address));
        parts.spawn(watch_pods(Arc::clone(&parts)));
        Some(Self { parts })
    }

    /// The process of a pod, while it runs.
    pub fn process(&self, namespace: &str, pod: &str) -> Option<Pid> {
        *self.parts.known(namespace, pod)?.process.lock().unwrap()
    }

    /// Kills the process of a pod, as the kernel does when memory runs out. Fails if none runs.
    #[track_caller]
    pub fn kill(&self, namespace: &str, pod: &str) {
        let process = self.process(namespace, pod).unwrap_or_else(|| panic!("no process of {namespace}/{pod}"));
        container::signal(process, Signal::KILL);
    }

    /// The log of a pod's container so far.
    #[track_caller]
    pub fn log(&self, namespace: &str, pod: &str) -> String {
        let known = self.parts.known(namespace, pod).unwrap_or_else(|| panic!("no pod {namespace}/{pod}"));
        String::from_utf8_lossy(&known.log.so_far()).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.parts.tasks.lock().unwrap().abort_all();
        for known in self.parts.known.lock().unwrap().values() {
            if let Some(process) = *known.process.lock().unwrap() {
                container::signal(process, Signal::KILL);
            }
        }
    }
}

impl Parts {
    /// Runs a task as long as the node runs.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap().spawn_on(task, runtime().handle());
    }

    /// State of a pod.
    pub fn known(&self, namespace: &str, name: &str) -> Option<Arc<Known>> {
        self.known.lock().unwrap().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }
}

async fn register(parts: &Parts, address: SocketAddr) {
    let nodes: Api<NodeObject> = Api::all(parts.client.clone());
    let node =
        json!({"metadata": {"name": NAME, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": NAME}}});
    nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
    let has = json!({"cpu": "64", "memory": "64Gi", "pods": "1000"});
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NAME}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": address.port()}},
        "capacity": has,
        "allocatable": has,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
    }});
    let patch = kube::api::Patch::Strategic(status);
    nodes.patch_status(NAME, &kube::api::PatchParams::default(), &patch).await.unwrap();
}

/// Takes care of pods until the runtime ends; goes on when the API server comes back.
async fn watch_pods(parts: Arc<Parts>) {
    let pods: Api<Pod> = Api::all(parts.client.clone());
    let mut events = std::pin::pin!(watcher(pods, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => look_at(&parts, pod),
            Ok(watcher::Event::Delete(pod)) => forget(&parts, &pod),
            Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => {}
        }
    }
}

fn key(pod: &Pod) -> (String, String) {
    (pod.metadata.namespace.clone().unwrap_or_default(), pod.metadata.name.clone().unwrap_or_default())
}

fn look_at(parts: &Arc<Parts>, pod: Pod) {
    let is_deleted = pod.metadata.deletion_timestamp.is_some();
    let Some(spec) = &pod.spec else { return };
    match spec.node_name.as_deref() {
        None if !is_deleted => {
            parts.spawn(bind(Arc::clone(parts), pod));
            return;
        }
        Some(NAME) => {}
        _ => return,
    }
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let mut all = parts.known.lock().unwrap();
    let known = all.get(&key(&pod)).filter(|known| known.uid == uid).cloned();
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    match known {
        Some(known) if is_deleted => {
            let seconds = pod.metadata.deletion_grace_period_seconds.and_then(|seconds| seconds.try_into().ok());
            known.deletion.send_replace(Some(seconds.map_or(GRACE, Duration::from_secs)));
        }
        Some(_) => {}
        None if is_deleted => {
            let own = Arc::clone(parts);
            parts.spawn(async move { pod::remove(&own, &pod).await });
        }
        None if matches!(phase, Some("Succeeded" | "Failed")) => {}
        None => {
            let container = spec.containers[0].name.clone();
            let known = Known {
                uid,
                container,
                log: Arc::new(Log::new()),
                has_started: AtomicBool::new(false),
                process: Mutex::default(),
                deletion: watch::Sender::new(None),
            };
            let known = Arc::new(known);
            all.insert(key(&pod), Arc::clone(&known));
            parts.spawn(pod::live(Arc::clone(parts), pod, known));
        }
    }
}

/// A pod that was deleted without waiting for its node: its process goes at once.
fn forget(parts: &Parts, pod: &Pod) {
    let mut all = parts.known.lock().unwrap();
    if all.get(&key(pod)).is_some_and(|known| Some(&known.uid) == pod.metadata.uid.as_ref()) {
        let known = all.remove(&key(pod)).unwrap();
        known.deletion.send_replace(Some(Duration::ZERO));
        if let Some(process) = *known.process.lock().unwrap() {
            container::signal(process, Signal::KILL);
        }
    }
}

/// Binds a pod to the node, in place of a scheduler.
async fn bind(parts: Arc<Parts>, pod: Pod) {
    let (namespace, name) = key(&pod);
    let pods: Api<Pod> = Api::namespaced(parts.client.clone(), &namespace);
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, "namespace": namespace, "uid": pod.metadata.uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NAME},
    });
    pod::persist(|| async {
        let made: Result<serde_json::Value, _> =
            pods.create_subresource("binding", &name, &PostParams::default(), &binding).await;
        made.map(drop)
    })
    .await;
}
