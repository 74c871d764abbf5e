//! The barrier at which the pods of an experiment start a load together.

use std::sync::OnceLock;
use std::time::Instant;

use tokio::sync::OnceCell;

use crate::model::shard::{LoadPhase, LoadPlace};
use crate::ports::fleet::{BarrierResult, Entry, Fleet, FleetError};
use crate::ports::{Event, Observer};

/// Common start of the loads that run at the same time. The first load that is ready enters the barrier for all of them.
pub(in crate::tasks) struct StartBarrier<'a> {
    fleet: &'a dyn Fleet,
    observer: &'a dyn Observer,
    task: usize,
    load: usize,
    has_warmup: bool,
    warmup: OnceCell<Result<BarrierResult, FleetError>>,
    start: OnceCell<Result<BarrierResult, FleetError>>,
    started: OnceLock<Instant>,
}

impl<'a> StartBarrier<'a> {
    /// Builds the barrier of load number `load` of a task. It has a warm-up phase if any of the loads has one.
    pub(super) fn new(
        fleet: &'a dyn Fleet,
        observer: &'a dyn Observer,
        (task, load): (usize, usize),
        has_warmup: bool,
    ) -> Self {
        let (warmup, start, started) = Default::default();
        Self { fleet, observer, task, load, has_warmup, warmup, start, started }
    }

    /// Returns the key of a phase.
    pub(super) fn place(&self, phase: LoadPhase) -> LoadPlace {
        LoadPlace { task: self.task, load: self.load, phase }
    }

    /// Waits for the start of a phase, once per pod; earlier phases come first.
    pub(super) async fn start(&self, phase: LoadPhase) -> Result<Entry, FleetError> {
        let warmup = match self.has_warmup {
            true => self.entry(&self.warmup, LoadPhase::WarmUp).await?,
            false => Entry::OnTime,
        };
        if phase == LoadPhase::WarmUp || warmup == Entry::Closed {
            return Ok(warmup);
        }
        let entry = self.entry(&self.start, LoadPhase::Load).await?;
        self.started.get_or_init(Instant::now);
        Ok(entry)
    }

    async fn entry(
        &self,
        cell: &OnceCell<Result<BarrierResult, FleetError>>,
        phase: LoadPhase,
    ) -> Result<Entry, FleetError> {
        let barrier = cell.get_or_init(|| async {
            let barrier = self.fleet.start(self.place(phase)).await?;
            for missing in &barrier.missing {
                let line = format!("started without index {}: {}", missing.index, missing.reason);
                self.observer.observe(Event::TaskLog { index: self.task, line });
            }
            Ok(barrier)
        });
        barrier.await.as_ref().map(|barrier| barrier.entry).map_err(FleetError::clone)
    }

    /// Returns the instant at which this pod started the loads; the current instant if it has not.
    pub(super) fn started(&self) -> Instant {
        self.started.get().copied().unwrap_or_else(Instant::now)
    }
}
