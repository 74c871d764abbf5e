//! The coordinator's part: it calls, waits for the others, and takes what they measured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ShardIndex;
use super::mailbox::{Mailbox, MailboxWatch};
use super::state::{CoordinatorState, Session, WorkerState, measured, put_state, state};
use crate::adapters::kubernetes::client::Connection;
use crate::adapters::kubernetes::experiment;
use crate::model::document::Experiment;
use crate::model::duration::GoDuration;
use crate::model::shard::{LoadPlace, ShardReport};
use crate::ports::cluster::ClusterError;
use crate::ports::fleet::{BarrierResult, Entry, FleetError, MemberShard, Missing};

/// Heartbeats in the time that pods wait for each other, and the longest pause between two.
const BEATS: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a place waits for a pod that did not come to an earlier one: it may be there by now.
const AGAIN: Duration = Duration::from_secs(1);

/// The coordinator.
pub(crate) struct Coordinator {
    mailbox: Arc<Mailbox>,
    session: Session,
    start_timeout: Duration,
    /// The workers' boards, from index 1 on.
    mailboxes: Vec<MailboxWatch>,
    beating: AbortHandle,
    /// Who did not come to the last place, and why, as far as that is known.
    absent: std::sync::Mutex<BTreeMap<usize, String>>,
}

/// What a worker says in this session, and the Secret that it says it in.
struct Said {
    state: WorkerState,
    secret: Secret,
}

impl Coordinator {
    pub(crate) async fn join(connection: &Connection, seat: &ShardIndex) -> Result<Option<Self>, ClusterError> {
        let mailbox = Arc::new(Mailbox::open(connection, &seat.group, 0).await?);
        let before: CoordinatorState = state(&mailbox.read().await);
        let epochs = if before.session.job == seat.job { before.session.epoch } else { 0 };
        if epochs > 0 && before.over {
            return Ok(None);
        }
        let session = Session { job: seat.job.clone(), epoch: epochs + 1 };
        let new = CoordinatorState { session: session.clone(), ..CoordinatorState::default() };
        mailbox
            .write(|secret| {
                put_state(secret, &new);
                true
            })
            .await?;
        let mailboxes =
            (1..seat.share.count()).map(|index| MailboxWatch::new(connection, &seat.group, index)).collect();
        let pause = (seat.start_timeout / BEATS).min(LONGEST_PAUSE);
        let beating = tokio::spawn(beat(Arc::clone(&mailbox), session.clone(), pause)).abort_handle();
        let absent = std::sync::Mutex::default();
        Ok(Some(Self { mailbox, session, start_timeout: seat.start_timeout, mailboxes, beating, absent }))
    }

    /// Writes what `change` makes of the state.
    async fn tell(&self, change: impl Fn(&mut CoordinatorState)) -> Result<(), FleetError> {
        let written = self.mailbox.write(|secret| {
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
        let now: CoordinatorState = state(&self.mailbox.read().await);
        if now.session != self.session {
            return Err(FleetError::Failed("another pod coordinates this run now".to_owned()));
        }
        Ok(())
    }

    /// Waits until all have come, or time is up; then all start.
    pub(crate) async fn start(&self, place: LoadPlace) -> Result<BarrierResult, FleetError> {
        self.tell(|state| state.call = Some(place)).await?;
        let absent = self.absent.lock().map(|absent| absent.clone()).unwrap_or_default();
        let waits = (1..).zip(&self.mailboxes).map(|(index, mailbox)| {
            let start_timeout = if absent.contains_key(&index) { AGAIN } else { self.start_timeout };
            self.wait(mailbox, Instant::now() + start_timeout, move |said| said.state.at >= Some(place))
        });
        let came = join_all(waits).await;
        let is_there = |(index, found): (usize, &Option<Said>)| found.is_some().then_some(index);
        let joined: Vec<usize> = (1..).zip(&came).filter_map(is_there).collect();
        let late = format!("did not come to the start within {}", GoDuration(self.start_timeout));
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
        Ok(BarrierResult { entry: Entry::OnTime, missing: told })
    }

    /// Takes what the others measured: of those that came, and of those that have come since.
    pub(crate) async fn gather(
        &self,
        place: LoadPlace,
        planned: Option<Duration>,
    ) -> Result<Vec<MemberShard>, FleetError> {
        // As long as it takes to start a lost pod again and make its part of the load once more.
        let most = self.start_timeout + planned.unwrap_or_default();
        let until = Instant::now() + most;
        let waits = (1..).zip(&self.mailboxes).map(|(index, mailbox)| async move {
            let absent = self.absent.lock().ok().and_then(|absent| absent.get(&index).cloned());
            let has_come = self.said(mailbox).is_some_and(|said| said.state.at >= Some(place));
            if let Some(reason) = absent.filter(|_| !has_come) {
                return MemberShard { index, is_late: false, report: Err(reason) };
            }
            match self.wait(mailbox, until, move |said| said.state.report >= Some(place)).await {
                Some(said) if said.state.report == Some(place) => MemberShard {
                    index,
                    is_late: said.state.late,
                    report: measured(&said.secret).map_err(|reason| format!("its shard can't be read: {reason}")),
                },
                _ => {
                    let silent = || format!("came, and handed in nothing within {}", GoDuration(most));
                    MemberShard { index, is_late: false, report: Err(self.fault(index).unwrap_or_else(silent)) }
                }
            }
        });
        let shards = join_all(waits).await;
        self.tell(|state| state.through = Some(place)).await?;
        Ok(shards)
    }

    /// The document as it was before the first life of this Job's coordinator: the one that is given, in that epoch.
    pub(crate) async fn before_run(&self, document: Option<Experiment>) -> Result<Option<Experiment>, ClusterError> {
        if self.session.epoch > 1 {
            let kept = experiment::document(&self.mailbox.read().await).and_then(Result::ok);
            return Ok(kept);
        }
        self.mailbox
            .write(|secret| match &document {
                Some(document) => experiment::put(secret, document).is_ok(),
                None => experiment::remove_document(secret),
            })
            .await?;
        Ok(document)
    }

    pub(crate) async fn finish(&self) -> Result<(), FleetError> {
        self.beating.abort();
        self.tell(|state| state.over = true).await
    }

    /// Why a worker can't be watched, if it can't.
    fn fault(&self, index: usize) -> Option<String> {
        let mailbox = self.mailboxes.get(index.checked_sub(1)?)?;
        mailbox.latest().borrow().as_ref().err().map(|error| error.message.clone())
    }

    /// What a worker says, if it is of this session.
    fn said(&self, mailbox: &MailboxWatch) -> Option<Said> {
        self.of_session(&mailbox.latest().borrow())
    }

    fn of_session(&self, latest: &Result<Option<Secret>, ClusterError>) -> Option<Said> {
        let secret = latest.as_ref().ok()?.as_ref()?;
        let state: WorkerState = state(secret);
        (state.session == self.session).then(|| Said { state, secret: secret.clone() })
    }

    /// Waits until a worker says what is wanted; none if it does not by then.
    async fn wait(&self, mailbox: &MailboxWatch, until: Instant, is_so: impl Fn(&Said) -> bool) -> Option<Said> {
        let mut latest = mailbox.latest();
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

/// Shows that the coordinator epochs.
async fn beat(mailbox: Arc<Mailbox>, session: Session, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let written = mailbox.write(|secret| {
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
pub(crate) fn failed(error: ClusterError) -> FleetError {
    FleetError::Failed(error.message)
}

/// What is handed in says that it was interrupted: another attempt will follow.
pub(crate) fn is_interrupted(report: &ShardReport) -> bool {
    use crate::model::shard::ShardEnd;
    report.iter().any(|end| match end {
        ShardEnd::Measured(shard) => shard.interrupted,
        ShardEnd::Interrupted => true,
        ShardEnd::Failed(_) => false,
    })
}
