//! What one worker measured: a few histograms and counters, of fixed size whatever the number of requests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cause::{Cause, Failure};
use super::response::Response;
use super::series::SeriesRecorder;
use crate::metrics::histogram::{self, HIGHEST, Histogram};

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
#[derive(Debug)]
pub(super) struct WorkerStats {
    /// Requests ended, and errors among them.
    pub(super) requests: u64,
    pub(super) errors: u64,
    /// Requests with a complete answer.
    pub(super) answers: u64,
    pub(super) late: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) messages_sent: u64,
    pub(super) messages_received: u64,
    statuses: Vec<u64>,
    causes: [u64; Cause::ALL.len()],
    /// The first error of each cause, in words.
    details: BTreeMap<Cause, String>,
    /// From due (or sent) to ended.
    pub(super) latency: Histogram,
    /// The same of errors alone; the successes are the rest.
    pub(super) error_latency: Option<Histogram>,
    /// From due (or sent) to the first byte or message.
    pub(super) first: Option<Histogram>,
    /// From sent to ended; absent at maximum rate, where it is the latency.
    pub(super) service: Option<Histogram>,
    /// From due to sent; absent at maximum rate.
    pub(super) lateness: Option<Histogram>,
    /// Opening a connection.
    pub(super) connect: Option<Histogram>,
    /// Between two messages of a stream.
    pub(super) between: Option<Histogram>,
    /// The load over time; absent before its start is known.
    pub(super) series: Option<SeriesRecorder>,
    /// When the last request was taken up, and when the last one ended.
    pub(super) last_sent: Option<Instant>,
    pub(super) last_ended: Option<Instant>,
}

impl WorkerStats {
    /// An empty stats, for a load with or without a rate.
    pub(super) fn new(has_rate: bool) -> Self {
        Self {
            requests: 0,
            errors: 0,
            answers: 0,
            late: 0,
            bytes_sent: 0,
            bytes_received: 0,
            messages_sent: 0,
            messages_received: 0,
            statuses: vec![0; STATUSES],
            causes: [0; Cause::ALL.len()],
            details: BTreeMap::new(),
            latency: histogram::new(),
            error_latency: None,
            first: None,
            service: has_rate.then(histogram::new),
            lateness: has_rate.then(histogram::new),
            connect: None,
            between: None,
            series: None,
            last_sent: None,
            last_ended: None,
        }
    }

    /// Takes note of one request.
    pub(super) fn record(&mut self, timing: Timing, result: &Result<Response, Failure>) {
        self.requests += 1;
        // A request that was sent early may end last.
        self.last_sent = self.last_sent.max(Some(timing.sent));
        self.last_ended = self.last_ended.max(Some(timing.ended));
        if let (Some(due), Some(lateness)) = (timing.due, &mut self.lateness) {
            let late = timing.sent.saturating_duration_since(due);
            self.late += u64::from(late > LATE);
            lateness.saturating_record(micros(late));
        }
        let from = timing.due.unwrap_or(timing.sent);
        let (is_timed, is_error) = match result {
            Ok(answer) => {
                self.answers += 1;
                if let Some(count) = self.statuses.get_mut(usize::from(answer.status)) {
                    *count += 1;
                }
                if let Some(cause) = answer.cause {
                    self.causes[cause as usize] += 1;
                }
                if let Some(first) = answer.first {
                    record(&mut self.first, first.saturating_duration_since(from));
                }
                (true, answer.is_error)
            }
            Err(failure) => {
                self.causes[failure.cause as usize] += 1;
                self.detail(failure.cause, || failure.to_string());
                // A request that timed out took at least that long: leaving it out would flatter the worst servers most. Other
                // failures have no latency, and their short times would flatter too.
                (failure.cause == Cause::Timeout, true)
            }
        };
        self.errors += u64::from(is_error);
        let latency = timing.ended.saturating_duration_since(from);
        if let Some(series) = &mut self.series {
            series.record(timing.ended, micros(latency), is_error, is_timed);
        }
        if is_timed {
            self.latency.saturating_record(micros(latency));
            if is_error {
                record(&mut self.error_latency, latency);
            }
            if let Some(service) = &mut self.service {
                service.saturating_record(micros(timing.ended.saturating_duration_since(timing.sent)));
            }
        }
    }

    /// Keeps the first words on a cause.
    pub(super) fn detail(&mut self, cause: Cause, words: impl FnOnce() -> String) {
        self.details.entry(cause).or_insert_with(words);
    }

    /// Adds another worker's.
    pub(super) fn merge(&mut self, other: &WorkerStats) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.answers += other.answers;
        self.late += other.late;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.messages_sent += other.messages_sent;
        self.messages_received += other.messages_received;
        self.statuses.iter_mut().zip(&other.statuses).for_each(|(mine, theirs)| *mine += theirs);
        self.causes.iter_mut().zip(&other.causes).for_each(|(mine, theirs)| *mine += theirs);
        for (cause, detail) in &other.details {
            self.details.entry(*cause).or_insert_with(|| detail.clone());
        }
        histogram::merge(&mut self.latency, &other.latency);
        for (mine, theirs) in [
            (&mut self.error_latency, &other.error_latency),
            (&mut self.first, &other.first),
            (&mut self.service, &other.service),
            (&mut self.lateness, &other.lateness),
            (&mut self.connect, &other.connect),
            (&mut self.between, &other.between),
        ] {
            if let Some(theirs) = theirs {
                histogram::merge(mine.get_or_insert_with(histogram::new), theirs);
            }
        }
        self.last_sent = self.last_sent.max(other.last_sent);
        self.last_ended = self.last_ended.max(other.last_ended);
    }

    /// Latencies of the answers that are no errors.
    pub(super) fn success_latency(&self) -> Histogram {
        let mut success = self.latency.clone();
        if let Some(errors) = &self.error_latency {
            // Every error is in both, and both have the same bounds, so subtracting can't fail.
            let _ = success.subtract(errors);
        }
        success
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

/// Records a time in a histogram that is made when it is first needed.
pub(super) fn record(histogram: &mut Option<Histogram>, time: Duration) {
    histogram.get_or_insert_with(histogram::new).saturating_record(micros(time));
}

/// Whole microseconds, rounded, within the histograms' bounds.
fn micros(time: Duration) -> u64 {
    u64::try_from((time.as_nanos() + 500) / 1000).unwrap_or(HIGHEST).clamp(1, HIGHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_sent_early_and_ends_last_does_not_shorten_the_load() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stats = WorkerStats::new(true);
        for (sent, ended) in [(900, 910), (0, 1000)] {
            let timing = Timing { due: Some(at(sent)), sent: at(sent), ended: at(ended) };
            let answer = Response { status: 200, first: None, ended: timing.ended, is_error: false, cause: None };
            stats.record(timing, &Ok(answer));
        }
        assert_eq!((stats.last_sent, stats.last_ended), (Some(at(900)), Some(at(1000))));
    }
}
