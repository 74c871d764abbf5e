//! All loads of a task.

use super::job::Load;
use super::run::{run_all, run_share_all};
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::ports::BoxFuture;
use crate::ports::fleet::{Fleet, FleetError};
use crate::tasks::{Measured, OnStop, Recorded, SharedLoad, TaskContext, TaskError, TaskFacts};

/// All loads of a task.
#[derive(Debug)]
pub(in crate::tasks) struct Plan<L> {
    /// Ordered by version, then by endpoint.
    pub(in crate::tasks) loads: Vec<L>,
    /// Names of the versions, in order.
    pub(in crate::tasks) versions: Vec<Option<String>>,
    /// Runs the loads at the same time instead of one after the other.
    pub(in crate::tasks) is_parallel: bool,
}

impl<L: Load> Plan<L> {
    /// Facts of the task that runs these loads.
    pub(in crate::tasks) fn facts(&self) -> TaskFacts {
        let mut providers: Vec<_> = self.loads.iter().map(|load| load.provider().to_owned()).collect();
        providers.sort_unstable();
        providers.dedup();
        TaskFacts {
            providers,
            versions: Some(self.versions.len()),
            recorded: Recorded::Outcome,
            on_stop: OnStop::Finish,
            ..TaskFacts::default()
        }
    }

    /// Returns the metrics that the loads measure.
    pub(in crate::tasks) fn measures(&self) -> Vec<Measured> {
        let measured = |load: &L| Measured { provider: load.provider().to_owned(), metrics: load.metric_names() };
        self.loads.iter().map(measured).collect()
    }

    /// Runs all loads. `notes` precede those of the loads.
    pub(in crate::tasks) async fn run(
        &self,
        notes: Vec<String>,
        cx: &TaskContext<'_>,
    ) -> Result<Contribution, TaskError> {
        let version = |name: &Option<String>| VersionMetrics { name: name.clone(), ..VersionMetrics::default() };
        let versions = self.versions.iter().map(version).collect();
        let blank = Contribution { versions, notes, ..Contribution::default() };
        run_all(&self.loads, self.is_parallel, blank, cx).await
    }
}

impl<L: Load> SharedLoad for Plan<L> {
    fn run_share<'a>(&'a self, cx: &'a TaskContext<'a>, fleet: &'a dyn Fleet) -> BoxFuture<'a, Result<(), FleetError>> {
        Box::pin(run_share_all(&self.loads, self.is_parallel, fleet, cx))
    }
}
