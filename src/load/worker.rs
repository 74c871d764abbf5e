//! One worker: a thread's connections, the pacing of its queue, and what they measure.

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

use super::cause::{Cause, Failure};
use super::in_flight::InFlight;
use super::plan::StopMode;
use super::protocol::{Client, Protocol};
use super::response::Response;
use super::series::{SeriesRecorder, SharedSeries};
use super::shared::{INTERVAL, Shared};
use super::slot_queue::{Claim, Dispatcher, Slot, SlotQueues};
use super::stats_recorder::StatsRecorder;
use super::timer::Timer;
use super::worker_stats::{Timing, WorkerStats};

/// How long the start waits for connections to open. What is not open by then opens with its first request.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// Connections that one worker opens at the same time before the start.
const CONNECTING: usize = 64;

/// Wake-ups of the pacing are at least this far apart: above 10,000 slots per second and worker, slots go out in small groups,
/// which costs less than 100 µs of lateness and saves most of the wake-ups.
const GRID: Duration = Duration::from_micros(100);

/// How often the pacing looks for slots of other workers once its own queue is through.
const POLL: Duration = Duration::from_millis(10);

/// What one seat of protocol `P` drives, and what it sends.
type Connection<P> = <<P as Protocol>::Client as Client>::Connection;
type Request<P> = <<P as Protocol>::Client as Client>::Request;

/// What a worker is started with.
pub(super) struct WorkerConfig<P> {
    /// Which worker, from 0.
    pub(super) index: usize,
    /// How many connections it has, and how many requests in flight.
    pub(super) connections: usize,
    pub(super) seats: usize,
    pub(super) shared: Arc<Shared<P>>,
    /// Told once the connections are open, as far as they can be.
    pub(super) is_ready: oneshot::Sender<()>,
    /// Starts the load.
    pub(super) start: oneshot::Receiver<Start>,
    /// Cuts off what is in flight when the time of the load is over.
    pub(super) cut: CancellationToken,
    /// Ends the work at once.
    pub(super) abandon: CancellationToken,
}

/// What a worker needs once the load starts.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) queues: Arc<SlotQueues>,
    pub(super) series: Arc<SharedSeries>,
}

/// The body of a worker's thread.
pub(super) fn run<P: Protocol>(config: WorkerConfig<P>) -> std::io::Result<WorkerStats> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let abandon = config.abandon.clone();
    let has_rate = config.shared.plan.pacer.rate().is_some();
    let stats = Rc::new(RefCell::new(WorkerStats::new(has_rate)));
    let work = work(config, Rc::clone(&stats));
    let done = LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            biased;
            done = work => done,
            () = abandon.cancelled() => Ok(()),
        }
    });
    // A name lookup may still occupy a thread of the runtime; it is not waited for.
    runtime.shutdown_background();
    done?;
    let mut stats = stats.replace(WorkerStats::new(false));
    if let Some(series) = &mut stats.series {
        series.flush();
    }
    Ok(stats)
}

async fn work<P: Protocol>(config: WorkerConfig<P>, stats: Rc<RefCell<WorkerStats>>) -> std::io::Result<()> {
    let WorkerConfig { index, connections, seats, shared, is_ready, start, cut, .. } = config;
    let timer = Timer::new()?;
    let client = shared.protocol.client(connections, StatsRecorder(Rc::clone(&stats)));
    let open = open_all(&client, seats).await;
    // Ahead of the start, so that the first requests wait for nothing.
    let mut first = Vec::with_capacity(seats);
    for _ in 0..seats {
        first.push(shared.request(&client));
        // Templates take their time, and the load may be given up meanwhile.
        tokio::task::yield_now().await;
    }
    let _ = is_ready.send(());
    // Without a start the load was given up.
    let Ok(Start { queues, series }) = start.await else { return Ok(()) };
    stats.borrow_mut().series = Some(SeriesRecorder::new(series));
    let dispatcher = Dispatcher::new(queues, index);
    let seats = (0..seats).map(|_| InFlight::default()).collect();
    let idle = RefCell::default();
    let unmeasured = OnceCell::new();
    let worker = Rc::new(Worker { index, shared, client, dispatcher, seats, idle, cut, stats, unmeasured });
    let mut background = JoinSet::new();
    background.spawn_local(Rc::clone(&worker).keep_up());
    if worker.shared.plan.pacer.rate().is_some() {
        background.spawn_local(Rc::clone(&worker).pace(timer));
    }
    let mut driven = JoinSet::new();
    for (seat, (connection, request)) in open.into_iter().zip(first).enumerate() {
        driven.spawn_local(Rc::clone(&worker).drive(seat, connection, request));
    }
    while driven.join_next().await.is_some() {}
    worker.dispatcher.retire();
    Ok(())
}

/// Opens the connections of as many seats as can be had soon; the others are `None`.
async fn open_all<C: Client>(client: &C, count: usize) -> Vec<Option<C::Connection>> {
    let mut open: Vec<_> = (0..count).map(|_| None).collect();
    let mut attempts = futures_util::stream::iter(0..count)
        .map(|seat| async move { (seat, client.connect(seat).await) })
        .buffer_unordered(CONNECTING);
    let collect = async {
        while let Some((seat, attempt)) = attempts.next().await {
            // A failure is not counted here: the seat's first request meets it again.
            open[seat] = attempt.ok();
        }
    };
    let _ = tokio::time::timeout(CONNECT_PATIENCE, collect).await;
    drop(attempts);
    open
}

/// The state that a worker's tasks share; all on one thread.
struct Worker<P: Protocol> {
    index: usize,
    shared: Arc<Shared<P>>,
    client: P::Client,
    dispatcher: Dispatcher,
    /// One per request in flight.
    seats: Vec<InFlight>,
    /// Indices of the idle seats, the longest idle first, so that a low rate uses all connections in turn.
    idle: RefCell<VecDeque<usize>>,
    cut: CancellationToken,
    stats: Rc<RefCell<WorkerStats>>,
    /// Stands in for the stats while a request runs that is not measured.
    unmeasured: OnceCell<RefCell<WorkerStats>>,
}

impl<P: Protocol> Worker<P> {
    /// Sends the requests of one seat until the schedule is over.
    async fn drive(
        self: Rc<Self>,
        index: usize,
        mut connection: Option<Connection<P>>,
        mut request: Option<Result<Request<P>, Failure>>,
    ) {
        let seat = &self.seats[index];
        let plan = &self.shared.plan;
        let mut now = Instant::now();
        let mut is_first = true;
        // Without a request of its own, the seat leaves what there is to the others.
        while let Some(prepared) = &request {
            let Some(slot) = self.next(index, now).await else { return };
            let sent = Instant::now();
            let deadline = sent.checked_add(plan.timeout);
            let exchange = self.attempt(index, &mut connection, prepared);
            let is_measured = plan.pacer.number(slot.number) >= plan.skip_first;
            let ended = match is_measured {
                true => seat.guard(deadline, exchange).await,
                false => seat.guard(deadline, self.unmetered(exchange)).await,
            };
            let result = match ended {
                Some(result) => result,
                None if !self.cut.is_cancelled() => Err(Failure::new(Cause::Timeout, "")),
                None if plan.stop_mode == StopMode::Ignore => return,
                None => Err(Failure::new(Cause::Aborted, "")),
            };
            now = match &result {
                Ok(answer) => answer.ended,
                Err(_) => {
                    connection = None;
                    Instant::now()
                }
            };
            if is_measured {
                self.stats.borrow_mut().record(Timing { due: slot.due, sent, ended: now }, &result);
            }
            self.shared.initial.note(&result, is_first, |status| self.shared.protocol.status(status));
            is_first = false;
            if result.is_err() {
                // It may have failed without waiting for anything (a socket that is not there, a template), and the next one may do
                // so, too: the other seats get their turn.
                tokio::task::yield_now().await;
            }
            if self.client.varies() {
                request = self.shared.request(&self.client);
            }
        }
    }

    /// Runs `work` without keeping what the protocol tells of it besides the answer: bytes, messages, connections.
    async fn unmetered<T>(&self, work: impl Future<Output = T>) -> T {
        let unmeasured = self.unmeasured.get_or_init(|| RefCell::new(WorkerStats::new(false)));
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            // The stats is told of nothing between polls, as all of it happens on this thread.
            self.stats.swap(unmeasured);
            let polled = work.as_mut().poll(cx);
            self.stats.swap(unmeasured);
            polled
        })
        .await
    }

    /// One request, on the open connection or a new one.
    async fn attempt(
        &self,
        seat: usize,
        connection: &mut Option<Connection<P>>,
        request: &Result<Request<P>, Failure>,
    ) -> Result<Response, Failure> {
        let request = request.as_ref().map_err(Failure::clone)?;
        let mut is_repeated = false;
        loop {
            let is_usable = match connection.as_mut() {
                Some(open) => self.client.ready(open).await,
                None => false,
            };
            if !is_usable {
                // Closed before the new one opens, so that there are never more than asked for.
                *connection = None;
            }
            let open = match connection {
                Some(open) => open,
                None => connection.insert(self.client.connect(seat).await?),
            };
            match self.client.exchange(open, request).await {
                Err(failure) if failure.is_repeatable && !is_repeated => {
                    is_repeated = true;
                    *connection = None;
                }
                result => return result,
            }
        }
    }

    /// The next slot for an idle seat; `None` when the schedule is over. `now` is a recent instant.
    async fn next(&self, index: usize, now: Instant) -> Option<Slot> {
        let seat = &self.seats[index];
        let mut is_idle = false;
        std::future::poll_fn(|cx| {
            if let Some(slot) = seat.take() {
                return Poll::Ready(Some(slot));
            }
            if seat.is_closed() {
                return Poll::Ready(None);
            }
            seat.listen(cx);
            if is_idle {
                return Poll::Pending;
            }
            match self.dispatcher.claim(now) {
                Claim::Taken(slot) => return Poll::Ready(Some(slot)),
                Claim::Over => return Poll::Ready(None),
                Claim::NotDue => {}
            }
            is_idle = true;
            self.idle.borrow_mut().push_back(index);
            self.publish_idle();
            // Another worker may have looked for idle connections just before this one was announced: look again.
            if let Claim::Taken(slot) = self.dispatcher.claim(Instant::now()) {
                self.idle.borrow_mut().pop_back();
                self.publish_idle();
                return Poll::Ready(Some(slot));
            }
            Poll::Pending
        })
        .await
    }

    /// Wakes when slots of this worker's queue are due, and gives them to idle seats.
    async fn pace(self: Rc<Self>, timer: Timer) {
        loop {
            let now = Instant::now();
            if self.dispatch(now) == Dispatched::Over {
                return self.seats.iter().for_each(InFlight::close);
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

    /// Gives due slots to idle seats, and rings another worker where there are too few of them.
    fn dispatch(&self, now: Instant) -> Dispatched {
        loop {
            let Some(seat) = self.idle.borrow().front().copied() else { break };
            match self.dispatcher.claim(now) {
                Claim::Taken(slot) => {
                    self.idle.borrow_mut().pop_front();
                    self.publish_idle();
                    self.seats[seat].give(slot);
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
        self.dispatcher.publish_idle(self.idle.borrow().len());
    }

    /// Ends exchanges that take too long or are cut off, and publishes how far the worker is: one coarse timer instead of one per
    /// request.
    async fn keep_up(self: Rc<Self>) {
        let tick = (self.shared.plan.timeout / 50).clamp(Duration::from_millis(1), Duration::from_millis(50));
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut published = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = self.cut.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let now = Instant::now();
            self.seats.iter().for_each(|seat| seat.expire(now));
            if now.duration_since(published) >= INTERVAL {
                published = now;
                self.shared.publish(self.index, &self.stats.borrow());
            }
        }
        // More than once: a seat may have been given a slot and not have begun yet.
        loop {
            self.seats.iter().for_each(InFlight::cut);
            ticks.tick().await;
        }
    }
}

/// What became of dealing out slots.
#[derive(PartialEq, Eq)]
enum Dispatched {
    /// There may be more later.
    Waiting,
    /// There will be no more.
    Over,
}
