//! Leadership of this process, evaluated each time it is read.
//!
//! A term ends by itself at its deadline, whether or not the elector gets to run: a process that was stalled or suspended must not
//! write before it has renewed. Both clocks count, because the monotonic one stands still while the machine is suspended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::adapters::clock::SystemClock;
use crate::ports::Clock;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) time: DateTime<Utc>,
}

impl Moment {
    pub(super) fn after(self, duration: Duration) -> Self {
        let delta = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        let time = self.time.checked_add_signed(delta).unwrap_or(DateTime::<Utc>::MAX_UTC);
        Self { instant: self.instant + duration, time }
    }

    /// Returns true if either clock has reached `deadline`.
    pub(super) fn has_reached(self, deadline: Self) -> bool {
        self.instant >= deadline.instant || self.time >= deadline.time
    }
}

/// Uninterrupted time as the leader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub(super) number: u64,
    pub(super) deadline: Moment,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Standby,
    Leader(Term),
    /// Without an election.
    Alone,
}

impl State {
    /// Returns the number of the current term.
    fn term(&self, now: Moment) -> Option<u64> {
        match self {
            Self::Standby => None,
            Self::Leader(term) => (!now.has_reached(term.deadline)).then_some(term.number),
            Self::Alone => Some(0),
        }
    }
}

/// Announces the results of the election.
pub(crate) struct LeadershipSender {
    state: watch::Sender<State>,
    clock: Arc<dyn Clock>,
    /// Number of the last term, across elections, so that each term has its own number.
    terms: AtomicU64,
}

impl LeadershipSender {
    /// Leads until the process ends, without an election.
    pub(crate) fn lead_alone(&self) {
        self.state.send_replace(State::Alone);
    }

    /// Returns the number of the last term.
    pub(super) fn last_term(&self) -> u64 {
        self.terms.load(Ordering::Relaxed)
    }

    pub(super) fn publish(&self, term: Option<Term>) {
        if let Some(term) = &term {
            self.terms.store(term.number, Ordering::Relaxed);
        }
        self.state.send_replace(term.map_or(State::Standby, State::Leader));
    }

    /// Stops leading.
    pub(crate) fn resign(&self) {
        self.publish(None);
    }

    pub(super) fn now(&self) -> Moment {
        now(self.clock.as_ref())
    }
}

/// Right to write. Ask right before each write, not when the write is planned.
#[derive(Clone)]
pub(crate) struct Leadership {
    state: watch::Receiver<State>,
    clock: Arc<dyn Clock>,
    /// Term that [`Self::changed`] returned last.
    seen: Option<u64>,
}

impl Leadership {
    /// Leadership that an election decides.
    pub(crate) fn elected(clock: Arc<dyn Clock>) -> (LeadershipSender, Self) {
        let (sender, state) = watch::channel(State::Standby);
        (
            LeadershipSender { state: sender, clock: Arc::clone(&clock), terms: AtomicU64::new(0) },
            Self { state, clock, seen: None },
        )
    }

    /// Leadership without an election.
    pub(crate) fn always() -> Self {
        let (_, state) = watch::channel(State::Alone);
        Self { state, clock: Arc::new(SystemClock), seen: None }
    }

    /// Returns true if this process leads at this moment.
    pub(crate) fn is_leader(&self) -> bool {
        self.term().is_some()
    }

    /// Waits until leadership begins or ends; a new term after an interruption counts, too. Returns true if this process leads. A new
    /// handle starts as a standby, so the first call returns immediately if this process leads already.
    pub(crate) async fn changed(&mut self) -> bool {
        loop {
            let term = self.term();
            if term != self.seen {
                self.seen = term;
                return term.is_some();
            }
            next_state(&mut self.state, self.clock.as_ref()).await;
        }
    }

    /// Waits until this process does not lead, or was interrupted since the call.
    pub(crate) async fn lost(&self) {
        let mut state = self.state.clone();
        let term = self.term();
        while self.term().is_some_and(|now| Some(now) == term) {
            next_state(&mut state, self.clock.as_ref()).await;
        }
    }

    fn term(&self) -> Option<u64> {
        self.state.borrow().term(now(self.clock.as_ref()))
    }
}

fn now(clock: &dyn Clock) -> Moment {
    Moment { instant: Instant::now(), time: clock.now() }
}

/// Waits until the state changed since the last call, or its term ends.
async fn next_state(state: &mut watch::Receiver<State>, clock: &dyn Clock) {
    let current = *state.borrow_and_update();
    let expiry = async {
        match current {
            State::Leader(term) if !now(clock).has_reached(term.deadline) => {
                tokio::time::sleep_until(term.deadline.instant).await;
            }
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        // Without a sender the state stays as it is, but its term still ends.
        Ok(()) = state.changed() => {}
        () = expiry => {}
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::ports::BoxFuture;

    const TERM: Duration = Duration::from_secs(6);

    /// Wall clock that only the test moves.
    struct FixedClock(Mutex<DateTime<Utc>>);

    impl Clock for FixedClock {
        fn now(&self) -> DateTime<Utc> {
            *self.0.lock()
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
            Box::pin(tokio::time::sleep(duration))
        }
    }

    fn leader() -> (Arc<FixedClock>, LeadershipSender, Leadership) {
        let clock = Arc::new(FixedClock(Mutex::new(DateTime::UNIX_EPOCH)));
        let (sender, leadership) = Leadership::elected(Arc::clone(&clock) as Arc<dyn Clock>);
        assert!(!leadership.is_leader());
        lead(&sender, 1);
        (clock, sender, leadership)
    }

    fn lead(sender: &LeadershipSender, number: u64) {
        sender.publish(Some(Term { number, deadline: sender.now().after(TERM) }));
    }

    async fn is_ready(future: impl Future) -> bool {
        tokio::time::timeout(Duration::from_millis(1), future).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn leadership_ends_at_the_deadline_without_the_elector() {
        let (_clock, sender, mut leadership) = leader();
        assert!(leadership.changed().await);
        drop(sender);
        let start = Instant::now();
        leadership.lost().await;
        assert_eq!(start.elapsed(), TERM);
        assert!(!leadership.changed().await);
        assert!(!leadership.is_leader());
        assert!(!is_ready(leadership.changed()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn leadership_ends_with_a_suspended_machine() {
        let (clock, sender, leadership) = leader();
        *clock.0.lock() += TERM;
        assert!(!leadership.is_leader());
        assert!(is_ready(leadership.lost()).await);
        lead(&sender, 2);
        assert!(leadership.is_leader());
    }

    #[tokio::test(start_paused = true)]
    async fn renewals_are_no_change_but_a_new_term_is() {
        let (_clock, sender, mut leadership) = leader();
        assert!(leadership.changed().await);
        for _ in 0..10 {
            tokio::time::advance(TERM / 2).await;
            lead(&sender, 1);
            assert!(!is_ready(leadership.changed()).await);
        }
        lead(&sender, 2);
        assert!(leadership.changed().await);
        sender.resign();
        assert!(!leadership.changed().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_write_is_interrupted_even_if_a_new_term_follows() {
        let (_clock, sender, leadership) = leader();
        let lost = leadership.lost();
        tokio::pin!(lost);
        assert!(!is_ready(lost.as_mut()).await);
        lead(&sender, 2);
        assert!(is_ready(lost).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_pod_leads_always() {
        let (_clock, sender, elected) = leader();
        sender.resign();
        sender.lead_alone();
        for mut leadership in [Leadership::always(), elected] {
            assert!(leadership.changed().await);
            tokio::time::advance(1000 * TERM).await;
            assert!(leadership.is_leader());
            assert!(!is_ready(leadership.lost()).await);
            assert!(!is_ready(leadership.changed()).await);
        }
    }
}
