//! Result of one load run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::details::Details;
use super::histograms::{HistogramKind, Histograms};
use super::slot_queue::SlotQueues;
use super::timeline::Timeline;
use super::worker_stats::WorkerStats;
use crate::load::pacing::{Cursor, Planned};
use crate::metrics::split;
use crate::model::counts::{Counts, Traffic};
use crate::model::load::{Shards, Spacing};
use crate::model::split::UNKNOWN;

/// Result of one load run.
#[derive(Clone, Debug)]
pub struct LoadOutcome {
    /// Instant at which the first request was due.
    pub started: Instant,
    /// Time from then to the last response.
    pub duration: Duration,
    /// Parallel connections.
    pub connections: usize,
    /// Planned requests per second; `None` for as many as possible. If the rate changes or arrivals are random, the mean of what was
    /// due.
    pub requested_rate: Option<f64>,
    /// Planned requests per second of all pods that share the load.
    pub whole_rate: Option<f64>,
    /// Spacing of requests.
    pub spacing: Spacing,
    /// Summary of the stages of the rate; empty if it was constant.
    pub stages: String,
    /// Requests per second sent.
    pub achieved_rate: f64,
    /// Requests, errors, late, dropped and resent ones.
    pub counts: Counts,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Message of the first response with a status; empty for protocols without messages.
    pub status_messages: BTreeMap<u16, String>,
    /// Failures by cause: their number and details.
    pub causes: BTreeMap<Cause, (u64, Details)>,
    /// Bytes and messages.
    pub traffic: Traffic,
    /// The load was interrupted. Requests in flight at that time are not counted.
    pub interrupted: bool,
    /// Time from the start to the decision that ended the load early.
    pub decided: Option<Duration>,
    /// Time in which the load generator did not run: it was stopped, or got no CPU time. If pods share the load, their sum.
    pub paused: Duration,
    /// Distributions of times.
    pub histograms: Histograms,
    /// The load over time.
    pub timeline: Timeline,
    /// The pods that shared the load, if there were several.
    pub shards: Option<Shards>,
    /// The requests by origin: the versions in order, then the unknown origin; empty if responses are not attributed.
    pub versions: Vec<VersionOutcome>,
    /// Reasons for unknown origins.
    pub unknown: Details,
    /// The whole load, if this is a part of it: see [`LoadOutcome::of_version`].
    pub whole: Option<WholeLoad>,
}

/// The requests of one origin.
#[derive(Clone, Debug, Default)]
pub struct VersionOutcome {
    /// Requests, errors and late ones; the other counters are those of the whole load.
    pub counts: Counts,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Failures by cause.
    pub causes: BTreeMap<Cause, (u64, Details)>,
    /// Distributions of times.
    pub histograms: Histograms,
    /// The requests over time.
    pub timeline: Timeline,
}

impl VersionOutcome {
    fn new(stats: WorkerStats) -> Self {
        Self {
            counts: stats.counts,
            statuses: stats.statuses(),
            causes: stats.causes(),
            histograms: stats.into_histograms(),
            timeline: Timeline::default(),
        }
    }
}

/// Counters of a whole load, of which an outcome is a part.
#[derive(Clone, Debug, Default)]
pub struct WholeLoad {
    /// Counters.
    pub counts: Counts,
    /// Failures by cause.
    pub causes: BTreeMap<Cause, u64>,
    /// Complete responses.
    pub responses: u64,
    /// Requests of unknown origin.
    pub unknown: u64,
    /// True if this part is that of unknown origin.
    pub is_unknown: bool,
}

impl LoadOutcome {
    /// Sums up a load. `schedule` is a cursor over its schedule, `ends` the time at which the plan ended that early, `stopped` the
    /// instant of an interruption.
    pub(super) fn new(
        schedule: &mut Cursor,
        connections: usize,
        queues: &SlotQueues,
        mut stats: WorkerStats,
        ends: Option<Duration>,
        stopped: Option<Instant>,
    ) -> Self {
        let start = queues.start();
        let since_start =
            |instant: Option<Instant>| instant.map_or(Duration::ZERO, |i| i.saturating_duration_since(start));
        let duration = since_start(stats.last_ended);
        let until = [stopped.map(|stopped| stopped.saturating_duration_since(start)), ends].into_iter().flatten().min();
        let planned = schedule.planned(until).map(|planned| match stopped {
            // Nothing is due before the start.
            Some(stopped) if stopped < start => Planned { slots: 0, span: Duration::ZERO, ..planned },
            _ => planned,
        });
        let sent = queues.taken();
        let unknown = std::mem::take(&mut stats.unknown);
        let versions = std::mem::take(&mut stats.versions).into_iter().map(VersionOutcome::new).collect();
        let span = match planned {
            // The last request is followed by a gap, so the schedule outlasts it.
            Some(planned) => since_start(stats.last_sent).max(planned.span),
            // At maximum rate a load lasts until it is ended, even if the requests in flight at that time are not counted.
            None => {
                let is_cut = schedule.pacer().total().is_none_or(|total| sent < total);
                let ended = [until.filter(|_| is_cut), schedule.pacer().ends()].into_iter().flatten().min();
                duration.max(ended.unwrap_or_default())
            }
        };
        Self {
            started: start,
            duration,
            connections,
            requested_rate: planned.map(|planned| planned.rate),
            whole_rate: planned.map(|planned| planned.whole_rate),
            spacing: schedule.pacer().spacing(),
            stages: schedule.pacer().stages().map(ToString::to_string).unwrap_or_default(),
            achieved_rate: if span.is_zero() { 0.0 } else { sent as f64 / span.as_secs_f64() },
            counts: Counts { dropped: planned.map_or(0, |planned| planned.slots.saturating_sub(sent)), ..stats.counts },
            statuses: stats.statuses(),
            status_messages: BTreeMap::new(),
            causes: stats.causes(),
            traffic: stats.traffic,
            interrupted: stopped.is_some(),
            decided: None,
            paused: Duration::ZERO,
            histograms: stats.into_histograms(),
            timeline: Timeline::default(),
            shards: None,
            versions,
            unknown,
            whole: None,
        }
    }

    /// Returns the part of one origin. Figures that cannot be attributed are those of the whole load: its schedule, the requests that
    /// were dropped or sent again, bytes, connections, and the time between messages.
    pub fn of_version(&self, index: usize) -> Self {
        let VersionOutcome { counts, statuses, causes, mut histograms, timeline } =
            self.versions.get(index).cloned().unwrap_or_default();
        let Counts { requests, errors, late, own_late, .. } = counts;
        let is_known = index + 1 < self.versions.len();
        for kind in [HistogramKind::Connect, HistogramKind::Between].into_iter().filter(|_| is_known) {
            histograms.set(kind, self.histograms[kind].clone());
        }
        let whole = WholeLoad {
            counts: self.counts,
            causes: self.causes.iter().map(|(cause, (count, _))| (*cause, *count)).collect(),
            responses: self.responses(),
            unknown: self.versions.last().map_or(0, |version| version.counts.requests),
            is_unknown: !is_known,
        };
        Self {
            counts: Counts { requests, errors, late, own_late, ..self.counts },
            statuses,
            causes,
            histograms,
            timeline,
            status_messages: self.status_messages.clone(),
            stages: self.stages.clone(),
            shards: self.shards.clone(),
            versions: Vec::new(),
            unknown: Details::default(),
            whole: Some(whole),
            ..*self
        }
    }

    /// Lists the shares of the versions; empty if responses are not attributed. `names` are those of the known versions.
    pub fn split(&self, names: &[String]) -> String {
        let counts: Vec<u64> = self.versions.iter().map(|version| version.counts.requests).collect();
        split_text(names, &counts)
    }

    /// Complete responses.
    pub fn responses(&self) -> u64 {
        self.statuses.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Lists the shares of versions by their requests; those of unknown origin come last, if there were any.
pub(super) fn split_text(names: &[String], counts: &[u64]) -> String {
    let names = names.iter().map(String::as_str).chain([UNKNOWN]);
    split::text(names.zip(counts.iter().copied()).filter(|(name, count)| *count > 0 || *name != UNKNOWN))
}

#[cfg(test)]
mod tests {
    use super::super::slot_queue::{Claim, Dispatcher};
    use super::super::worker_stats::Timing;
    use super::*;
    use crate::load::pacing::{Arrival, Bound, Pacer};
    use std::sync::Arc;

    /// Returns the outcome of a schedule of which `sent` requests were sent, `ms` after its start at the latest.
    fn outcome(pacer: &Pacer, sent: u64, ms: u64, ends: Option<Duration>, stopped: Option<u64>) -> LoadOutcome {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let queues = Arc::new(SlotQueues::new(pacer.clone(), start, 2));
        let dispatcher = Dispatcher::new(Arc::clone(&queues), 0);
        for _ in 0..sent {
            assert!(matches!(dispatcher.claim(at(ms), at(ms)), Claim::Taken(_)));
        }
        let mut stats = WorkerStats::new(true, 0);
        let result = Err(super::super::cause::Failure::new(Cause::Reset, ""));
        stats.record(Timing { due: Some(at(ms)), ready: Some(at(ms)), sent: at(ms), ended: at(ms) }, &result);
        LoadOutcome::new(&mut pacer.cursor(), 1, &queues, stats, ends, stopped.map(at))
    }

    fn second() -> Bound {
        Bound::Duration(Duration::from_secs(1))
    }

    #[test]
    fn a_load_that_is_stopped_before_its_start_dropped_nothing() {
        let pacer = Pacer::new(Arrival::Constant { rate: 1000.0 }, Bound::Count(7));
        let now = Instant::now();
        let queues = SlotQueues::new(pacer.clone(), now + Duration::from_millis(2), 1);
        let dropped = |stopped| {
            LoadOutcome::new(&mut pacer.cursor(), 1, &queues, WorkerStats::new(true, 0), None, Some(stopped))
                .counts
                .dropped
        };
        assert_eq!((dropped(now), dropped(queues.start())), (0, 1));
    }

    #[test]
    fn all_requests_in_time_are_the_requested_rate() {
        for arrival in [Arrival::Constant { rate: 100.0 }, Arrival::Poisson { rate: 100.0 }] {
            for bound in [second(), Bound::Count(100)] {
                let pacer = Pacer::new(arrival.clone(), bound);
                let planned = pacer.cursor().planned(None).unwrap();
                let last = pacer.cursor().due(planned.slots - 1).unwrap().as_millis() as u64 + 1;
                let result = outcome(&pacer, planned.slots, last, None, None);
                assert_eq!((result.requested_rate, result.counts.dropped), (Some(planned.rate), 0));
                assert!(
                    (result.achieved_rate / planned.rate - 1.0).abs() < 1e-6,
                    "{} of {planned:?}",
                    result.achieved_rate
                );
            }
        }
    }

    #[test]
    fn a_load_at_maximum_rate_lasts_until_it_is_ended_whatever_ended_last() {
        let rate = |bound, sent, ms, ends: Option<u64>, stopped| {
            let pacer = Pacer::new(Arrival::Max, bound);
            outcome(&pacer, sent, ms, ends.map(Duration::from_millis), stopped).achieved_rate
        };
        assert_eq!(rate(second(), 50, 10, None, None), 50.0);
        assert_eq!(rate(second(), 50, 10, None, Some(500)), 100.0);
        assert_eq!(rate(Bound::Count(100), 50, 10, Some(500), None), 100.0);
        assert_eq!(rate(Bound::Count(50), 50, 250, Some(60_000), None), 200.0, "all of them before the time was over");
    }

    #[test]
    fn what_was_due_and_not_sent_is_dropped_whatever_the_arrival() {
        let pacer = Pacer::new(Arrival::Poisson { rate: 100.0 }, second());
        let slots = pacer.cursor().planned(None).unwrap().slots;
        let result = outcome(&pacer, 60, 1_500, None, None);
        assert_eq!((result.counts.dropped, result.requested_rate), (slots - 60, Some(slots as f64)));
        assert_eq!(result.achieved_rate, 40.0);
    }

    #[test]
    fn a_load_that_ends_early_is_held_against_what_was_due_until_then() {
        let half = Duration::from_millis(500);
        let pacer = Pacer::new(Arrival::Constant { rate: 100.0 }, second());
        // The slot that is due just then counts, too.
        let result = outcome(&pacer, 51, 500, Some(half), None);
        assert_eq!((result.counts.dropped, result.requested_rate, result.achieved_rate), (0, Some(100.0), 100.0));
        let pacer = Pacer::new(Arrival::Poisson { rate: 100.0 }, second());
        let due = pacer.cursor().due_by(half);
        let result = outcome(&pacer, due - 10, 500, None, Some(500));
        assert_eq!(
            (result.counts.dropped, result.requested_rate, result.interrupted),
            (10, Some(due as f64 * 2.0), true)
        );
    }
}
