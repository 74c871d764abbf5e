//! A worker's part: it comes where the coordinator calls, starts when all do, and hands in what it measured.

use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ShardIndex;
use super::coordinator::{failed, is_interrupted};
use super::mailbox::{Mailbox, MailboxWatch};
use super::state::{CoordinatorState, Session, WorkerState, put_measured, put_state, state};
use crate::adapters::kubernetes::client::Connection;
use crate::model::duration::GoDuration;
use crate::model::shard::{LoadPlace, ShardReport};
use crate::ports::cluster::ClusterError;
use crate::ports::fleet::{BarrierResult, Entry, FleetError};

/// A worker.
pub(crate) struct Worker {
    mailbox: Mailbox,
    index: usize,
    job: String,
    start_timeout: Duration,
    coordinator: MailboxWatch,
    now: Mutex<Now>,
}

/// The session that it takes part in.
#[derive(Clone, Default)]
struct Now {
    session: Session,
    superseded: CancellationToken,
    /// The last place that it is through with.
    done: Option<LoadPlace>,
}

type Latest = watch::Receiver<Result<Option<Secret>, ClusterError>>;

impl Worker {
    pub(crate) async fn join(connection: &Connection, seat: &ShardIndex) -> Result<Self, ClusterError> {
        let (index, job) = (seat.share.index(), seat.job.clone());
        let mailbox = Mailbox::open(connection, &seat.group, index).await?;
        let coordinator = MailboxWatch::new(connection, &seat.group, 0);
        Ok(Self { mailbox, index, job, start_timeout: seat.start_timeout, coordinator, now: Mutex::default() })
    }

    fn now(&self) -> Now {
        self.now.lock().map(|now| now.clone()).unwrap_or_default()
    }

    /// Waits until the coordinator says what is wanted.
    async fn wait<T>(&self, wanted: impl Fn(&CoordinatorState) -> Option<T>) -> Result<T, FleetError> {
        let mut latest = self.coordinator.latest();
        loop {
            match &*latest.borrow_and_update() {
                // Of another Job: that of an earlier loop or launch.
                Ok(Some(secret)) => {
                    let said: CoordinatorState = state(secret);
                    if said.session.job == self.job
                        && let Some(found) = wanted(&said)
                    {
                        return Ok(found);
                    }
                }
                Ok(None) => {}
                Err(error) => return Err(failed(error.clone())),
            }
            let news = tokio::time::timeout(self.start_timeout, latest.changed()).await;
            if !matches!(news, Ok(Ok(()))) {
                let silent =
                    format!("nothing was heard of the coordinator (index 0) for {}", GoDuration(self.start_timeout));
                return Err(FleetError::Failed(silent));
            }
        }
    }

    /// The next task that is called for.
    pub(crate) async fn next_task(&self) -> Result<Option<usize>, FleetError> {
        let of_mailbox: WorkerState = state(&self.mailbox.read().await);
        let (session, call) = self
            .wait(|said| {
                let now = self.now();
                let done = match said.session == now.session {
                    true => now.done,
                    // A pod that is started again knows from its Secret what it handed in.
                    false if of_mailbox.session == said.session => of_mailbox.report,
                    false => None,
                };
                let next = said.call.filter(|call| Some(*call) > done.max(said.through));
                (said.over || next.is_some()).then(|| (said.session.clone(), next.filter(|_| !said.over)))
            })
            .await?;
        let superseded = CancellationToken::new();
        if let Ok(mut now) = self.now.lock() {
            let is_new = now.session != session;
            if is_new {
                let done = of_mailbox.report.filter(|_| of_mailbox.session == session);
                *now = Now { session: session.clone(), superseded: CancellationToken::new(), done };
            }
            now.superseded.clone_from(&superseded);
        }
        tokio::spawn(recall(self.coordinator.latest(), session, superseded));
        Ok(call.map(|place| place.task))
    }

    /// The token of the session.
    pub(crate) fn superseded(&self) -> CancellationToken {
        self.now().superseded
    }

    /// Comes to a place, and waits until all start there.
    pub(crate) async fn start(&self, place: LoadPlace) -> Result<BarrierResult, FleetError> {
        let Now { session, done, .. } = self.now();
        let closed = BarrierResult { entry: Entry::Closed, missing: Vec::new() };
        if done >= Some(place) {
            return Ok(closed);
        }
        let is_late = self.see(|said| said.go >= Some(place));
        self.tell(&session, |state| {
            state.at = Some(place);
            state.late = is_late;
        })
        .await?;
        let started = self
            .wait(|said| {
                if said.session != session {
                    return Some(Err(FleetError::Restarted));
                }
                let is_over = said.over || said.through >= Some(place);
                let is_joined = !is_late && said.go == Some(place) && said.joined.contains(&self.index);
                match said.go >= Some(place) {
                    _ if is_over => Some(Ok(None)),
                    true if is_joined => Some(Ok(Some(Entry::OnTime))),
                    true => Some(Ok(Some(Entry::Late))),
                    false => None,
                }
            })
            .await??;
        match started {
            None => {
                self.through_with(place);
                Ok(closed)
            }
            Some(Entry::Late) if !is_late => {
                // The others started while it said that it was there.
                self.tell(&session, |state| state.late = true).await?;
                Ok(BarrierResult { entry: Entry::Late, missing: Vec::new() })
            }
            Some(entry) => Ok(BarrierResult { entry, missing: Vec::new() }),
        }
    }

    /// Hands in what it measured; an attempt that was interrupted is not handed in, as another one follows.
    pub(crate) async fn hand_in(&self, place: LoadPlace, own: &ShardReport) -> Result<(), FleetError> {
        if is_interrupted(own) {
            return Ok(());
        }
        let session = self.now().session;
        let written = self.mailbox.write(|secret| {
            let mut now: WorkerState = state(secret);
            if now.session != session || now.report >= Some(place) {
                return false;
            }
            now.report = Some(place);
            put_measured(secret, own);
            put_state(secret, &now);
            true
        });
        written.await.map_err(failed)?;
        self.through_with(place);
        Ok(())
    }

    fn through_with(&self, place: LoadPlace) {
        if let Ok(mut now) = self.now.lock() {
            now.done = now.done.max(Some(place));
        }
    }

    /// Whether the coordinator says that, as far as is known now.
    fn see(&self, is_so: impl Fn(&CoordinatorState) -> bool) -> bool {
        let latest: Latest = self.coordinator.latest();
        let now = latest.borrow();
        now.as_ref().is_ok_and(|secret| secret.as_ref().is_some_and(|secret| is_so(&state(secret))))
    }

    async fn tell(&self, session: &Session, change: impl Fn(&mut WorkerState)) -> Result<(), FleetError> {
        let written = self.mailbox.write(|secret| {
            let mut now: WorkerState = state(secret);
            if now.session != *session {
                now = WorkerState { session: session.clone(), ..WorkerState::default() };
            }
            change(&mut now);
            put_state(secret, &now);
            true
        });
        written.await.map_err(failed)
    }
}

/// Cancels the token when the session ends.
async fn recall(mut coordinator: Latest, session: Session, superseded: CancellationToken) {
    let is_ended = |latest: &Result<Option<Secret>, ClusterError>| {
        let secret = latest.as_ref().ok().and_then(Option::as_ref);
        secret.is_some_and(|secret| {
            let said: CoordinatorState = state(secret);
            said.over || said.session != session
        })
    };
    if coordinator.wait_for(is_ended).await.is_ok() {
        superseded.cancel();
    }
}
