//! Starts the workers, watches them, and merges what they measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::outcome::LoadOutcome;
use super::plan::{LoadError, LoadPlan, StopMode};
use super::protocol::Protocol;
use super::series::SharedSeries;
use super::shared::{INTERVAL, Shared, with_percentiles};
use super::slot_queue::SlotQueues;
use super::startup_check::StartupCheck;
use super::timeline::Timeline;
use super::worker::{self, Start, WorkerConfig};
use super::worker_stats::WorkerStats;
use crate::load::pacing::Cursor;
use crate::ports::LoadProgress;

/// How long after the end of a duration slots that were due before it are still sent; the rest is dropped.
const DRAIN: Duration = Duration::from_secs(1);

/// The start of a schedule lies this far ahead, so that its first slots are not late.
const LEAD: Duration = Duration::from_millis(2);

/// Makes the load and returns what it measured. Connections are opened first, for at most a second; then the schedule starts.
///
/// Requests in flight at the end of the schedule are awaited, at most the request time-out. A schedule bounded by time owns the
/// slots due before its end: those that could not be sent then or within the second after it count as dropped. `stop` ends the
/// load at once; requests in flight are abandoned and not counted, and the outcome says that it was interrupted.
pub async fn run<P: Protocol>(
    plan: LoadPlan,
    protocol: Arc<P>,
    stop: CancellationToken,
    progress: &(dyn Fn(LoadProgress) + Send + Sync),
) -> Result<LoadOutcome, LoadError> {
    let total = plan.pacer.total().unwrap_or(u64::MAX);
    let connections = plan.connections.max(1).min(usize::try_from(total).unwrap_or(usize::MAX)).max(1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let in_flight = in_flight(&plan, connections, total);
    let workers = plan.threads.unwrap_or(cores).clamp(1, connections);
    let abandon = CancellationToken::new();
    // Ends the workers when this future is dropped, too.
    let _guard = abandon.clone().drop_guard();
    let initial = StartupCheck::new(in_flight as u64, plan.allow_initial_errors || total == 0, abandon.clone());
    let shared = Arc::new(Shared::new(protocol, plan, initial, workers));
    let crew = Workers::start(&shared, workers, (connections, in_flight), &abandon)?;
    let WorkersOutcome { reports, queues, mut schedule, series, stopped } =
        crew.watch(&shared, &abandon, &stop, progress).await;
    if let Some(error) = shared.initial.error(&shared.plan.target) {
        return Err(error);
    }
    let mut merged = WorkerStats::new(shared.plan.pacer.rate().is_some());
    for stats in reports {
        merged.merge(&stats.map_err(|_| LoadError::Lost)??);
    }
    let timeline = stopped.or(merged.last_ended).map_or_else(Timeline::default, |end| series.timeline(end));
    let outcome = LoadOutcome {
        timeline,
        ..LoadOutcome::new(&mut schedule, connections, &queues, merged, shared.plan.max_duration, stopped)
    };
    let end =
        LoadProgress { done: outcome.requests, errors: outcome.errors, ended: true, ..shared.blank(outcome.duration) };
    progress(with_percentiles(end, outcome.answers, &outcome.latency));
    Ok(outcome)
}

/// Requests in flight, at least one per connection and never more than there are requests.
fn in_flight(plan: &LoadPlan, connections: usize, total: u64) -> usize {
    plan.in_flight.min(usize::try_from(total).unwrap_or(usize::MAX)).max(connections)
}

/// When the schedule is closed, after its start.
fn ends(plan: &LoadPlan) -> Option<Duration> {
    let drain = if plan.stop_mode == StopMode::Wait { DRAIN } else { Duration::ZERO };
    let by_pacer = plan.pacer.ends().and_then(|end| end.checked_add(drain));
    [by_pacer, plan.max_duration].into_iter().flatten().min()
}

/// What a worker's thread leaves.
type Report = Result<std::io::Result<WorkerStats>, oneshot::error::RecvError>;

/// What is left of a crew.
struct WorkersOutcome {
    reports: Vec<Report>,
    queues: Arc<SlotQueues>,
    /// Where the schedule was lately.
    schedule: Cursor,
    series: Arc<SharedSeries>,
    /// When the load was stopped, if it was.
    stopped: Option<Instant>,
}

/// The workers that were started.
struct Workers {
    ready: Vec<oneshot::Receiver<()>>,
    starts: Vec<oneshot::Sender<Start>>,
    done: Vec<oneshot::Receiver<std::io::Result<WorkerStats>>>,
    /// Cuts off what is in flight.
    cut: CancellationToken,
}

impl Workers {
    /// Starts the threads; connections are spread evenly, and requests in flight over connections.
    fn start<P: Protocol>(
        shared: &Arc<Shared<P>>,
        workers: usize,
        (connections, in_flight): (usize, usize),
        abandon: &CancellationToken,
    ) -> Result<Self, LoadError> {
        let cut = CancellationToken::new();
        let mut crew = Self { ready: Vec::new(), starts: Vec::new(), done: Vec::new(), cut: cut.clone() };
        for index in 0..workers {
            let (is_ready, ready) = oneshot::channel();
            let (give, start) = oneshot::channel();
            let (finish, done) = oneshot::channel();
            let mine = (index..connections).step_by(workers);
            let seats_of = |it: usize| in_flight / connections + usize::from(it < in_flight % connections);
            let (share, seats) = (mine.clone().count(), mine.map(seats_of).sum());
            let cut = cut.clone();
            let abandon = abandon.clone();
            let config = WorkerConfig {
                index,
                connections: share,
                seats,
                shared: Arc::clone(shared),
                is_ready,
                start,
                cut,
                abandon,
            };
            std::thread::Builder::new().name(format!("load-{index}")).spawn(move || {
                let _ = finish.send(worker::run(config));
            })?;
            crew.ready.push(ready);
            crew.starts.push(give);
            crew.done.push(done);
        }
        Ok(crew)
    }

    /// Starts the schedule once the workers are ready, and waits for their end.
    async fn watch<P: Protocol>(
        self,
        shared: &Shared<P>,
        abandon: &CancellationToken,
        stop: &CancellationToken,
        progress: &(dyn Fn(LoadProgress) + Send + Sync),
    ) -> WorkersOutcome {
        let pacer = &shared.plan.pacer;
        let mut stopped = None;
        tokio::select! {
            biased;
            () = stop.cancelled() => { stopped = Some(Instant::now()); abandon.cancel(); }
            _ = join_all(self.ready) => {}
        }
        let lead = if pacer.rate().is_some() { LEAD } else { Duration::ZERO };
        let start = Instant::now() + lead;
        let queues = Arc::new(SlotQueues::new(pacer.clone(), start, self.starts.len()));
        let series = Arc::new(SharedSeries::new(start));
        for give in self.starts {
            // Fails for a worker that could not start; its result says why.
            let _ = give.send(Start { queues: Arc::clone(&queues), series: Arc::clone(&series) });
        }
        let ends = ends(&shared.plan).and_then(|end| start.checked_add(end));
        let done = join_all(self.done);
        tokio::pin!(done);
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut schedule = pacer.cursor();
        let mut is_closed = false;
        let reports = loop {
            tokio::select! {
                biased;
                reports = &mut done => break reports,
                () = stop.cancelled(), if stopped.is_none() => {
                    stopped = Some(Instant::now());
                    queues.close();
                    abandon.cancel();
                }
                _ = ticks.tick() => {
                    let elapsed = start.elapsed();
                    if stopped.is_none() {
                        // Walks along, so that what was due is known at the end without a walk through all of it.
                        schedule.due_by(shared.plan.max_duration.map_or(elapsed, |end| end.min(elapsed)));
                    }
                    progress(shared.progress(elapsed));
                }
                () = tokio::time::sleep_until(ends.unwrap_or(start).into()), if !is_closed && ends.is_some() => {
                    is_closed = true;
                    queues.close();
                    if shared.plan.stop_mode != StopMode::Wait {
                        self.cut.cancel();
                    }
                }
            }
        };
        WorkersOutcome { reports, queues, schedule, series, stopped }
    }
}
