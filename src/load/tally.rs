//! What one worker measured: a few histograms and counters, of fixed size whatever the number of requests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cause::{Cause, Failure};
use super::protocol::Answer;
use crate::logic::histogram::{self, HIGHEST, Histogram};

/// A request that starts this long after it was due is late.
const LATE: Duration = Duration::from_millis(1);

/// Statuses 0 to 999.
const STATUSES: usize = 1000;

/// One request, from due to done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// When it was due; absent at maximum rate.
    pub(super) due: Option<Instant>,
    /// When it was taken up.
    pub(super) sent: Instant,
    /// When it ended.
    pub(super) ended: Instant,
}

/// Counts and histograms.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Requests ended, and errors among them.
    pub(super) requests: u64,
    pub(super) errors: u64,
    /// Requests with a complete answer.
    pub(super) answers: u64,
    pub(super) late: u64,
    pub(super) bytes: u64,
    statuses: Vec<u64>,
    causes: [u64; Cause::ALL.len()],
    /// The first error of each cause, in words.
    details: BTreeMap<Cause, String>,
    /// From due (or sent) to ended.
    pub(super) latency: Histogram,
    /// From sent to ended; absent at maximum rate, where it is the latency.
    pub(super) service: Option<Histogram>,
    /// When the last request was taken up, and when the last one ended.
    pub(super) last_sent: Option<Instant>,
    pub(super) last_ended: Option<Instant>,
}

impl Tally {
    /// An empty tally, for a load with or without a rate.
    pub(super) fn new(has_rate: bool) -> Self {
        Self {
            requests: 0,
            errors: 0,
            answers: 0,
            late: 0,
            bytes: 0,
            statuses: vec![0; STATUSES],
            causes: [0; Cause::ALL.len()],
            details: BTreeMap::new(),
            latency: histogram::new(),
            service: has_rate.then(histogram::new),
            last_sent: None,
            last_ended: None,
        }
    }

    /// Takes note of one request.
    pub(super) fn record(&mut self, timing: Timing, result: &Result<Answer, Failure>) {
        self.requests += 1;
        // A request that was sent early may end last.
        self.last_sent = self.last_sent.max(Some(timing.sent));
        self.last_ended = self.last_ended.max(Some(timing.ended));
        if timing.due.is_some_and(|due| timing.sent.saturating_duration_since(due) > LATE) {
            self.late += 1;
        }
        let is_timed = match result {
            Ok(answer) => {
                self.answers += 1;
                self.errors += u64::from(answer.is_error);
                self.bytes += answer.bytes;
                if let Some(count) = self.statuses.get_mut(usize::from(answer.status)) {
                    *count += 1;
                }
                true
            }
            Err(failure) => {
                self.errors += 1;
                self.causes[failure.cause as usize] += 1;
                self.details.entry(failure.cause).or_insert_with(|| failure.to_string());
                // A request that timed out took at least that long: leaving it out would flatter the worst servers most. Other
                // failures have no latency, and their short times would flatter too.
                failure.cause == Cause::Timeout
            }
        };
        if is_timed {
            self.latency.saturating_record(micros(timing.due.unwrap_or(timing.sent), timing.ended));
            if let Some(service) = &mut self.service {
                service.saturating_record(micros(timing.sent, timing.ended));
            }
        }
    }

    /// Adds another worker's.
    pub(super) fn merge(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.answers += other.answers;
        self.late += other.late;
        self.bytes += other.bytes;
        self.statuses.iter_mut().zip(&other.statuses).for_each(|(mine, theirs)| *mine += theirs);
        self.causes.iter_mut().zip(&other.causes).for_each(|(mine, theirs)| *mine += theirs);
        for (cause, detail) in &other.details {
            self.details.entry(*cause).or_insert_with(|| detail.clone());
        }
        // Both were made with the same bounds, so adding can't fail.
        let _ = self.latency.add(&other.latency);
        if let (Some(mine), Some(theirs)) = (&mut self.service, &other.service) {
            let _ = mine.add(theirs);
        }
        self.last_sent = self.last_sent.max(other.last_sent);
        self.last_ended = self.last_ended.max(other.last_ended);
    }

    /// Answers by status, without those that did not occur.
    pub(super) fn statuses(&self) -> BTreeMap<u16, u64> {
        (0_u16..).zip(&self.statuses).filter(|(_, count)| **count > 0).map(|(status, count)| (status, *count)).collect()
    }

    /// Failures by cause, without those that did not occur: how many, and the first one in words.
    pub(super) fn causes(&self) -> BTreeMap<Cause, (u64, String)> {
        let detail = |cause| self.details.get(&cause).cloned().unwrap_or_default();
        let counted = Cause::ALL.into_iter().zip(self.causes).filter(|(_, count)| *count > 0);
        counted.map(|(cause, count)| (cause, (count, detail(cause)))).collect()
    }
}

/// Whole microseconds between two instants, rounded, within the histograms' bounds.
fn micros(from: Instant, to: Instant) -> u64 {
    let nanos = to.saturating_duration_since(from).as_nanos();
    u64::try_from((nanos + 500) / 1000).unwrap_or(HIGHEST).clamp(1, HIGHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_sent_early_and_ends_last_does_not_shorten_the_load() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut tally = Tally::new(true);
        for (sent, ended) in [(900, 910), (0, 1000)] {
            let timing = Timing { due: Some(at(sent)), sent: at(sent), ended: at(ended) };
            tally.record(timing, &Ok(Answer { status: 200, bytes: 0, is_error: false }));
        }
        assert_eq!((tally.last_sent, tally.last_ended), (Some(at(900)), Some(at(1000))));
    }
}
