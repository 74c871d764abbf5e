//! The canary rollout of an InferenceService: reads its state, changes it, and waits until the change takes effect.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::error::{TrafficError, TrafficErrorKind};
use super::objects::{ObjectsTraffic, SplitChanged};
use super::target::{Expected, Observed, Say, Target};
use super::waiting::{Deadline, UNREAD, wait_for};
use crate::model::object::{ObjectRef, ResourceKind};
use crate::ports::BoxFuture;
use crate::ports::cluster::{Cluster, ClusterErrorKind, ObjectStates};
use crate::rollout::change::{Change, tag_routing};
use crate::rollout::mode::Mode;
use crate::rollout::standard::{self, CanaryField, Standard};
use crate::rollout::{Goal, Plan, Progress, Service, Split, plan};

/// Attempts to change an InferenceService that others change at the same time.
const ATTEMPTS: usize = 10;

/// Time that KServe has to make a revision of a new model, before a change is refused for want of a candidate.
const GRACE: Duration = Duration::from_secs(5);

/// Reason to wait for a candidate.
const UNSEEN: &str = "KServe has not acted on the last change of the spec yet";

/// An InferenceService in a cluster.
pub(crate) struct ServiceTraffic<'a> {
    cluster: &'a dyn Cluster,
    object: ObjectRef,
}

/// Traffic of an InferenceService.
#[derive(Clone, Debug)]
pub(crate) enum ServiceState {
    /// That of its revisions.
    Revisions(Box<Service>),
    /// That of an entry of `spec.canary`, in Standard mode.
    Split(Split),
}

/// Result of a change.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    /// InferenceService after the change.
    pub(crate) state: ServiceState,
    /// True if the traffic already was as requested.
    pub(crate) was_so: bool,
    /// Warnings for the user: other field managers before the change, which takes the field from them.
    pub(crate) warnings: Vec<String>,
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
    async fn object(&self) -> Result<Value, TrafficError> {
        let mut states = self.cluster.watch(&self.object).await?;
        self.next_object(&mut states).await?.ok_or_else(|| self.absent())
    }

    /// Names the object.
    pub(crate) fn object_ref(&self) -> &ObjectRef {
        &self.object
    }

    /// Reads its traffic.
    pub(crate) async fn state(&self) -> Result<ServiceState, TrafficError> {
        let object = self.object().await?;
        match standard::has_canaries(&object) {
            true => Ok(ServiceState::Split(self.standard().state().await?.split)),
            false => Ok(ServiceState::Revisions(Box::new(Service::of(&object)))),
        }
    }

    /// Returns the same InferenceService in Standard mode.
    fn standard(&self) -> ObjectsTraffic<'a, Standard> {
        ObjectsTraffic::new(self.cluster, Standard::new(self.object.clone()))
    }

    /// Calls `show` with its traffic, now and after each change, until it is deleted.
    pub(crate) async fn follow<E: From<TrafficError>>(
        &self,
        mut show: impl FnMut(&ServiceState) -> Result<(), E>,
    ) -> Result<(), E> {
        if standard::has_canaries(&self.object().await?) {
            return self.standard().follow(|split| show(&ServiceState::Split(split.clone()))).await;
        }
        let mut states = self.cluster.watch(&self.object).await.map_err(TrafficError::from)?;
        let mut service = self.next(&mut states).await?.ok_or_else(|| self.absent())?;
        loop {
            show(&ServiceState::Revisions(Box::new(service)))?;
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
        let deadline = Deadline::after(timeout);
        let Ok(object) = timeout_at(deadline.end, self.object()).await else {
            return Err(deadline.error(self, UNREAD));
        };
        if standard::has_canaries(&object?) {
            let SplitChanged { split, was_so, warnings } =
                self.standard().change_until(change, expected, deadline, say).await?;
            return Ok(Changed { state: ServiceState::Split(split), was_so, warnings });
        }
        let mut waiting_for = UNREAD.to_owned();
        let changed = async {
            let mut states = self.cluster.watch(&self.object).await?;
            let Patched { goal, was_so, managers } =
                self.patched(change, expected, &mut states, &mut waiting_for, say).await?;
            let service = self.reached(&goal, &mut waiting_for, say).await?;
            let warnings = managers.iter().map(|manager| {
                format!("{manager} also manages spec.predictor.canaryTrafficPercent, and may set it back")
            });
            let warnings = warnings.collect();
            Ok(Changed { state: ServiceState::Revisions(Box::new(service)), was_so, warnings })
        };
        let result = timeout_at(deadline.end, changed).await;
        result.unwrap_or_else(|_| Err(deadline.error(self, &waiting_for)))
    }

    /// Returns the patch of a change without sending it; `None` if there is nothing to change.
    pub(crate) async fn dry(&self, change: Change) -> Result<Option<Value>, TrafficError> {
        let object = self.object().await?;
        let patch = match standard::has_canaries(&object) {
            true => self.standard().dry(change).await?.into_iter().next().map(|patch| patch.patch),
            false => self.dry_of_revisions(&self.settled(change).await?, change).await?,
        };
        // The version of the object is of no use in a file.
        Ok(patch.map(|patch| json!({"spec": patch["spec"]})))
    }

    async fn dry_of_revisions(&self, service: &Service, change: Change) -> Result<Option<Value>, TrafficError> {
        let not_yet = |reason: &str| {
            let message = format!("cannot change InferenceService {} yet: {reason}", self.object.name);
            let hint = "without --dry, the command waits for that; or retry later";
            Err(TrafficError::new(TrafficErrorKind::Timeout, message, hint))
        };
        match plan(service, change) {
            Plan::NotYet { reason, .. } => not_yet(&reason),
            Plan::Refused { .. } if is_late(service, change) => not_yet(UNSEEN),
            Plan::Refused { reason, hint } => Err(self.refused(service, &reason, &hint).await),
            Plan::Patch { patch, .. } => Ok(patch),
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
        let mut grace = Grace::default();
        let mut next = None;
        loop {
            let service = match next.take() {
                Some(service) => service,
                None => self.next(states).await?,
            };
            if let Some(reason) = held.as_ref().and_then(|goal| goal.interference(service.as_ref())) {
                return Err(self.lost(&reason));
            }
            let service = service.ok_or_else(|| self.absent())?;
            let difference =
                expected.filter(|_| held.is_none()).and_then(|expected| expected.difference(&observed(&service)));
            if let Some(reason) = difference {
                return Err(self.lost(&reason));
            }
            if let Some(end) = grace.end(&service, change).filter(|_| held.is_none()) {
                wait_for(UNSEEN, waiting_for, say);
                if let Ok(state) = timeout_at(end, self.next(states)).await {
                    next = Some(state?);
                    continue;
                }
            }
            let managers = managers.get_or_insert_with(|| service.percent_managers.clone());
            let (patch, goal, is_last) = match plan(&service, change) {
                Plan::Refused { reason, hint } => return Err(self.refused(&service, &reason, &hint).await),
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

    /// Reads the InferenceService before a change, and waits for a revision that KServe has not made yet.
    async fn settled(&self, change: Change) -> Result<Service, TrafficError> {
        let mut states = self.cluster.watch(&self.object).await?;
        let mut grace = Grace::default();
        let mut service = self.next(&mut states).await?.ok_or_else(|| self.absent())?;
        while let Some(end) = grace.end(&service, change) {
            match timeout_at(end, self.next(&mut states)).await {
                Ok(state) => service = state?.ok_or_else(|| self.absent())?,
                Err(_) => break,
            }
        }
        Ok(service)
    }

    async fn reached(&self, goal: &Goal, waiting_for: &mut String, say: Say<'_>) -> Result<Service, TrafficError> {
        // A new watch, because it yields the current state first: if no patch was needed, no other state would follow.
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
        Ok(self.next_object(states).await?.as_ref().map(Service::of))
    }

    async fn next_object(&self, states: &mut ObjectStates<'_>) -> Result<Option<Value>, TrafficError> {
        loop {
            match states.next().await {
                Some(Ok(object)) => return Ok(object),
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

    /// Builds the error of a refused change. In Standard mode, the next step depends on the installed CRD.
    async fn refused(&self, service: &Service, reason: &str, hint: &str) -> TrafficError {
        if service.mode != Mode::Standard || service.halted.is_some() {
            return self.unchanged(reason, hint);
        }
        let document = self.cluster.openapi(&self.object.kind).await;
        let field = document.map_or(CanaryField::Unknown, |document| CanaryField::of(&document));
        self.unchanged(reason, field.hint())
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

/// Returns true if KServe may make a revision that is not known yet.
fn is_unseen(service: &Service) -> bool {
    let has_revisions = matches!(service.mode, Mode::Knative | Mode::Unknown);
    has_revisions && service.is_status_behind && service.halted.is_none()
}

/// Returns true if a change has to wait for a revision that KServe may make. A rollback of a candidate does not: its percent of 0 also holds
/// for the revision that follows.
fn is_late(service: &Service, change: Change) -> bool {
    is_unseen(service) && (change != Change::Rollback || service.candidate().is_none())
}

/// Wait for a revision that KServe has not made yet.
#[derive(Default)]
struct Grace {
    end: Option<Instant>,
}

impl Grace {
    /// Returns the end of the wait; `None` if there is nothing to wait for. After the wait has begun, each status without a candidate may
    /// still be from before KServe made the revision.
    fn end(&mut self, service: &Service, change: Change) -> Option<Instant> {
        let is_needed = is_late(service, change) || (self.end.is_some() && service.candidate().is_none());
        is_needed.then(|| *self.end.get_or_insert_with(|| Instant::now() + GRACE))
    }
}

/// API group of InferenceServices.
pub(crate) const GROUP: &str = "serving.kserve.io";

/// Plural name of InferenceServices.
pub(crate) const RESOURCE: &str = "inferenceservices";

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

    fn argument(&self) -> String {
        self.object.name.clone()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observed, TrafficError>> {
        Box::pin(async {
            let object = self.object().await?;
            if standard::has_canaries(&object) {
                return self.standard().observe().await;
            }
            let observed = observed(&self.settled(Change::Promote).await?);
            Ok(Observed { stable: observed.stable.or_else(|| standard::stable(&object)), ..observed })
        })
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

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
