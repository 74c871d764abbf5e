//! Processes with their own wall clocks and faults, on one API server.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::coordination::v1::Lease;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::store::{CallError, LeaseStore};
use super::super::{Leadership, LeaseError, LeaseSettings, elect, take_part};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::ports::{BoxFuture, Clock};

/// Interval in which the leaders are checked.
const STEP: Duration = Duration::from_millis(20);

/// Behavior of the API server towards one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Refused,
    /// Requests are lost.
    Silent,
    /// Writes are carried out, but the response is lost.
    ResponseLost,
    Forbidden,
    /// Only reads are allowed.
    WriteForbidden,
}

/// State of one process that tests change.
#[derive(Debug)]
struct Controls {
    fault: Fault,
    latency: Duration,
    clock_error: TimeDelta,
    is_stalled: bool,
    waker: Option<Waker>,
}

struct SkewedClock {
    started: Instant,
    controls: Arc<Mutex<Controls>>,
}

impl Clock for SkewedClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.started.elapsed()).unwrap();
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + elapsed + self.controls.lock().clock_error
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The API server: the Lease and its version.
#[derive(Debug, Default)]
struct Api {
    lease: Option<Lease>,
    version: u64,
}

impl Api {
    fn store(&mut self, lease: &Lease) -> Lease {
        self.version += 1;
        let mut stored = lease.clone();
        stored.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(stored.clone());
        stored
    }
}

/// Connection of one process with the API server.
struct FaultyStore {
    api: Arc<Mutex<Api>>,
    controls: Arc<Mutex<Controls>>,
}

impl FaultyStore {
    /// Handles a request in the middle of its latency.
    async fn request<T>(&self, handle: impl FnOnce(&mut Api) -> Result<T, CallError>) -> Result<T, CallError> {
        let (fault, latency) = {
            let controls = self.controls.lock();
            (controls.fault, controls.latency)
        };
        tokio::time::sleep(latency / 2).await;
        let failure = |kind| ClusterError::new(kind, "fault");
        match fault {
            Fault::Refused => return Err(CallError::Failed(failure(ClusterErrorKind::Unreachable))),
            Fault::Forbidden => return Err(CallError::Forbidden(failure(ClusterErrorKind::Forbidden))),
            Fault::Silent => std::future::pending().await,
            Fault::None | Fault::ResponseLost | Fault::WriteForbidden => {}
        }
        let response = handle(&mut self.api.lock());
        if fault == Fault::ResponseLost {
            return Err(CallError::Failed(failure(ClusterErrorKind::Unreachable)));
        }
        tokio::time::sleep(latency / 2).await;
        response
    }
}

impl FaultyStore {
    fn check_write(&self) -> Result<(), CallError> {
        match self.controls.lock().fault {
            Fault::WriteForbidden => Err(CallError::Forbidden(ClusterError::new(ClusterErrorKind::Forbidden, "fault"))),
            _ => Ok(()),
        }
    }
}

fn conflict<T>() -> Result<T, CallError> {
    Err(CallError::Conflict(ClusterError::new(ClusterErrorKind::Conflict, "conflict")))
}

impl LeaseStore for FaultyStore {
    async fn get(&self) -> Result<Option<Lease>, CallError> {
        self.request(|api| Ok(api.lease.clone())).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, CallError> {
        self.check_write()?;
        self.request(|api| if api.lease.is_some() { conflict() } else { Ok(api.store(lease)) }).await
    }

    async fn update(&self, lease: &Lease) -> Result<Lease, CallError> {
        self.check_write()?;
        self.request(|api| {
            let version = api.lease.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
            if version == lease.metadata.resource_version { Ok(api.store(lease)) } else { conflict() }
        })
        .await
    }
}

/// A future that stands still while its process is stalled.
struct Stallable<F> {
    future: Pin<Box<F>>,
    controls: Arc<Mutex<Controls>>,
}

impl<F: Future> Future for Stallable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut controls = self.controls.lock();
        if controls.is_stalled {
            controls.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(controls);
        self.future.as_mut().poll(context)
    }
}

/// One candidate.
pub(super) struct Process {
    leadership: Leadership,
    controls: Arc<Mutex<Controls>>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), LeaseError>>,
}

impl Process {
    pub(super) fn is_leader(&self) -> bool {
        !self.task.is_finished() && self.leadership.is_leader()
    }

    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished() || self.stop.is_cancelled()
    }

    pub(super) async fn changed(&mut self) -> bool {
        self.leadership.changed().await
    }

    pub(super) async fn has_changed(&mut self) -> bool {
        tokio::time::timeout(Duration::ZERO, self.leadership.changed()).await.is_ok()
    }

    /// Ends the process without a handover.
    pub(super) fn crash(&self) {
        self.stop.cancel();
        self.task.abort();
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) async fn ended(self) -> Result<(), LeaseError> {
        self.task.await.unwrap()
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        self.controls.lock().fault = fault;
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.controls.lock().latency = latency;
    }

    pub(super) fn move_clock(&self, by: TimeDelta) {
        self.controls.lock().clock_error += by;
    }

    pub(super) fn stall(&self, is_stalled: bool) {
        let mut controls = self.controls.lock();
        controls.is_stalled = is_stalled;
        if let Some(waker) = controls.waker.take() {
            waker.wake();
        }
    }
}

/// Processes and their API server.
pub(super) struct Simulation {
    api: Arc<Mutex<Api>>,
    started: Instant,
}

impl Simulation {
    pub(super) fn new() -> Self {
        Self { api: Arc::default(), started: Instant::now() }
    }

    /// Starts a process that ends if access is denied.
    pub(super) fn start(&self, name: &str) -> Process {
        self.spawn(name, false)
    }

    /// Starts a process that goes on without access as a pod does.
    pub(super) fn start_pod(&self, name: &str) -> Process {
        self.spawn(name, true)
    }

    fn spawn(&self, name: &str, is_pod: bool) -> Process {
        let controls = Arc::new(Mutex::new(Controls {
            fault: Fault::None,
            latency: Duration::from_millis(2),
            clock_error: TimeDelta::zero(),
            is_stalled: false,
            waker: None,
        }));
        let clock = SkewedClock { started: self.started, controls: Arc::clone(&controls) };
        let (sender, leadership) = Leadership::elected(Arc::new(clock));
        let store = FaultyStore { api: Arc::clone(&self.api), controls: Arc::clone(&controls) };
        let settings = LeaseSettings::new("iter8", "controller", name);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let future = Box::pin(async move {
            if is_pod {
                take_part(&store, &settings, &sender, &stopped).await;
                return Ok(());
            }
            elect(&store, &settings, &sender, &stopped).await
        });
        let task = tokio::spawn(Stallable { future, controls: Arc::clone(&controls) });
        Process { leadership, controls, stop, task }
    }

    /// Checks for a time that no two processes lead.
    pub(super) async fn watch(&self, processes: &[&Process], time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let leaders = processes.iter().filter(|process| process.leadership.is_leader()).count();
            assert!(leaders <= 1, "{leaders} leaders {:?} after the start", self.started.elapsed());
            tokio::time::sleep(STEP).await;
        }
    }

    pub(super) async fn time_until_leader(&self, processes: &[&Process], candidate: &Process) -> Duration {
        let start = Instant::now();
        while !candidate.is_leader() && start.elapsed() < Duration::from_secs(60) {
            self.watch(processes, STEP).await;
        }
        start.elapsed()
    }

    /// Returns how often the Lease changed its holder.
    pub(super) fn transitions(&self) -> i32 {
        let api = self.api.lock();
        api.lease.as_ref().and_then(|lease| lease.spec.as_ref()?.lease_transitions).unwrap()
    }
}
