//! The coordinator: calls the workers to a place, starts the load there, and collects their reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ShardIndex;
use super::mailbox::{Mailbox, MailboxWatch};
use super::state::{CoordinatorState, Session, StateError, WorkerState, measured, put_state, state};
use crate::adapters::kubernetes::client::Connection;
use crate::adapters::kubernetes::experiment;
use crate::model::document::Experiment;
use crate::model::duration::GoDuration;
use crate::model::shard::{LoadPlace, ShardReport};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::ports::fleet::{BarrierResult, Entry, FleetError, MemberShard, Missing};

/// Heartbeats per start timeout, and the maximum pause between two.
const HEARTBEATS: u32 = 4;
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Wait for a worker that missed an earlier place but may have arrived by now.
const RETRY_WAIT: Duration = Duration::from_secs(1);

pub(crate) struct Coordinator {
    mailbox: Arc<Mailbox>,
    session: Session,
    start_timeout: Duration,
    /// Mailboxes of the workers, from index 1 on.
    mailboxes: Vec<MailboxWatch>,
    heartbeat: AbortHandle,
    /// Workers that missed the last place, with the reason.
    absent: Mutex<BTreeMap<usize, String>>,
}

/// State of a worker in this session, and the Secret that contains it.
struct SessionState {
    state: WorkerState,
    secret: Secret,
}

impl Coordinator {
    pub(crate) async fn join(connection: &Connection, shard: &ShardIndex) -> Result<Option<Self>, ClusterError> {
        let mailbox = Arc::new(Mailbox::open(connection, &shard.group, 0).await?);
        // An unreadable state is overwritten: otherwise no restart could repair it.
        let before = state(&mailbox.read().await).unwrap_or_else(|error| {
            tracing::warn!("ignoring the coordinator's previous state: {error}");
            CoordinatorState::default()
        });
        let epoch = if before.session.job == shard.job { before.session.epoch } else { 0 };
        if epoch > 0 && before.over {
            return Ok(None);
        }
        let session = Session { job: shard.job.clone(), epoch: epoch + 1 };
        let new = CoordinatorState { session: session.clone(), ..CoordinatorState::default() };
        mailbox
            .write(|secret| {
                put_state(secret, &new)?;
                Ok(true)
            })
            .await?;
        let mailboxes =
            (1..shard.share.count()).map(|index| MailboxWatch::new(connection, &shard.group, index)).collect();
        let pause = (shard.start_timeout / HEARTBEATS).min(MAX_PAUSE);
        let heartbeat = tokio::spawn(beat(Arc::clone(&mailbox), session.clone(), pause)).abort_handle();
        let absent = Mutex::default();
        Ok(Some(Self { mailbox, session, start_timeout: shard.start_timeout, mailboxes, heartbeat, absent }))
    }

    /// Changes the coordinator's state. Fails if a later epoch has taken over.
    async fn update(&self, change: impl Fn(&mut CoordinatorState)) -> Result<(), FleetError> {
        let written = self.mailbox.write(|secret| {
            let mut stored: CoordinatorState = state(secret)?;
            if stored.session != self.session {
                return Ok(false);
            }
            change(&mut stored);
            put_state(secret, &stored)?;
            Ok(true)
        });
        written.await.map_err(failed)?;
        let stored: CoordinatorState = state(&self.mailbox.read().await).map_err(unreadable).map_err(failed)?;
        if stored.session != self.session {
            return Err(FleetError::Failed("another pod has taken over the coordination of this run".to_owned()));
        }
        Ok(())
    }

    /// Waits until all workers have arrived or the start timeout has passed, then starts the load.
    pub(crate) async fn start(&self, place: LoadPlace) -> Result<BarrierResult, FleetError> {
        self.update(|state| state.call = Some(place)).await?;
        let absent = self.absent.lock().clone();
        let waits = (1..).zip(&self.mailboxes).map(|(index, mailbox)| {
            let limit = if absent.contains_key(&index) { RETRY_WAIT } else { self.start_timeout };
            self.wait(mailbox, Instant::now() + limit, move |current| current.state.at >= Some(place))
        });
        let arrived = join_all(waits).await;
        let has_arrived = |(index, arrival): (usize, &Option<SessionState>)| arrival.is_some().then_some(index);
        let joined: Vec<usize> = (1..).zip(&arrived).filter_map(has_arrived).collect();
        let late = format!("did not reach the start within {}", GoDuration(self.start_timeout));
        let reason = |index: usize| {
            absent.get(&index).cloned().or_else(|| self.watch_error(index)).unwrap_or_else(|| late.clone())
        };
        let missing: BTreeMap<usize, String> =
            (1..=arrived.len()).filter(|index| !joined.contains(index)).map(|index| (index, reason(index))).collect();
        self.update(|state| {
            state.go = Some(place);
            state.joined.clone_from(&joined);
        })
        .await?;
        let reported =
            missing.iter().map(|(index, reason)| Missing { index: *index, reason: reason.clone() }).collect();
        *self.absent.lock() = missing;
        Ok(BarrierResult { entry: Entry::OnTime, missing: reported })
    }

    /// Collects the reports of the workers that arrived, on time or late.
    pub(crate) async fn gather(
        &self,
        place: LoadPlace,
        planned: Option<Duration>,
    ) -> Result<Vec<MemberShard>, FleetError> {
        // Long enough to restart a lost pod and to repeat its share of the load.
        let limit = self.start_timeout + planned.unwrap_or_default();
        let until = Instant::now() + limit;
        let waits = (1..).zip(&self.mailboxes).map(|(index, mailbox)| async move {
            let absent = self.absent.lock().get(&index).cloned();
            let has_arrived = self.current(mailbox).is_some_and(|current| current.state.at >= Some(place));
            if let Some(reason) = absent.filter(|_| !has_arrived) {
                return MemberShard { index, is_late: false, report: Err(reason) };
            }
            match self.wait(mailbox, until, move |current| current.state.report >= Some(place)).await {
                Some(current) if current.state.report == Some(place) => MemberShard {
                    index,
                    is_late: current.state.late,
                    report: measured(&current.secret).map_err(|reason| format!("its shard cannot be read: {reason}")),
                },
                _ => {
                    let silent = || format!("joined but reported nothing within {}", GoDuration(limit));
                    MemberShard { index, is_late: false, report: Err(self.watch_error(index).unwrap_or_else(silent)) }
                }
            }
        });
        let shards = join_all(waits).await;
        self.update(|state| state.through = Some(place)).await?;
        Ok(shards)
    }

    /// Returns the document as it was before the first epoch. The first epoch stores `document`; later ones return the stored one.
    pub(crate) async fn before_run(&self, document: Option<Experiment>) -> Result<Option<Experiment>, ClusterError> {
        if self.session.epoch > 1 {
            let kept = experiment::document(&self.mailbox.read().await).transpose();
            let lost = |error| format!("the results before this run cannot be read: {error}");
            return kept.map_err(|error| ClusterError::new(ClusterErrorKind::Refused, lost(error)));
        }
        self.mailbox
            .write(|secret| match &document {
                Some(document) => match experiment::put(secret, document) {
                    Ok(()) => Ok(true),
                    Err(error) => {
                        tracing::warn!("a restarted coordinator will lose the results before this run: {error}");
                        Ok(false)
                    }
                },
                None => Ok(experiment::remove_document(secret)),
            })
            .await?;
        Ok(document)
    }

    pub(crate) async fn finish(&self) -> Result<(), FleetError> {
        self.heartbeat.abort();
        self.update(|state| state.over = true).await
    }

    /// Returns the reason why a worker cannot be watched, or why its state cannot be read.
    fn watch_error(&self, index: usize) -> Option<String> {
        let latest = self.mailboxes.get(index.checked_sub(1)?)?.latest();
        match &*latest.borrow() {
            Ok(secret) => state::<WorkerState>(secret.as_ref()?).err().map(|error| error.to_string()),
            Err(error) => Some(error.message.clone()),
        }
    }

    /// Returns the latest state of a worker if it belongs to this session.
    fn current(&self, mailbox: &MailboxWatch) -> Option<SessionState> {
        self.in_session(&mailbox.latest().borrow())
    }

    fn in_session(&self, latest: &Result<Option<Secret>, ClusterError>) -> Option<SessionState> {
        let secret = latest.as_ref().ok()?.as_ref()?;
        let state: WorkerState = state(secret).ok()?;
        (state.session == self.session).then(|| SessionState { state, secret: secret.clone() })
    }

    /// Waits for a state of a worker that `wanted` accepts; `None` if there is none in time.
    async fn wait(
        &self,
        mailbox: &MailboxWatch,
        until: Instant,
        wanted: impl Fn(&SessionState) -> bool,
    ) -> Option<SessionState> {
        let mut latest = mailbox.latest();
        let accepted = |now: &watch::Ref<'_, Result<Option<Secret>, ClusterError>>| {
            self.in_session(now).filter(|current| wanted(current))
        };
        tokio::time::timeout_at(until, async {
            loop {
                if let Some(current) = accepted(&latest.borrow_and_update()) {
                    return Some(current);
                }
                // Fails once the watch has ended.
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
        self.heartbeat.abort();
    }
}

fn unreadable(error: StateError) -> ClusterError {
    ClusterError::new(ClusterErrorKind::Refused, error.to_string())
}

/// Writes the heartbeat.
async fn beat(mailbox: Arc<Mailbox>, session: Session, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let written = mailbox.write(|secret| {
            let mut stored: CoordinatorState = state(secret)?;
            if stored.session != session {
                return Ok(false);
            }
            stored.beat += 1;
            put_state(secret, &stored)?;
            Ok(true)
        });
        if let Err(error) = written.await {
            tracing::debug!("no heartbeat: {error}");
        }
    }
}

pub(crate) fn failed(error: ClusterError) -> FleetError {
    FleetError::Failed(error.message)
}

/// Returns true if the report is from an interrupted attempt, which another attempt follows.
pub(crate) fn is_interrupted(report: &ShardReport) -> bool {
    use crate::model::shard::ShardEnd;
    report.iter().any(|end| match end {
        ShardEnd::Measured(shard) => shard.interrupted,
        ShardEnd::Interrupted => true,
        ShardEnd::Failed(_) => false,
    })
}
