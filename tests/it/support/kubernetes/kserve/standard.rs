//! Stand-ins for what runs in Standard mode: a kubelet whose pods are ready at once, and a gateway that accepts every HTTPRoute. Nothing runs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::{SecondsFormat, Utc};
use futures_util::StreamExt;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::support::kubernetes::{ControlPlane, POLL_INTERVAL};
use crate::support::runtime::runtime;

/// The running stand-ins.
#[derive(Default)]
pub struct Standard {
    /// Namespaces and Deployments whose pods do not get ready.
    unready: Mutex<BTreeSet<(String, String)>>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Standard {
    /// Starts them.
    pub fn start(cluster: &ControlPlane) -> Arc<Self> {
        let new = Arc::new(Self::default());
        let kind = |group: &str, version: &str, kind: &str, plural: &str| ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        let pods = runtime().spawn(run(cluster.client(), kind("", "v1", "Pod", "pods"), {
            let new = Arc::clone(&new);
            move |pod| new.pod_status(pod)
        }));
        let routes = kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes");
        let routes = runtime().spawn(run(cluster.client(), routes, route_status));
        *new.tasks.lock().unwrap() = vec![pods.abort_handle(), routes.abort_handle()];
        new
    }

    /// Keeps the pods of a Deployment, which need not exist yet, from getting ready.
    pub fn keep_unready(&self, namespace: &str, deployment: &str) {
        self.unready.lock().unwrap().insert((namespace.to_owned(), deployment.to_owned()));
    }

    pub(super) fn stop(&self) {
        self.tasks.lock().unwrap().iter().for_each(AbortHandle::abort);
    }

    /// Status of a pod of KServe that is not ready yet.
    fn pod_status(&self, pod: &Value) -> Option<Value> {
        let metadata = &pod["metadata"];
        let app = metadata["labels"]["app"].as_str()?.strip_prefix("isvc.")?;
        let key = (metadata["namespace"].as_str()?.to_owned(), app.to_owned());
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        let is_ready =
            conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        let is_wanted =
            !is_ready && metadata["deletionTimestamp"].is_null() && !self.unready.lock().unwrap().contains(&key);
        is_wanted.then(|| json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now()}]}))
    }
}

/// Status of a route that was not accepted in its current generation.
fn route_status(route: &Value) -> Option<Value> {
    let generation = &route["metadata"]["generation"];
    let parents = route["status"]["parents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_current = |parent: &Value| parent["conditions"][0]["observedGeneration"] == *generation;
    if !parents.is_empty() && parents.iter().all(is_current) {
        return None;
    }
    Some(accepted(route))
}

/// Status with which a gateway accepts a route.
pub fn accepted(route: &Value) -> Value {
    let condition = |name: &str| {
        json!({
            "type": name, "status": "True", "reason": name, "message": "", "lastTransitionTime": now(),
            "observedGeneration": route["metadata"]["generation"],
        })
    };
    let conditions = [condition("Accepted"), condition("ResolvedRefs")];
    json!({"parents": [{
        "parentRef": {"name": "kserve-ingress-gateway", "namespace": "kserve"},
        "controllerName": "example.com/gateway",
        "conditions": conditions,
    }]})
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Writes the status of all objects of a type that need one.
async fn run(client: Client, kind: ApiResource, status: impl Fn(&Value) -> Option<Value>) {
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    let mut objects = std::pin::pin!(watcher(all, watcher::Config::default()).default_backoff().applied_objects());
    while let Some(object) = objects.next().await {
        // It lists again by itself, after a pause.
        let Ok(object) = object else { continue };
        let object = serde_json::to_value(object).unwrap();
        let Some(status) = status(&object) else { continue };
        let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &text("namespace"), &kind);
        let patch = Patch::Merge(json!({ "status": status }));
        // An API server that restarts comes back; an object that is gone does not.
        while let Err(error) = api.patch_status(&text("name"), &PatchParams::default(), &patch).await {
            if matches!(&error, kube::Error::Api(status) if status.code == 404) {
                break;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}
