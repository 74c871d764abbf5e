//! Starts the workers, watches them, and merges what they measured.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::cause::{Cause, Failure};
use super::lanes::Lanes;
use super::outcome::LoadOutcome;
use super::protocol::{Answer, Protocol};
use super::tally::Tally;
use super::worker::{self, Briefing};
use crate::logic::histogram::{self, Histogram, percentile_ms};
use crate::logic::pacing::Pacer;
use crate::ports::LoadProgress;

/// How often progress is told.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// How long after the end of a duration slots that were due before it are still sent; the rest is dropped.
const DRAIN: Duration = Duration::from_secs(1);

/// The start of a schedule lies this far ahead, so that its first slots are not late.
const LEAD: Duration = Duration::from_millis(2);

/// Different reasons that are told of a load that fails from the start.
const REASONS: usize = 8;

/// What load to make.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// The target, as it may be shown in messages.
    pub target: String,
    /// The schedule.
    pub pacer: Pacer,
    /// Parallel connections, at least 1; the bound on requests in flight.
    pub connections: usize,
    /// Worker threads; `None` for one per core. Never more than connections.
    pub threads: Option<usize>,
    /// Time for one exchange; a request is ended at most 2 % (and 1 to 50 ms) later.
    pub timeout: Duration,
    /// Whether the load goes on when its first requests all fail.
    pub allow_initial_errors: bool,
}

/// Why a load gave no outcome.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The first requests failed, all of them.
    #[error("the first {count} requests to {target} all failed: {reasons}")]
    InitialErrors {
        /// How many.
        count: u64,
        /// The target, without credentials.
        target: String,
        /// What failed how often: `connection refused ×4`.
        reasons: String,
    },
    /// This machine can't make the load.
    #[error("can't start a load worker: {0}")]
    Worker(#[from] std::io::Error),
    /// A worker ended without a result.
    #[error("a load worker ended without a result")]
    Lost,
}

impl LoadError {
    /// The next step for the user, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::InitialErrors { .. } => Some("is the service up? set `allowInitialErrors: true` to measure anyway"),
            Self::Worker(_) | Self::Lost => None,
        }
    }
}

/// What all workers of a load see.
pub(super) struct Shared<P> {
    pub(super) protocol: Arc<P>,
    pub(super) plan: LoadPlan,
    pub(super) initial: Initial,
    /// Per worker, how far it was lately.
    snapshots: Vec<Mutex<Option<Snapshot>>>,
}

/// How far a worker is.
struct Snapshot {
    requests: u64,
    errors: u64,
    latency: Histogram,
}

impl<P> Shared<P> {
    /// Makes a worker's state visible to the progress.
    pub(super) fn publish(&self, worker: usize, tally: &Tally) {
        let snapshot = Snapshot { requests: tally.requests, errors: tally.errors, latency: tally.latency.clone() };
        *lock(&self.snapshots[worker]) = Some(snapshot);
    }

    /// How far the load is.
    fn progress(&self, elapsed: Duration) -> LoadProgress {
        let mut latency = histogram::new();
        let mut progress = self.blank(elapsed);
        for snapshot in &self.snapshots {
            if let Some(snapshot) = &*lock(snapshot) {
                progress.done += snapshot.requests;
                progress.errors += snapshot.errors;
                // All histograms have the same bounds, so adding can't fail.
                let _ = latency.add(&snapshot.latency);
            }
        }
        with_percentiles(progress, &latency)
    }

    fn blank(&self, elapsed: Duration) -> LoadProgress {
        let pacer = &self.plan.pacer;
        LoadProgress { total: pacer.total(), planned: pacer.planned(), elapsed, ..LoadProgress::default() }
    }
}

fn with_percentiles(progress: LoadProgress, latency: &Histogram) -> LoadProgress {
    let at = |p| (!latency.is_empty()).then(|| percentile_ms(latency, p));
    LoadProgress { p50_ms: at(50.0), p99_ms: at(99.0), ..progress }
}

/// Watches whether any of the first requests succeeds.
pub(super) struct Initial {
    /// That many failures and no success end the load.
    enough: u64,
    /// Whether there is nothing to watch any more: the only thing that is read per request.
    is_settled: AtomicBool,
    failed: Mutex<Failed>,
    abandon: CancellationToken,
}

/// The first requests, as long as they all fail.
#[derive(Default)]
struct Failed {
    count: u64,
    /// Reason → how often.
    reasons: BTreeMap<String, u64>,
    /// Whether that many failed that the load ends; later successes don't matter any more.
    is_enough: bool,
}

impl Initial {
    /// Takes note of one request's end.
    pub(super) fn note(&self, result: &Result<Answer, Failure>) {
        if self.is_settled.load(Ordering::Relaxed) {
            return;
        }
        let reason = match result {
            Ok(answer) if !answer.is_error => return self.is_settled.store(true, Ordering::Relaxed),
            Ok(answer) => format!("status {}", answer.status),
            Err(failure) => match failure.cause {
                Cause::Refused | Cause::Reset | Cause::Closed | Cause::Timeout => failure.cause.words().to_owned(),
                _ => failure.to_string(),
            },
        };
        let failed = &mut *lock(&self.failed);
        if failed.is_enough {
            return;
        }
        failed.count += 1;
        if failed.reasons.len() < REASONS || failed.reasons.contains_key(&reason) {
            *failed.reasons.entry(reason).or_default() += 1;
        }
        if failed.count >= self.enough && !self.is_settled.load(Ordering::Relaxed) {
            failed.is_enough = true;
            self.abandon.cancel();
        }
    }

    /// The error, if the first requests all failed.
    fn error(&self, target: &str) -> Option<LoadError> {
        let failed = lock(&self.failed);
        if !failed.is_enough {
            return None;
        }
        let reasons: Vec<_> = failed.reasons.iter().map(|(reason, count)| format!("{reason} ×{count}")).collect();
        Some(LoadError::InitialErrors { count: failed.count, target: target.to_owned(), reasons: reasons.join(", ") })
    }
}

/// A thread that panicked left nothing half-done behind that would matter here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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
    let workers = plan.threads.unwrap_or(cores).clamp(1, connections);
    let abandon = CancellationToken::new();
    // Ends the workers when this future is dropped, too.
    let _guard = abandon.clone().drop_guard();
    let initial = Initial {
        enough: connections as u64,
        is_settled: AtomicBool::new(plan.allow_initial_errors || total == 0),
        failed: Mutex::default(),
        abandon: abandon.clone(),
    };
    let snapshots = (0..workers).map(|_| Mutex::new(None)).collect();
    let shared = Arc::new(Shared { protocol, plan, initial, snapshots });
    let crew = Crew::start(&shared, workers, connections, &abandon)?;
    let (tallies, lanes, stopped) = crew.watch(&shared, &abandon, &stop, progress).await;
    if let Some(error) = shared.initial.error(&shared.plan.target) {
        return Err(error);
    }
    let pacer = &shared.plan.pacer;
    let mut merged = Tally::new(pacer.rate().is_some());
    for tally in tallies {
        merged.merge(&tally.map_err(|_| LoadError::Lost)??);
    }
    let outcome = LoadOutcome::new(pacer, connections, &lanes, merged, stopped);
    let end =
        LoadProgress { done: outcome.requests, errors: outcome.errors, ended: true, ..shared.blank(outcome.duration) };
    progress(with_percentiles(end, &outcome.latency));
    Ok(outcome)
}

/// What a worker's thread leaves.
type Report = Result<std::io::Result<Tally>, oneshot::error::RecvError>;

/// The workers that were started.
struct Crew {
    ready: Vec<oneshot::Receiver<()>>,
    lanes: Vec<oneshot::Sender<Arc<Lanes>>>,
    done: Vec<oneshot::Receiver<std::io::Result<Tally>>>,
}

impl Crew {
    /// Starts the threads; connections are spread evenly.
    fn start<P: Protocol>(
        shared: &Arc<Shared<P>>,
        workers: usize,
        connections: usize,
        abandon: &CancellationToken,
    ) -> Result<Self, LoadError> {
        let mut crew = Self { ready: Vec::new(), lanes: Vec::new(), done: Vec::new() };
        for index in 0..workers {
            let (is_ready, ready) = oneshot::channel();
            let (give, lanes) = oneshot::channel();
            let (finish, done) = oneshot::channel();
            let share = connections / workers + usize::from(index < connections % workers);
            let abandon = abandon.clone();
            let briefing = Briefing { index, connections: share, shared: Arc::clone(shared), is_ready, lanes, abandon };
            std::thread::Builder::new().name(format!("load-{index}")).spawn(move || {
                let _ = finish.send(worker::run(briefing));
            })?;
            crew.ready.push(ready);
            crew.lanes.push(give);
            crew.done.push(done);
        }
        Ok(crew)
    }

    /// Starts the schedule once the workers are ready, and waits for their end. Returns what they measured, and when the load
    /// was stopped, if it was.
    async fn watch<P: Protocol>(
        self,
        shared: &Shared<P>,
        abandon: &CancellationToken,
        stop: &CancellationToken,
        progress: &(dyn Fn(LoadProgress) + Send + Sync),
    ) -> (Vec<Report>, Arc<Lanes>, Option<Instant>) {
        let pacer = shared.plan.pacer;
        let mut stopped = None;
        tokio::select! {
            biased;
            () = stop.cancelled() => { stopped = Some(Instant::now()); abandon.cancel(); }
            _ = join_all(self.ready) => {}
        }
        let lead = if pacer.rate().is_some() { LEAD } else { Duration::ZERO };
        let start = Instant::now() + lead;
        let lanes = Arc::new(Lanes::new(pacer, start, self.lanes.len()));
        for give in self.lanes {
            // Fails for a worker that could not start; its result says why.
            let _ = give.send(Arc::clone(&lanes));
        }
        let ends = pacer.ends().and_then(|end| start.checked_add(end)?.checked_add(DRAIN));
        let done = join_all(self.done);
        tokio::pin!(done);
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut is_closed = false;
        let tallies = loop {
            tokio::select! {
                biased;
                tallies = &mut done => break tallies,
                () = stop.cancelled(), if stopped.is_none() => {
                    stopped = Some(Instant::now());
                    lanes.close();
                    abandon.cancel();
                }
                _ = ticks.tick() => {
                    progress(shared.progress(start.elapsed()));
                    if !is_closed && ends.is_some_and(|end| Instant::now() >= end) {
                        is_closed = true;
                        lanes.close();
                    }
                }
            }
        };
        (tallies, lanes, stopped)
    }
}
