//! Starts the workers, waits for them, and merges their statistics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::early_end::Looks;
use super::histograms::HistogramKind;
use super::limits::raise_open_files;
use super::outcome::LoadOutcome;
use super::pauses::Pauses;
use super::plan::{LoadError, LoadPlan, StopMode};
use super::protocol::Protocol;
use super::series::SharedSeries;
use super::shared::{INTERVAL, Shared, with_statistics};
use super::slot_queue::SlotQueues;
use super::startup_check::StartupCheck;
use super::timeline::Timeline;
use super::worker::{self, Start, WorkerConfig};
use super::worker_stats::WorkerStats;
use crate::load::pacing::Cursor;
use crate::ports::LoadProgress;

/// Time after the end of a schedule in which slots that were due before it are still sent; the rest is dropped.
const DRAIN: Duration = Duration::from_secs(1);

/// Time between waking the workers and the start of the schedule, so that its first slots are not late.
const LEAD: Duration = Duration::from_millis(2);

/// Runs the load and returns its outcome. Connections are opened first, for at most a second; then the schedule starts.
///
/// Requests in flight at the end of the schedule are awaited, at most for the request timeout. A schedule bounded by time consists
/// of the slots due before its end: those that could not be sent then or within the second after it count as dropped. `stop` ends
/// the load immediately: requests in flight are aborted and not counted, and the outcome is marked as interrupted. A decision of
/// [`LoadPlan::early_end`] ends the schedule like its planned end does; requests in flight are always awaited then.
pub async fn run<P: Protocol>(
    plan: LoadPlan,
    protocol: Arc<P>,
    stop: CancellationToken,
    progress: &(dyn Fn(LoadProgress) + Send + Sync),
) -> Result<LoadOutcome, LoadError> {
    raise_open_files();
    let total = plan.pacer.total().unwrap_or(u64::MAX);
    let connections = plan.connections.max(1).min(usize::try_from(total).unwrap_or(usize::MAX)).max(1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let in_flight = in_flight(&plan, connections, total);
    let threads = plan.threads.unwrap_or(cores).clamp(1, connections);
    let shutdown = CancellationToken::new();
    // Stops the workers if this future is dropped.
    let _guard = shutdown.clone().drop_guard();
    let startup_check = StartupCheck::new(in_flight as u64, plan.allow_initial_errors || total == 0, shutdown.clone());
    let shared = Arc::new(Shared::new(protocol, plan, startup_check, threads));
    let workers = Workers::start(&shared, threads, (connections, in_flight), &shutdown)?;
    let WorkersOutcome { reports, queues, mut schedule, series, versions, stopped, decided, paused } =
        workers.watch(&shared, &shutdown, &stop, progress).await;
    let failed = shared.startup_check.error(&shared.plan.target);
    // Nothing is due after the end of a failed load.
    let stopped = stopped.or_else(|| failed.is_some().then(Instant::now));
    let mut merged = WorkerStats::new(shared.plan.pacer.rate().is_some(), shared.plan.origins());
    for stats in reports {
        merged.merge(&stats.map_err(|_| LoadError::Lost)??);
    }
    let ended = stopped.or(merged.last_ended);
    let timeline = |series: &SharedSeries| ended.map_or_else(Timeline::default, |end| series.timeline(end));
    let ends = [shared.plan.max_duration, decided].into_iter().flatten().min();
    let mut outcome = LoadOutcome {
        timeline: timeline(&series),
        decided,
        paused,
        ..LoadOutcome::new(&mut schedule, connections, &queues, merged, ends, stopped)
    };
    for (version, series) in outcome.versions.iter_mut().zip(&versions) {
        version.timeline = timeline(series);
    }
    if let Some(error) = failed {
        return Err(error.after(LoadOutcome { interrupted: false, ..outcome }));
    }
    let end = LoadProgress {
        done: outcome.counts.requests,
        errors: outcome.counts.errors,
        ended: true,
        split: outcome.split(&shared.plan.versions),
        ..shared.blank(outcome.duration)
    };
    let statistics = &shared.plan.statistics;
    progress(with_statistics(end, statistics, outcome.responses(), &outcome.histograms[HistogramKind::Latency]));
    Ok(outcome)
}

/// Number of requests in flight: at least one per connection, at most as many as there are requests.
fn in_flight(plan: &LoadPlan, connections: usize, total: u64) -> usize {
    plan.in_flight.min(usize::try_from(total).unwrap_or(usize::MAX)).max(connections)
}

/// Time after the start at which no more slots are sent.
fn ends(plan: &LoadPlan) -> Option<Duration> {
    let drain = if plan.stop_mode == StopMode::Wait { DRAIN } else { Duration::ZERO };
    let by_pacer = plan.pacer.ends().and_then(|end| end.checked_add(drain));
    [by_pacer, plan.max_duration].into_iter().flatten().min()
}

/// Result of a worker's thread.
type Report = Result<std::io::Result<WorkerStats>, oneshot::error::RecvError>;

/// State after all workers have ended.
struct WorkersOutcome {
    reports: Vec<Report>,
    queues: Arc<SlotQueues>,
    /// At a recent position of the schedule.
    schedule: Cursor,
    series: Arc<SharedSeries>,
    /// Series of each version.
    versions: Vec<Arc<SharedSeries>>,
    /// Instant at which the load was interrupted, if it was.
    stopped: Option<Instant>,
    /// Time from the start to the decision that ended the load early.
    decided: Option<Duration>,
    /// Time in which this process did not run.
    paused: Duration,
}

/// Channels to the workers' threads.
struct Workers {
    ready: Vec<oneshot::Receiver<()>>,
    starts: Vec<oneshot::Sender<Start>>,
    done: Vec<oneshot::Receiver<std::io::Result<WorkerStats>>>,
    /// Aborts the requests in flight.
    abort: CancellationToken,
}

impl Workers {
    /// Starts the threads. Connections are spread evenly over workers, and requests in flight over connections.
    fn start<P: Protocol>(
        shared: &Arc<Shared<P>>,
        count: usize,
        (connections, in_flight): (usize, usize),
        shutdown: &CancellationToken,
    ) -> Result<Self, LoadError> {
        let abort = CancellationToken::new();
        let mut workers = Self { ready: Vec::new(), starts: Vec::new(), done: Vec::new(), abort: abort.clone() };
        for index in 0..count {
            let (is_ready, ready) = oneshot::channel();
            let (start_sender, start) = oneshot::channel();
            let (finish, done) = oneshot::channel();
            let mine = (index..connections).step_by(count);
            let in_flight_of =
                |connection: usize| in_flight / connections + usize::from(connection < in_flight % connections);
            let (share, in_flight) = (mine.clone().count(), mine.map(in_flight_of).sum());
            let abort = abort.clone();
            let shutdown = shutdown.clone();
            let config = WorkerConfig {
                index,
                connections: share,
                in_flight,
                shared: Arc::clone(shared),
                is_ready,
                start,
                abort,
                shutdown,
            };
            std::thread::Builder::new().name(format!("load-{index}")).spawn(move || {
                let _ = finish.send(worker::run(config));
            })?;
            workers.ready.push(ready);
            workers.starts.push(start_sender);
            workers.done.push(done);
        }
        Ok(workers)
    }

    /// Starts the schedule once the workers are ready, and waits until they have ended.
    async fn watch<P: Protocol>(
        self,
        shared: &Shared<P>,
        shutdown: &CancellationToken,
        stop: &CancellationToken,
        progress: &(dyn Fn(LoadProgress) + Send + Sync),
    ) -> WorkersOutcome {
        let pacer = &shared.plan.pacer;
        let mut stopped = None;
        tokio::select! {
            biased;
            () = stop.cancelled() => { stopped = Some(Instant::now()); shutdown.cancel(); }
            _ = join_all(self.ready) => {}
        }
        let lead = if pacer.rate().is_some() { LEAD } else { Duration::ZERO };
        let start = Instant::now() + lead;
        let queues = Arc::new(SlotQueues::new(pacer.clone(), start, self.starts.len()));
        let empty = || Arc::new(SharedSeries::new(start, shared.plan.watched.clone()));
        let series = empty();
        let versions: Vec<_> = (0..shared.plan.origins()).map(|_| empty()).collect();
        let ready = Start { queues: Arc::clone(&queues), series: Arc::clone(&series), versions: versions.clone() };
        for sender in self.starts {
            // Fails if the worker could not start; its result has the error.
            let _ = sender.send(ready.clone());
        }
        let mut ends = ends(&shared.plan).and_then(|end| start.checked_add(end));
        let early_end = shared.plan.early_end.as_ref();
        let decision = early_end.map(|early_end| early_end.decided.clone()).unwrap_or_default();
        let mut looks = early_end.map(|early_end| Looks::new(early_end, pacer));
        let (mut is_decided, mut decided) = (false, None);
        let done = join_all(self.done);
        tokio::pin!(done);
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut schedule = pacer.cursor();
        let mut is_closed = false;
        let mut pauses = Pauses::new(INTERVAL, Instant::now());
        let reports = loop {
            tokio::select! {
                biased;
                reports = &mut done => {
                    pauses.wakes(Instant::now());
                    break reports;
                }
                () = stop.cancelled(), if stopped.is_none() => {
                    stopped = Some(Instant::now());
                    queues.close();
                    shutdown.cancel();
                }
                _ = ticks.tick() => {
                    pauses.wakes(Instant::now());
                    let elapsed = start.elapsed();
                    if stopped.is_none() && decided.is_none() {
                        // Advances with the load, so that summing up need not walk through the whole schedule.
                        let due = schedule.due_by(shared.plan.max_duration.map_or(elapsed, |end| end.min(elapsed)));
                        if let Some(looks) = looks.as_mut().filter(|_| !is_closed) {
                            let timelines = |seconds: u64| {
                                (series.until(seconds), versions.iter().map(|series| series.until(seconds)).collect())
                            };
                            looks.look(&shared.seconds, elapsed, (due, queues.taken()), timelines);
                        }
                    }
                    progress(shared.progress(elapsed));
                    pauses.waits(Instant::now());
                }
                () = decision.cancelled(), if !is_decided => {
                    is_decided = true;
                    let now = Instant::now();
                    let elapsed = now.saturating_duration_since(start);
                    // A load whose time is over ends by itself.
                    if stopped.is_none() && !is_closed && pacer.ends().is_none_or(|end| elapsed < end) {
                        decided = Some(elapsed);
                        queues.end_at(now);
                        ends = now.checked_add(DRAIN);
                    }
                }
                () = tokio::time::sleep_until(ends.unwrap_or(start).into()), if !is_closed && ends.is_some() => {
                    is_closed = true;
                    queues.close();
                    if shared.plan.stop_mode != StopMode::Wait && decided.is_none() {
                        self.abort.cancel();
                    }
                }
            }
        };
        WorkersOutcome { reports, queues, schedule, series, versions, stopped, decided, paused: pauses.total() }
    }
}
