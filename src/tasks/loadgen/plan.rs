//! All loads of a task.

use super::concurrency::Concurrency;
use super::job::Load;
use super::run::{run_all, run_share_all};
use super::targets::targets;
use super::until_verdict;
use crate::load::plan::LoadPlan;
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::model::objectives::Objectives;
use crate::model::path::FieldPath;
use crate::ports::BoxFuture;
use crate::ports::fleet::{Fleet, FleetError};
use crate::tasks::{Measured, OnStop, Recorded, SharedLoad, TaskContext, TaskError, TaskFacts};
use crate::values::input::InputError;

/// Memory of a request in flight and its connection, in bytes, and of TLS per connection. More than was measured, to be safe.
const REQUEST_MEMORY: u64 = 6 << 10;
const TLS_MEMORY: u64 = 8 << 10;

/// Memory of a version's statistics, in bytes per worker, and the number of workers that is assumed: one per core of a small node. A version
/// that fills all its histograms takes about 2.4 MB.
const VERSION_MEMORY: u64 = 5 << 19;
const WORKERS: u64 = 4;

/// All loads of a task.
#[derive(Debug)]
pub(in crate::tasks) struct Plan<L> {
    /// Ordered by version, then by endpoint.
    pub(in crate::tasks) loads: Vec<L>,
    /// Names of the versions, in order.
    pub(in crate::tasks) versions: Vec<Option<String>>,
    /// Loads that run at the same time.
    pub(in crate::tasks) concurrency: Concurrency,
    /// Discards all measurements.
    pub(in crate::tasks) is_warmup: bool,
    /// Path of `until`, if the loads end with their verdict.
    pub(in crate::tasks) until_verdict: Option<FieldPath>,
}

impl<L: Load> Plan<L> {
    /// Facts of the task that runs these loads.
    pub(in crate::tasks) fn facts(&self) -> TaskFacts {
        let facts = TaskFacts {
            recorded: Recorded::Outcome,
            on_stop: OnStop::Finish,
            memory: self.memory(),
            ..TaskFacts::default()
        };
        if self.is_warmup {
            return facts;
        }
        let mut providers: Vec<_> = self.loads.iter().map(|load| load.provider().to_owned()).collect();
        providers.sort_unstable();
        providers.dedup();
        let selects_versions = self.loads.iter().all(|load| load.attribution().is_none());
        TaskFacts { providers, versions: Some(self.versions.len()), selects_versions, ..facts }
    }

    /// Returns the bytes of memory for connections and requests in flight.
    fn memory(&self) -> u64 {
        let memory = |load: &&L| {
            let LoadPlan { connections, in_flight, .. } = load.plan();
            let tls = if load.is_tls() { TLS_MEMORY } else { 0 };
            let requests = REQUEST_MEMORY.saturating_mul(in_flight.max(connections) as u64);
            let versions = load.attribution().map_or(0, |attribution| attribution.versions.len() as u64 + 1);
            let workers = (connections as u64).min(WORKERS);
            requests
                .saturating_add(tls.saturating_mul(connections as u64))
                .saturating_add(VERSION_MEMORY.saturating_mul(versions.saturating_mul(workers)))
        };
        let of_group = |group: &Vec<&L>| group.iter().map(memory).fold(0, u64::saturating_add);
        self.groups().iter().map(of_group).max().unwrap_or_default()
    }

    /// Returns the loads in groups that run one after the other.
    fn groups(&self) -> Vec<Vec<&L>> {
        self.concurrency.groups(&self.loads)
    }

    /// Returns the metrics that the loads measure.
    pub(in crate::tasks) fn measures(&self) -> Vec<Measured> {
        let measured = |load: &L| Measured {
            provider: load.provider().to_owned(),
            metrics: load.metric_names(),
            versions: self.versions.clone(),
        };
        self.loads.iter().filter(|_| !self.is_warmup).map(measured).collect()
    }

    /// Rejects loads that are to end with a verdict that looks at `objectives` cannot give.
    pub(in crate::tasks) fn check_objectives(&self, objectives: Option<&Objectives>) -> Result<(), InputError> {
        let Some(at) = &self.until_verdict else { return Ok(()) };
        let groups: Vec<_> = self.groups().into_iter().map(|group| targets(group, 1.0)).collect();
        until_verdict::check(&groups, objectives, at)
    }

    /// Rejects loads that are to end with their verdict if several pods share them: no pod knows the requests of all while they run.
    pub(in crate::tasks) fn check_pods(&self, pods: u32) -> Result<(), InputError> {
        let Some(at) = self.until_verdict.as_ref().filter(|_| pods > 1) else { return Ok(()) };
        let message = format!("`verdict` is not available for a load that {pods} pods share");
        Err(InputError::new(at.clone(), message).with_hint("set `parallelism` to 1, or remove `until`"))
    }

    /// Runs all loads. `notes` precede those of the loads.
    pub(in crate::tasks) async fn run(
        &self,
        notes: Vec<String>,
        cx: &TaskContext<'_>,
    ) -> Result<Contribution, TaskError> {
        let version = |name: &Option<String>| VersionMetrics { name: name.clone(), ..VersionMetrics::default() };
        let versions = self.versions.iter().map(version).collect();
        let times = if self.is_warmup { 1.0 } else { cx.times };
        let cx = &TaskContext { times, ..*cx };
        let blank = Contribution { versions, notes, ..Contribution::default() };
        let pods = cx.env.fleet.map_or(1, |fleet| fleet.share().count());
        self.check_pods(u32::try_from(pods).unwrap_or(u32::MAX))?;
        let end = run_all(&self.groups(), self.until_verdict.is_some(), blank, cx).await;
        if self.is_warmup { discarded(end) } else { end }
    }
}

/// Replaces the measurements of a warm-up with a note.
fn discarded(end: Result<Contribution, TaskError>) -> Result<Contribution, TaskError> {
    let keep = |contribution: Contribution| {
        let loads = contribution.versions.iter().flat_map(|version| version.load.values());
        let (requests, errors) = loads
            .fold((0, 0), |(requests, errors), load| (requests + load.counts.requests, errors + load.counts.errors));
        let note = format!("warm-up: {requests} requests, {errors} errors; not measured");
        Contribution { notes: vec![note], interrupted: contribution.interrupted, ..Contribution::default() }
    };
    match end {
        Ok(contribution) => Ok(keep(contribution)),
        Err(TaskError::Failed { message, hint, .. }) => Err(TaskError::Failed { message, hint, partial: None }),
        Err(error) => Err(error),
    }
}

impl<L: Load> SharedLoad for Plan<L> {
    fn run_share<'a>(&'a self, cx: &'a TaskContext<'a>, fleet: &'a dyn Fleet) -> BoxFuture<'a, Result<(), FleetError>> {
        Box::pin(async move { run_share_all(&self.groups(), fleet, cx).await })
    }
}
