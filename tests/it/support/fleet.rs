//! Machines of one process that run an experiment together: the port's contract, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use iter8::model::shard::{LoadPhase, LoadPlace, ShardReport, Share};
use iter8::ports::BoxFuture;
use iter8::ports::fleet::{BarrierResult, Entry, Fleet, FleetError, MemberShard, Missing};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// State shared by all peers.
pub struct InMemoryFleet {
    count: usize,
    patience: Duration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    session: u64,
    superseded: CancellationToken,
    is_over: bool,
    /// Current place of the coordinator.
    place: Option<LoadPlace>,
    arrived: BTreeMap<LoadPlace, BTreeSet<usize>>,
    /// Started places, and the members that have not noticed the start yet.
    started: BTreeMap<LoadPlace, BTreeSet<usize>>,
    /// Members that started a load late.
    late: BTreeSet<(LoadPlace, usize)>,
    report: BTreeMap<LoadPlace, BTreeMap<usize, ShardReport>>,
    gathered: BTreeSet<LoadPlace>,
}

impl InMemoryFleet {
    /// Creates `count` peers that wait at most `patience` for each other.
    pub fn new(count: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self { count, patience, state: Mutex::default(), changed: Notify::new() })
    }

    /// Creates a peer; each call simulates a restart of it.
    pub fn member(self: &Arc<Self>, index: usize) -> Member {
        let share = Share::new(index, self.count).unwrap();
        Member { shared: Arc::clone(self), share, own: Mutex::default() }
    }

    /// Simulates a lost coordinator and the start of a new one.
    pub fn restart(&self) {
        let mut state = self.state();
        state.superseded.cancel();
        *state = State { session: state.session + 1, ..State::default() };
        drop(state);
        self.changed.notify_waiters();
    }

    /// Shard reports of all loads, by peer.
    pub fn reports(&self) -> Vec<(LoadPlace, usize, ShardReport)> {
        let state = self.state();
        let of = |(place, report): (&LoadPlace, &BTreeMap<usize, ShardReport>)| {
            let place = *place;
            report.iter().map(move |(index, report)| (place, *index, report.clone())).collect::<Vec<_>>()
        };
        state.report.iter().flat_map(of).collect()
    }

    /// The places that were started, in order.
    pub fn places(&self) -> Vec<LoadPlace> {
        self.state().started.keys().copied().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_waiters();
        changed
    }

    /// Waits until there is something to see.
    async fn wait<T>(&self, look: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let seen = look(&mut self.state());
            match seen {
                Some(seen) => return seen,
                None => changed.await,
            }
        }
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        1..self.count
    }
}

/// One attempt at being a peer.
pub struct Member {
    shared: Arc<InMemoryFleet>,
    share: Share,
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    session: u64,
    superseded: CancellationToken,
    last: Option<usize>,
}

impl Member {
    fn is_coordinator(&self) -> bool {
        self.share.index() == 0
    }

    async fn open(&self, place: LoadPlace) -> BarrierResult {
        let shared = &self.shared;
        shared.change(|state| {
            state.place = Some(place);
            state.arrived.entry(place).or_default().insert(0);
        });
        let all_here = shared.wait(|state| (state.arrived[&place].len() == shared.count).then_some(()));
        let _ = tokio::time::timeout(shared.patience, all_here).await;
        let started = shared.change(|state| {
            let here = state.arrived[&place].clone();
            state.started.insert(place, here.clone());
            here
        });
        let reason = format!("did not reach the start within {:?}", shared.patience);
        let missing = shared.others().filter(|index| !started.contains(index));
        BarrierResult {
            entry: Entry::OnTime,
            missing: missing.map(|index| Missing { index, reason: reason.clone() }).collect(),
        }
    }

    async fn join(&self, place: LoadPlace) -> Result<BarrierResult, FleetError> {
        let (index, session) = (self.share.index(), self.own.lock().unwrap().session);
        self.shared.change(|state| state.arrived.entry(place).or_default().insert(index));
        let load = LoadPlace { phase: LoadPhase::Load, ..place };
        let entry = self.shared.wait(|state| {
            if state.session != session {
                return Some(Err(FleetError::Restarted));
            }
            let has_reported = state.report.get(&load).is_some_and(|report| report.contains_key(&index));
            if has_reported || state.is_over || state.gathered.contains(&load) {
                return Some(Ok(Entry::Closed));
            }
            let started = state.started.get_mut(&place)?;
            // A second attempt finds its name among those who started.
            if started.remove(&index) {
                return Some(Ok(Entry::OnTime));
            }
            state.late.insert((place, index));
            Some(Ok(Entry::Late))
        });
        Ok(BarrierResult { entry: entry.await?, missing: Vec::new() })
    }

    /// Collects the shards for the coordinator.
    async fn all(&self, place: LoadPlace) -> Vec<MemberShard> {
        let shared = &self.shared;
        let all_handed = shared.wait(|state| {
            let report = &state.report[&place];
            let has_reported = |index: &usize| report.contains_key(index);
            state.arrived[&place].iter().all(has_reported).then_some(())
        });
        let _ = tokio::time::timeout(shared.patience, all_handed).await;
        shared.change(|state| {
            state.gathered.insert(place);
            let one = |index| {
                let report = state.report[&place].get(&index).cloned();
                let has_come = state.arrived[&place].contains(&index);
                let reason = if has_come { "handed in nothing" } else { "did not reach the start" };
                MemberShard {
                    index,
                    is_late: state.late.contains(&(place, index)),
                    report: report.ok_or_else(|| reason.to_owned()),
                }
            };
            shared.others().map(one).collect()
        })
    }
}

impl Fleet for Member {
    fn share(&self) -> Share {
        self.share
    }

    fn start(&self, place: LoadPlace) -> BoxFuture<'_, Result<BarrierResult, FleetError>> {
        Box::pin(async move { if self.is_coordinator() { Ok(self.open(place).await) } else { self.join(place).await } })
    }

    fn gather<'a>(
        &'a self,
        place: LoadPlace,
        own: &'a ShardReport,
        planned: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<MemberShard>, FleetError>> {
        assert_eq!(place.phase, LoadPhase::Load);
        assert!(planned.is_none_or(|planned| planned <= Duration::from_secs(60)), "{planned:?}");
        let index = self.share.index();
        let session = self.own.lock().unwrap().session;
        Box::pin(async move {
            let is_current = self.shared.change(|state| {
                let is_current = self.is_coordinator() || state.session == session;
                if is_current {
                    let text = serde_json::to_string(own).unwrap();
                    let own = serde_json::from_str(&text).unwrap();
                    state.report.entry(place).or_default().entry(index).or_insert(own);
                }
                is_current
            });
            match (is_current, self.is_coordinator()) {
                (false, _) => Err(FleetError::Restarted),
                (true, true) => Ok(self.all(place).await),
                (true, false) => Ok(Vec::new()),
            }
        })
    }

    fn next_task(&self) -> BoxFuture<'_, Result<Option<usize>, FleetError>> {
        Box::pin(async move {
            let next = self.shared.wait(|state| {
                let mut own = self.own.lock().unwrap();
                if state.session != own.session {
                    own.last = None;
                }
                (own.session, own.superseded) = (state.session, state.superseded.clone());
                let next = state.place.map(|place| place.task).filter(|task| own.last.is_none_or(|last| last < *task));
                own.last = next.or(own.last);
                if state.is_over { Some(None) } else { next.map(Some) }
            });
            Ok(next.await)
        })
    }

    fn superseded(&self) -> CancellationToken {
        self.own.lock().unwrap().superseded.clone()
    }

    fn finish(&self) -> BoxFuture<'_, Result<(), FleetError>> {
        self.shared.change(|state| {
            state.is_over = true;
            state.superseded.cancel();
        });
        Box::pin(async { Ok(()) })
    }
}
