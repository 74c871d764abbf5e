//! Who sends which slot of the schedule.
//!
//! Worker `w` of `W` owns the slots `w, w + W, …`: its *queue*, of which only the number of slots taken is kept. As long as every
//! worker has an idle connection when a slot of its queue is due, workers write to no memory of each other's. A worker that has none
//! rings one that has, and that one takes the slot over; so does any connection that becomes idle, the oldest slot first. No slot
//! waits while a connection is idle, whoever owns either.
//!
//! When a slot is due, every worker works out for itself: its [`Dispatcher`] has cursors of its own onto the schedule, which all agree.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::load::pacing::{Cursor, Pacer, Step};

/// A slot that was taken: it is to be sent now, by whoever took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Its place in the schedule, from 0.
    pub(super) number: u64,
    /// When it was due; absent at maximum rate.
    pub(super) due: Option<Instant>,
}

/// The outcome of asking for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This one.
    Taken(Slot),
    /// None is due now; there may be later.
    NotDue,
    /// The schedule is over.
    Over,
}

/// One worker's part; a cache line pair of its own, so that workers don't slow each other down.
#[repr(align(128))]
#[derive(Default)]
struct SlotQueue {
    /// Slots of this queue taken so far, by whomever.
    taken: AtomicU64,
    /// The worker's idle connections.
    idle: AtomicUsize,
    /// Wakes the worker's pacing.
    wakeup: Notify,
}

/// All queues of a load.
pub(super) struct SlotQueues {
    pacer: Pacer,
    start: Instant,
    queues: Box<[SlotQueue]>,
    closed: AtomicBool,
    /// Whether a worker has sent its last request, so that the others wake for its slots, too.
    has_retired: AtomicBool,
}

impl SlotQueues {
    /// SlotQueues for `workers` workers and a schedule that starts at `start`.
    pub(super) fn new(pacer: Pacer, start: Instant, workers: usize) -> Self {
        let queues = (0..workers).map(|_| SlotQueue::default()).collect();
        Self { pacer, start, queues, closed: AtomicBool::new(false), has_retired: AtomicBool::new(false) }
    }

    /// When slot 0 is due.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// Ends the schedule: no slot can be taken any more, and every worker is told.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wake_all();
    }

    fn wake_all(&self) {
        self.queues.iter().for_each(|queue| queue.wakeup.notify_one());
    }

    /// The oldest slot that nobody took, and its queue.
    fn oldest(&self) -> Option<(u64, usize)> {
        let next = |(queue, it): (usize, &SlotQueue)| (self.slot(queue, it.taken.load(Ordering::SeqCst)), queue);
        self.queues.iter().enumerate().map(next).min()
    }

    /// Takes the slot after the first `seen` ones of a queue, unless another was faster.
    fn take(&self, queue: usize, seen: u64) -> bool {
        let taken = &self.queues[queue].taken;
        taken.compare_exchange_weak(seen, seen + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Time since the start; `None` before it.
    fn elapsed(&self, now: Instant) -> Option<Duration> {
        now.checked_duration_since(self.start)
    }

    /// How many slots were taken, all queues together.
    pub(super) fn taken(&self) -> u64 {
        self.queues.iter().map(|queue| queue.taken.load(Ordering::SeqCst)).sum()
    }

    /// The schedule's number of the `nth` slot of a queue.
    fn slot(&self, queue: usize, nth: u64) -> u64 {
        nth.saturating_mul(self.queues.len() as u64).saturating_add(queue as u64)
    }
}

/// What one worker sees of the queues; it stays on the worker's thread.
pub(super) struct Dispatcher {
    queues: Arc<SlotQueues>,
    worker: usize,
    cursors: RefCell<Cursors>,
}

/// Where a worker is in the schedule. Both only go forward, as the slots taken and the time do; so walking through a schedule of
/// random arrivals costs each slot twice per worker.
struct Cursors {
    /// At the oldest slot that nobody took.
    frontier: Cursor,
    /// At the first slot that is not due.
    ahead: Cursor,
}

impl Dispatcher {
    /// The queues as `worker` sees them.
    pub(super) fn new(queues: Arc<SlotQueues>, worker: usize) -> Self {
        let cursors = Cursors { frontier: queues.pacer.cursor(), ahead: queues.pacer.cursor() };
        Self { queues, worker, cursors: RefCell::new(cursors) }
    }

    /// Waits until another worker has a slot to give away, or the schedule is closed.
    pub(super) async fn woken(&self) {
        self.queues.queues[self.worker].wakeup.notified().await;
    }

    /// Tells the other workers how many connections of this one are idle.
    pub(super) fn publish_idle(&self, idle: usize) {
        self.queues.queues[self.worker].idle.store(idle, Ordering::SeqCst);
    }

    /// Rings one other worker that has idle connections, if there is one; the search starts behind this one, so that the work
    /// spreads.
    pub(super) fn wake_another(&self) {
        let queues = &self.queues.queues;
        let count = queues.len();
        let idle =
            (1..count).map(|step| &queues[(self.worker + step) % count]).find(|l| l.idle.load(Ordering::SeqCst) > 0);
        if let Some(queue) = idle {
            queue.wakeup.notify_one();
        }
    }

    /// Takes a slot for a connection of this worker. With a rate it is the oldest one that is due, whoever owns it, so that under
    /// overload every slot waits its turn and no more; at maximum rate, where slots have no age, one of its own queue first.
    pub(super) fn claim(&self, now: Instant) -> Claim {
        let queues = &*self.queues;
        if queues.closed.load(Ordering::Relaxed) {
            return Claim::Over;
        }
        let Some(elapsed) = queues.elapsed(now) else { return Claim::NotDue };
        let frontier = &mut self.cursors.borrow_mut().frontier;
        if queues.pacer.rate().is_none() {
            return self.claim_any(frontier, elapsed);
        }
        loop {
            // Numbers only grow: what is not due when read is not due at all.
            let Some((slot, queue)) = queues.oldest() else { return Claim::Over };
            let seen = (slot - queue as u64) / queues.queues.len() as u64;
            match frontier.decide(elapsed, slot) {
                Step::Stop => return Claim::Over,
                Step::Wait { .. } => return Claim::NotDue,
                Step::SendNow { intended } if queues.take(queue, seen) => {
                    return Claim::Taken(Slot { number: slot, due: Some(queues.start + intended) });
                }
                Step::SendNow { .. } => {}
            }
        }
    }

    /// Takes a slot at maximum rate: of the worker's own queue, else of the next one that has any.
    fn claim_any(&self, schedule: &mut Cursor, elapsed: Duration) -> Claim {
        let queues = &*self.queues;
        let count = queues.queues.len();
        for queue in (0..count).map(|step| (self.worker + step) % count) {
            loop {
                let seen = queues.queues[queue].taken.load(Ordering::SeqCst);
                let number = queues.slot(queue, seen);
                match schedule.decide(elapsed, number) {
                    Step::SendNow { .. } if queues.take(queue, seen) => {
                        return Claim::Taken(Slot { number, due: None });
                    }
                    Step::SendNow { .. } => {}
                    Step::Stop | Step::Wait { .. } => break,
                }
            }
        }
        Claim::Over
    }

    /// Whether a slot is due and not taken, whoever owns it: a worker that was woken and could not take all of them rings on.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        let Some(elapsed) = self.queues.elapsed(now) else { return false };
        let oldest = self.queues.oldest();
        oldest.is_some_and(|(slot, _)| slot < self.cursors.borrow_mut().ahead.due_by(elapsed))
    }

    /// Says that the worker has sent its last request: from now on the others wake for the slots of its queue, too.
    pub(super) fn retire(&self) {
        self.queues.has_retired.store(true, Ordering::SeqCst);
        self.queues.wake_all();
    }

    /// When the first slot of the worker's queue (of any, once a worker has retired) is due that is not due `now`; `None` when there
    /// is none.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let queues = &*self.queues;
        let ahead = &mut self.cursors.borrow_mut().ahead;
        let first = queues.elapsed(now).map_or(0, |elapsed| ahead.due_by(elapsed));
        let (worker, count) = (self.worker as u64, queues.queues.len() as u64);
        // The smallest slot of this queue that is at least `first`.
        let own = first.saturating_add((worker + count - first % count) % count);
        let slot = if queues.has_retired.load(Ordering::SeqCst) { first } else { own };
        // The cursor stays at `first`, which may be asked for next.
        queues.start.checked_add(ahead.peek(slot)?)
    }
}

#[cfg(test)]
#[path = "slot_queue_tests.rs"]
mod tests;
