//! One worker: the connections of a thread, the pacing of its slots, and their statistics.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use super::cause::{Cause, Failure, Resend};
use super::in_flight::InFlight;
use super::plan::StopMode;
use super::progress::{Phase, Progress};
use super::protocol::{Client, Protocol};
use super::response::Response;
use super::series::{SeriesRecorder, SharedSeries};
use super::shared::{INTERVAL, Shared};
use super::slot_queue::{Claim, Dispatcher, Slot, SlotQueues};
use super::stats_recorder::StatsRecorder;
use super::timer::Timer;
use super::worker_stats::{Timing, WorkerStats};

/// Longest wait for connections before the start. A connection that is not open by then opens with its first request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections that one worker opens concurrently before the start.
const CONNECTING: usize = 64;

/// Shortest time between two wake-ups of the pacing task. Above 10,000 slots per second and worker, slots are sent in small groups:
/// that costs less than 100 µs of lateness and saves most of the wake-ups.
const GRID: Duration = Duration::from_micros(100);

/// Interval at which the pacing task looks for slots of other workers once its own queue is empty.
const POLL: Duration = Duration::from_millis(10);

/// Connection of a request in flight, and the request.
type Connection<P> = <<P as Protocol>::Client as Client>::Connection;
type Request<P> = <<P as Protocol>::Client as Client>::Request;

/// Configuration of a worker.
pub(super) struct WorkerConfig<P> {
    /// Index of the worker, from 0.
    pub(super) index: usize,
    /// Number of its connections, and of its requests in flight.
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    pub(super) shared: Arc<Shared<P>>,
    /// Signals that the connections are open, or failed to open.
    pub(super) is_ready: oneshot::Sender<()>,
    /// Starts the load.
    pub(super) start: oneshot::Receiver<Start>,
    /// Aborts the requests in flight when the time of the load is over.
    pub(super) abort: CancellationToken,
    /// Ends the worker immediately.
    pub(super) shutdown: CancellationToken,
}

/// State handed to a worker when the load starts.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) queues: Arc<SlotQueues>,
    pub(super) series: Arc<SharedSeries>,
    /// Series of each version, if responses are attributed; the last one is that of unknown origin.
    pub(super) versions: Vec<Arc<SharedSeries>>,
}

/// Runs a worker on the current thread.
pub(super) fn run<P: Protocol>(config: WorkerConfig<P>) -> std::io::Result<WorkerStats> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shutdown = config.shutdown.clone();
    let has_rate = config.shared.plan.pacer.rate().is_some();
    let stats = Rc::new(RefCell::new(WorkerStats::new(has_rate, config.shared.plan.origins())));
    let work = work(config, Rc::clone(&stats));
    let done = LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            biased;
            done = work => done,
            () = shutdown.cancelled() => Ok(()),
        }
    });
    // Does not wait for a name lookup that may still occupy a thread of the runtime.
    runtime.shutdown_background();
    done?;
    let mut stats = stats.replace(WorkerStats::new(false, 0));
    stats.flush();
    Ok(stats)
}

async fn work<P: Protocol>(config: WorkerConfig<P>, stats: Rc<RefCell<WorkerStats>>) -> std::io::Result<()> {
    let WorkerConfig { index, connections, in_flight: count, shared, is_ready, start, abort, .. } = config;
    let timer = Timer::new()?;
    let client = shared.protocol.client(connections, StatsRecorder(Rc::clone(&stats)));
    let open = open_all(&client, count).await;
    // Prepared ahead of the start, so that the first requests are not late.
    let mut first = Vec::with_capacity(count);
    for _ in 0..count {
        first.push(shared.request(&client));
        // Templates take time, and the load may be interrupted meanwhile.
        tokio::task::yield_now().await;
    }
    let _ = is_ready.send(());
    // Without a start the load was interrupted.
    let Ok(Start { queues, series, versions }) = start.await else { return Ok(()) };
    stats.borrow_mut().start(SeriesRecorder::new(series), versions.into_iter().map(SeriesRecorder::new));
    let dispatcher = Dispatcher::new(queues, index);
    let in_flight = (0..count).map(|_| InFlight::default()).collect();
    let idle = RefCell::default();
    let unmeasured = OnceCell::new();
    let worker = Rc::new(Worker { index, shared, client, dispatcher, in_flight, idle, abort, stats, unmeasured });
    let mut background = JoinSet::new();
    background.spawn_local(Rc::clone(&worker).keep_up());
    if worker.shared.plan.pacer.rate().is_some() {
        background.spawn_local(Rc::clone(&worker).pace(timer));
    }
    let mut driven = JoinSet::new();
    for (index, (connection, request)) in open.into_iter().zip(first).enumerate() {
        driven.spawn_local(Rc::clone(&worker).drive(index, connection, request));
    }
    while driven.join_next().await.is_some() {}
    worker.dispatcher.retire();
    Ok(())
}

/// Opens `count` connections; those that take longer than [`CONNECT_TIMEOUT`] or fail are `None`.
async fn open_all<C: Client>(client: &C, count: usize) -> Vec<Option<C::Connection>> {
    let mut open: Vec<_> = (0..count).map(|_| None).collect();
    let mut attempts = futures_util::stream::iter(0..count)
        .map(|index| async move { (index, client.connect(index, &Progress::default()).await) })
        .buffer_unordered(CONNECTING);
    let collect = async {
        while let Some((index, attempt)) = attempts.next().await {
            // A failure is not counted here: the first request will fail the same way.
            open[index] = attempt.ok();
        }
    };
    let _ = tokio::time::timeout(CONNECT_TIMEOUT, collect).await;
    drop(attempts);
    open
}

/// State shared by a worker's tasks, all on one thread.
struct Worker<P: Protocol> {
    index: usize,
    shared: Arc<Shared<P>>,
    client: P::Client,
    dispatcher: Dispatcher,
    in_flight: Vec<InFlight>,
    /// The idle tasks, the longest idle first, so that a low rate uses all connections in turn.
    idle: RefCell<VecDeque<Idle>>,
    abort: CancellationToken,
    stats: Rc<RefCell<WorkerStats>>,
    /// Stands in for `stats` while a request runs that is not measured.
    unmeasured: OnceCell<RefCell<WorkerStats>>,
}

/// A task without a slot.
#[derive(Clone, Copy)]
struct Idle {
    /// Its index.
    index: usize,
    since: Instant,
}

impl<P: Protocol> Worker<P> {
    /// Sends requests, one at a time, until the schedule is over.
    async fn drive(
        self: Rc<Self>,
        index: usize,
        mut connection: Option<Connection<P>>,
        mut request: Option<Result<Request<P>, Failure>>,
    ) {
        let in_flight = &self.in_flight[index];
        let plan = &self.shared.plan;
        let mut now = Instant::now();
        let mut since = self.dispatcher.start();
        let mut is_first = true;
        // No more requests to prepare: the others have the remaining slots.
        while let Some(prepared) = &request {
            let Some(slot) = self.next(Idle { index, since }, now).await else { return };
            let sent = Instant::now();
            let deadline = sent.checked_add(plan.timeout);
            let is_measured = plan.pacer.number(slot.number) >= plan.skip_first;
            in_flight.count_from(is_measured.then(|| slot.due.unwrap_or(sent)));
            let ended = {
                // Pinned here so that each of the many tasks stores the future only once.
                let exchange = std::pin::pin!(self.attempt(index, &mut connection, prepared));
                match is_measured {
                    true => in_flight.guard(deadline, exchange).await,
                    false => in_flight.guard(deadline, self.unmeasured_exchange(exchange)).await,
                }
            };
            let result = match ended {
                // Expired requests are looked for at intervals only.
                Some(Ok(response)) if deadline.is_some_and(|deadline| response.ended > deadline) => {
                    let is_begun =
                        response.first.is_some_and(|first| deadline.is_some_and(|deadline| first <= deadline));
                    in_flight.progress.enter(if is_begun { Phase::Body } else { Phase::Response });
                    Err(Failure { version: response.version, is_complete: true, ..in_flight.timed_out(plan.timeout) })
                }
                Some(result) => result,
                None if !self.abort.is_cancelled() => Err(in_flight.timed_out(plan.timeout)),
                None if plan.stop_mode == StopMode::Ignore => {
                    self.stats.borrow_mut().counts.ignored += u64::from(is_measured);
                    return;
                }
                None => Err(Failure::new(Cause::Aborted, "")),
            };
            now = match &result {
                Ok(response) => response.ended,
                Err(_) => {
                    connection = None;
                    Instant::now()
                }
            };
            since = now;
            in_flight.count_from(None);
            if is_measured {
                self.stats.borrow_mut().record(Timing { due: slot.due, ready: slot.ready, sent, ended: now }, &result);
                self.shared.startup_check.record(&result, is_first);
                is_first = false;
            }
            if result.is_err() {
                // It may have failed without awaiting anything (a missing socket, a template), and so may the next one: yield to the
                // other tasks.
                tokio::task::yield_now().await;
            }
            if self.client.varies() {
                request = self.shared.request(&self.client);
            }
        }
    }

    /// Runs `work` and discards what the protocol records: bytes, messages, connections.
    async fn unmeasured_exchange<T>(&self, work: impl Future<Output = T>) -> T {
        let unmeasured = self.unmeasured.get_or_init(|| RefCell::new(WorkerStats::new(false, 0)));
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            // Other tasks of this thread record between polls only, so swapping around the poll separates them.
            self.stats.swap(unmeasured);
            let polled = work.as_mut().poll(cx);
            self.stats.swap(unmeasured);
            polled
        })
        .await
    }

    /// Makes one exchange on the open connection or a new one.
    async fn attempt(
        &self,
        index: usize,
        connection: &mut Option<Connection<P>>,
        request: &Result<Request<P>, Failure>,
    ) -> Result<Response, Failure> {
        let request = request.as_ref().map_err(Failure::clone)?;
        let in_flight = &self.in_flight[index];
        loop {
            in_flight.progress.start();
            let is_usable = match connection.as_mut() {
                Some(open) => self.client.ready(open).await,
                None => false,
            };
            if !is_usable {
                // Closed before the new one opens, so that there are never too many connections.
                *connection = None;
                if !in_flight.is_refused() {
                    // If a peer serves few requests per connection, those that it refused go first.
                    tokio::task::yield_now().await;
                }
            }
            let open = match connection {
                Some(open) => open,
                None => connection.insert(Box::pin(self.client.connect(index, &in_flight.progress)).await?),
            };
            match self.client.exchange(open, request, &in_flight.progress).await {
                Err(failure) if failure.resend != Resend::Never => {
                    *connection = None;
                    self.stats.borrow_mut().resending(failure.resend);
                    in_flight.refused(failure.resend).await;
                }
                result => return result,
            }
        }
    }

    /// Waits for the next slot; `None` if the schedule is over. `now` is a recent instant.
    async fn next(&self, task: Idle, now: Instant) -> Option<Slot> {
        let in_flight = &self.in_flight[task.index];
        let mut is_idle = false;
        std::future::poll_fn(|cx| {
            if let Some(slot) = in_flight.take() {
                return Poll::Ready(Some(slot));
            }
            if in_flight.is_closed() {
                return Poll::Ready(None);
            }
            in_flight.listen(cx);
            if is_idle {
                return Poll::Pending;
            }
            match self.dispatcher.claim(now, task.since) {
                Claim::Taken(slot) => return Poll::Ready(Some(slot)),
                Claim::Over => return Poll::Ready(None),
                Claim::NotDue => {}
            }
            is_idle = true;
            self.idle.borrow_mut().push_back(task);
            self.publish_idle();
            // Another worker may have looked for idle connections just before this one was published, so claim again.
            if let Claim::Taken(slot) = self.dispatcher.claim(Instant::now(), task.since) {
                self.idle.borrow_mut().pop_back();
                self.publish_idle();
                return Poll::Ready(Some(slot));
            }
            Poll::Pending
        })
        .await
    }

    /// Wakes up when slots of this worker's queue are due, and dispatches them.
    async fn pace(self: Rc<Self>, timer: Timer) {
        loop {
            let now = Instant::now();
            if self.dispatch(now) == Dispatched::Over {
                return self.in_flight.iter().for_each(InFlight::close);
            }
            let wake = match self.dispatcher.next_due(now) {
                Some(due) => due.max(now + GRID),
                None => now + POLL,
            };
            tokio::select! {
                biased;
                () = self.dispatcher.woken() => {}
                () = timer.until(wake) => {}
            }
        }
    }

    /// Gives due slots to idle tasks, and wakes another worker if slots are left.
    fn dispatch(&self, now: Instant) -> Dispatched {
        loop {
            let Some(Idle { index, since }) = self.idle.borrow().front().copied() else { break };
            match self.dispatcher.claim(now, since) {
                Claim::Taken(slot) => {
                    self.idle.borrow_mut().pop_front();
                    self.publish_idle();
                    self.in_flight[index].give(slot);
                }
                Claim::NotDue => return Dispatched::Waiting,
                Claim::Over => return Dispatched::Over,
            }
        }
        if self.dispatcher.is_behind(now) {
            self.dispatcher.wake_another();
        }
        Dispatched::Waiting
    }

    fn publish_idle(&self) {
        self.dispatcher.publish_idle(self.idle.borrow().front().map(|idle| idle.since));
    }

    /// Ends exchanges that time out or are aborted, and publishes progress: one coarse timer instead of one per request.
    async fn keep_up(self: Rc<Self>) {
        let tick = (self.shared.plan.timeout / 50).clamp(Duration::from_millis(1), Duration::from_millis(50));
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut published = Instant::now();
        let mut seconds = 0;
        loop {
            tokio::select! {
                biased;
                () = self.abort.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let now = Instant::now();
            self.in_flight.iter().for_each(|it| it.expire(now));
            if now.duration_since(published) >= INTERVAL {
                published = now;
                self.shared.publish(self.index, &self.stats.borrow());
            }
            if let Some(early_end) = &self.shared.plan.early_end {
                let complete = now.saturating_duration_since(self.dispatcher.start()).as_secs();
                if complete > seconds {
                    seconds = complete;
                    let stats = &mut *self.stats.borrow_mut();
                    stats.flush();
                    self.shared.seconds.publish(self.index, seconds, (&early_end.ages, &self.in_flight), stats);
                }
            }
        }
        // More than once: a task may have been given a slot and not have started its exchange yet.
        loop {
            self.in_flight.iter().for_each(InFlight::abort);
            ticks.tick().await;
        }
    }
}

/// Result of dispatching slots.
#[derive(PartialEq, Eq)]
enum Dispatched {
    /// More slots may be due later.
    Waiting,
    /// The schedule is over.
    Over,
}
