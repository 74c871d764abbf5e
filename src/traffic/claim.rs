//! Claim of a rollout on its target: a Lease, so that two rollouts never move the traffic of one object.
//!
//! The Lease is also where a person resumes or aborts the rollout, and where others see its phase. The InferenceService
//! itself cannot hold this state: KServe makes a new revision for every annotation.
//!
//! A claim does not expire. A run that was killed leaves the traffic split, and another rollout must not start from there unnoticed: either
//! the same experiment continues, or a person aborts. The times in the Lease only say when the holder was last seen.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::error::{TrafficError, TrafficErrorKind};
use super::target::{Target, TargetKind};
use crate::model::object::{ObjectRef, ResourceKind};
use crate::model::rollout::RolloutPhase;
use crate::model::text::{one_line, truncate};
use crate::ports::Clock;
use crate::ports::cluster::{Cluster, ClusterErrorKind, ObjectStates};

/// Annotation with a command for the run that holds the claim.
const COMMAND: &str = "iter8.tools/rollout-command";

/// Annotation with the phase of the rollout.
const PHASE: &str = "iter8.tools/rollout-phase";

/// Annotation with the reason for the phase.
const REASON: &str = "iter8.tools/rollout-reason";

/// Time between two renewals.
const RENEWAL: Duration = Duration::from_secs(10);

/// Duration of the Lease, for people who read it. A claim does not expire.
const DURATION_SECONDS: u64 = 60;

/// Time without a renewal after which the holder counts as not running.
const SILENCE: Duration = Duration::from_secs(30);

/// Attempts to write a Lease that others write at the same time.
const ATTEMPTS: usize = 10;

/// Longest text in the Lease that is shown, in characters.
const MAX_TEXT: usize = 300;

/// A command for a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Go on after a pause.
    Resume,
    /// Roll back.
    Abort,
}

impl Command {
    fn name(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Abort => "abort",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Resume, Self::Abort].into_iter().find(|command| command.name() == name)
    }
}

/// State of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClaimState {
    /// Experiment that holds it; `None` if nobody does.
    pub(crate) holder: Option<String>,
    /// Time at which the holder was last seen, by its own clock.
    renewed: Option<DateTime<Utc>>,
    /// Phase of the rollout.
    pub(crate) phase: Option<RolloutPhase>,
    /// Reason for the phase.
    pub(crate) reason: Option<String>,
    command: Option<Command>,
    version: String,
}

impl ClaimState {
    fn of(lease: &Value) -> Self {
        let text = |value: &Value| {
            value.as_str().filter(|text| !text.is_empty()).map(|text| one_line(&truncate(text, MAX_TEXT)))
        };
        let (metadata, spec) = (&lease["metadata"], &lease["spec"]);
        let annotation = |name: &str| text(&metadata["annotations"][name]);
        Self {
            // Not shortened: it is compared.
            holder: spec["holderIdentity"].as_str().filter(|holder| !holder.is_empty()).map(str::to_owned),
            renewed: spec["renewTime"].as_str().and_then(|time| time.parse().ok()),
            phase: annotation(PHASE).as_deref().and_then(RolloutPhase::named),
            reason: annotation(REASON),
            command: annotation(COMMAND).as_deref().and_then(Command::of),
            version: text(&metadata["resourceVersion"]).unwrap_or_default(),
        }
    }
}

/// Names of the object that a claim is about.
pub(crate) struct ClaimedTarget {
    /// For people: `InferenceService iris`.
    description: String,
    /// For commands: `iris`.
    argument: String,
}

impl ClaimedTarget {
    /// Names a target.
    pub(crate) fn of(target: &dyn Target) -> Self {
        Self { description: target.describe(), argument: target.argument() }
    }
}

/// The claim on one object.
pub(crate) struct Claim<'a> {
    cluster: &'a dyn Cluster,
    clock: &'a dyn Clock,
    lease: ObjectRef,
    target: ClaimedTarget,
    /// Annotations with phase and reason, which each renewal repeats.
    shown: Mutex<Option<Value>>,
}

impl<'a> Claim<'a> {
    /// Names the claim on an object.
    pub(crate) fn new(cluster: &'a dyn Cluster, clock: &'a dyn Clock, lease: ObjectRef, target: ClaimedTarget) -> Self {
        Self { cluster, clock, lease, target, shown: Mutex::default() }
    }

    /// Reads the claim.
    pub(crate) async fn state(&self) -> Result<ClaimState, TrafficError> {
        let mut states = self.cluster.watch(&self.lease).await?;
        Ok(self.next(&mut states).await?.unwrap_or_default())
    }

    /// Claims the object for `holder`. Returns true if it has held the claim before. Fails if another one holds it.
    pub(crate) async fn acquire(&self, holder: &str) -> Result<bool, TrafficError> {
        for _ in 0..ATTEMPTS {
            let mut states = self.cluster.watch(&self.lease).await?;
            let state = self.next(&mut states).await?;
            let holds = state.as_ref().and_then(|state| state.holder.as_deref());
            if let (Some(other), Some(state)) = (holds.filter(|other| *other != holder), &state) {
                return Err(self.taken(other, state));
            }
            let now = micro_time(self.clock.now());
            let mut spec =
                json!({"holderIdentity": holder, "renewTime": now, "leaseDurationSeconds": DURATION_SECONDS});
            let mut metadata = json!({});
            if holds.is_none() {
                spec["acquireTime"] = now.into();
                // What an earlier rollout has left. A command to this holder was given while it was not running, so it stays.
                metadata["annotations"] = json!({COMMAND: null, PHASE: null, REASON: null});
            }
            let written = match &state {
                None => self.cluster.create(&self.lease, "Lease", &json!({ "spec": spec })).await,
                Some(state) => {
                    metadata["resourceVersion"] = state.version.as_str().into();
                    self.cluster.patch(&self.lease, &json!({"metadata": metadata, "spec": spec})).await
                }
            };
            match written {
                Ok(_) => return Ok(holds.is_some()),
                Err(error) if error.kind == ClusterErrorKind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.lost(&format!("gave up after {ATTEMPTS} conflicts with concurrent writes")))
    }

    /// Shows the phase of the rollout in the Lease, while `holder` holds it. A failure is only logged, because the next renewal repeats the
    /// phase.
    pub(crate) async fn note(&self, holder: &str, phase: RolloutPhase, reason: Option<&str>) {
        let reason = reason.map(|reason| truncate(reason, MAX_TEXT));
        let annotations = json!({PHASE: phase.to_string(), REASON: reason});
        *self.shown.lock() = Some(annotations.clone());
        if let Err(reason) = self.write_soon(holder, &json!({"metadata": {"annotations": annotations}})).await {
            tracing::warn!("the phase of the rollout is not shown in its Lease yet: {reason}");
        }
    }

    /// Renews the claim of `holder`, and repeats the phase.
    async fn renew(&self, holder: &str) {
        let mut patch = json!({"spec": {"renewTime": micro_time(self.clock.now())}});
        if let Some(annotations) = self.shown.lock().clone() {
            patch["metadata"] = json!({"annotations": annotations});
        }
        if let Err(reason) = self.write_soon(holder, &patch).await {
            tracing::warn!("the claim on {} was not renewed: {reason}; trying again", self.target.description);
        }
    }

    /// Patches the Lease while `holder` holds it, or gives up when the next renewal is due: a run is not held up by its Lease.
    async fn write_soon(&self, holder: &str, patch: &Value) -> Result<(), String> {
        match tokio::time::timeout(RENEWAL, self.write(holder, patch)).await {
            Ok(written) => written.map_err(|error| error.message),
            Err(_) => Err(format!("no response within {RENEWAL:?}")),
        }
    }

    /// Patches the Lease while `holder` holds it.
    async fn write(&self, holder: &str, patch: &Value) -> Result<(), TrafficError> {
        self.change(|state| state.holder.as_deref() == Some(holder), patch).await
    }

    /// Gives up the claim of `holder`. Failures are only logged, because the same experiment can claim the object again.
    pub(crate) async fn release(&self, holder: &str) {
        let patch = json!({"metadata": {"annotations": {COMMAND: null}}, "spec": {"holderIdentity": null}});
        if let Err(error) = self.write(holder, &patch).await {
            tracing::warn!("the claim on {} was not released: {}", self.target.description, error.message);
        }
    }

    /// Drops a command that has been saved in the document.
    pub(crate) async fn done(&self, command: Command) {
        let is_given = |state: &ClaimState| state.command == Some(command);
        let patch = json!({"metadata": {"annotations": {COMMAND: null}}});
        if let Err(error) = self.change(is_given, &patch).await {
            tracing::warn!("the command `{}` is still in the Lease: {}", command.name(), error.message);
        }
    }

    /// Patches the Lease if it is in a state, and in this version of it.
    async fn change(&self, is_so: impl Fn(&ClaimState) -> bool, patch: &Value) -> Result<(), TrafficError> {
        for _ in 0..ATTEMPTS {
            let state = self.state().await?;
            if !is_so(&state) {
                return Ok(());
            }
            let mut patch = patch.clone();
            patch["metadata"]["resourceVersion"] = state.version.into();
            match self.cluster.patch(&self.lease, &patch).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind == ClusterErrorKind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.lost(&format!("{ATTEMPTS} attempts to change it were in conflict with others")))
    }

    /// Renews the claim of `holder` until someone gives one of these commands, which stays in the Lease until it is [`done`](Self::done).
    /// Fails if the claim is lost.
    pub(crate) async fn keep(&self, holder: &str, wanted: &[Command]) -> Result<Command, TrafficError> {
        let mut states = self.cluster.watch(&self.lease).await?;
        let mut renewal = tokio::time::interval(RENEWAL);
        renewal.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                state = self.next(&mut states) => {
                    let state = state?.ok_or_else(|| self.lost("its Lease was deleted"))?;
                    match state.holder.as_deref() {
                        Some(current) if current == holder => {}
                        Some(other) => return Err(self.lost(&format!("it was taken over by {other}"))),
                        None => return Err(self.lost("it was released by someone else")),
                    }
                    match state.command {
                        Some(command) if wanted.contains(&command) => return Ok(command),
                        // It would open the next gate.
                        Some(Command::Resume) => self.done(Command::Resume).await,
                        _ => {}
                    }
                }
                _ = renewal.tick() => self.renew(holder).await,
            }
        }
    }

    /// Gives a command to the run that holds the claim in this state. Returns false if the state has changed.
    pub(crate) async fn command(&self, state: &ClaimState, command: Command) -> Result<bool, TrafficError> {
        let metadata = json!({"resourceVersion": state.version, "annotations": {COMMAND: command.name()}});
        match self.cluster.patch(&self.lease, &json!({ "metadata": metadata })).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ClusterErrorKind::Conflict => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the run of the holder takes the command, or ends. Returns false if it stops renewing its claim before: it is not running.
    pub(crate) async fn is_taken(&self, command: Command) -> Result<bool, TrafficError> {
        let mut states = self.cluster.watch(&self.lease).await?;
        // Each renewal starts the time anew. Clocks of different machines are not compared.
        while let Ok(state) = tokio::time::timeout(SILENCE, self.next(&mut states)).await {
            if state?.is_none_or(|state| state.holder.is_none() || state.command != Some(command)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits until nobody holds the claim, and returns its last state.
    pub(crate) async fn released(&self) -> Result<ClaimState, TrafficError> {
        let mut states = self.cluster.watch(&self.lease).await?;
        loop {
            match self.next(&mut states).await? {
                None => return Ok(ClaimState::default()),
                Some(state) if state.holder.is_none() => return Ok(state),
                Some(_) => {}
            }
        }
    }

    async fn next(&self, states: &mut ObjectStates<'_>) -> Result<Option<ClaimState>, TrafficError> {
        loop {
            match states.next().await {
                Some(Ok(lease)) => return Ok(lease.as_ref().map(ClaimState::of)),
                Some(Err(error)) if error.kind == ClusterErrorKind::Unreachable => {
                    tracing::warn!("{error}; trying again");
                }
                Some(Err(error)) => return Err(error.into()),
                None => return Err(self.lost("the watch of its Lease ended")),
            }
        }
    }

    fn taken(&self, holder: &str, state: &ClaimState) -> TrafficError {
        let seen =
            state.renewed.map(|time| format!(", last seen at {}", time.to_rfc3339_opts(SecondsFormat::Secs, true)));
        let phase = state.phase.as_ref().map(|phase| format!(", {phase}")).unwrap_or_default();
        let (name, ClaimedTarget { description, argument }) = (&self.lease.name, &self.target);
        TrafficError::new(
            TrafficErrorKind::Claimed,
            format!("{description} is in another rollout, by {holder}{phase}{}", seen.unwrap_or_default()),
            format!(
                "wait for its end, or abort it with `iter8 k rollout abort {argument}` (the claim is lease/{name})"
            ),
        )
    }

    fn lost(&self, reason: &str) -> TrafficError {
        TrafficError::new(
            TrafficErrorKind::Claimed,
            format!("the claim on {} was lost: {reason}", self.target.description),
            format!("lease/{} names the holder", self.lease.name),
        )
    }
}

/// API group of Leases.
pub(crate) const LEASE_GROUP: &str = "coordination.k8s.io";

/// Plural name of Leases.
pub(crate) const LEASES: &str = "leases";

/// Returns the reference of the Lease of a target.
pub(crate) fn lease(kind: TargetKind, name: &str, namespace: Option<&str>) -> ObjectRef {
    let (group, resource) = (LEASE_GROUP.to_owned(), LEASES.to_owned());
    let name = format!("{}{name}", kind.lease_prefix());
    let kind = ResourceKind { group, version: "v1".to_owned(), resource };
    ObjectRef { kind, namespace: namespace.map(str::to_owned), name }
}

fn micro_time(now: DateTime<Utc>) -> String {
    now.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
