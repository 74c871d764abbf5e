//! Cursors over a schedule.

use std::time::Duration;

use super::exponential::gap;
use super::stages::Stages;
use super::{Arrival, Bound, Pacer, Step, seconds, share};
use crate::model::load::Spacing;
use crate::model::shard::Share;

/// Planned requests of a schedule, up to its end or an interruption.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    /// Requests that were due.
    pub slots: u64,
    /// Their time. Every request is followed by a gap, the last one too.
    pub span: Duration,
    /// Requests per second.
    pub rate: f64,
    /// Requests per second of the whole schedule, if this is one pod's share.
    pub whole_rate: f64,
}

/// Computes the due times of a schedule's slots.
///
/// Evenly spaced slots take constant time. Random ones need a walk, whose position the cursor keeps: each further slot costs about
/// 30 ns, an earlier one starts over. Results depend only on the slot, so all cursors of a schedule agree; a caller interested in
/// two positions uses two cursors.
///
/// Public functions number slots within the pacer's share, private ones within the whole schedule.
#[derive(Clone, Debug)]
pub struct Cursor {
    pacer: Pacer,
    walk: Walk,
}

/// Position of a walk: a slot and its due time.
#[derive(Clone, Copy, Debug)]
struct Walk {
    slot: u64,
    /// Sum of the gaps up to this slot.
    sum: f64,
    /// Due times of the slot and of the one before it; `None` if there is no such slot.
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
        // Rounding may put a slot a nanosecond before its predecessor.
        let previous = self.before.unwrap_or_default();
        self.due = pacer.time_of(self.sum).map(|due| due.max(previous));
    }

    /// Walks forward to `slot`, or to the first one after the end of the schedule.
    fn reach(&mut self, slot: u64, pacer: &Pacer) {
        let end = pacer.ends().unwrap_or(Duration::MAX);
        while self.slot < slot && self.due.is_some_and(|due| due < end) {
            self.step(pacer);
        }
    }

    /// Due time of the slot, if it is before the end of the schedule.
    fn within(&self, pacer: &Pacer) -> Option<Duration> {
        self.due.filter(|due| pacer.ends().is_none_or(|end| *due < end))
    }
}

impl Cursor {
    pub(super) fn new(pacer: Pacer) -> Self {
        Self { walk: Walk::start(&pacer), pacer }
    }

    /// Returns the schedule.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// Due time of slot `k`, from the start; `None` if the schedule has no such slot. Zero at maximum rate.
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

    /// Like [`Cursor::due`], without moving the cursor, for a slot slightly ahead.
    pub fn peek(&self, k: u64) -> Option<Duration> {
        let slot = self.pacer.number(k);
        self.closed_form(slot).unwrap_or_else(|| self.walked(slot).within(&self.pacer))
    }

    /// Due time of a slot if it needs no walk.
    fn closed_form(&self, slot: u64) -> Option<Option<Duration>> {
        let pacer = &self.pacer;
        let is_beyond = |count| slot >= count;
        if pacer.total.is_some_and(is_beyond) || matches!(pacer.bound, Bound::Count(count) if is_beyond(count)) {
            return Some(None);
        }
        (pacer.spacing() == Spacing::Uniform).then(|| pacer.time_of(slot as f64))
    }

    /// Returns the walk at a slot, or at the first one after the end of the schedule.
    fn walked(&self, slot: u64) -> Walk {
        let mut walk = if self.walk.slot > slot { Walk::start(&self.pacer) } else { self.walk };
        walk.reach(slot, &self.pacer);
        walk
    }

    /// Decides about slot `k`, `elapsed` after the start.
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

    /// Number of slots that are due `elapsed` after the start, taken or not. Undefined at maximum rate, and 0.
    ///
    /// With random arrivals this walks; a call for a later time continues there.
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

    /// Planned requests: of the whole schedule or, if it was `stopped`, until then. `None` at maximum rate.
    pub fn planned(&mut self, stopped: Option<Duration>) -> Option<Planned> {
        let whole = self.whole_planned(stopped)?;
        let share = self.pacer.share;
        if share == Share::WHOLE {
            return Some(whole);
        }
        let slots = share::part(share, whole.slots);
        // This pod's part of the requests or, if there are none yet, of the rate.
        let part = if whole.slots > 0 { slots as f64 / whole.slots as f64 } else { 1.0 / share.count() as f64 };
        let rate = whole.rate * part;
        Some(Planned { slots, rate, ..whole })
    }

    fn whole_planned(&mut self, stopped: Option<Duration>) -> Option<Planned> {
        let planned = self.pacer.whole_rate()?;
        let end = self.pacer.ends().unwrap_or(Duration::MAX);
        let by = stopped.map_or(end, |stopped| stopped.min(end));
        let slots = self.whole_due_by(by);
        if let Arrival::Constant { rate } = self.pacer.arrival {
            return Some(Planned { slots, span: seconds(slots as f64 / rate), rate, whole_rate: rate });
        }
        let span = if self.pacer.ends().is_some() { by } else { by.min(self.end_of_count(slots)) };
        let rate = if span.is_zero() { planned } else { slots as f64 / span.as_secs_f64() };
        Some(Planned { slots, span, rate, whole_rate: rate })
    }

    /// Due time of the slot that would follow the last one, or the end of the stages.
    fn end_of_count(&self, slots: u64) -> Duration {
        let next = match self.pacer.spacing() {
            Spacing::Uniform => self.pacer.time_of(slots as f64),
            Spacing::Poisson => self.walked(slots).due,
        };
        next.or(self.pacer.stages().map(Stages::duration)).unwrap_or(Duration::ZERO)
    }
}
