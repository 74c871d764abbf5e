//! Who sends which slot of the schedule.
//!
//! Worker `w` of `W` owns the slots `w, w + W, …`: its *lane*, of which only the number of slots taken is kept. As long as every
//! worker has an idle connection when a slot of its lane is due, workers write to no memory of each other's. A worker that has none
//! rings one that has, and that one takes the slot over; so does any connection that becomes idle, the oldest slot first. No slot
//! waits while a connection is idle, whoever owns either.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::logic::pacing::{Pacer, Step};

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
}

impl Lanes {
    /// Lanes for `workers` workers and a schedule that starts at `start`.
    pub(super) fn new(pacer: Pacer, start: Instant, workers: usize) -> Self {
        Self { pacer, start, lanes: (0..workers).map(|_| Lane::default()).collect(), closed: AtomicBool::new(false) }
    }

    /// When slot 0 is due.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// Ends the schedule: no slot can be taken any more, and every worker is told.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.lanes.iter().for_each(|lane| lane.bell.notify_one());
    }

    /// Waits until another worker has a slot to give away, or the schedule is closed.
    pub(super) async fn rung(&self, worker: usize) {
        self.lanes[worker].bell.notified().await;
    }

    /// Tells the other workers how many connections of this one are idle.
    pub(super) fn publish_idle(&self, worker: usize, idle: usize) {
        self.lanes[worker].idle.store(idle, Ordering::SeqCst);
    }

    /// Rings one other worker that has idle connections, if there is one; the search starts behind `worker`, so that the work
    /// spreads.
    pub(super) fn ring_another(&self, worker: usize) {
        let count = self.lanes.len();
        let idle =
            (1..count).map(|step| &self.lanes[(worker + step) % count]).find(|l| l.idle.load(Ordering::SeqCst) > 0);
        if let Some(lane) = idle {
            lane.bell.notify_one();
        }
    }

    /// Takes a slot for a connection of `worker`. With a rate it is the oldest one that is due, whoever owns it, so that under
    /// overload every slot waits its turn and no more; at maximum rate, where slots have no age, one of its own lane first.
    pub(super) fn claim(&self, worker: usize, now: Instant) -> Claim {
        if self.closed.load(Ordering::Relaxed) {
            return Claim::Over;
        }
        let Some(elapsed) = self.elapsed(now) else { return Claim::NotDue };
        if self.pacer.rate().is_none() {
            return self.claim_any(worker, elapsed);
        }
        loop {
            // Numbers only grow: what is not due when read is not due at all.
            let next = |(lane, it): (usize, &Lane)| (self.slot(lane, it.taken.load(Ordering::SeqCst)), lane);
            let Some((slot, lane)) = self.lanes.iter().enumerate().map(next).min() else { return Claim::Over };
            let seen = (slot - lane as u64) / self.lanes.len() as u64;
            match self.pacer.decide(elapsed, slot) {
                Step::Stop => return Claim::Over,
                Step::Wait { .. } => return Claim::NotDue,
                Step::SendNow { intended } if self.take(lane, seen) => {
                    return Claim::Taken(Slot { number: slot, due: Some(self.start + intended) });
                }
                Step::SendNow { .. } => {}
            }
        }
    }

    /// Takes a slot at maximum rate: of the worker's own lane, else of the next one that has any.
    fn claim_any(&self, worker: usize, elapsed: Duration) -> Claim {
        let count = self.lanes.len();
        for lane in (0..count).map(|step| (worker + step) % count) {
            loop {
                let seen = self.lanes[lane].taken.load(Ordering::SeqCst);
                let number = self.slot(lane, seen);
                match self.pacer.decide(elapsed, number) {
                    Step::SendNow { .. } if self.take(lane, seen) => return Claim::Taken(Slot { number, due: None }),
                    Step::SendNow { .. } => {}
                    Step::Stop | Step::Wait { .. } => break,
                }
            }
        }
        Claim::Over
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

    /// Whether the next slot of `worker`'s own lane is due and not taken.
    pub(super) fn is_behind(&self, worker: usize, now: Instant) -> bool {
        let next = self.slot(worker, self.lanes[worker].taken.load(Ordering::SeqCst));
        let Some(elapsed) = self.elapsed(now) else { return false };
        matches!(self.pacer.decide(elapsed, next), Step::SendNow { .. })
    }

    /// When the first slot of `worker`'s lane is due that is not due `now`; `None` when there is none.
    pub(super) fn next_due(&self, worker: usize, now: Instant) -> Option<Instant> {
        let (elapsed, first) = match self.elapsed(now) {
            Some(elapsed) => (elapsed, self.pacer.due_by(elapsed)),
            None => (Duration::ZERO, 0),
        };
        let count = self.lanes.len() as u64;
        // The smallest slot of this lane that is at least `first`.
        let slot = first.saturating_add((worker as u64 + count - first % count) % count);
        match self.pacer.decide(elapsed, slot) {
            Step::Wait { until } => self.start.checked_add(until),
            Step::SendNow { intended } => self.start.checked_add(intended),
            Step::Stop => None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::pacing::{Arrival, Bound};

    fn lanes(rate: f64, count: u64, workers: usize) -> Lanes {
        Lanes::new(Pacer::new(Arrival::Constant { rate }, Bound::Count(count)), Instant::now(), workers)
    }

    fn dues(lanes: &Lanes, worker: usize, now: Instant) -> Vec<u128> {
        let mut dues = Vec::new();
        while let Claim::Taken(slot) = lanes.claim(worker, now) {
            dues.push((slot.due.unwrap() - lanes.start()).as_millis());
        }
        dues
    }

    #[test]
    fn the_oldest_due_slot_is_taken_first_whoever_owns_it() {
        let lanes = lanes(1000.0, 7, 3);
        let now = lanes.start() + Duration::from_millis(4);
        assert_eq!(dues(&lanes, 1, now), [0, 1, 2, 3, 4]);
        assert_eq!(lanes.claim(0, now), Claim::NotDue);
        assert_eq!(dues(&lanes, 0, now + Duration::from_secs(1)), [5, 6]);
        assert_eq!(lanes.claim(0, now + Duration::from_secs(1)), Claim::Over);
        assert_eq!(lanes.taken(), 7);
    }

    #[test]
    fn nothing_is_due_before_the_start() {
        let pacer = Pacer::new(Arrival::Constant { rate: 1000.0 }, Bound::Count(7));
        let now = Instant::now();
        let lanes = Lanes::new(pacer, now + Duration::from_millis(2), 3);
        assert_eq!(lanes.claim(0, now), Claim::NotDue);
        assert!(!lanes.is_behind(0, now));
        assert_eq!(lanes.next_due(0, now), Some(lanes.start()));
        assert_eq!(lanes.next_due(2, now), Some(lanes.start() + Duration::from_millis(2)));
        assert_eq!(lanes.claim(0, lanes.start()), Claim::Taken(Slot { number: 0, due: Some(lanes.start()) }));
    }

    #[test]
    fn at_maximum_rate_a_worker_takes_its_own_slots_first_and_then_what_others_left() {
        let lanes = Lanes::new(Pacer::new(Arrival::Max, Bound::Count(7)), Instant::now(), 3);
        for number in [1, 4, 2, 5, 0, 3, 6] {
            assert_eq!(lanes.claim(1, Instant::now()), Claim::Taken(Slot { number, due: None }));
        }
        assert_eq!(lanes.claim(1, Instant::now()), Claim::Over);
    }

    #[test]
    fn the_next_due_slot_skips_those_that_are_due_already() {
        let lanes = lanes(1000.0, 7, 3);
        let at = |ms| lanes.start() + Duration::from_millis(ms);
        assert_eq!(lanes.next_due(1, at(0)), Some(at(1)));
        assert_eq!(lanes.next_due(1, at(1)), Some(at(4)));
        assert_eq!(lanes.next_due(0, at(4)), Some(at(6)));
        assert_eq!(lanes.next_due(1, at(4)), None);
        assert!(lanes.is_behind(0, at(4)));
    }

    #[test]
    fn closed_lanes_give_nothing() {
        let lanes = lanes(1000.0, 7, 1);
        lanes.close();
        assert_eq!(lanes.claim(0, Instant::now()), Claim::Over);
    }
}
