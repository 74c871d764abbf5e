//! Leader election: of all replicas, only the holder of a Lease writes.
//!
//! Invariant: at most one process leads at any time. The rules are those of client-go, made stricter:
//!
//! - The leader counts from the moment before it sent its last successful renewal, and stops at the renew deadline by itself, even if
//!   it is stalled or cut off ([`Leadership`]).
//! - A standby ignores the times in the Lease, which another machine's clock wrote. It takes the Lease over when it has not seen it
//!   change for the Lease's duration by its own clock, or immediately if the holder has left ([`election`]).
//! - Every write carries the resourceVersion that was read, so that of two candidates one gets 409.
//!
//! Duration and deadline are apart by more than the timeout of a call, so the old leader has stopped before the new one starts. Clocks
//! may run at different speeds, by up to a third.
//!
//! Without access to the Lease, pod `-0` of a StatefulSet leads alone, as in Iter8. It keeps asking for the Lease, leads only as long as
//! access is denied, and joins the election when it is granted. The other pods of the StatefulSet then wait until it has noticed.

mod election;
mod leadership;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::election::{Action, Election, WriteResult};
pub(crate) use self::leadership::{Leadership, LeadershipSender};
use self::leadership::{Moment, Term};
use self::store::{CallError, KubeLease, LeaseStore};
use crate::ports::cluster::ClusterError;

/// Time for which 403 counts as temporary: a restarted API server needs it to load RBAC.
const FORBIDDEN: Duration = Duration::from_secs(20);

/// Pause before the next attempt of a standby that may not use the Lease.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(30);

/// Place of a pod in its StatefulSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ordinal {
    /// Pod `-0`, which leads alone if access to the Lease is denied.
    First,
    /// Any other number: pod `-0` may lead without the Lease.
    Later,
    /// Not numbered.
    None,
}

impl Ordinal {
    fn of(pod: &str) -> Self {
        match pod.rsplit_once('-').map(|(_, number)| number) {
            Some("0") => Self::First,
            Some(number) if number.parse::<u32>().is_ok() => Self::Later,
            _ => Self::None,
        }
    }
}

/// Lease and timing of the election.
#[derive(Clone, Debug)]
pub(crate) struct LeaseSettings {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Name of this process in the Lease, unique among all processes that ever ran.
    pub(crate) identity: String,
    pub(crate) ordinal: Ordinal,
    /// Time after which standbys take over a Lease that does not change.
    pub(crate) duration: Duration,
    /// Time after a renewal in which the leader may write. Shorter than `duration` by more than `call_timeout`.
    pub(crate) renew_deadline: Duration,
    /// Time between two renewals, and between two reads of a standby.
    pub(crate) retry: Duration,
    pub(crate) call_timeout: Duration,
}

impl LeaseSettings {
    /// Returns settings with which a standby takes over at most 12 s after a crash of the leader.
    pub(crate) fn new(namespace: &str, name: &str, pod: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            // A pod of a StatefulSet that was deleted by force may still run elsewhere under the same name.
            identity: format!("{pod}_{:08x}", fastrand::u32(..)),
            ordinal: Ordinal::of(pod),
            duration: Duration::from_secs(9),
            renew_deadline: Duration::from_secs(6),
            retry: Duration::from_secs(1),
            call_timeout: Duration::from_secs(2),
        }
    }
}

/// Reason to give up the election.
#[derive(Debug, Error)]
pub(crate) enum LeaseError {
    /// RBAC denies access to the Lease.
    #[error("{error}")]
    Forbidden {
        error: ClusterError,
        /// True if access was granted before.
        was_authorized: bool,
    },
}

/// Takes part in the election until `stop`, then hands the Lease over. Cancel `stop` when all writes have finished.
pub(crate) async fn run(
    client: Client,
    settings: &LeaseSettings,
    leadership: &LeadershipSender,
    stop: &CancellationToken,
) {
    take_part(&KubeLease::new(client, settings), settings, leadership, stop).await;
}

async fn take_part(
    store: &impl LeaseStore,
    settings: &LeaseSettings,
    leadership: &LeadershipSender,
    stop: &CancellationToken,
) {
    while let Err(LeaseError::Forbidden { error, was_authorized }) = elect(store, settings, leadership, stop).await {
        let hint = error.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        let name = &settings.name;
        // If access was granted before and then lost, another pod may lead.
        if settings.ordinal == Ordinal::First && !was_authorized {
            tracing::warn!("{}{hint}; this pod leads without an election, because it is the first pod", error.message);
            lead_while_forbidden(store, settings, leadership, stop).await;
            if !stop.is_cancelled() {
                tracing::info!("access to Lease {name} is granted; this pod joins the election");
            }
            continue;
        }
        tracing::error!("{}{hint}; this pod stays a standby", error.message);
        tokio::select! {
            () = tokio::time::sleep(FORBIDDEN_PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Leads without the Lease as long as access to it is denied: each 403 extends the term as a renewal does. Ends when access is granted.
async fn lead_while_forbidden(
    store: &impl LeaseStore,
    settings: &LeaseSettings,
    leadership: &LeadershipSender,
    stop: &CancellationToken,
) {
    let mut term: Option<Term> = None;
    while !stop.is_cancelled() {
        let sent = leadership.now();
        let response = tokio::time::timeout(settings.call_timeout, store.get()).await;
        match response.unwrap_or(Err(CallError::TimedOut)) {
            Err(CallError::Forbidden(_)) => {
                let known = term.filter(|term| !leadership.now().has_reached(term.deadline));
                let number = known.map_or(leadership.last_term() + 1, |term| term.number);
                term = Some(Term { number, deadline: sent.after(settings.renew_deadline) });
                leadership.publish(term);
            }
            // Access may have been granted: the term expires unless a later 403 extends it.
            Err(CallError::Failed(_) | CallError::TimedOut) => {}
            Ok(_) | Err(CallError::Conflict(_)) => break,
        }
        tokio::select! {
            () = tokio::time::sleep_until(sent.instant + settings.retry) => {}
            () = stop.cancelled() => {}
        }
    }
    leadership.resign();
}

async fn elect(
    store: &impl LeaseStore,
    settings: &LeaseSettings,
    leadership: &LeadershipSender,
    stop: &CancellationToken,
) -> Result<(), LeaseError> {
    let election = Election::new(settings.clone(), leadership.last_term(), leadership.now().instant);
    let mut elector = Elector { store, election, leadership, settings, access: Access::default(), published: None };
    let result = elector.run_until(stop).await;
    leadership.resign();
    if result.is_ok() {
        elector.release().await;
    }
    result
}

/// Sends the requests of the election and publishes its result.
struct Elector<'a, S> {
    store: &'a S,
    election: Election,
    leadership: &'a LeadershipSender,
    settings: &'a LeaseSettings,
    access: Access,
    /// Number of the term that was announced last.
    published: Option<u64>,
}

impl<S: LeaseStore> Elector<'_, S> {
    async fn run_until(&mut self, stop: &CancellationToken) -> Result<(), LeaseError> {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(self.election.due()) => {}
            }
            self.step().await?;
        }
    }

    /// Sends the next request. Not cancelled by `stop`, so that the version of the Lease is known when it is released.
    async fn step(&mut self) -> Result<(), LeaseError> {
        let sent = self.leadership.now();
        let action = self.election.action(sent);
        // Leadership may have ended by the wall clock, unnoticed by waiting tasks.
        self.publish();
        let is_write = !matches!(action, Action::Read);
        let failure = match action {
            Action::Read => match self.read().await {
                Ok(lease) => {
                    self.election.observed(self.leadership.now(), lease);
                    None
                }
                Err(error) => {
                    self.election.read_failed(sent, self.leadership.now());
                    Some(error)
                }
            },
            Action::Create(lease) => {
                let response = self.call(self.store.create(&lease)).await;
                self.written(sent, response)
            }
            Action::Update(lease) => {
                let response = self.call(self.store.update(&lease)).await;
                self.written(sent, response)
            }
        };
        self.publish();
        if matches!(failure, Some(CallError::Forbidden(_))) {
            self.election.denied();
        }
        self.access.check(self.leadership.now().instant, is_write, failure)
    }

    fn written(&mut self, sent: Moment, response: Result<Lease, CallError>) -> Option<CallError> {
        let (result, failure) = match response {
            Ok(lease) => (WriteResult::Stored(Box::new(lease)), None),
            Err(error @ CallError::Conflict(_)) => (WriteResult::Conflict, Some(error)),
            Err(error) => (WriteResult::Unknown, Some(error)),
        };
        self.election.written(sent, self.leadership.now(), result);
        failure
    }

    async fn read(&self) -> Result<Option<Lease>, CallError> {
        self.call(self.store.get()).await
    }

    async fn call<T>(&self, request: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let response = tokio::time::timeout(self.settings.call_timeout, request).await;
        response.unwrap_or(Err(CallError::TimedOut))
    }

    fn publish(&mut self) {
        let term = self.election.term();
        let number = term.map(|term| term.number);
        if number != self.published {
            let (name, state) = (&self.settings.name, if number.is_some() { "leader" } else { "standby" });
            tracing::info!("leader election: {state} of Lease {name}");
        }
        self.published = number;
        self.leadership.publish(term);
    }

    /// Empties the holder, so that a standby takes over without waiting. Best effort: without it the Lease expires.
    async fn release(&mut self) {
        if self.election.needs_confirmation() {
            match self.read().await {
                Ok(lease) => self.election.observed(self.leadership.now(), lease),
                Err(error) => return tracing::debug!("the Lease was not released: {error}"),
            }
        }
        let Some(lease) = self.election.released(self.leadership.now()) else { return };
        if let Err(error) = self.call(self.store.update(&lease)).await {
            tracing::debug!("the Lease was not released: {error}");
        }
    }
}

/// Distinguishes permanent from temporary 403 responses.
#[derive(Debug, Default)]
struct Access {
    was_authorized: bool,
    denial: Option<Denial>,
}

/// Uninterrupted 403 responses.
#[derive(Clone, Copy, Debug)]
struct Denial {
    /// Writes may be denied although reads are not.
    of_write: bool,
    since: Instant,
    latest: Instant,
}

impl Access {
    fn check(&mut self, now: Instant, is_write: bool, failure: Option<CallError>) -> Result<(), LeaseError> {
        if let Some(error) = &failure {
            tracing::debug!("leader election: {error}");
        }
        match failure {
            Some(CallError::Forbidden(error)) => {
                let known = self.denial.filter(|denial| now.duration_since(denial.latest) < FORBIDDEN);
                let since = known.map_or(now, |denial| denial.since);
                self.denial = Some(Denial { of_write: is_write, since, latest: now });
                let was_authorized = self.was_authorized;
                if now.duration_since(since) >= FORBIDDEN {
                    Err(LeaseError::Forbidden { error, was_authorized })
                } else {
                    Ok(())
                }
            }
            Some(CallError::Failed(_) | CallError::TimedOut) => Ok(()),
            Some(CallError::Conflict(_)) | None => {
                self.was_authorized = true;
                self.denial = self.denial.filter(|denial| denial.of_write && !is_write);
                Ok(())
            }
        }
    }
}
