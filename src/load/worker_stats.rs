//! Statistics of one worker: counters and a few histograms, of fixed size however many requests there are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cause::{Cause, Failure, Resend};
use super::details::Details;
use super::histograms::{HistogramKind, Histograms, micros};
use super::response::Response;
use super::series::SeriesRecorder;
use super::slot_queue::PUNCTUAL;
use crate::metrics::histogram::{self, Histogram};
use crate::model::counts::{Counts, Traffic};

/// A request that starts this long after it was due is late.
const LATE: Duration = PUNCTUAL;

/// Reason for the unknown origin of a request without a complete response.
const NO_RESPONSE: &str = "no complete response";

/// Statuses 0 to 999.
const STATUSES: usize = 1000;

/// Instants of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Instant at which it was due; absent at maximum rate.
    pub(super) due: Option<Instant>,
    /// Instant at which it was due and a connection was free ([`Slot::ready`]); absent at maximum rate.
    ///
    /// [`Slot::ready`]: super::slot_queue::Slot::ready
    pub(super) ready: Option<Instant>,
    /// Instant at which a connection took it over.
    pub(super) sent: Instant,
    pub(super) ended: Instant,
}

/// Statistics that stay on the worker's thread until its end: recording takes no lock, and
/// allocates only when a kind of value occurs for the first time.
#[derive(Debug)]
pub(super) struct WorkerStats {
    pub(super) counts: Counts,
    pub(super) traffic: Traffic,
    pub(super) histograms: Histograms,
    statuses: Vec<u64>,
    causes: [u64; Cause::ALL.len()],
    details: BTreeMap<Cause, Details>,
    /// Latency of errors alone; successes are the rest. Errors are fewer, so this is cheaper than recording the successes twice.
    error_latency: Option<Histogram>,
    /// The load over time; absent before its start is known.
    pub(super) series: Option<SeriesRecorder>,
    pub(super) last_sent: Option<Instant>,
    pub(super) last_ended: Option<Instant>,
    /// The same per version, the last one for requests of unknown origin; empty if responses are not attributed. Every request is
    /// also recorded in the overall statistics, which are therefore the same with and without attribution.
    pub(super) versions: Vec<WorkerStats>,
    /// Reasons for unknown origins.
    pub(super) unknown: Details,
}

impl WorkerStats {
    /// Creates empty statistics, for a load with or without a rate. `origins` is that of [`LoadPlan::origins`].
    ///
    /// [`LoadPlan::origins`]: super::plan::LoadPlan::origins
    pub(super) fn new(has_rate: bool, origins: usize) -> Self {
        let versions = (0..origins).map(|_| Self::new(has_rate, 0)).collect();
        let mut histograms = Histograms::default();
        // Allocated ahead of the first request.
        histograms.get_mut(HistogramKind::Latency);
        if has_rate {
            histograms.get_mut(HistogramKind::ServiceTime);
            histograms.get_mut(HistogramKind::Lateness);
        }
        Self {
            counts: Counts::default(),
            traffic: Traffic::default(),
            histograms,
            statuses: vec![0; STATUSES],
            causes: [0; Cause::ALL.len()],
            details: BTreeMap::new(),
            error_latency: None,
            series: None,
            last_sent: None,
            last_ended: None,
            versions,
            unknown: Details::default(),
        }
    }

    /// Starts the series of the whole load and of each version.
    pub(super) fn start(&mut self, series: SeriesRecorder, versions: impl Iterator<Item = SeriesRecorder>) {
        self.series = Some(series);
        for (stats, series) in self.versions.iter_mut().zip(versions) {
            stats.series = Some(series);
        }
    }

    /// Completes the series.
    pub(super) fn flush(&mut self) {
        self.series.iter_mut().for_each(SeriesRecorder::flush);
        self.versions.iter_mut().for_each(Self::flush);
    }

    /// Records one request.
    pub(super) fn record(&mut self, timing: Timing, result: &Result<Response, Failure>) {
        if let Some(unknown) = self.versions.len().checked_sub(1) {
            let (version, is_complete) = match result {
                Ok(response) => (response.version, true),
                Err(failure) => (failure.version, failure.is_complete),
            };
            if !is_complete {
                self.unknown_origin(NO_RESPONSE);
            }
            if let Some(stats) = self.versions.get_mut(version.unwrap_or(unknown)) {
                stats.record(timing, result);
            }
        }
        self.counts.requests += 1;
        // A request that was sent early may end last.
        self.last_sent = self.last_sent.max(Some(timing.sent));
        self.last_ended = self.last_ended.max(Some(timing.ended));
        let mut own = Duration::ZERO;
        if let Some(due) = timing.due {
            let lateness = timing.sent.saturating_duration_since(due);
            self.histograms.record(HistogramKind::Lateness, lateness);
            if lateness > LATE {
                own = self
                    .late(lateness, timing.ready.map_or(Duration::ZERO, |ready| ready.saturating_duration_since(due)));
            }
        }
        let from = timing.due.unwrap_or(timing.sent);
        let (is_timed, is_error) = match result {
            Ok(response) => {
                if let Some(count) = self.statuses.get_mut(usize::from(response.status)) {
                    *count += 1;
                }
                if let Some(cause) = response.cause {
                    self.causes[cause as usize] += 1;
                }
                if let Some(first) = response.first {
                    let time = first.saturating_duration_since(from);
                    self.histograms.record(HistogramKind::First, time);
                    if !own.is_zero() {
                        self.histograms.record_delayed(HistogramKind::First, time, own);
                    }
                }
                (true, response.is_error)
            }
            Err(failure) => {
                self.causes[failure.cause as usize] += 1;
                self.detail(
                    failure.cause,
                    if failure.detail.is_empty() { failure.cause.description() } else { &failure.detail },
                );
                // A request that timed out took at least that long: leaving it out would flatter the worst servers most. Other
                // failures have no latency, and their short times would flatter too.
                (failure.cause == Cause::Timeout, true)
            }
        };
        self.counts.errors += u64::from(is_error);
        let latency = micros(timing.ended.saturating_duration_since(from));
        if let Some(series) = &mut self.series {
            series.record(timing.ended, latency, is_error, is_timed);
        }
        if is_timed {
            self.histograms.get_mut(HistogramKind::Latency).saturating_record(latency);
            if !own.is_zero() {
                self.delayed(timing.ended.saturating_duration_since(from), own, is_error);
            }
            if is_error {
                self.error_latency.get_or_insert_with(histogram::new).saturating_record(latency);
            }
            // At maximum rate the service time is the latency.
            if timing.due.is_some() {
                let service_time = timing.ended.saturating_duration_since(timing.sent);
                self.histograms.record(HistogramKind::ServiceTime, service_time);
            }
        }
    }

    /// Records a request that was sent late, after it waited for a connection. Returns the delay of this process, zero if it is short.
    fn late(&mut self, lateness: Duration, waiting: Duration) -> Duration {
        self.counts.late += 1;
        if !waiting.is_zero() {
            self.histograms.record(HistogramKind::Waiting, waiting.min(lateness));
        }
        let own = lateness.saturating_sub(waiting);
        if own <= LATE {
            return Duration::ZERO;
        }
        self.counts.own_late += 1;
        self.histograms.record(HistogramKind::OwnLateness, own);
        own
    }

    fn delayed(&mut self, latency: Duration, own: Duration, is_error: bool) {
        self.histograms.record_delayed(HistogramKind::Latency, latency, own);
        if !is_error {
            self.histograms.record_delayed(HistogramKind::SuccessLatency, latency, own);
        }
    }

    /// Counts a request that is sent again, unless nothing of it was sent before.
    pub(super) fn resending(&mut self, why: Resend) {
        self.counts.resent += u64::from(why != Resend::Unsent);
        self.counts.idle_closed += u64::from(why == Resend::IdleClose);
    }

    /// Counts a detail of a cause.
    pub(super) fn detail(&mut self, cause: Cause, detail: &str) {
        self.details.entry(cause).or_default().add(detail, 1);
    }

    /// Counts a response whose version is unknown, for this reason.
    pub(super) fn unknown_origin(&mut self, reason: &str) {
        if !self.versions.is_empty() {
            self.unknown.add(reason, 1);
        }
    }

    /// Adds the statistics of another worker.
    pub(super) fn merge(&mut self, other: &WorkerStats) {
        self.counts.add(&other.counts);
        self.traffic.add(&other.traffic);
        self.histograms.add(&other.histograms);
        self.statuses.iter_mut().zip(&other.statuses).for_each(|(mine, theirs)| *mine += theirs);
        self.causes.iter_mut().zip(&other.causes).for_each(|(mine, theirs)| *mine += theirs);
        for (cause, details) in &other.details {
            self.details.entry(*cause).or_default().merge(details);
        }
        if let Some(theirs) = &other.error_latency {
            histogram::merge(self.error_latency.get_or_insert_with(histogram::new), theirs);
        }
        self.last_sent = self.last_sent.max(other.last_sent);
        self.last_ended = self.last_ended.max(other.last_ended);
        self.versions.iter_mut().zip(&other.versions).for_each(|(mine, theirs)| mine.merge(theirs));
        self.unknown.merge(&other.unknown);
    }

    /// Returns the histograms, with those that follow from others: latency of successes, and the service time at maximum rate.
    pub(super) fn into_histograms(self) -> Histograms {
        let mut histograms = self.histograms;
        let mut success = histograms[HistogramKind::Latency].clone();
        if let Some(errors) = &self.error_latency {
            // Every error is in both, and both have the same bounds, so subtracting cannot fail.
            let _ = success.subtract(errors);
        }
        histograms.set(HistogramKind::SuccessLatency, success);
        if histograms[HistogramKind::ServiceTime].is_empty() {
            histograms.set(HistogramKind::ServiceTime, histograms[HistogramKind::Latency].clone());
        }
        histograms
    }

    /// Failures and unexpected responses of a cause so far.
    pub(super) fn count(&self, cause: Cause) -> u64 {
        self.causes.get(cause as usize).copied().unwrap_or_default()
    }

    /// Complete responses so far.
    pub(super) fn responses(&self) -> u64 {
        self.statuses.iter().sum()
    }

    /// Responses by status, without those that did not occur.
    pub(super) fn statuses(&self) -> BTreeMap<u16, u64> {
        (0_u16..).zip(&self.statuses).filter(|(_, count)| **count > 0).map(|(status, count)| (status, *count)).collect()
    }

    /// Failures by cause, without those that did not occur: their number and details.
    pub(super) fn causes(&self) -> BTreeMap<Cause, (u64, Details)> {
        let detail = |cause| self.details.get(&cause).cloned().unwrap_or_default();
        let counted = Cause::ALL.into_iter().zip(self.causes).filter(|(_, count)| *count > 0);
        counted.map(|(cause, count)| (cause, (count, detail(cause)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_sent_early_and_ends_last_does_not_shorten_the_load() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stats = WorkerStats::new(true, 0);
        for (sent, ended) in [(900, 910), (0, 1000)] {
            let timing = Timing { due: Some(at(sent)), ready: None, sent: at(sent), ended: at(ended) };
            let response =
                Response { status: 200, first: None, ended: timing.ended, is_error: false, cause: None, version: None };
            stats.record(timing, &Ok(response));
        }
        assert_eq!((stats.last_sent, stats.last_ended), (Some(at(900)), Some(at(1000))));
    }

    #[test]
    fn waiting_for_a_connection_and_own_delays_are_told_apart() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stats = WorkerStats::new(true, 0);
        // Due at 0 each: a free connection at 30 or at once, sent at 40.
        for (ready, sent, status) in [(30, 40, 200), (0, 40, 200), (0, 40, 500), (39, 40, 200), (0, 0, 200)] {
            let timing = Timing { due: Some(start), ready: Some(at(ready)), sent: at(sent), ended: at(50) };
            let response = Response {
                status,
                first: Some(at(45)),
                ended: timing.ended,
                is_error: status == 500,
                cause: None,
                version: None,
            };
            stats.record(timing, &Ok(response));
        }
        assert_eq!((stats.counts.late, stats.counts.own_late), (4, 3));
        let histograms = stats.into_histograms();
        let count = |kind| histograms[kind].len();
        assert_eq!((count(HistogramKind::Waiting), count(HistogramKind::OwnLateness)), (2, 3));
        let sorted = |kind| {
            let undelayed = histograms.undelayed(kind).unwrap();
            undelayed
                .iter_recorded()
                .map(|cell| (cell.value_iterated_to() / 990, cell.count_at_value()))
                .collect::<Vec<_>>()
        };
        assert_eq!(sorted(HistogramKind::Latency), [(10, 2), (40, 1), (50, 2)]);
        assert_eq!(sorted(HistogramKind::SuccessLatency), [(10, 1), (40, 1), (50, 2)]);
        assert_eq!(sorted(HistogramKind::First), [(5, 2), (35, 1), (45, 2)]);
        assert_eq!(histograms[HistogramKind::Latency].len(), 5);
    }

    #[test]
    fn requests_count_for_the_version_that_responded_and_for_the_whole_load() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stats = WorkerStats::new(true, 3);
        let response = |version, status| {
            let is_error = status >= 400;
            Ok(Response { status, first: None, ended: at(30), is_error, cause: None, version })
        };
        let late = Failure { version: Some(1), is_complete: true, ..Failure::new(Cause::Timeout, "slow") };
        let results = [
            response(Some(0), 200),
            response(Some(1), 500),
            response(None, 200),
            Err(late.clone()),
            Err(Failure { version: None, ..late }),
            Err(Failure::new(Cause::Refused, "")),
        ];
        for result in &results {
            // Due at 0 and sent at 20: its latency counts from 0.
            let timing = Timing { due: Some(start), ready: Some(start), sent: at(20), ended: at(30) };
            stats.record(timing, result);
        }
        let counts = |stats: &WorkerStats| {
            let Counts { requests, errors, own_late, .. } = stats.counts;
            (requests, errors, own_late, stats.histograms[HistogramKind::Latency].len())
        };
        assert_eq!(counts(&stats), (6, 4, 6, 5));
        let versions: Vec<_> = stats.versions.iter().map(counts).collect();
        assert_eq!(versions, [(1, 0, 1, 1), (2, 2, 2, 2), (3, 2, 3, 2)]);
        let latency = &stats.versions[0].histograms[HistogramKind::Latency];
        assert!((30_000..30_100).contains(&latency.max()), "{}", latency.max());
        // The reason for a response of unknown origin comes from the protocol.
        assert_eq!((stats.unknown.to_string(), stats.unknown.total()), ("no complete response".to_owned(), 1));
    }
}
