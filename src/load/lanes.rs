//! Who sends which slot of the schedule.
//!
//! Worker `w` of `W` owns the slots `w, w + W, …`: its *lane*, of which only the number of slots taken is kept. As long as every
//! worker has an idle connection when a slot of its lane is due, workers write to no memory of each other's. A worker that has none
//! rings one that has, and that one takes the slot over; so does any connection that becomes idle, the oldest slot first. No slot
//! waits while a connection is idle, whoever owns either.
//!
//! When a slot is due, every worker works out for itself: its [`Dealer`] has cursors of its own onto the schedule, which all agree.

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
struct Lane {
    /// Slots of this lane taken so far, by whomever.
    taken: AtomicU64,
    /// The worker's idle connections.
    idle: AtomicUsize,
    /// Wakes the worker's pacing.
    bell: Notify,
}

/// All lanes of a load.
pub(super) struct Lanes {
    pacer: Pacer,
    start: Instant,
    lanes: Box<[Lane]>,
    closed: AtomicBool,
    /// Whether a worker has sent its last request, so that the others wake for its slots, too.
    has_retired: AtomicBool,
}

impl Lanes {
    /// Lanes for `workers` workers and a schedule that starts at `start`.
    pub(super) fn new(pacer: Pacer, start: Instant, workers: usize) -> Self {
        let lanes = (0..workers).map(|_| Lane::default()).collect();
        Self { pacer, start, lanes, closed: AtomicBool::new(false), has_retired: AtomicBool::new(false) }
    }

    /// When slot 0 is due.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// Ends the schedule: no slot can be taken any more, and every worker is told.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.ring_all();
    }

    fn ring_all(&self) {
        self.lanes.iter().for_each(|lane| lane.bell.notify_one());
    }

    /// The oldest slot that nobody took, and its lane.
    fn oldest(&self) -> Option<(u64, usize)> {
        let next = |(lane, it): (usize, &Lane)| (self.slot(lane, it.taken.load(Ordering::SeqCst)), lane);
        self.lanes.iter().enumerate().map(next).min()
    }

    /// Takes the slot after the first `seen` ones of a lane, unless another was faster.
    fn take(&self, lane: usize, seen: u64) -> bool {
        let taken = &self.lanes[lane].taken;
        taken.compare_exchange_weak(seen, seen + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Time since the start; `None` before it.
    fn elapsed(&self, now: Instant) -> Option<Duration> {
        now.checked_duration_since(self.start)
    }

    /// How many slots were taken, all lanes together.
    pub(super) fn taken(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.taken.load(Ordering::SeqCst)).sum()
    }

    /// The schedule's number of the `nth` slot of a lane.
    fn slot(&self, lane: usize, nth: u64) -> u64 {
        nth.saturating_mul(self.lanes.len() as u64).saturating_add(lane as u64)
    }
}

/// What one worker sees of the lanes; it stays on the worker's thread.
pub(super) struct Dealer {
    lanes: Arc<Lanes>,
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

impl Dealer {
    /// The lanes as `worker` sees them.
    pub(super) fn new(lanes: Arc<Lanes>, worker: usize) -> Self {
        let cursors = Cursors { frontier: lanes.pacer.cursor(), ahead: lanes.pacer.cursor() };
        Self { lanes, worker, cursors: RefCell::new(cursors) }
    }

    /// Waits until another worker has a slot to give away, or the schedule is closed.
    pub(super) async fn rung(&self) {
        self.lanes.lanes[self.worker].bell.notified().await;
    }

    /// Tells the other workers how many connections of this one are idle.
    pub(super) fn publish_idle(&self, idle: usize) {
        self.lanes.lanes[self.worker].idle.store(idle, Ordering::SeqCst);
    }

    /// Rings one other worker that has idle connections, if there is one; the search starts behind this one, so that the work
    /// spreads.
    pub(super) fn ring_another(&self) {
        let lanes = &self.lanes.lanes;
        let count = lanes.len();
        let idle =
            (1..count).map(|step| &lanes[(self.worker + step) % count]).find(|l| l.idle.load(Ordering::SeqCst) > 0);
        if let Some(lane) = idle {
            lane.bell.notify_one();
        }
    }

    /// Takes a slot for a connection of this worker. With a rate it is the oldest one that is due, whoever owns it, so that under
    /// overload every slot waits its turn and no more; at maximum rate, where slots have no age, one of its own lane first.
    pub(super) fn claim(&self, now: Instant) -> Claim {
        let lanes = &*self.lanes;
        if lanes.closed.load(Ordering::Relaxed) {
            return Claim::Over;
        }
        let Some(elapsed) = lanes.elapsed(now) else { return Claim::NotDue };
        let frontier = &mut self.cursors.borrow_mut().frontier;
        if lanes.pacer.rate().is_none() {
            return self.claim_any(frontier, elapsed);
        }
        loop {
            // Numbers only grow: what is not due when read is not due at all.
            let Some((slot, lane)) = lanes.oldest() else { return Claim::Over };
            let seen = (slot - lane as u64) / lanes.lanes.len() as u64;
            match frontier.decide(elapsed, slot) {
                Step::Stop => return Claim::Over,
                Step::Wait { .. } => return Claim::NotDue,
                Step::SendNow { intended } if lanes.take(lane, seen) => {
                    return Claim::Taken(Slot { number: slot, due: Some(lanes.start + intended) });
                }
                Step::SendNow { .. } => {}
            }
        }
    }

    /// Takes a slot at maximum rate: of the worker's own lane, else of the next one that has any.
    fn claim_any(&self, schedule: &mut Cursor, elapsed: Duration) -> Claim {
        let lanes = &*self.lanes;
        let count = lanes.lanes.len();
        for lane in (0..count).map(|step| (self.worker + step) % count) {
            loop {
                let seen = lanes.lanes[lane].taken.load(Ordering::SeqCst);
                let number = lanes.slot(lane, seen);
                match schedule.decide(elapsed, number) {
                    Step::SendNow { .. } if lanes.take(lane, seen) => return Claim::Taken(Slot { number, due: None }),
                    Step::SendNow { .. } => {}
                    Step::Stop | Step::Wait { .. } => break,
                }
            }
        }
        Claim::Over
    }

    /// Whether a slot is due and not taken, whoever owns it: a worker that was rung and could not take all of them rings on.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        let Some(elapsed) = self.lanes.elapsed(now) else { return false };
        let oldest = self.lanes.oldest();
        oldest.is_some_and(|(slot, _)| slot < self.cursors.borrow_mut().ahead.due_by(elapsed))
    }

    /// Says that the worker has sent its last request: from now on the others wake for the slots of its lane, too.
    pub(super) fn retire(&self) {
        self.lanes.has_retired.store(true, Ordering::SeqCst);
        self.lanes.ring_all();
    }

    /// When the first slot of the worker's lane (of any, once a worker has retired) is due that is not due `now`; `None` when there
    /// is none.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let lanes = &*self.lanes;
        let ahead = &mut self.cursors.borrow_mut().ahead;
        let first = lanes.elapsed(now).map_or(0, |elapsed| ahead.due_by(elapsed));
        let (worker, count) = (self.worker as u64, lanes.lanes.len() as u64);
        // The smallest slot of this lane that is at least `first`.
        let own = first.saturating_add((worker + count - first % count) % count);
        let slot = if lanes.has_retired.load(Ordering::SeqCst) { first } else { own };
        // The cursor stays at `first`, which may be asked for next.
        lanes.start.checked_add(ahead.peek(slot)?)
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
