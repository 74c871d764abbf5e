//! Distribution of the schedule's slots over workers, without locks.
//!
//! Worker `w` of `W` owns the slots `w, w + W, …`: its *queue*, which is just a counter of slots taken. As long as every worker has
//! an idle connection when a slot of its queue is due, workers do not write to each other's memory. A worker without one wakes a
//! worker that has one, which takes the slot over; so does any connection that becomes idle, the oldest slot first. The invariant:
//! no slot waits while a connection is idle, whichever worker owns them.
//!
//! Each worker computes due times itself: its [`Dispatcher`] has its own cursors over the schedule, and all cursors agree.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::load::pacing::{Cursor, Pacer, Step};

/// A slot that was claimed; the claimant sends its request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Position in the schedule, from 0.
    pub(super) number: u64,
    /// Instant at which it was due; absent at maximum rate.
    pub(super) due: Option<Instant>,
    /// Instant at which it was due and a connection was free: the rest of its delay is this process's own. Absent at maximum rate.
    pub(super) ready: Option<Instant>,
}

/// Delay up to which a slot counts as punctual, and has no cause.
pub(super) const PUNCTUAL: Duration = Duration::from_millis(1);

/// State of a worker without idle connections.
const NONE_IDLE: u64 = u64::MAX;

/// End of a schedule that ends by itself.
const OPEN: u64 = u64::MAX;

/// Result of claiming a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Taken(Slot),
    /// No slot is due now; there may be one later.
    NotDue,
    /// The schedule is over.
    Over,
}

/// The slots of one worker. Aligned to a pair of cache lines, which avoids false sharing between workers.
#[repr(align(128))]
struct SlotQueue {
    /// Slots of this queue taken so far, by any worker.
    taken: AtomicU64,
    /// Time at which the worker's longest idle connection became free, in nanoseconds since the start; [`NONE_IDLE`] without one.
    idle_since: AtomicU64,
    /// Wakes the worker's pacing task.
    wakeup: Notify,
}

impl SlotQueue {
    fn new() -> Self {
        Self { taken: AtomicU64::new(0), idle_since: AtomicU64::new(NONE_IDLE), wakeup: Notify::new() }
    }
}

/// The queues of all workers of a load.
pub(super) struct SlotQueues {
    pacer: Pacer,
    start: Instant,
    queues: Box<[SlotQueue]>,
    /// Nanoseconds since the start from which on no slot can be claimed; [`OPEN`] unless the schedule is ended early.
    end: AtomicU64,
    /// Nanoseconds since the start until which slots were late although a connection was idle: this process did not run.
    overslept: AtomicU64,
    /// A worker has sent its last request, so the others wake for its slots too.
    has_retired: AtomicBool,
}

impl SlotQueues {
    /// Creates the queues for `workers` workers and a schedule that starts at `start`.
    pub(super) fn new(pacer: Pacer, start: Instant, workers: usize) -> Self {
        let queues = (0..workers).map(|_| SlotQueue::new()).collect();
        let (overslept, has_retired) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { pacer, start, queues, end: AtomicU64::new(OPEN), overslept, has_retired }
    }

    /// Start of the schedule.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// Ends the schedule: no slot can be claimed any more. Wakes every worker.
    pub(super) fn close(&self) {
        self.end.store(0, Ordering::SeqCst);
        self.wake_all();
    }

    /// Ends the schedule at an instant: slots that were due before can still be claimed. Wakes every worker.
    pub(super) fn end_at(&self, instant: Instant) {
        self.end.fetch_min(nanos(instant.saturating_duration_since(self.start)), Ordering::SeqCst);
        self.wake_all();
    }

    fn wake_all(&self) {
        self.queues.iter().for_each(|queue| queue.wakeup.notify_one());
    }

    /// Returns the oldest slot that is not taken, and its queue.
    fn oldest(&self) -> Option<(u64, usize)> {
        let next = |(index, queue): (usize, &SlotQueue)| (self.slot(index, queue.taken.load(Ordering::SeqCst)), index);
        self.queues.iter().enumerate().map(next).min()
    }

    /// Takes the slot after the first `seen` slots of a queue. Returns false if another worker was faster.
    fn take(&self, queue: usize, seen: u64) -> bool {
        let taken = &self.queues[queue].taken;
        taken.compare_exchange_weak(seen, seen + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Returns the time since the start, `None` before it.
    fn elapsed(&self, now: Instant) -> Option<Duration> {
        now.checked_duration_since(self.start)
    }

    /// Returns the instant from which only this process delayed a slot that was due at `due` and is claimed at `now`, all since the
    /// start. The connection that takes it is free since `free`, and others may be idle.
    fn ready(&self, due: Duration, now: Duration, free: Duration) -> Duration {
        if now.saturating_sub(due) < PUNCTUAL {
            return due;
        }
        let idle = self.queues.iter().map(|queue| queue.idle_since.load(Ordering::SeqCst)).min().unwrap_or(NONE_IDLE);
        let free = nanos(free).min(idle);
        if free <= nanos(due) {
            // Slots that were due meanwhile are late for the same reason, even if they have to queue for connections now.
            self.overslept.fetch_max(nanos(now), Ordering::SeqCst);
            return due;
        }
        if nanos(due) < self.overslept.load(Ordering::SeqCst) { due } else { now.min(Duration::from_nanos(free)) }
    }

    /// Returns the number of slots taken over all queues.
    pub(super) fn taken(&self) -> u64 {
        self.queues.iter().map(|queue| queue.taken.load(Ordering::SeqCst)).sum()
    }

    /// Returns the position in the schedule of a queue's `nth` slot.
    fn slot(&self, queue: usize, nth: u64) -> u64 {
        nth.saturating_mul(self.queues.len() as u64).saturating_add(queue as u64)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NONE_IDLE)
}

/// One worker's view of the queues. It stays on the worker's thread.
pub(super) struct Dispatcher {
    queues: Arc<SlotQueues>,
    worker: usize,
    cursors: RefCell<Cursors>,
}

/// A worker's positions in the schedule. Both only move forward, as taken slots and time do, so random arrivals are computed twice
/// per slot and worker.
struct Cursors {
    /// At the oldest slot that is not taken.
    frontier: Cursor,
    /// At the first slot that is not due yet.
    ahead: Cursor,
}

impl Dispatcher {
    /// Creates the view of `worker`.
    pub(super) fn new(queues: Arc<SlotQueues>, worker: usize) -> Self {
        let cursors = Cursors { frontier: queues.pacer.cursor(), ahead: queues.pacer.cursor() };
        Self { queues, worker, cursors: RefCell::new(cursors) }
    }

    /// Waits until another worker has a slot to give away, or the schedule ends.
    pub(super) async fn woken(&self) {
        self.queues.queues[self.worker].wakeup.notified().await;
    }

    /// Start of the schedule.
    pub(super) fn start(&self) -> Instant {
        self.queues.start
    }

    /// Publishes since when this worker's longest idle connection has been free; `None` if all are busy.
    pub(super) fn publish_idle(&self, since: Option<Instant>) {
        let nanos = since.map_or(NONE_IDLE, |since| nanos(since.saturating_duration_since(self.queues.start)));
        self.queues.queues[self.worker].idle_since.store(nanos, Ordering::SeqCst);
    }

    /// Wakes one other worker that has idle connections, if any. The search starts after this worker, which spreads the work.
    pub(super) fn wake_another(&self) {
        let queues = &self.queues.queues;
        let count = queues.len();
        let idle = (1..count)
            .map(|step| &queues[(self.worker + step) % count])
            .find(|queue| queue.idle_since.load(Ordering::SeqCst) != NONE_IDLE);
        if let Some(queue) = idle {
            queue.wakeup.notify_one();
        }
    }

    /// Claims a slot for a connection of this worker; `since` is the instant at which it became free. With a rate it is the oldest due
    /// slot of any queue, so that slots are sent in order even under overload. At maximum rate, when slots have no age, the worker's own queue comes first.
    pub(super) fn claim(&self, now: Instant, since: Instant) -> Claim {
        let queues = &*self.queues;
        let end = match queues.end.load(Ordering::Relaxed) {
            0 => return Claim::Over,
            OPEN => Duration::MAX,
            nanos => Duration::from_nanos(nanos),
        };
        let Some(elapsed) = queues.elapsed(now) else { return Claim::NotDue };
        let frontier = &mut self.cursors.borrow_mut().frontier;
        if queues.pacer.rate().is_none() {
            return if elapsed < end { self.claim_any(frontier, elapsed) } else { Claim::Over };
        }
        loop {
            // Positions only grow, so a slot that is not due when read stays not due.
            let Some((slot, queue)) = queues.oldest() else { return Claim::Over };
            let seen = (slot - queue as u64) / queues.queues.len() as u64;
            match frontier.decide(elapsed, slot) {
                Step::Stop => return Claim::Over,
                Step::Wait { until: due } | Step::SendNow { intended: due } if due >= end => return Claim::Over,
                Step::Wait { .. } => return Claim::NotDue,
                Step::SendNow { intended } if queues.take(queue, seen) => {
                    let ready = queues.ready(intended, elapsed, since.saturating_duration_since(queues.start));
                    let at = |time| Some(queues.start + time);
                    return Claim::Taken(Slot { number: slot, due: at(intended), ready: at(ready) });
                }
                Step::SendNow { .. } => {}
            }
        }
    }

    /// Claims a slot at maximum rate: of the worker's own queue, else of the next one that has any.
    fn claim_any(&self, schedule: &mut Cursor, elapsed: Duration) -> Claim {
        let queues = &*self.queues;
        let count = queues.queues.len();
        for queue in (0..count).map(|step| (self.worker + step) % count) {
            loop {
                let seen = queues.queues[queue].taken.load(Ordering::SeqCst);
                let number = queues.slot(queue, seen);
                match schedule.decide(elapsed, number) {
                    Step::SendNow { .. } if queues.take(queue, seen) => {
                        return Claim::Taken(Slot { number, due: None, ready: None });
                    }
                    Step::SendNow { .. } => {}
                    Step::Stop | Step::Wait { .. } => break,
                }
            }
        }
        Claim::Over
    }

    /// Returns true if a slot of any queue is due and not taken. A worker that was woken and could not take all of them wakes the
    /// next one.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        let Some(elapsed) = self.queues.elapsed(now) else { return false };
        let oldest = self.queues.oldest();
        oldest.is_some_and(|(slot, _)| slot < self.cursors.borrow_mut().ahead.due_by(elapsed))
    }

    /// Marks the worker as finished. From now on the others wake for the slots of its queue too.
    pub(super) fn retire(&self) {
        self.queues.has_retired.store(true, Ordering::SeqCst);
        self.queues.wake_all();
    }

    /// Returns the due time of the worker's first slot that is not due `now` (of any queue's, once a worker has retired); `None` if
    /// there is none.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let queues = &*self.queues;
        let ahead = &mut self.cursors.borrow_mut().ahead;
        let first = queues.elapsed(now).map_or(0, |elapsed| ahead.due_by(elapsed));
        let (worker, count) = (self.worker as u64, queues.queues.len() as u64);
        // The first slot of this queue at or after `first`.
        let own_slot = first.saturating_add((worker + count - first % count) % count);
        let slot = if queues.has_retired.load(Ordering::SeqCst) { first } else { own_slot };
        // Peek, so that the cursor stays at `first`, which the next call may need.
        queues.start.checked_add(ahead.peek(slot)?)
    }
}

#[cfg(test)]
#[path = "slot_queue_tests.rs"]
mod tests;
