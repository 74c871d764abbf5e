//! Stand-in for Knative's controllers: it writes the status of Knative Services, and runs nothing.
//!
//! As in Knative, a changed template makes a new revision, and `latestRevision: true` stands for the newest revision that is ready. Revisions
//! are ready at once, unless the test decides otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use chrono::{SecondsFormat, Utc};
use futures_util::StreamExt;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::support::kubernetes::{ControlPlane, POLL_INTERVAL};
use crate::support::runtime::runtime;

/// Fate of a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    #[default]
    Ready,
    Starting,
    /// It fails with this message.
    Failed(&'static str),
}

/// The running stand-in.
#[derive(Default)]
pub struct Knative {
    state: Mutex<State>,
    decided: Notify,
    task: Mutex<Option<AbortHandle>>,
}

/// Namespace and name.
type Key = (String, String);

#[derive(Default)]
struct State {
    services: BTreeMap<Key, Service>,
    /// Fates of revisions by namespace and name.
    outcomes: BTreeMap<Key, Outcome>,
    /// Namespaces whose services are left alone.
    held: BTreeSet<String>,
}

/// A Knative Service.
struct Service {
    object: Value,
    /// Templates of its revisions, the oldest first.
    templates: Vec<Value>,
}

impl Knative {
    /// Starts it.
    pub fn start(cluster: &ControlPlane) -> Arc<Self> {
        let new = Arc::new(Self::default());
        let task = runtime().spawn(run(Arc::clone(&new), cluster.client()));
        *new.task.lock().unwrap() = Some(task.abort_handle());
        new
    }

    /// Decides the fate of a revision, which need not exist yet.
    pub fn decide(&self, namespace: &str, revision: &str, outcome: Outcome) {
        self.state.lock().unwrap().outcomes.insert((namespace.to_owned(), revision.to_owned()), outcome);
        self.decided.notify_one();
    }

    /// Leaves the services of a namespace alone, as if Knative were down.
    pub fn hold(&self, namespace: &str) {
        self.state.lock().unwrap().held.insert(namespace.to_owned());
    }

    /// Ends [`Self::hold`].
    pub fn release(&self, namespace: &str) {
        self.state.lock().unwrap().held.remove(namespace);
        self.decided.notify_one();
    }

    /// Template of a revision that is ready.
    pub(super) fn ready_template(&self, namespace: &str, revision: &str) -> Option<Value> {
        let (service, number) = revision.rsplit_once('-')?;
        let state = self.state.lock().unwrap();
        let service = state.services.get(&(namespace.to_owned(), service.to_owned()))?;
        let outcome = state.outcomes.get(&(namespace.to_owned(), revision.to_owned()));
        let template = service.templates.get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
        outcome.is_none_or(|outcome| *outcome == Outcome::Ready).then(|| template.clone())
    }

    pub(super) fn stop(&self) {
        if let Some(task) = self.task.lock().unwrap().take() {
            task.abort();
        }
    }
}

/// Knative Services.
pub(super) fn kind() -> ApiResource {
    ApiResource {
        group: "serving.knative.dev".to_owned(),
        version: "v1".to_owned(),
        api_version: "serving.knative.dev/v1".to_owned(),
        kind: "Service".to_owned(),
        plural: "services".to_owned(),
    }
}

async fn run(knative: Arc<Knative>, client: kube::Client) {
    let kind = kind();
    let services: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    let mut events = std::pin::pin!(watcher(services, watcher::Config::default()).default_backoff());
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object))) => {
                    knative.state.lock().unwrap().see(serde_json::to_value(object).unwrap());
                }
                Some(Ok(watcher::Event::Delete(object))) => knative.state.lock().unwrap().forget(&object),
                // It lists again by itself, after a pause.
                Some(Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_)) => continue,
                None => return,
            },
            () = knative.decided.notified() => {}
        }
        let wanted = knative.state.lock().unwrap().reconcile();
        for ((namespace, name), status) in wanted {
            let services: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &kind);
            let patch = Patch::Merge(json!({ "status": status }));
            // An API server that restarts comes back; a service that is gone does not.
            while let Err(error) = services.patch_status(&name, &PatchParams::default(), &patch).await {
                if matches!(&error, kube::Error::Api(status) if status.code == 404) {
                    break;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}

impl State {
    fn see(&mut self, object: Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let known = self.services.get_mut(&key);
        match known.filter(|known| known.object["metadata"]["uid"] == object["metadata"]["uid"]) {
            Some(known) => known.object = object,
            None => drop(self.services.insert(key, Service { object, templates: Vec::new() })),
        }
    }

    fn forget(&mut self, object: &DynamicObject) {
        let key = (object.metadata.namespace.clone().unwrap(), object.metadata.name.clone().unwrap());
        self.services.remove(&key);
    }

    /// The statuses that are not as they should be.
    fn reconcile(&mut self) -> Vec<(Key, Value)> {
        let mut changed = Vec::new();
        for ((namespace, name), service) in &mut self.services {
            if self.held.contains(namespace) {
                continue;
            }
            let outcome = |revision: &str| {
                let key = (namespace.clone(), revision.to_owned());
                self.outcomes.get(&key).cloned().unwrap_or_default()
            };
            let status = service.reconcile(namespace, name, outcome);
            let is_so = status.as_object().unwrap().iter().all(|(key, value)| service.object["status"][key] == *value);
            if !is_so {
                // The watch brings the same later; until then, it must not be written again.
                service.object["status"] = status.clone();
                changed.push(((namespace.clone(), name.clone()), status));
            }
        }
        changed
    }
}

impl Service {
    /// Makes a revision if the template is new. Returns the status.
    fn reconcile(&mut self, namespace: &str, name: &str, outcome: impl Fn(&str) -> Outcome) -> Value {
        let spec = &self.object["spec"];
        if self.templates.last() != Some(&spec["template"]) {
            self.templates.push(spec["template"].clone());
        }
        let revision = |number: usize| format!("{name}-{number:05}");
        let created = revision(self.templates.len());
        let ready = (1..=self.templates.len()).rev().map(revision).find(|name| outcome(name) == Outcome::Ready);
        let traffic: Option<Vec<Value>> = ready.as_ref().map(|ready| {
            let entries = spec["traffic"].as_array().into_iter().flatten();
            entries.map(|entry| traffic(entry, namespace, name, ready)).collect()
        });
        let configuration = match outcome(&created) {
            Outcome::Ready => ("True", None),
            Outcome::Starting => ("Unknown", None),
            Outcome::Failed(message) => {
                let message = format!("Revision \"{created}\" failed with message: {message}.");
                ("False", Some(("RevisionFailed", message)))
            }
        };
        let missing = || format!("Configuration \"{name}\" is waiting for a Revision to become ready.");
        let routes = match ready {
            Some(_) => ("True", None),
            None => ("Unknown", Some(("RevisionMissing", missing()))),
        };
        let overall = if configuration.0 == "True" { routes.clone() } else { configuration.clone() };
        let conditions = [("ConfigurationsReady", configuration), ("Ready", overall), ("RoutesReady", routes)]
            .map(|(kind, state)| self.condition(kind, state));
        json!({
            "observedGeneration": self.object["metadata"]["generation"],
            "latestCreatedRevisionName": created,
            "latestReadyRevisionName": ready,
            "traffic": traffic,
            "url": format!("http://{name}.{namespace}.example.com"),
            "address": {"url": format!("http://{name}.{namespace}.svc.cluster.local")},
            "conditions": conditions,
        })
    }

    /// A condition; with the time of the present one if it is the same.
    fn condition(&self, kind: &str, (status, reason): (&str, Option<(&str, String)>)) -> Value {
        let mut condition = json!({"type": kind, "status": status});
        if let Some((reason, message)) = reason {
            condition["reason"] = json!(reason);
            condition["message"] = json!(message);
        }
        let present = self.object["status"]["conditions"].as_array().into_iter().flatten();
        let time = present.filter(|present| present["type"] == kind && present["status"] == status);
        let time = time.map(|present| present["lastTransitionTime"].clone()).next();
        let now = || json!(Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true));
        condition["lastTransitionTime"] = time.unwrap_or_else(now);
        condition
    }
}

/// An entry of the status for one of the specification.
fn traffic(entry: &Value, namespace: &str, name: &str, ready: &str) -> Value {
    let mut status = entry.clone();
    if entry["latestRevision"] == true {
        status["revisionName"] = json!(ready);
    }
    if let Some(tag) = entry["tag"].as_str() {
        status["url"] = json!(format!("http://{tag}-{name}.{namespace}.example.com"));
    }
    status
}
