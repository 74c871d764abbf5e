//! The canary rollout of an InferenceService: reads its state, changes it, and waits until the change takes effect.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::error::{TrafficError, TrafficErrorKind};
use super::target::{Expected, Observed, Say, Target};
use crate::model::object::{ObjectRef, ResourceKind};
use crate::ports::BoxFuture;
use crate::ports::cluster::{Cluster, ClusterErrorKind, ObjectStates};
use crate::rollout::change::{Change, tag_routing};
use crate::rollout::{Goal, Plan, Progress, Service, plan};

/// Attempts to change an InferenceService that others change at the same time.
const ATTEMPTS: usize = 10;

/// An InferenceService in a cluster.
pub(crate) struct ServiceTraffic<'a> {
    cluster: &'a dyn Cluster,
    object: ObjectRef,
}

/// Result of a change.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    /// InferenceService after the change.
    pub(crate) service: Service,
    /// True if the traffic already was as requested.
    pub(crate) was_so: bool,
    /// Other field managers of the percent before the change, which takes the field from them.
    pub(crate) managers: Vec<String>,
}

/// Result of a patch.
struct Patched {
    goal: Goal,
    /// True if there was nothing to send, and nothing to wait for.
    was_so: bool,
    managers: Vec<String>,
}

impl<'a> ServiceTraffic<'a> {
    /// Names an InferenceService.
    pub(crate) fn new(cluster: &'a dyn Cluster, namespace: &str, name: &str) -> Self {
        Self::of(cluster, inference_service(name, Some(namespace)))
    }

    /// Names an InferenceService by its reference.
    pub(crate) fn of(cluster: &'a dyn Cluster, object: ObjectRef) -> Self {
        Self { cluster, object }
    }

    /// Reads the InferenceService.
    pub(crate) async fn service(&self) -> Result<Service, TrafficError> {
        let mut states = self.cluster.watch(&self.object).await?;
        self.next(&mut states).await?.ok_or_else(|| self.absent())
    }

    /// Calls `show` with the InferenceService, now and after each change, until it is deleted.
    pub(crate) async fn follow<E: From<TrafficError>>(
        &self,
        mut show: impl FnMut(&Service) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut states = self.cluster.watch(&self.object).await.map_err(TrafficError::from)?;
        let mut service = self.next(&mut states).await?.ok_or_else(|| self.absent())?;
        loop {
            show(&service)?;
            match self.next(&mut states).await? {
                Some(next) => service = next,
                None => return Ok(()),
            }
        }
    }

    /// Makes a change, and waits until the traffic shows it. `say` gets each reason to wait. Sends nothing unless the InferenceService is
    /// as expected.
    pub(crate) async fn change(
        &self,
        change: Change,
        expected: Option<&Expected>,
        timeout: Duration,
        say: Say<'_>,
    ) -> Result<Changed, TrafficError> {
        let deadline = Instant::now() + timeout;
        let mut states = self.cluster.watch(&self.object).await?;
        let mut waiting_for = "it could not be read".to_owned();
        let changed = async {
            let Patched { goal, was_so, managers } =
                self.patched(change, expected, &mut states, &mut waiting_for, say).await?;
            let service = self.reached(&goal, &mut waiting_for, say).await?;
            Ok(Changed { service, was_so, managers })
        };
        let result = timeout_at(deadline, changed).await;
        result.unwrap_or_else(|_| {
            let ObjectRef { name, .. } = &self.object;
            Err(TrafficError::new(
                TrafficErrorKind::Timeout,
                format!(
                    "InferenceService {name} did not reach the requested traffic within {timeout:?}: {waiting_for}"
                ),
                format!("`iter8 k rollout status {name}` shows its state; to wait longer, raise --timeout"),
            ))
        })
    }

    /// Returns the patch of a change without sending it; `None` if there is nothing to change.
    pub(crate) async fn dry(&self, change: Change) -> Result<Option<Value>, TrafficError> {
        match plan(&self.service().await?, change) {
            Plan::Refused { reason, hint } => Err(self.unchanged(&reason, &hint)),
            Plan::NotYet { reason, .. } => {
                let message = format!("cannot change InferenceService {} yet: {reason}", self.object.name);
                let hint = "without --dry, the command waits for that; or retry later";
                Err(TrafficError::new(TrafficErrorKind::Timeout, message, hint))
            }
            // The version of the object is of no use in a file.
            Plan::Patch { patch, .. } => Ok(patch.map(|patch| json!({"spec": patch["spec"]}))),
        }
    }

    /// Sends the patch of a change, as soon as it is possible.
    async fn patched(
        &self,
        change: Change,
        expected: Option<&Expected>,
        states: &mut ObjectStates<'_>,
        waiting_for: &mut String,
        say: Say<'_>,
    ) -> Result<Patched, TrafficError> {
        let mut conflicts = 0;
        let mut managers = None;
        let mut held: Option<Goal> = None;
        loop {
            let service = self.next(states).await?;
            if let Some(reason) = held.as_ref().and_then(|goal| goal.interference(service.as_ref())) {
                return Err(self.lost(&reason));
            }
            let service = service.ok_or_else(|| self.absent())?;
            let difference =
                expected.filter(|_| held.is_none()).and_then(|expected| expected.difference(&observed(&service)));
            if let Some(reason) = difference {
                return Err(self.lost(&reason));
            }
            let managers = managers.get_or_insert_with(|| service.percent_managers.clone());
            let (patch, goal, is_last) = match plan(&service, change) {
                Plan::Refused { reason, hint } => return Err(self.unchanged(&reason, &hint)),
                Plan::NotYet { reason, hold, until } => {
                    wait_for(&reason, waiting_for, say);
                    (hold, until, false)
                }
                Plan::Patch { patch, goal } => (patch, goal, true),
            };
            let is_sent = patch.is_some();
            let goal = match patch {
                None => goal,
                Some(patch) => match self.cluster.patch(&self.object, &patch).await {
                    Ok(patched) => goal.after(&Service::of(&patched)),
                    // It was changed since it was read; the watch brings its new state.
                    Err(error) if error.kind == ClusterErrorKind::Conflict && conflicts < ATTEMPTS => {
                        conflicts += 1;
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            if is_last {
                let was_so = !is_sent && goal.check(Some(&service)) == Progress::Reached;
                return Ok(Patched { goal, was_so, managers: std::mem::take(managers) });
            }
            held = Some(goal);
        }
    }

    async fn reached(&self, goal: &Goal, waiting_for: &mut String, say: Say<'_>) -> Result<Service, TrafficError> {
        // A new watch, which yields the current state first: if no patch was needed, no other state may follow.
        let mut states = self.cluster.watch(&self.object).await?;
        loop {
            let service = self.next(&mut states).await?;
            match (goal.check(service.as_ref()), service) {
                (Progress::Reached, Some(service)) => return Ok(service),
                (Progress::Waiting(reason), _) => wait_for(&reason, waiting_for, say),
                (Progress::Lost(reason), _) => return Err(self.lost(&reason)),
                (Progress::Reached, None) => return Err(self.absent()),
            }
        }
    }

    /// Switches routing by tags. Returns false if nothing had to be changed.
    pub(crate) async fn tag_routing(&self, is_on: bool) -> Result<bool, TrafficError> {
        let mut states = self.cluster.watch(&self.object).await?;
        let mut conflicts = 0;
        loop {
            let service = self.next(&mut states).await?.ok_or_else(|| self.absent())?;
            let patch = tag_routing(&service, is_on).map_err(|(reason, hint)| self.unchanged(&reason, &hint))?;
            let Some(patch) = patch else { return Ok(false) };
            match self.cluster.patch(&self.object, &patch).await {
                Ok(_) => return Ok(true),
                Err(error) if error.kind == ClusterErrorKind::Conflict && conflicts < ATTEMPTS => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the next state; `None` if the InferenceService does not exist. The watch reports an API server that cannot be reached, and goes on.
    async fn next(&self, states: &mut ObjectStates<'_>) -> Result<Option<Service>, TrafficError> {
        loop {
            match states.next().await {
                Some(Ok(object)) => return Ok(object.as_ref().map(Service::of)),
                Some(Err(error)) if error.kind == ClusterErrorKind::Unreachable => {
                    tracing::warn!("{error}; trying again")
                }
                Some(Err(error)) => return Err(error.into()),
                None => {
                    let message = format!("the watch of InferenceService {} ended; retry", self.object.name);
                    return Err(TrafficError { kind: TrafficErrorKind::Cluster, message, hint: None });
                }
            }
        }
    }

    fn unchanged(&self, reason: &str, hint: &str) -> TrafficError {
        let ObjectRef { name, .. } = &self.object;
        TrafficError::new(TrafficErrorKind::Refused, format!("cannot change InferenceService {name}: {reason}"), hint)
    }

    fn lost(&self, reason: &str) -> TrafficError {
        let ObjectRef { name, .. } = &self.object;
        TrafficError::new(
            TrafficErrorKind::Lost,
            format!("the change of InferenceService {name} was lost: {reason}"),
            format!("`iter8 k rollout status {name}` shows its state"),
        )
    }

    fn absent(&self) -> TrafficError {
        let ObjectRef { name, .. } = &self.object;
        TrafficError::new(
            TrafficErrorKind::Absent,
            match &self.object.namespace {
                Some(namespace) => format!("namespace {namespace} has no InferenceService {name}"),
                None => format!("InferenceService {name} does not exist"),
            },
            "`kubectl get inferenceservices -A` lists them all",
        )
    }
}

/// Reports a reason to wait, unless it was the last one reported.
fn wait_for(reason: &str, waiting_for: &mut String, say: Say<'_>) {
    if waiting_for != reason {
        say(reason);
        *waiting_for = reason.to_owned();
    }
}

/// API group of InferenceServices.
pub(crate) const GROUP: &str = "serving.kserve.io";

/// Plural name of InferenceServices.
pub(crate) const RESOURCE: &str = "inferenceservices";

/// Start of the name of the Lease of an InferenceService.
pub(crate) const LEASE_PREFIX: &str = "iter8-rollout-isvc-";

/// Returns the reference of an InferenceService.
pub(crate) fn inference_service(name: &str, namespace: Option<&str>) -> ObjectRef {
    let kind = ResourceKind { group: GROUP.to_owned(), version: "v1beta1".to_owned(), resource: RESOURCE.to_owned() };
    ObjectRef { kind, namespace: namespace.map(str::to_owned), name: name.to_owned() }
}

/// Returns the state of an InferenceService for a rollout in steps.
fn observed(service: &Service) -> Observed {
    Observed {
        uid: service.uid.clone(),
        stable: service.latest_rolledout_revision.clone(),
        candidate: service.candidate().map(str::to_owned),
        percent: service.canary_traffic_percent,
    }
}

impl Target for ServiceTraffic<'_> {
    fn describe(&self) -> String {
        format!("InferenceService {}", self.object.name)
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observed, TrafficError>> {
        Box::pin(async { self.service().await.map(|service| observed(&service)) })
    }

    fn change<'a>(
        &'a self,
        change: Change,
        expected: Option<&'a Expected>,
        timeout: Duration,
        say: Say<'a>,
    ) -> BoxFuture<'a, Result<(), TrafficError>> {
        Box::pin(async move { self.change(change, expected, timeout, say).await.map(|_| ()) })
    }
}
