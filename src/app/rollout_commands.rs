//! Commands to a rollout in steps that runs elsewhere.

use std::time::Duration;

use super::error::AppError;
use super::rollout::{Change, Changed};
use super::rollout_target::{RolloutTarget, TargetKind, TargetName};
use crate::adapters::clock::SystemClock;
use crate::ports::Clock;
use crate::ports::cluster::Cluster;
use crate::traffic::claim::{self, Claim, ClaimState, Command, lease};

/// Phase in which a rollout can be resumed.
const PAUSED: &str = "paused";

/// A rollout in steps, as its claim shows it.
pub(crate) struct RunningRollout<'a> {
    claim: Claim<'a>,
    target: &'a RolloutTarget<'a>,
    name: &'a str,
}

/// End of an abort.
pub(crate) enum Aborted {
    /// Last phase of a rollout that its own run has ended, by a rollback or otherwise.
    ByItsRun(Option<String>),
    /// Its run was no longer active, so this process rolled it back.
    Here(Box<Changed>),
}

impl<'a> RunningRollout<'a> {
    /// Names the rollout of a target.
    pub(crate) fn new(
        cluster: &'a dyn Cluster,
        namespace: &str,
        name: &'a TargetName,
        target: &'a RolloutTarget<'a>,
    ) -> Self {
        let (prefix, kind) = match name.kind {
            TargetKind::Service => (claim::SERVICE, "InferenceService"),
            TargetKind::Routemap => (claim::ROUTEMAP, "routemap"),
            TargetKind::Llm => (claim::LLM, "LLMInferenceService"),
        };
        let (lease, described) = (lease(prefix, &name.name, Some(namespace)), format!("{kind} {}", name.name));
        Self { claim: Claim::new(cluster, &SystemClock, lease, described), target, name: &name.name }
    }

    /// Resumes a paused rollout.
    pub(crate) async fn resume(&self) -> Result<(), AppError> {
        let name = self.name;
        // The holder renews its claim at any time.
        loop {
            let (state, holder) = self.active().await?;
            if state.phase.as_deref() != Some(PAUSED) {
                let phase = state.phase.as_deref().unwrap_or("starting");
                return Err(AppError::input(format!("the rollout of {name} is not paused: it is {phase}")));
            }
            if state.is_silent(SystemClock.now()) {
                let message = format!("the rollout of {name} is paused, but its run has ended: {holder}");
                let hint = "run that experiment again to continue from there, or run `iter8 k rollout abort`";
                return Err(AppError::outside(message).with_hint(hint));
            }
            if self.claim.command(&state, Command::Resume).await? {
                return Ok(());
            }
        }
    }

    /// Aborts a rollout, and waits until the stable version has all the traffic.
    pub(crate) async fn abort(
        &self,
        timeout: Duration,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Aborted, AppError> {
        loop {
            let (state, holder) = self.active().await?;
            if state.is_silent(SystemClock.now()) {
                say(&format!("the run of {holder} has ended; rolling back from here"));
                let changed = self.target.change(Change::Rollback, timeout, say).await?;
                self.claim.note("rolled back", Some("aborted")).await;
                self.claim.release().await;
                return Ok(Aborted::Here(Box::new(changed)));
            }
            if self.claim.command(&state, Command::Abort).await? {
                say(&format!("{holder} rolls back"));
                break;
            }
        }
        match tokio::time::timeout(timeout, self.claim.released()).await {
            Ok(state) => Ok(Aborted::ByItsRun(state?.phase)),
            Err(_) => Err(AppError::outside(format!("the rollout of {} did not end within {timeout:?}", self.name))
                .with_hint("`iter8 k rollout status` shows its state")),
        }
    }

    async fn active(&self) -> Result<(ClaimState, String), AppError> {
        let state = self.claim.state().await?;
        match state.holder.clone() {
            Some(holder) => Ok((state, holder)),
            None => Err(AppError::input(format!("no rollout of {} is in progress", self.name)).with_hint(
                "`iter8 k rollout run` starts one; `iter8 k rollout rollback` gives the traffic back without one",
            )),
        }
    }
}
