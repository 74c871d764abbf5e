//! The controller's view for users: the same index and decisions as those of a running controller, without any write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::claims;
use super::events::Events;
use super::index::{RoutemapObject, Target};
use super::keys::{ObjectKey, TypeId};
use super::lease::Leadership;
use super::metrics::Metrics;
use super::queue::Next;
use super::shared::Shared;
use super::watches;
use crate::adapters::clock::SystemClock;
use crate::routing::availability::Availability;
use crate::routing::decision::{self, Output, Rendered};
use crate::routing::{Config, Decision};
use crate::values::input::InputError;

/// Longest interval between two checks for failures.
const FAILURE_INTERVAL: Duration = Duration::from_millis(200);

/// State of a routemap.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoutemapState {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Mistakes, if it cannot be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mistakes: Vec<String>,
    pub(crate) versions: Vec<VersionState>,
    pub(crate) routes: Vec<RouteState>,
}

/// State of a version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionState {
    pub(crate) available: bool,
    pub(crate) weight: u32,
    /// Resources that are not available, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
    /// Time until which it counts as available in spite of its problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_until: Option<DateTime<Utc>>,
}

/// State of the output of a routing template.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteState {
    pub(crate) template: String,
    /// The routing object; empty if the template renders none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) object: String,
    pub(crate) state: RoutePhase,
    /// Field that differs, or the reason for a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// Time of the last change by the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(crate) desired: Option<Value>,
    #[serde(skip)]
    pub(crate) live: Option<Value>,
}

/// Relation of the live object to the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RoutePhase {
    /// The live object is as decided.
    InPlace,
    Differs,
    Missing,
    /// The output must not be applied.
    Refused,
    /// The template renders nothing.
    Empty,
    /// The live object cannot be read, or it was claimed after its type was listed.
    Unknown,
    /// The live object is not read yet.
    Pending,
}

impl RoutemapState {
    /// Returns true if all its routes are as decided.
    pub(crate) fn is_in_place(&self) -> bool {
        let is_done = |route: &RouteState| matches!(route.state, RoutePhase::InPlace | RoutePhase::Empty);
        self.mistakes.is_empty() && self.routes.iter().all(is_done)
    }
}

/// A running view of the cluster.
pub(crate) struct Survey {
    shared: Arc<Shared>,
    changes: watch::Receiver<()>,
    stop: CancellationToken,
}

impl Survey {
    /// Starts to watch. `namespace` is the one to watch, or `None` for all.
    pub(crate) fn start(client: Client, config: Config, namespace: Option<String>) -> Self {
        let stop = CancellationToken::new();
        let metrics = Metrics::new(false);
        let events = Events::start(client.clone(), "", metrics.clone());
        // Never leads, so nothing is written.
        let (_, leadership) = Leadership::elected(Arc::new(SystemClock));
        let parts = (leadership, events, metrics);
        let shared = Arc::new(Shared::new(client, namespace, config, parts, stop.clone()));
        let (sender, changes) = watch::channel(());
        watches::start(&shared);
        shared.spawn(follow(Arc::clone(&shared), sender));
        Self { shared, changes, stop }
    }

    /// Waits until everything was read once. Fails with the reason if that is not possible.
    pub(crate) async fn complete(&mut self) -> Result<(), String> {
        loop {
            if let Some(reason) = self.shared.failure() {
                return Err(reason);
            }
            let is_pending =
                |state: &RoutemapState| state.routes.iter().any(|route| route.state == RoutePhase::Pending);
            if self.shared.readiness().is_ok() && !self.states().iter().any(is_pending) {
                return Ok(());
            }
            // A failure of a watch changes no routemap.
            let _ = tokio::time::timeout(FAILURE_INTERVAL, self.changed()).await;
        }
    }

    /// Waits until something that matters to a routemap changed.
    pub(crate) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Adds or replaces routemaps in this view, as if they were applied. Returns their keys.
    pub(crate) fn plan(&self, sources: &[ConfigMap]) -> Vec<ObjectKey> {
        let shared = &self.shared;
        let planned = sources.iter().map(|source| {
            let mut object = watches::parse_source(shared, source);
            // Different from the version in the cluster, if there is one.
            object.resource_version = "plan".into();
            let key = object.key.clone();
            shared.push(shared.index.routemap_applied(object));
            key
        });
        let planned: Vec<ObjectKey> = planned.collect();
        // Routing objects that nobody claimed were not kept, so they are listed again.
        let objects = planned.iter().filter_map(|key| shared.index.routemap(key));
        let types = objects
            .filter_map(|object| claim(shared, &object))
            .flat_map(|decision| claims::rendered_types(shared, &decision));
        let types: BTreeSet<TypeId> = types.collect();
        shared.index.unlist_targets(&types);
        shared.watched_targets.lock().retain(|of_type| !types.contains(of_type));
        watches::watch_targets(shared, types);
        planned
    }

    /// Returns the states of all routemaps, by namespace and name.
    pub(crate) fn states(&self) -> Vec<RoutemapState> {
        let mut objects = self.shared.index.routemaps().unwrap_or_default();
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        objects.iter().map(|object| state(&self.shared, object)).collect()
    }
}

impl Drop for Survey {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Follows the queue, so that claims are known and routing objects are watched.
async fn follow(shared: Arc<Shared>, changes: watch::Sender<()>) {
    loop {
        let key = shared.routemaps.next().await;
        if let Some(object) = shared.index.routemap(&key) {
            decision(&shared, &object);
        }
        shared.routemaps.done(&key, Next::Wait);
        changes.send_replace(());
    }
}

fn claim(shared: &Arc<Shared>, object: &RoutemapObject) -> Option<Decision> {
    let (routemap, resources) = object.parsed.as_ref().ok()?;
    let known = claims::known(shared, resources);
    Some(claims::decide_and_claim(shared, &object.key, routemap, &known))
}

fn decision(shared: &Arc<Shared>, object: &RoutemapObject) -> Option<Decision> {
    let decision = claim(shared, object)?;
    watches::watch_targets(shared, claims::rendered_types(shared, &decision));
    Some(decision)
}

fn state(shared: &Arc<Shared>, object: &RoutemapObject) -> RoutemapState {
    let mistakes = object.parsed.as_ref().err().map(|errors| errors.iter().map(InputError::with_next_step).collect());
    let decision = decision(shared, object);
    let versions = decision.iter().flat_map(|decision| &decision.versions).map(version).collect();
    let routes = decision.iter().flat_map(|decision| &decision.outputs).map(|output| route(shared, output)).collect();
    RoutemapState {
        namespace: object.key.namespace.to_string(),
        name: object.key.name.to_string(),
        mistakes: mistakes.unwrap_or_default(),
        versions,
        routes,
    }
}

fn version(state: &decision::VersionState) -> VersionState {
    let mut problems: Vec<String> = state.problems.iter().map(ToString::to_string).collect();
    problems.extend(state.invalid_weight.iter().map(ToString::to_string));
    VersionState {
        available: state.availability != Availability::Unavailable,
        weight: state.weight,
        problems,
        held_until: match state.availability {
            Availability::Held(until) => Some(until),
            _ => None,
        },
    }
}

fn route(shared: &Shared, output: &Output) -> RouteState {
    let mut route = RouteState {
        template: output.template.to_string(),
        object: output.target().map(ToString::to_string).unwrap_or_default(),
        state: RoutePhase::Empty,
        detail: None,
        changed: None,
        desired: None,
        live: None,
    };
    match &output.result {
        Rendered::Empty => {}
        Rendered::Refused(refusal) => {
            (route.state, route.detail) = (RoutePhase::Refused, Some(refusal.to_string()));
        }
        Rendered::Desired(desired) => {
            let value = Value::Object(desired.object.clone());
            let target = shared.types.target(&desired.target).map(|target| shared.index.target(&target));
            match target {
                None | Some(Target::Unlisted) => route.state = RoutePhase::Pending,
                Some(Target::Unknown) => route.state = RoutePhase::Unknown,
                Some(Target::Missing) => route.state = RoutePhase::Missing,
                Some(Target::Exists(live)) => {
                    route.detail = live.difference(&value, None);
                    route.state = if route.detail.is_some() { RoutePhase::Differs } else { RoutePhase::InPlace };
                    (route.changed, route.live) = (live.applied_at, Some(live.object()));
                }
            }
            route.desired = Some(value);
        }
    }
    route
}
