//! A worker: goes to the places called by the coordinator, starts together with the others, and reports its measurements.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ShardIndex;
use super::coordinator::{failed, is_interrupted};
use super::mailbox::{Mailbox, MailboxWatch};
use super::state::{CoordinatorState, Session, StateError, WorkerState, put_measured, put_state, state};
use crate::adapters::kubernetes::client::Connection;
use crate::model::duration::GoDuration;
use crate::model::shard::{LoadPlace, ShardReport};
use crate::ports::cluster::ClusterError;
use crate::ports::fleet::{BarrierResult, Entry, FleetError};

pub(crate) struct Worker {
    mailbox: Mailbox,
    index: usize,
    job: String,
    start_timeout: Duration,
    coordinator: MailboxWatch,
    current: Mutex<CurrentSession>,
}

/// Session that the worker has joined.
#[derive(Clone, Default)]
struct CurrentSession {
    session: Session,
    superseded: CancellationToken,
    /// Last place that the worker has finished.
    done: Option<LoadPlace>,
}

type Latest = watch::Receiver<Result<Option<Secret>, ClusterError>>;

impl Worker {
    pub(crate) async fn join(connection: &Connection, shard: &ShardIndex) -> Result<Self, ClusterError> {
        let (index, job) = (shard.share.index(), shard.job.clone());
        let mailbox = Mailbox::open(connection, &shard.group, index).await?;
        let coordinator = MailboxWatch::new(connection, &shard.group, 0);
        Ok(Self { mailbox, index, job, start_timeout: shard.start_timeout, coordinator, current: Mutex::default() })
    }

    /// Waits for a state of the coordinator that `wanted` accepts.
    async fn wait<T>(&self, wanted: impl Fn(&CoordinatorState) -> Option<T>) -> Result<T, FleetError> {
        let mut latest = self.coordinator.latest();
        loop {
            match &*latest.borrow_and_update() {
                Ok(Some(secret)) => {
                    let coordinator: CoordinatorState = state(secret).map_err(unreadable)?;
                    // Another Job belongs to an earlier loop or launch.
                    if coordinator.session.job == self.job
                        && let Some(value) = wanted(&coordinator)
                    {
                        return Ok(value);
                    }
                }
                Ok(None) => {}
                Err(error) => return Err(failed(error.clone())),
            }
            let change = tokio::time::timeout(self.start_timeout, latest.changed()).await;
            if !matches!(change, Ok(Ok(()))) {
                let message =
                    format!("no heartbeat from the coordinator (index 0) for {}", GoDuration(self.start_timeout));
                return Err(FleetError::Failed(message));
            }
        }
    }

    /// Waits for the next task that the coordinator calls for.
    pub(crate) async fn next_task(&self) -> Result<Option<usize>, FleetError> {
        let stored: WorkerState = state(&self.mailbox.read().await).map_err(unreadable)?;
        let (session, call) = self
            .wait(|coordinator| {
                let current = self.current.lock().clone();
                let done = match coordinator.session == current.session {
                    true => current.done,
                    // A restarted pod reads from its Secret what it has already reported.
                    false if stored.session == coordinator.session => stored.report,
                    false => None,
                };
                let next = coordinator.call.filter(|call| Some(*call) > done.max(coordinator.through));
                let is_over = coordinator.over;
                (is_over || next.is_some()).then(|| (coordinator.session.clone(), next.filter(|_| !is_over)))
            })
            .await?;
        let superseded = CancellationToken::new();
        {
            let mut current = self.current.lock();
            if current.session != session {
                let done = stored.report.filter(|_| stored.session == session);
                *current = CurrentSession { session: session.clone(), superseded: CancellationToken::new(), done };
            }
            current.superseded.clone_from(&superseded);
        }
        tokio::spawn(cancel_when_superseded(self.coordinator.latest(), session, superseded));
        Ok(call.map(|place| place.task))
    }

    /// Returns the token of the current session.
    pub(crate) fn superseded(&self) -> CancellationToken {
        self.current.lock().superseded.clone()
    }

    /// Announces this worker at a place and waits for the start.
    pub(crate) async fn start(&self, place: LoadPlace) -> Result<BarrierResult, FleetError> {
        let CurrentSession { session, done, .. } = self.current.lock().clone();
        let closed = BarrierResult { entry: Entry::Closed, missing: Vec::new() };
        if done >= Some(place) {
            return Ok(closed);
        }
        let is_late = self.coordinator_is(|coordinator| coordinator.go >= Some(place));
        self.update(&session, |state| {
            state.at = Some(place);
            state.late = is_late;
        })
        .await?;
        let started = self
            .wait(|coordinator| {
                if coordinator.session != session {
                    return Some(Err(FleetError::Restarted));
                }
                let is_over = coordinator.over || coordinator.through >= Some(place);
                let is_joined = !is_late && coordinator.go == Some(place) && coordinator.joined.contains(&self.index);
                match coordinator.go >= Some(place) {
                    _ if is_over => Some(Ok(None)),
                    true if is_joined => Some(Ok(Some(Entry::OnTime))),
                    true => Some(Ok(Some(Entry::Late))),
                    false => None,
                }
            })
            .await??;
        match started {
            None => {
                self.set_done(place);
                Ok(closed)
            }
            Some(Entry::Late) if !is_late => {
                // The others started while this worker announced itself.
                self.update(&session, |state| state.late = true).await?;
                Ok(BarrierResult { entry: Entry::Late, missing: Vec::new() })
            }
            Some(entry) => Ok(BarrierResult { entry, missing: Vec::new() }),
        }
    }

    /// Reports the measurements of this worker. Drops the report of an interrupted attempt, because another attempt follows.
    pub(crate) async fn report(&self, place: LoadPlace, report: &ShardReport) -> Result<(), FleetError> {
        if is_interrupted(report) {
            return Ok(());
        }
        let session = self.current.lock().session.clone();
        let written = self.mailbox.write(|secret| {
            let mut stored: WorkerState = state(secret)?;
            if stored.session != session || stored.report >= Some(place) {
                return Ok(false);
            }
            stored.report = Some(place);
            put_measured(secret, report)?;
            put_state(secret, &stored)?;
            Ok(true)
        });
        written.await.map_err(failed)?;
        self.set_done(place);
        Ok(())
    }

    fn set_done(&self, place: LoadPlace) {
        let mut current = self.current.lock();
        current.done = current.done.max(Some(place));
    }

    /// Tests the latest known state of the coordinator.
    fn coordinator_is(&self, test: impl Fn(&CoordinatorState) -> bool) -> bool {
        let latest: Latest = self.coordinator.latest();
        let secret = latest.borrow();
        let secret = secret.as_ref().ok().and_then(Option::as_ref);
        secret.and_then(|secret| state(secret).ok()).is_some_and(|state| test(&state))
    }

    async fn update(&self, session: &Session, change: impl Fn(&mut WorkerState)) -> Result<(), FleetError> {
        let written = self.mailbox.write(|secret| {
            let mut stored: WorkerState = state(secret)?;
            if stored.session != *session {
                stored = WorkerState { session: session.clone(), ..WorkerState::default() };
            }
            change(&mut stored);
            put_state(secret, &stored)?;
            Ok(true)
        });
        written.await.map_err(failed)
    }
}

fn unreadable(error: StateError) -> FleetError {
    FleetError::Failed(error.to_string())
}

/// Cancels the token when the session ends.
async fn cancel_when_superseded(mut coordinator: Latest, session: Session, superseded: CancellationToken) {
    let has_ended = |latest: &Result<Option<Secret>, ClusterError>| {
        let secret = latest.as_ref().ok().and_then(Option::as_ref);
        let coordinator = secret.and_then(|secret| state::<CoordinatorState>(secret).ok());
        coordinator.is_some_and(|coordinator| coordinator.over || coordinator.session != session)
    };
    if coordinator.wait_for(has_ended).await.is_ok() {
        superseded.cancel();
    }
}
