//! Commands to a rollout in steps that runs elsewhere.

use std::time::Duration;

use super::error::AppError;
use super::rollout::{Change, Changed};
use super::rollout_target::{RolloutTarget, TargetName};
use crate::adapters::clock::SystemClock;
use crate::ports::cluster::Cluster;
use crate::traffic::claim::{Claim, ClaimState, Command, lease};

/// Phase in which a rollout can be resumed.
const PAUSED: &str = "paused";

/// Phases of a rollout that has ended.
const ENDED: [&str; 3] = ["promoted", "rolled back", "stopped"];

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
        let lease = lease(name.kind, &name.name, Some(namespace));
        Self { claim: Claim::new(cluster, &SystemClock, lease, target.describe()), target, name: &name.name }
    }

    /// Resumes a paused rollout, and waits until its run has taken the command.
    pub(crate) async fn resume(&self) -> Result<(), AppError> {
        let name = self.name;
        let holder = loop {
            let (state, holder) = self.active().await?;
            if state.phase.as_deref() != Some(PAUSED) {
                let phase = state.phase.as_deref().unwrap_or("starting");
                return Err(AppError::input(format!("the rollout of {name} is not paused: it is {phase}")));
            }
            // The holder renews its claim at any time.
            if self.claim.command(&state, Command::Resume).await? {
                break holder;
            }
        };
        if self.claim.is_taken(Command::Resume).await? {
            return Ok(());
        }
        // The next run must not find it.
        self.claim.done(Command::Resume).await;
        let message = format!("the rollout of {name} is paused, but its run does not respond: {holder}");
        let hint = "run that experiment again, and it continues from there; or `iter8 k rollout abort`";
        Err(AppError::outside(message).with_hint(hint))
    }

    /// Aborts a rollout, and waits until the stable version has all the traffic.
    pub(crate) async fn abort(
        &self,
        timeout: Duration,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Aborted, AppError> {
        let holder = loop {
            let (state, holder) = self.active().await?;
            if state.phase.as_deref().is_some_and(|phase| ENDED.contains(&phase)) {
                // Its run was killed before it could release the claim. Its traffic is as it should be.
                self.claim.release(&holder).await;
                return Ok(Aborted::ByItsRun(state.phase));
            }
            if self.claim.command(&state, Command::Abort).await? {
                break holder;
            }
        };
        if !self.claim.is_taken(Command::Abort).await? {
            say(&format!("the run of {holder} does not respond; rolling back from here"));
            let changed = self.target.change(Change::Rollback, timeout, say).await?;
            self.claim.note("rolled back", Some("aborted")).await;
            self.claim.release(&holder).await;
            return Ok(Aborted::Here(Box::new(changed)));
        }
        say(&format!("{holder} rolls back"));
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
