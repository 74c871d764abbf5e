//! What a load measured.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::lanes::Lanes;
use super::tally::Tally;
use crate::logic::histogram::{self, Histogram};
use crate::logic::pacing::Pacer;
use crate::model::series::Series;

/// What one load measured.
#[derive(Clone, Debug)]
pub struct LoadOutcome {
    /// When the first request was due.
    pub started: Instant,
    /// From then to the last answer.
    pub duration: Duration,
    /// Parallel connections.
    pub connections: usize,
    /// Requests per second asked for; `None` for as many as possible.
    pub asked_rate: Option<f64>,
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
    /// The load over time; absent where no request ended.
    pub series: Option<Series>,
}

impl LoadOutcome {
    /// Sums up; `ends` is when the schedule was ended early by plan, `stopped` when the load was interrupted, if it was.
    pub(super) fn new(
        pacer: &Pacer,
        connections: usize,
        lanes: &Lanes,
        tally: Tally,
        ends: Option<Duration>,
        stopped: Option<Instant>,
    ) -> Self {
        let start = lanes.start();
        let since_start =
            |instant: Option<Instant>| instant.map_or(Duration::ZERO, |i| i.saturating_duration_since(start));
        let duration = since_start(tally.last_ended);
        let planned = match stopped {
            // Nothing was due yet where the start was not reached.
            Some(stopped) => stopped.checked_duration_since(start).map_or(0, |elapsed| pacer.due_by(elapsed)),
            None => ends.map_or(u64::MAX, |end| pacer.due_by(end)).min(pacer.total().unwrap_or(0)),
        };
        let dropped = if pacer.rate().is_some() { planned.saturating_sub(lanes.taken()) } else { 0 };
        let span = match pacer.rate() {
            // A schedule of n slots takes n intervals, though its last request is sent after n − 1 of them.
            Some(rate) => since_start(tally.last_sent).as_secs_f64().max(tally.requests as f64 / rate),
            None => duration.as_secs_f64(),
        };
        let success_latency = tally.success_latency();
        Self {
            started: start,
            duration,
            connections,
            asked_rate: pacer.rate(),
            achieved_rate: if span > 0.0 { tally.requests as f64 / span } else { 0.0 },
            requests: tally.requests,
            errors: tally.errors,
            answers: tally.answers,
            late: tally.late,
            dropped,
            statuses: tally.statuses(),
            causes: tally.causes(),
            bytes_sent: tally.bytes_sent,
            bytes_received: tally.bytes_received,
            messages_sent: tally.messages_sent,
            messages_received: tally.messages_received,
            interrupted: stopped.is_some(),
            service_time: tally.service.unwrap_or_else(|| tally.latency.clone()),
            success_latency,
            first: tally.first.unwrap_or_else(histogram::new),
            connect: tally.connect.unwrap_or_else(histogram::new),
            between: tally.between.unwrap_or_else(histogram::new),
            lateness: tally.lateness.unwrap_or_else(histogram::new),
            series: None,
            latency: tally.latency,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::pacing::{Arrival, Bound};

    #[test]
    fn a_load_that_is_stopped_before_its_start_dropped_nothing() {
        let pacer = Pacer::new(Arrival::Constant { rate: 1000.0 }, Bound::Count(7));
        let now = Instant::now();
        let lanes = Lanes::new(pacer, now + Duration::from_millis(2), 1);
        let dropped = |stopped| LoadOutcome::new(&pacer, 1, &lanes, Tally::new(true), None, Some(stopped)).dropped;
        assert_eq!((dropped(now), dropped(lanes.start())), (0, 1));
    }
}
