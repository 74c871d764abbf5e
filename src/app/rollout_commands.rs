//! Commands to a rollout in steps that runs elsewhere.

use std::time::Duration;

use super::error::AppError;
use super::rollout::{Change, Changed};
use super::rollout_target::{RolloutTarget, TargetName};
use crate::adapters::clock::SystemClock;
use crate::model::rollout::RolloutPhase;
use crate::ports::cluster::Cluster;
use crate::traffic::claim::{Claim, ClaimState, ClaimedTarget, Command, lease};
use crate::traffic::error::TrafficErrorKind;
use crate::traffic::{Expected, Observed};

/// A rollout in steps, as its claim shows it.
pub(crate) struct RunningRollout<'a> {
    claim: Claim<'a>,
    target: &'a RolloutTarget<'a>,
    name: &'a str,
}

/// End of an abort.
pub(crate) enum Aborted {
    /// Last phase of a rollout that has ended without a rollback by this process.
    ByItsRun(Option<RolloutPhase>),
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
        Self {
            claim: Claim::new(cluster, &SystemClock, lease, ClaimedTarget::of(target.target())),
            target,
            name: &name.name,
        }
    }

    /// Resumes a paused rollout, and waits until its run has taken the command.
    pub(crate) async fn resume(&self) -> Result<(), AppError> {
        let name = self.name;
        let holder = loop {
            let (state, holder) = self.active().await?;
            if state.phase != Some(RolloutPhase::Paused) {
                let phase = state.phase.map_or("starting".to_owned(), |phase| phase.to_string());
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
        let hint = format!(
            "run that experiment again, and it continues from there; or `iter8 k rollout abort {}`",
            self.target.target().argument()
        );
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
            if state.phase.is_some_and(RolloutPhase::is_over) {
                // Its run was killed before it could release the claim. Its traffic is as it should be.
                self.claim.release(&holder).await;
                return Ok(Aborted::ByItsRun(state.phase));
            }
            if self.claim.command(&state, Command::Abort).await? {
                break holder;
            }
        };
        if !self.claim.is_taken(Command::Abort).await? {
            return self.abort_from_here(&holder, timeout, say).await;
        }
        say(&format!("{holder} rolls back"));
        match tokio::time::timeout(timeout, self.claim.released()).await {
            Ok(state) => Ok(Aborted::ByItsRun(state?.phase)),
            Err(_) => Err(AppError::outside(format!("the rollout of {} did not end within {timeout:?}", self.name))
                .with_hint(format!("`iter8 k rollout status {}` shows its state", self.target.target().argument()))),
        }
    }

    /// Rolls back a rollout that no process runs any more. Without a candidate there is nothing to roll back: it was promoted, or deleted.
    async fn abort_from_here(
        &self,
        holder: &str,
        timeout: Duration,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Aborted, AppError> {
        let target = self.target.target();
        let (found, lack) = match target.observe().await {
            Err(error) if error.kind == TrafficErrorKind::Absent => (None, "does not exist any more"),
            observed => (Some(observed?), "has no candidate any more, and keeps its traffic"),
        };
        let with_candidate = found.filter(|observed| observed.candidate.is_some());
        let Some(Observed { uid, candidate, percent, .. }) = with_candidate else {
            let reason = format!("{} {lack}", target.describe());
            say(&format!("the run of {holder} does not respond; {reason}"));
            self.claim.note(holder, RolloutPhase::Stopped, Some(&format!("aborted: {reason}"))).await;
            self.claim.release(holder).await;
            return Ok(Aborted::ByItsRun(Some(RolloutPhase::Stopped)));
        };
        say(&format!("the run of {holder} does not respond; rolling back from here"));
        let expected = Expected { uid, candidate, percents: vec![percent] };
        let changed = self.target.change(Change::Rollback, Some(&expected), timeout, say).await?;
        self.claim.note(holder, RolloutPhase::RolledBack, Some("aborted")).await;
        self.claim.release(holder).await;
        Ok(Aborted::Here(Box::new(changed)))
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

#[cfg(test)]
#[path = "rollout_commands_tests.rs"]
mod tests;
