//! The coordinator's part: it calls, waits for the others, and takes what they measured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::super::connect::Connection;
use super::super::secret_data;
use super::Seat;
use super::board::{Board, View};
use super::state::{AssistantState, CoordinatorState, Session, measured, put_state, state};
use crate::model::document::Experiment;
use crate::model::duration::GoDuration;
use crate::model::shard::{Handed, LoadPlace};
use crate::ports::cluster::ClusterError;
use crate::ports::fleet::{Entry, FleetError, MemberShard, Missing, Muster};

/// Heartbeats in the time that pods wait for each other, and the longest pause between two.
const BEATS: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a place waits for a pod that did not come to an earlier one: it may be there by now.
const AGAIN: Duration = Duration::from_secs(1);

/// The coordinator.
pub(super) struct Coordinator {
    board: Arc<Board>,
    session: Session,
    patience: Duration,
    /// The assistants' boards, from index 1 on.
    views: Vec<View>,
    beating: AbortHandle,
    /// Who did not come to the last place, and why, as far as that is known.
    absent: std::sync::Mutex<BTreeMap<usize, String>>,
}

/// What an assistant says in this session, and the Secret that it says it in.
struct Said {
    state: AssistantState,
    secret: Secret,
}

impl Coordinator {
    pub(super) async fn join(connection: &Connection, seat: &Seat) -> Result<Option<Self>, ClusterError> {
        let board = Arc::new(Board::open(connection, &seat.group, 0).await?);
        let before: CoordinatorState = state(&board.read().await);
        let lives = if before.session.job == seat.job { before.session.life } else { 0 };
        if lives > 0 && before.over {
            return Ok(None);
        }
        let session = Session { job: seat.job.clone(), life: lives + 1 };
        let new = CoordinatorState { session: session.clone(), ..CoordinatorState::default() };
        board
            .write(|secret| {
                put_state(secret, &new);
                true
            })
            .await?;
        let views = (1..seat.share.count()).map(|index| View::new(connection, &seat.group, index)).collect();
        let pause = (seat.patience / BEATS).min(LONGEST_PAUSE);
        let beating = tokio::spawn(beat(Arc::clone(&board), session.clone(), pause)).abort_handle();
        let absent = std::sync::Mutex::default();
        Ok(Some(Self { board, session, patience: seat.patience, views, beating, absent }))
    }

    /// Writes what `change` makes of the state.
    async fn tell(&self, change: impl Fn(&mut CoordinatorState)) -> Result<(), FleetError> {
        let written = self.board.write(|secret| {
            let mut now: CoordinatorState = state(secret);
            // A later life of this pod has taken over.
            if now.session != self.session {
                return false;
            }
            change(&mut now);
            put_state(secret, &now);
            true
        });
        written.await.map_err(failed)?;
        let now: CoordinatorState = state(&self.board.read().await);
        if now.session != self.session {
            return Err(FleetError::Failed("another pod coordinates this run now".to_owned()));
        }
        Ok(())
    }

    /// Waits until all have come, or time is up; then all start.
    pub(super) async fn start(&self, place: LoadPlace) -> Result<Muster, FleetError> {
        self.tell(|state| state.call = Some(place)).await?;
        let absent = self.absent.lock().map(|absent| absent.clone()).unwrap_or_default();
        let waits = (1..).zip(&self.views).map(|(index, view)| {
            let patience = if absent.contains_key(&index) { AGAIN } else { self.patience };
            self.wait(view, Instant::now() + patience, move |said| said.state.at >= Some(place))
        });
        let came = join_all(waits).await;
        let is_there = |(index, found): (usize, &Option<Said>)| found.is_some().then_some(index);
        let joined: Vec<usize> = (1..).zip(&came).filter_map(is_there).collect();
        let late = format!("did not come to the start within {}", GoDuration(self.patience));
        // One that was waited for in vain is not waited for as long again.
        let why =
            |index: usize| absent.get(&index).cloned().or_else(|| self.fault(index)).unwrap_or_else(|| late.clone());
        let missing: BTreeMap<usize, String> =
            (1..=came.len()).filter(|index| !joined.contains(index)).map(|index| (index, why(index))).collect();
        self.tell(|state| {
            state.go = Some(place);
            state.joined.clone_from(&joined);
        })
        .await?;
        let told = missing.iter().map(|(index, reason)| Missing { index: *index, reason: reason.clone() }).collect();
        if let Ok(mut absent) = self.absent.lock() {
            *absent = missing;
        }
        Ok(Muster { entry: Entry::OnTime, missing: told })
    }

    /// Takes what the others measured: of those that came, and of those that have come since.
    pub(super) async fn gather(
        &self,
        place: LoadPlace,
        planned: Option<Duration>,
    ) -> Result<Vec<MemberShard>, FleetError> {
        // As long as it takes to start a lost pod again and make its part of the load once more.
        let most = self.patience + planned.unwrap_or_default();
        let until = Instant::now() + most;
        let waits = (1..).zip(&self.views).map(|(index, view)| async move {
            let absent = self.absent.lock().ok().and_then(|absent| absent.get(&index).cloned());
            let has_come = self.said(view).is_some_and(|said| said.state.at >= Some(place));
            if let Some(reason) = absent.filter(|_| !has_come) {
                return MemberShard { index, is_late: false, handed: Err(reason) };
            }
            match self.wait(view, until, move |said| said.state.handed >= Some(place)).await {
                Some(said) if said.state.handed == Some(place) => MemberShard {
                    index,
                    is_late: said.state.late,
                    handed: measured(&said.secret).map_err(|reason| format!("its shard can't be read: {reason}")),
                },
                _ => {
                    let silent = || format!("came, and handed in nothing within {}", GoDuration(most));
                    MemberShard { index, is_late: false, handed: Err(self.fault(index).unwrap_or_else(silent)) }
                }
            }
        });
        let shards = join_all(waits).await;
        self.tell(|state| state.through = Some(place)).await?;
        Ok(shards)
    }

    /// The document as it was before the first life of this Job's coordinator: the one that is given, in that life.
    pub(super) async fn before_run(&self, document: Option<Experiment>) -> Result<Option<Experiment>, ClusterError> {
        if self.session.life > 1 {
            let kept = secret_data::document(&self.board.read().await).and_then(Result::ok);
            return Ok(kept);
        }
        self.board
            .write(|secret| match &document {
                Some(document) => secret_data::put(secret, document).is_ok(),
                None => secret_data::remove(secret),
            })
            .await?;
        Ok(document)
    }

    pub(super) async fn dismiss(&self) -> Result<(), FleetError> {
        self.beating.abort();
        self.tell(|state| state.over = true).await
    }

    /// Why an assistant can't be watched, if it can't.
    fn fault(&self, index: usize) -> Option<String> {
        let view = self.views.get(index.checked_sub(1)?)?;
        view.latest().borrow().as_ref().err().map(|error| error.message.clone())
    }

    /// What an assistant says, if it is of this session.
    fn said(&self, view: &View) -> Option<Said> {
        self.of_session(&view.latest().borrow())
    }

    fn of_session(&self, latest: &Result<Option<Secret>, ClusterError>) -> Option<Said> {
        let secret = latest.as_ref().ok()?.as_ref()?;
        let state: AssistantState = state(secret);
        (state.session == self.session).then(|| Said { state, secret: secret.clone() })
    }

    /// Waits until an assistant says what is wanted; none if it does not by then.
    async fn wait(&self, view: &View, until: Instant, is_so: impl Fn(&Said) -> bool) -> Option<Said> {
        let mut latest = view.latest();
        let wanted = |now: &watch::Ref<'_, Result<Option<Secret>, ClusterError>>| {
            self.of_session(now).filter(|said| is_so(said))
        };
        tokio::time::timeout_at(until, async {
            loop {
                if let Some(said) = wanted(&latest.borrow_and_update()) {
                    return Some(said);
                }
                // Its watch has ended: it will say nothing more.
                latest.changed().await.ok()?;
            }
        })
        .await
        .ok()
        .flatten()
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

/// Shows that the coordinator lives.
async fn beat(board: Arc<Board>, session: Session, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let written = board.write(|secret| {
            let mut now: CoordinatorState = state(secret);
            if now.session != session {
                return false;
            }
            now.beat += 1;
            put_state(secret, &now);
            true
        });
        if let Err(error) = written.await {
            tracing::debug!("no heartbeat: {error}");
        }
    }
}

/// Words for what is not this pod's fault.
pub(super) fn failed(error: ClusterError) -> FleetError {
    FleetError::Failed(error.message)
}

/// What is handed in says that it was interrupted: another attempt will follow.
pub(super) fn is_interrupted(handed: &Handed) -> bool {
    use crate::model::shard::ShardEnd;
    handed.iter().any(|end| match end {
        ShardEnd::Measured(shard) => shard.interrupted,
        ShardEnd::Interrupted => true,
        ShardEnd::Failed(_) => false,
    })
}
