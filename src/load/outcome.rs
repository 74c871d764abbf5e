//! What a load measured.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::slot_queue::SlotQueues;
use super::timeline::Timeline;
use super::worker_stats::WorkerStats;
use crate::load::pacing::{Asked, Cursor};
use crate::metrics::histogram::{self, Histogram};
use crate::model::load::{Shards, Spacing};

/// What one load measured.
#[derive(Clone, Debug)]
pub struct LoadOutcome {
    /// When the first request was due.
    pub started: Instant,
    /// From then to the last answer.
    pub duration: Duration,
    /// Parallel connections.
    pub connections: usize,
    /// Requests per second asked for; `None` for as many as possible. Where the rate changes or arrivals are random, it is the mean
    /// of what was due.
    pub asked_rate: Option<f64>,
    /// The same of the whole load, where several machines make it and this is the part of one.
    pub whole_rate: Option<f64>,
    /// How requests were spaced.
    pub spacing: Spacing,
    /// The stages of the rate in short; empty where it was constant.
    pub stages: String,
    /// Requests per second sent.
    pub achieved_rate: f64,
    /// Requests that ended, each counted once.
    pub requests: u64,
    /// Requests without a complete answer, or with one that counts as an error.
    pub errors: u64,
    /// Requests with a complete answer.
    pub answers: u64,
    /// Requests sent more than 1 ms after they were due.
    pub late: u64,
    /// Requests that were due and never sent.
    pub dropped: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// What the service said with the first answer of a status; empty for protocols that don't tell.
    pub said: BTreeMap<u16, String>,
    /// Requests without a complete answer, by cause: how many, and the first one in words.
    pub causes: BTreeMap<Cause, (u64, String)>,
    /// Bytes of request bodies sent.
    pub bytes_sent: u64,
    /// Bytes of response bodies received.
    pub bytes_received: u64,
    /// Messages sent; 0 for protocols that know none.
    pub messages_sent: u64,
    /// Messages received; 0 for protocols that know none.
    pub messages_received: u64,
    /// Whether the load was stopped before its end. Requests that were under way then are not counted.
    pub interrupted: bool,
    /// Latencies of answers and time-outs in µs, from the instant the request was due (at maximum rate: was sent).
    pub latency: Histogram,
    /// The same from the instant a connection took the request up; opening a connection, where needed, is part of it.
    pub service_time: Histogram,
    /// Latencies of the answers that are no errors.
    pub success_latency: Histogram,
    /// From the instant a request was due to the first byte of its answer, or its first message; empty where that is not told.
    pub first: Histogram,
    /// Opening a connection, TLS included.
    pub connect: Histogram,
    /// Between two messages of a stream.
    pub between: Histogram,
    /// From the instant a request was due to the instant it was sent; empty at maximum rate.
    pub lateness: Histogram,
    /// The load over time.
    pub timeline: Timeline,
    /// Of which machines it is, where several make the load.
    pub shards: Option<Shards>,
}

impl LoadOutcome {
    /// Sums up; `schedule` is a cursor onto the load's schedule, `ends` when that was ended early by plan, `stopped` when the load
    /// was interrupted, if it was.
    pub(super) fn new(
        schedule: &mut Cursor,
        connections: usize,
        queues: &SlotQueues,
        stats: WorkerStats,
        ends: Option<Duration>,
        stopped: Option<Instant>,
    ) -> Self {
        let start = queues.start();
        let since_start =
            |instant: Option<Instant>| instant.map_or(Duration::ZERO, |i| i.saturating_duration_since(start));
        let duration = since_start(stats.last_ended);
        let until = [stopped.map(|stopped| stopped.saturating_duration_since(start)), ends].into_iter().flatten().min();
        let asked = schedule.asked(until).map(|asked| match stopped {
            // Nothing was due yet where the start was not reached.
            Some(stopped) if stopped < start => Asked { slots: 0, span: Duration::ZERO, ..asked },
            _ => asked,
        });
        let sent = queues.taken();
        let span = match asked {
            // The last request is sent before the time of the schedule is over: it is followed by a gap.
            Some(asked) => since_start(stats.last_sent).max(asked.span),
            // At maximum rate a load lasts until it is ended, also where what was in flight then is not counted.
            None => {
                let is_cut = schedule.pacer().total().is_none_or(|total| sent < total);
                let ended = [until.filter(|_| is_cut), schedule.pacer().ends()].into_iter().flatten().min();
                duration.max(ended.unwrap_or_default())
            }
        };
        let success_latency = stats.success_latency();
        Self {
            started: start,
            duration,
            connections,
            asked_rate: asked.map(|asked| asked.rate),
            whole_rate: asked.map(|asked| asked.whole_rate),
            spacing: schedule.pacer().spacing(),
            stages: schedule.pacer().stages().map(ToString::to_string).unwrap_or_default(),
            achieved_rate: if span.is_zero() { 0.0 } else { sent as f64 / span.as_secs_f64() },
            requests: stats.requests,
            errors: stats.errors,
            answers: stats.answers,
            late: stats.late,
            dropped: asked.map_or(0, |asked| asked.slots.saturating_sub(sent)),
            statuses: stats.statuses(),
            said: BTreeMap::new(),
            causes: stats.causes(),
            bytes_sent: stats.bytes_sent,
            bytes_received: stats.bytes_received,
            messages_sent: stats.messages_sent,
            messages_received: stats.messages_received,
            interrupted: stopped.is_some(),
            service_time: stats.service.unwrap_or_else(|| stats.latency.clone()),
            success_latency,
            first: stats.first.unwrap_or_else(histogram::new),
            connect: stats.connect.unwrap_or_else(histogram::new),
            between: stats.between.unwrap_or_else(histogram::new),
            lateness: stats.lateness.unwrap_or_else(histogram::new),
            timeline: Timeline::default(),
            shards: None,
            latency: stats.latency,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::slot_queue::{Claim, Dispatcher};
    use super::super::worker_stats::Timing;
    use super::*;
    use crate::load::pacing::{Arrival, Bound, Pacer};
    use std::sync::Arc;

    /// What becomes of a schedule of which `sent` requests were sent, `ms` after its start at the latest.
    fn outcome(pacer: &Pacer, sent: u64, ms: u64, ends: Option<Duration>, stopped: Option<u64>) -> LoadOutcome {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let queues = Arc::new(SlotQueues::new(pacer.clone(), start, 2));
        let dispatcher = Dispatcher::new(Arc::clone(&queues), 0);
        for _ in 0..sent {
            assert!(matches!(dispatcher.claim(at(ms)), Claim::Taken(_)));
        }
        let mut stats = WorkerStats::new(true);
        let answer = Err(super::super::cause::Failure::new(Cause::Reset, ""));
        stats.record(Timing { due: Some(at(ms)), sent: at(ms), ended: at(ms) }, &answer);
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
            LoadOutcome::new(&mut pacer.cursor(), 1, &queues, WorkerStats::new(true), None, Some(stopped)).dropped
        };
        assert_eq!((dropped(now), dropped(queues.start())), (0, 1));
    }

    #[test]
    fn all_requests_in_time_are_the_rate_asked_for() {
        for arrival in [Arrival::Constant { rate: 100.0 }, Arrival::Poisson { rate: 100.0 }] {
            for bound in [second(), Bound::Count(100)] {
                let pacer = Pacer::new(arrival.clone(), bound);
                let asked = pacer.cursor().asked(None).unwrap();
                let last = pacer.cursor().due(asked.slots - 1).unwrap().as_millis() as u64 + 1;
                let found = outcome(&pacer, asked.slots, last, None, None);
                assert_eq!((found.asked_rate, found.dropped), (Some(asked.rate), 0));
                assert!((found.achieved_rate / asked.rate - 1.0).abs() < 1e-6, "{} of {asked:?}", found.achieved_rate);
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
        let slots = pacer.cursor().asked(None).unwrap().slots;
        let found = outcome(&pacer, 60, 1_500, None, None);
        assert_eq!((found.dropped, found.asked_rate), (slots - 60, Some(slots as f64)));
        assert_eq!(found.achieved_rate, 40.0);
    }

    #[test]
    fn a_load_that_ends_early_is_held_against_what_was_due_until_then() {
        let half = Duration::from_millis(500);
        let pacer = Pacer::new(Arrival::Constant { rate: 100.0 }, second());
        // The slot that is due just then counts, too.
        let found = outcome(&pacer, 51, 500, Some(half), None);
        assert_eq!((found.dropped, found.asked_rate, found.achieved_rate), (0, Some(100.0), 100.0));
        let pacer = Pacer::new(Arrival::Poisson { rate: 100.0 }, second());
        let due = pacer.cursor().due_by(half);
        let found = outcome(&pacer, due - 10, 500, None, Some(500));
        assert_eq!((found.dropped, found.asked_rate, found.interrupted), (10, Some(due as f64 * 2.0), true));
    }
}
