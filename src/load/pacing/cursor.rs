//! Walking through a schedule.

use std::time::Duration;

use super::exponential::gap;
use super::stages::Stages;
use super::{Arrival, Bound, Pacer, Step, seconds, share};
use crate::model::load::Spacing;
use crate::model::shard::Share;

/// What a schedule asked for, as a whole or until it was stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asked {
    /// Requests that were due.
    pub slots: u64,
    /// The time they had. A count of requests has as many gaps as requests: the last one is followed by a gap, too.
    pub span: Duration,
    /// Requests per second.
    pub rate: f64,
    /// Requests per second that the whole schedule asked for, where this is one machine's share of it.
    pub whole_rate: f64,
}

/// Tells when the slots of a schedule are due.
///
/// Evenly spaced slots are looked up in constant time. Random ones are walked through, and the cursor remembers where it is: asking
/// for the next slots costs some 30 ns each, asking for an earlier one starts anew. The answers depend on nothing but the
/// slot, so that all cursors of a schedule agree; who asks about different parts of it has a cursor for each.
///
/// Slots are numbered within the pacer's share; inside, they have the numbers of the whole schedule.
#[derive(Clone, Debug)]
pub struct Cursor {
    pacer: Pacer,
    walk: Walk,
}

/// Where a walk is: the number of a slot and when it is due.
#[derive(Clone, Copy, Debug)]
struct Walk {
    slot: u64,
    /// The sum of the gaps up to this slot.
    sum: f64,
    /// When the slot is due, and the one before it; `None` when there is no such slot.
    due: Option<Duration>,
    before: Option<Duration>,
}

impl Walk {
    fn start(pacer: &Pacer) -> Self {
        let sum = gap(0);
        Self { slot: 0, sum, due: pacer.time_of(sum), before: None }
    }

    fn step(&mut self, pacer: &Pacer) {
        self.slot += 1;
        self.sum += gap(self.slot);
        self.before = self.due;
        // Rounding may put a slot a nanosecond before another one that is due at practically the same time.
        let previous = self.before.unwrap_or_default();
        self.due = pacer.time_of(self.sum).map(|due| due.max(previous));
    }

    /// Goes on to `slot`, which must not lie behind, or to the first one that is not within the time of the schedule.
    fn reach(&mut self, slot: u64, pacer: &Pacer) {
        let end = pacer.ends().unwrap_or(Duration::MAX);
        while self.slot < slot && self.due.is_some_and(|due| due < end) {
            self.step(pacer);
        }
    }

    /// When its slot is due, if that is within the time of the schedule.
    fn within(&self, pacer: &Pacer) -> Option<Duration> {
        self.due.filter(|due| pacer.ends().is_none_or(|end| *due < end))
    }
}

impl Cursor {
    pub(super) fn new(pacer: Pacer) -> Self {
        Self { walk: Walk::start(&pacer), pacer }
    }

    /// The schedule.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// When slot `k` is due, after the start; `None` when the schedule has no such slot. At maximum rate it is at once.
    pub fn due(&mut self, k: u64) -> Option<Duration> {
        self.whole_due(self.pacer.number(k))
    }

    fn whole_due(&mut self, slot: u64) -> Option<Duration> {
        match self.closed_form(slot) {
            Some(due) => due,
            None => {
                self.walk = self.walked(slot);
                self.walk.within(&self.pacer)
            }
        }
    }

    /// The same without remembering the place: for a look at a slot a little ahead of those that are asked for next.
    pub fn peek(&self, k: u64) -> Option<Duration> {
        let slot = self.pacer.number(k);
        self.closed_form(slot).unwrap_or_else(|| self.walked(slot).within(&self.pacer))
    }

    /// When a slot of the whole schedule is due, if that needs no walk.
    fn closed_form(&self, slot: u64) -> Option<Option<Duration>> {
        let pacer = &self.pacer;
        let is_beyond = |count| slot >= count;
        if pacer.total.is_some_and(is_beyond) || matches!(pacer.bound, Bound::Count(count) if is_beyond(count)) {
            return Some(None);
        }
        (pacer.spacing() == Spacing::Uniform).then(|| pacer.time_of(slot as f64))
    }

    /// The walk at a slot of the whole schedule, or at the first one that is not within the time of the schedule.
    fn walked(&self, slot: u64) -> Walk {
        let mut walk = if self.walk.slot > slot { Walk::start(&self.pacer) } else { self.walk };
        walk.reach(slot, &self.pacer);
        walk
    }

    /// What to do now, `elapsed` after the start, about slot `k`.
    pub fn decide(&mut self, elapsed: Duration, k: u64) -> Step {
        if self.pacer.is_max() {
            let is_over = self.pacer.total().is_some_and(|total| k >= total)
                || self.pacer.ends().is_some_and(|end| elapsed >= end);
            return if is_over { Step::Stop } else { Step::SendNow { intended: elapsed } };
        }
        match self.due(k) {
            None => Step::Stop,
            Some(intended) if intended <= elapsed => Step::SendNow { intended },
            Some(until) => Step::Wait { until },
        }
    }

    /// How many slots are due `elapsed` after the start, taken or not. At maximum rate that is not defined, and 0.
    ///
    /// With random arrivals this walks; a later call for a later time goes on from there.
    pub fn due_by(&mut self, elapsed: Duration) -> u64 {
        if self.pacer.is_max() { 0 } else { share::part(self.pacer.share, self.whole_due_by(elapsed)) }
    }

    fn whole_due_by(&mut self, elapsed: Duration) -> u64 {
        if self.pacer.is_uniform() {
            let due = self.pacer.uniform_before(elapsed.saturating_add(Duration::from_nanos(1)));
            return self.pacer.total.map_or(due, |total| due.min(total));
        }
        if self.walk.before.is_some_and(|before| before > elapsed) {
            self.walk = Walk::start(&self.pacer);
        }
        loop {
            let slot = self.walk.slot;
            match self.whole_due(slot) {
                Some(due) if due <= elapsed => self.walk.step(&self.pacer),
                _ => return slot,
            }
        }
    }

    /// What the schedule asked for: all of it, or, where it was `stopped` so long after its start, what it did until then. `None`
    /// at maximum rate.
    pub fn asked(&mut self, stopped: Option<Duration>) -> Option<Asked> {
        let whole = self.whole_asked(stopped)?;
        let share = self.pacer.share;
        if share == Share::WHOLE {
            return Some(whole);
        }
        let slots = share::part(share, whole.slots);
        // The machine's part of the requests; where there are none yet, of the rate.
        let part = if whole.slots > 0 { slots as f64 / whole.slots as f64 } else { 1.0 / share.count() as f64 };
        let rate = whole.rate * part;
        Some(Asked { slots, rate, ..whole })
    }

    fn whole_asked(&mut self, stopped: Option<Duration>) -> Option<Asked> {
        let planned = self.pacer.whole_rate()?;
        let end = self.pacer.ends().unwrap_or(Duration::MAX);
        let by = stopped.map_or(end, |stopped| stopped.min(end));
        let slots = self.whole_due_by(by);
        if let Arrival::Constant { rate } = self.pacer.arrival {
            return Some(Asked { slots, span: seconds(slots as f64 / rate), rate, whole_rate: rate });
        }
        let span = if self.pacer.ends().is_some() { by } else { by.min(self.end_of_count(slots)) };
        let rate = if span.is_zero() { planned } else { slots as f64 / span.as_secs_f64() };
        Some(Asked { slots, span, rate, whole_rate: rate })
    }

    /// When the slot after the last one would be due, or the stages are over.
    fn end_of_count(&self, slots: u64) -> Duration {
        let next = match self.pacer.spacing() {
            Spacing::Uniform => self.pacer.time_of(slots as f64),
            Spacing::Poisson => self.walked(slots).due,
        };
        next.or(self.pacer.stages().map(Stages::duration)).unwrap_or(Duration::ZERO)
    }
}
