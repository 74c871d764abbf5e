//! Ends a load before the end of its schedule, once the verdicts on it are decided.
//!
//! After each second, when every worker has added its counts to the load's series, the engine passes the [`LoadState`] on. The receiver may
//! then cancel [`EarlyEnd::decided`]: no further request is due from that instant on, those in flight are awaited and counted, and the rest
//! of the schedule counts neither as dropped nor as late. None of this is on the path of a request.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::cause::Cause;
use super::in_flight::InFlight;
use super::pacing::{Cursor, Pacer};
use super::timeline::Timeline;
use super::worker_stats::WorkerStats;
use crate::model::counts::Counts;

/// End of a load on a decision from outside.
#[derive(Clone)]
pub struct EarlyEnd {
    /// Receives the state of the load after each second.
    pub look: Arc<dyn Fn(LoadState) + Send + Sync>,
    /// Ages in µs; requests in flight that are older are counted for each of them.
    pub ages: Vec<u64>,
    /// Cancelled to end the load.
    pub decided: CancellationToken,
}

impl fmt::Debug for EarlyEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlyEnd").field("ages", &self.ages).finish_non_exhaustive()
    }
}

/// State of a running load after its first `seconds` seconds.
#[derive(Clone, Debug, Default)]
pub struct LoadState {
    /// Complete seconds since the start.
    pub seconds: u64,
    /// Exact time since the start.
    pub elapsed: Duration,
    /// Requests that ended in these seconds.
    pub timeline: Timeline,
    /// The same by origin, the unknown one last; empty if responses are not attributed.
    pub versions: Vec<Timeline>,
    /// For each of [`EarlyEnd::ages`], the requests that are older and have not ended: in flight, or due and waiting for a connection.
    pub older: Vec<u64>,
    /// Requests that were due; `None` at maximum rate.
    pub due: Option<u64>,
    /// Requests that were sent.
    pub sent: u64,
    /// Idle closes and own delays so far; the other counters are those of the timeline.
    pub counts: Counts,
    /// Requests that failed because this machine ran out of files, ports or memory.
    pub client_limits: u64,
}

/// Counts that each worker publishes after every second.
pub(super) struct SecondBoard {
    workers: Vec<Mutex<WorkerSecond>>,
}

/// Counts of one worker after a second.
#[derive(Clone, Debug, Default)]
struct WorkerSecond {
    /// Complete seconds since the start.
    seconds: u64,
    older: Vec<u64>,
    idle_closed: u64,
    own_late: u64,
    client_limits: u64,
}

impl SecondBoard {
    pub(super) fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| Mutex::default()).collect() }
    }

    /// Publishes the counts of a worker after `seconds` seconds.
    pub(super) fn publish(
        &self,
        worker: usize,
        seconds: u64,
        (ages, in_flight): (&[u64], &[InFlight]),
        stats: &WorkerStats,
    ) {
        let older = older(ages, in_flight, Instant::now());
        let Counts { idle_closed, own_late, .. } = stats.counts;
        let client_limits = stats.count(Cause::ClientLimit);
        let published = WorkerSecond { seconds, older, idle_closed, own_late, client_limits };
        if let Some(worker) = self.workers.get(worker) {
            *worker.lock() = published;
        }
    }

    /// Returns the counts of all workers, for the last second that all of them have completed.
    fn sum(&self, ages: usize) -> WorkerSecond {
        let mut sum = WorkerSecond { seconds: u64::MAX, older: vec![0; ages], ..WorkerSecond::default() };
        for worker in &self.workers {
            let worker = worker.lock();
            sum.seconds = sum.seconds.min(worker.seconds);
            sum.older.iter_mut().zip(&worker.older).for_each(|(sum, count)| *sum += count);
            sum.idle_closed += worker.idle_closed;
            sum.own_late += worker.own_late;
            sum.client_limits += worker.client_limits;
        }
        sum
    }
}

/// Counts the requests in flight that are older than each of `ages`.
fn older(ages: &[u64], in_flight: &[InFlight], now: Instant) -> Vec<u64> {
    let mut older = vec![0; ages.len()];
    for from in in_flight.iter().filter_map(InFlight::counts_from) {
        let micros = now.saturating_duration_since(from).as_micros();
        for (count, age) in older.iter_mut().zip(ages) {
            *count += u64::from(micros > u128::from(*age));
        }
    }
    older
}

/// Passes the state of a load on after each second.
pub(super) struct Looks<'a> {
    early_end: &'a EarlyEnd,
    pacer: &'a Pacer,
    /// For each age, at the slot that was due that long ago.
    cursors: Vec<Cursor>,
    seconds: u64,
}

impl<'a> Looks<'a> {
    pub(super) fn new(early_end: &'a EarlyEnd, pacer: &'a Pacer) -> Self {
        let cursors = early_end.ages.iter().map(|_| pacer.cursor()).collect();
        Self { early_end, pacer, cursors, seconds: 0 }
    }

    /// Passes the state on if all workers have completed another second. `due` and `sent` are the slots that were due and taken `elapsed`
    /// after the start; `timelines` returns the whole load and its versions until a second.
    pub(super) fn look(
        &mut self,
        board: &SecondBoard,
        elapsed: Duration,
        (due, sent): (u64, u64),
        timelines: impl FnOnce(u64) -> (Timeline, Vec<Timeline>),
    ) {
        let ages = &self.early_end.ages;
        let WorkerSecond { seconds, mut older, idle_closed, own_late, client_limits } = board.sum(ages.len());
        if seconds <= self.seconds || self.pacer.ends().is_some_and(|end| elapsed >= end) {
            return;
        }
        self.seconds = seconds;
        for ((older, age), cursor) in older.iter_mut().zip(ages).zip(&mut self.cursors) {
            if let Some(before) = elapsed.checked_sub(Duration::from_micros(*age)) {
                *older += cursor.due_by(before).saturating_sub(sent);
            }
        }
        let (timeline, versions) = timelines(seconds);
        (self.early_end.look)(LoadState {
            seconds,
            elapsed,
            timeline,
            versions,
            older,
            due: self.pacer.rate().map(|_| due),
            sent,
            counts: Counts { idle_closed, own_late, ..Counts::default() },
            client_limits,
        });
    }
}

#[cfg(test)]
#[path = "early_end_tests.rs"]
mod tests;
