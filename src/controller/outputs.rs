//! Applies the output of one routing template, if the live object differs from it.

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use serde_json::Value;
use tokio::time::Instant;

use super::index::{Affected, RoutemapObject, Target};
use super::keys::ResourceKey;
use super::live::{Live, hash};
use super::queue::Next;
use super::report;
use super::shared::{Blocked, Settled, Shared};
use super::writer::{Applied, WriteError};
use crate::adapters::kubernetes::api_resource;
use crate::ports::cluster::ClusterErrorKind;
use crate::routing::Decision;
use crate::routing::decision::{Output, Rendered};
use crate::routing::target::Desired;

/// Pause after an object of another controller was left alone.
const OWNED_PAUSE: Duration = Duration::from_secs(60);

/// Pause after the API server rejected an object: a webhook or a missing permission may be fixed without an event.
const REJECTED_PAUSE: Duration = Duration::from_secs(10);

/// Time for which a missing permission may be temporary: a restarted API server loads RBAC first.
const DENIED: Duration = Duration::from_secs(30);

/// Repairs of an object within this time of each other are spaced out, because someone else keeps writing it.
const WAR: Duration = Duration::from_secs(120);

/// Longest pause between repairs.
const LONGEST_WAR_PAUSE: Duration = Duration::from_secs(60);

/// Result of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The live object is as desired.
    Unchanged,
    Applied,
    /// The template renders nothing.
    Empty,
    /// The output must not be applied.
    Skipped,
    /// The state of the live object is not known yet, or another replica leads.
    Waiting,
    At(Instant),
    /// It may succeed later, and the old routes are in place until then.
    Retry(Duration),
    /// The API server rejected it, or others own it: it is tried again at this time.
    Blocked(Instant),
}

impl Outcome {
    pub(super) fn next(self) -> Next {
        match self {
            Self::Unchanged | Self::Applied | Self::Empty | Self::Skipped | Self::Waiting => Next::Wait,
            Self::At(at) | Self::Blocked(at) => Next::At(at),
            Self::Retry(pause) => Next::Retry(pause),
        }
    }
}

/// Applies an output of a routemap.
pub(super) async fn apply(
    shared: &Arc<Shared>,
    object: &RoutemapObject,
    decision: &Decision,
    output: &Output,
) -> Outcome {
    match &output.result {
        Rendered::Empty => Outcome::Empty,
        Rendered::Refused(refusal) => {
            report::refused(shared, object, &output.template, refusal);
            Outcome::Skipped
        }
        Rendered::Desired(desired) => match shared.types.target(&desired.target) {
            Some(target) => Application { shared, object, decision, desired, target }.run().await,
            None => Outcome::Skipped,
        },
    }
}

/// Reason to apply an object.
enum Cause {
    /// The decision changed, or this controller never applied it.
    Decision,
    /// Someone changed it.
    Drift,
    /// Someone deleted it.
    Deletion,
}

/// One object that may have to be applied.
struct Application<'a> {
    shared: &'a Arc<Shared>,
    object: &'a RoutemapObject,
    decision: &'a Decision,
    desired: &'a Desired,
    target: ResourceKey,
}

impl Application<'_> {
    async fn run(self) -> Outcome {
        let desired = Value::Object(self.desired.object.clone());
        let hash = hash(&desired);
        let settled = self.shared.settled.lock().get(&self.target).copied();
        let was_settled = settled.is_some_and(|settled| settled.desired == hash);
        let (cause, live) = match self.shared.index.target(&self.target) {
            Target::Unlisted => return Outcome::Waiting,
            Target::Missing if was_settled => (Cause::Deletion, None),
            Target::Unknown | Target::Missing => (Cause::Decision, None),
            Target::Exists(live) => match settled {
                Some(settled) if was_settled && settled.accepted == live.digest(&desired) => return Outcome::Unchanged,
                Some(_) if was_settled => (Cause::Drift, Some(live)),
                // Inside of lists, fields of an earlier decision look like defaults, so a new decision is always written.
                None if live.difference(&desired).is_none() => {
                    self.settle(settled, hash, live.digest(&desired), false);
                    return Outcome::Unchanged;
                }
                _ => (Cause::Decision, Some(live)),
            },
        };
        if let Some(until) = self.blocked_until(hash) {
            return Outcome::Blocked(until);
        }
        if let (Cause::Drift | Cause::Deletion, Some(pause)) = (&cause, settled.and_then(war_pause)) {
            return Outcome::At(pause);
        }
        // If the routemap is being deleted as well, its routes are not created again.
        if matches!(cause, Cause::Deletion) && !self.routemap_exists().await {
            return Outcome::Skipped;
        }
        let result = self.write(&desired).await;
        match result {
            Ok(applied) => self.applied(&desired, hash, settled, (cause, live), applied),
            Err(error) => self.failed(hash, &error),
        }
    }

    async fn write(&self, desired: &Value) -> Result<(Applied, u64), WriteError> {
        let resource = api_resource(&self.desired.resource);
        let removals = self.shared.index.removals(self.target.of_type);
        let started = StdInstant::now();
        let result = self.shared.writer.apply(&resource, &self.target.key, desired).await;
        self.shared.metrics.apply_finished(started.elapsed());
        Ok((result?, removals))
    }

    /// Takes the result of an apply. `live` is the last known state before it.
    fn applied(
        &self,
        desired: &Value,
        hash: u64,
        settled: Option<Settled>,
        (cause, live): (Cause, Option<Arc<Live>>),
        (applied, removals): (Applied, u64),
    ) -> Outcome {
        let unchanged = live.as_ref().filter(|live| live.is_same_version(&applied.live));
        let drift = match (&cause, &live) {
            (Cause::Drift, Some(live)) => live.change(&applied.live, desired),
            _ => None,
        };
        let is_repair = drift.is_some() || matches!(cause, Cause::Deletion);
        // A slow response may be outdated: another routemap may have applied the object since. A later write to other fields, such as
        // the status, does not matter.
        let later = self.later(&applied.live);
        if later.is_none_or(|later| later.digest(desired) == applied.live.digest(desired)) {
            // The watch may read the object in another API version than the written one, and later states are compared with watched ones.
            let accepted = unchanged.map_or(&applied.live, |live| &**live);
            self.settle(settled, hash, accepted.digest(desired), is_repair);
        }
        self.shared.blocked.lock().remove(&self.target);
        let mut affected = self.shared.index.target_written(&self.target, applied.live, removals);
        // This routemap needs no further reconciliation. One that has claimed the object meanwhile does: the index will ignore the
        // event of this write, because it knows that version already.
        affected.remove(&self.object.key);
        self.shared.push(Affected { routemaps: affected, ..Affected::default() });
        if unchanged.is_some() {
            return Outcome::Unchanged;
        }
        match (cause, drift) {
            (Cause::Decision, _) => {
                report::written(self.shared, self.object, self.decision, self.desired, &applied.taken_from);
            }
            (Cause::Drift, None) => {}
            (Cause::Drift | Cause::Deletion, field) => {
                report::drift(self.shared, self.object, self.desired, field.as_deref());
            }
        }
        Outcome::Applied
    }

    fn failed(&self, hash: u64, error: &WriteError) -> Outcome {
        report::write_failed(self.shared, self.object, self.desired, error);
        match error {
            WriteError::NotLeader => Outcome::Waiting,
            WriteError::Owned(_) => self.block(hash, OWNED_PAUSE),
            WriteError::Replaced => Outcome::Retry(Duration::ZERO),
            WriteError::Transient(_, pause) => Outcome::Retry(*pause),
            WriteError::Rejected(error) => {
                let outcome = self.block(hash, REJECTED_PAUSE);
                // A restarted API server denies everything until RBAC is loaded.
                let is_denied = matches!(error.kind, ClusterErrorKind::Forbidden | ClusterErrorKind::Unauthorized);
                let since = self.shared.blocked.lock().get(&self.target).map(|blocked| blocked.since);
                match (outcome, since) {
                    (Outcome::Blocked(until), Some(since)) if is_denied && since.elapsed() < DENIED => {
                        Outcome::At(until)
                    }
                    (outcome, _) => outcome,
                }
            }
        }
    }

    /// Delays the next attempt to apply this state of the object. Other outputs of the routemap are not delayed.
    fn block(&self, desired: u64, pause: Duration) -> Outcome {
        let now = Instant::now();
        let mut all = self.shared.blocked.lock();
        let since = all.get(&self.target).map_or(now, |blocked| blocked.since);
        let until = now + pause;
        all.insert(self.target.clone(), Blocked { desired, since, until });
        Outcome::Blocked(until)
    }

    fn blocked_until(&self, desired: u64) -> Option<Instant> {
        let blocked = self.shared.blocked.lock().get(&self.target).copied()?;
        (blocked.desired == desired && Instant::now() < blocked.until).then_some(blocked.until)
    }

    /// Notes that the live object is as desired.
    fn settle(&self, before: Option<Settled>, hash: u64, accepted: u64, is_repair: bool) {
        let now = Instant::now();
        let mut settled = before.unwrap_or(Settled { desired: hash, accepted, repairs: 0, repaired_at: None });
        (settled.desired, settled.accepted) = (hash, accepted);
        if is_repair {
            let is_war = settled.repaired_at.is_some_and(|at| now - at < WAR);
            settled.repairs = if is_war { settled.repairs.saturating_add(1) } else { 1 };
            settled.repaired_at = Some(now);
        }
        self.shared.settled.lock().insert(self.target.clone(), settled);
    }

    /// Returns the known state of the object if it is newer than this one.
    fn later(&self, live: &Live) -> Option<Arc<Live>> {
        match self.shared.index.target(&self.target) {
            Target::Exists(known) if live.is_older_than(&known) => Some(known),
            _ => None,
        }
    }

    async fn routemap_exists(&self) -> bool {
        self.shared.writer.routemap_exists(&self.object.key, &self.object.uid).await
    }
}

/// Returns the time before which an object is not repaired again.
fn war_pause(settled: Settled) -> Option<Instant> {
    let last = settled.repaired_at.filter(|_| settled.repairs > 1)?;
    let pause = Duration::from_secs(1 << settled.repairs.min(8).saturating_sub(2)).min(LONGEST_WAR_PAUSE);
    let until = last + pause;
    (Instant::now() < until).then_some(until)
}
