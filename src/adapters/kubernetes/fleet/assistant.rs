//! An assistant's part: it comes where the coordinator calls, starts when all do, and hands in what it measured.

use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::connect::Connection;
use super::Seat;
use super::board::{Board, View};
use super::coordinator::{failed, is_interrupted};
use super::state::{AssistantState, CoordinatorState, Session, put_measured, put_state, state};
use crate::model::duration::GoDuration;
use crate::model::shard::{Handed, LoadPlace};
use crate::ports::cluster::ClusterError;
use crate::ports::fleet::{Entry, FleetError, Muster};

/// An assistant.
pub(super) struct Assistant {
    board: Board,
    index: usize,
    job: String,
    patience: Duration,
    coordinator: View,
    now: Mutex<Now>,
}

/// The session that it takes part in.
#[derive(Clone, Default)]
struct Now {
    session: Session,
    recalled: CancellationToken,
    /// The last place that it is through with.
    done: Option<LoadPlace>,
}

type Latest = watch::Receiver<Result<Option<Secret>, ClusterError>>;

impl Assistant {
    pub(super) async fn join(connection: &Connection, seat: &Seat) -> Result<Self, ClusterError> {
        let (index, job) = (seat.share.index(), seat.job.clone());
        let board = Board::open(connection, &seat.group, index).await?;
        let coordinator = View::new(connection, &seat.group, 0);
        Ok(Self { board, index, job, patience: seat.patience, coordinator, now: Mutex::default() })
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
            let news = tokio::time::timeout(self.patience, latest.changed()).await;
            if !matches!(news, Ok(Ok(()))) {
                let silent =
                    format!("nothing was heard of the coordinator (index 0) for {}", GoDuration(self.patience));
                return Err(FleetError::Failed(silent));
            }
        }
    }

    /// The next task that is called for.
    pub(super) async fn next_task(&self) -> Result<Option<usize>, FleetError> {
        let of_board: AssistantState = state(&self.board.read().await);
        let (session, call) = self
            .wait(|said| {
                let now = self.now();
                let done = match said.session == now.session {
                    true => now.done,
                    // A pod that is started again knows from its Secret what it handed in.
                    false if of_board.session == said.session => of_board.handed,
                    false => None,
                };
                let next = said.call.filter(|call| Some(*call) > done.max(said.through));
                (said.over || next.is_some()).then(|| (said.session.clone(), next.filter(|_| !said.over)))
            })
            .await?;
        let recalled = CancellationToken::new();
        if let Ok(mut now) = self.now.lock() {
            let is_new = now.session != session;
            if is_new {
                let done = of_board.handed.filter(|_| of_board.session == session);
                *now = Now { session: session.clone(), recalled: CancellationToken::new(), done };
            }
            now.recalled.clone_from(&recalled);
        }
        tokio::spawn(recall(self.coordinator.latest(), session, recalled));
        Ok(call.map(|place| place.task))
    }

    /// The token of the session.
    pub(super) fn recalled(&self) -> CancellationToken {
        self.now().recalled
    }

    /// Comes to a place, and waits until all start there.
    pub(super) async fn start(&self, place: LoadPlace) -> Result<Muster, FleetError> {
        let Now { session, done, .. } = self.now();
        let closed = Muster { entry: Entry::Closed, missing: Vec::new() };
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
                Ok(Muster { entry: Entry::Late, missing: Vec::new() })
            }
            Some(entry) => Ok(Muster { entry, missing: Vec::new() }),
        }
    }

    /// Hands in what it measured; an attempt that was interrupted is not handed in, as another one follows.
    pub(super) async fn hand_in(&self, place: LoadPlace, own: &Handed) -> Result<(), FleetError> {
        if is_interrupted(own) {
            return Ok(());
        }
        let session = self.now().session;
        let written = self.board.write(|secret| {
            let mut now: AssistantState = state(secret);
            if now.session != session || now.handed >= Some(place) {
                return false;
            }
            now.handed = Some(place);
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

    async fn tell(&self, session: &Session, change: impl Fn(&mut AssistantState)) -> Result<(), FleetError> {
        let written = self.board.write(|secret| {
            let mut now: AssistantState = state(secret);
            if now.session != *session {
                now = AssistantState { session: session.clone(), ..AssistantState::default() };
            }
            change(&mut now);
            put_state(secret, &now);
            true
        });
        written.await.map_err(failed)
    }
}

/// Cancels the token when the session ends.
async fn recall(mut coordinator: Latest, session: Session, recalled: CancellationToken) {
    let is_ended = |latest: &Result<Option<Secret>, ClusterError>| {
        let secret = latest.as_ref().ok().and_then(Option::as_ref);
        secret.is_some_and(|secret| {
            let said: CoordinatorState = state(secret);
            said.over || said.session != session
        })
    };
    if coordinator.wait_for(is_ended).await.is_ok() {
        recalled.cancel();
    }
}
