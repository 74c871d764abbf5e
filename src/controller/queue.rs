//! Queue of objects to reconcile.
//!
//! An object is in the queue at most once, and is never reconciled twice at the same time. A change that arrives during its
//! reconciliation puts it back afterwards. Consecutive reconciliations of an object are [`SPACING`] apart, so that flapping objects
//! cause bounded work, while the first change after a quiet time is not delayed. Failures are retried with an exponential backoff
//! per object.
//!
//! Only keys are queued: patches are computed at the last moment, so that a queue that waited never writes something outdated.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Minimum time between two reconciliations of an object.
pub(super) const SPACING: Duration = Duration::from_millis(100);

/// Pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest time between two steps of an idle queue, so that silence means a fault.
const IDLE: Duration = Duration::from_secs(15);

/// Longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Result of a reconciliation, as far as the queue is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for the next change.
    Wait,
    /// Reconcile again at this time, or at the next change.
    At(Instant),
    /// Retry after a pause of at least this length.
    Retry(Duration),
    /// The object is gone: drop its entry, unless it changed meanwhile.
    Forget,
}

impl Next {
    /// Combines the results of two parts of one reconciliation.
    pub(super) fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Wait | Self::Forget, next) | (next, Self::Wait | Self::Forget) => next,
            (Self::At(one), Self::At(other)) => Self::At(one.min(other)),
            (Self::Retry(one), Self::Retry(other)) => Self::Retry(one.max(other)),
            (Self::Retry(pause), Self::At(_)) | (Self::At(_), Self::Retry(pause)) => Self::Retry(pause),
        }
    }
}

/// Queue of the objects with keys `K`, shared by watches and workers.
#[derive(Debug)]
pub(super) struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<K> {
    /// Due times; the number makes them unique and keeps the order of arrival.
    due: BTreeMap<(Instant, u64), K>,
    entries: HashMap<K, Entry>,
    arrivals: u64,
    /// Time of the last progress of its workers.
    last_step: Instant,
}

/// State of one object. Kept until [`Next::Forget`], so there are as many as objects.
#[derive(Debug, Default)]
struct Entry {
    position: Option<(Instant, u64)>,
    is_running: bool,
    /// Earliest due time of changes that arrived during the reconciliation.
    again: Option<Instant>,
    failures: u32,
    earliest: Option<Instant>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        let last_step = Instant::now();
        let state = State { due: BTreeMap::new(), entries: HashMap::new(), arrivals: 0, last_step };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// Queues objects. An object that is queued for later becomes due now.
    pub(super) fn push_all<'a>(&self, keys: impl IntoIterator<Item = &'a K>)
    where
        K: 'a,
    {
        let now = Instant::now();
        let mut state = self.state.lock();
        for key in keys {
            state.push(key, now);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for the next object that is due.
    pub(super) async fn next(&self) -> K {
        loop {
            let notified = self.changed.notified();
            let now = Instant::now();
            let due = match self.state.lock().pop(now) {
                Ok(key) => return key,
                Err(due) => due,
            };
            let idle = now + IDLE;
            tokio::select! {
                () = tokio::time::sleep_until(due.map_or(idle, |due| due.min(idle))) => {}
                () = notified => {}
            }
        }
    }

    /// Notes that the reconciliation of an object made progress.
    pub(super) fn step(&self) {
        self.state.lock().last_step = Instant::now();
    }

    /// Returns the time since the last step.
    pub(super) fn silence(&self) -> Duration {
        self.state.lock().last_step.elapsed()
    }

    /// Ends the reconciliation of an object.
    pub(super) fn done(&self, key: &K, next: Next) {
        self.state.lock().done(key, next, Instant::now());
        self.changed.notify_one();
    }

    /// Number of objects that wait.
    pub(super) fn len(&self) -> usize {
        self.state.lock().due.len()
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn push(&mut self, key: &K, due: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        let due = entry.earliest.map_or(due, |earliest| earliest.max(due));
        if entry.is_running {
            entry.again = Some(entry.again.map_or(due, |again| again.min(due)));
            return;
        }
        match entry.position {
            Some((waiting, _)) if waiting <= due => return,
            Some(position) => {
                self.due.remove(&position);
            }
            None => {}
        }
        self.arrivals += 1;
        entry.position = Some((due, self.arrivals));
        self.due.insert((due, self.arrivals), key.clone());
    }

    /// Takes the first object that is due; else returns the next due time.
    fn pop(&mut self, now: Instant) -> Result<K, Option<Instant>> {
        self.last_step = now;
        let Some(first) = self.due.first_entry() else { return Err(None) };
        let (due, _) = *first.key();
        if due > now {
            return Err(Some(due));
        }
        let key = first.remove();
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.position = None;
            entry.is_running = true;
        }
        Ok(key)
    }

    fn done(&mut self, key: &K, next: Next, now: Instant) {
        self.last_step = now;
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.is_running = false;
        entry.earliest = Some(now + SPACING);
        let again = entry.again.take();
        if next == Next::Forget && again.is_none() {
            self.entries.remove(key);
            return;
        }
        let due = match next {
            Next::Wait | Next::Forget => again,
            Next::At(due) => Some(again.map_or(due, |again| again.min(due))),
            Next::Retry(at_least) => {
                let pause = pause(entry.failures).max(at_least);
                entry.failures = entry.failures.saturating_add(1);
                // Changes do not shorten the pause: a change rarely ends the failure, and objects that flap would defeat it.
                entry.earliest = Some(now + pause);
                Some(now + pause)
            }
        };
        if !matches!(next, Next::Retry(_)) {
            entry.failures = 0;
        }
        if let Some(due) = due {
            self.push(key, due);
        }
    }
}

/// Pause after `failures` failures, with a jitter of up to a fifth, so that failures of many objects are not retried in step.
fn pause(failures: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
    pause.mul_f64(0.8 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::keys::ObjectKey;

    impl Queue<ObjectKey> {
        fn push(&self, key: &ObjectKey) {
            self.push_all([key]);
        }
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("models", name)
    }

    /// Returns the time until the next routemap is due, and its name.
    async fn next(queue: &Queue<ObjectKey>) -> (Duration, String) {
        let started = Instant::now();
        let key = queue.next().await;
        (started.elapsed(), key.name.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_due_immediately_and_queued_once() {
        let queue = Queue::default();
        queue.push(&key("a"));
        queue.push(&key("b"));
        queue.push(&key("a"));
        assert_eq!(queue.len(), 2);
        assert_eq!(next(&queue).await, (Duration::ZERO, "a".to_owned()));
        assert_eq!(next(&queue).await, (Duration::ZERO, "b".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_routemap_is_never_reconciled_twice_at_the_same_time() {
        let queue = Queue::default();
        queue.push(&key("a"));
        let running = queue.next().await;
        queue.push(&running);
        let other = tokio::time::timeout(Duration::from_secs(60), queue.next()).await;
        assert!(other.is_err(), "it is still running");
        queue.done(&running, Next::Wait);
        assert_eq!(next(&queue).await, (SPACING, "a".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn flapping_objects_cause_bounded_work() {
        let queue = Queue::default();
        let until = Instant::now() + Duration::from_secs(10);
        let mut reconciled = 0;
        while Instant::now() < until {
            queue.push(&key("a"));
            let due = tokio::time::timeout(Duration::from_millis(1), queue.next()).await;
            if let Ok(key) = due {
                reconciled += 1;
                queue.done(&key, Next::Wait);
            }
        }
        assert!((99..=101).contains(&reconciled), "{reconciled}");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_retried_with_growing_pauses_which_changes_do_not_shorten() {
        let queue = Queue::default();
        queue.push(&key("a"));
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let (pause, _) = next(&queue).await;
            pauses.push(pause);
            queue.done(&key("a"), Next::Retry(Duration::ZERO));
            queue.push(&key("a"));
        }
        assert!(pauses[1] >= Duration::from_millis(160) && pauses[1] <= Duration::from_millis(201), "{pauses:?}");
        assert!(pauses[4] > 3 * pauses[2], "{pauses:?}");
        assert!(pauses[11] >= Duration::from_secs(48) && pauses[11] <= Duration::from_secs(61), "{pauses:?}");
        let _ = next(&queue).await;
        queue.done(&key("a"), Next::Wait);
        queue.push(&key("a"));
        assert_eq!(next(&queue).await.0, SPACING, "a success resets the backoff");
    }

    #[tokio::test(start_paused = true)]
    async fn the_api_server_may_ask_for_a_longer_pause() {
        let queue = Queue::default();
        queue.push(&key("a"));
        let _ = queue.next().await;
        queue.done(&key("a"), Next::Retry(Duration::from_secs(7)));
        assert_eq!(next(&queue).await.0, Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_planned_reconciliation_is_made_earlier_by_a_change() {
        let queue = Queue::default();
        queue.push(&key("a"));
        let _ = queue.next().await;
        queue.done(&key("a"), Next::At(Instant::now() + Duration::from_secs(30)));
        tokio::time::advance(Duration::from_secs(1)).await;
        queue.push(&key("a"));
        assert_eq!(next(&queue).await.0, Duration::ZERO);
        queue.done(&key("a"), Next::At(Instant::now() + Duration::from_secs(30)));
        assert_eq!(next(&queue).await.0, Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_routemap_returns_only_with_a_change() {
        let queue = Queue::default();
        queue.push(&key("a"));
        let running = queue.next().await;
        queue.push(&running);
        queue.done(&running, Next::Forget);
        assert_eq!(next(&queue).await, (SPACING, "a".to_owned()), "it changed while it ran");
        queue.done(&running, Next::Forget);
        assert_eq!((queue.len(), queue.state.lock().entries.len()), (0, 0));
    }
}
