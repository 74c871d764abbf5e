//! All loads of a task, and what can be said of them together.

use super::job::Load;
use super::run::{assist_all, run_all};
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::ports::BoxFuture;
use crate::ports::fleet::{Fleet, FleetError};
use crate::tasks::{OnStop, Recorded, SharedLoad, TaskContext, TaskError, TaskFacts};

/// All loads of a task.
#[derive(Debug)]
pub(in crate::tasks) struct Plan<L> {
    /// Version by version, in order; within a version by endpoint.
    pub(in crate::tasks) loads: Vec<L>,
    /// Names of the versions, one each.
    pub(in crate::tasks) versions: Vec<Option<String>>,
    /// Whether the loads are made at the same time.
    pub(in crate::tasks) is_parallel: bool,
}

impl<L: Load> Plan<L> {
    /// The facts of a task that makes these loads.
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

    /// Makes all loads. `notes` come before what the loads themselves have to tell.
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
    fn run_part<'a>(&'a self, cx: &'a TaskContext<'a>, fleet: &'a dyn Fleet) -> BoxFuture<'a, Result<(), FleetError>> {
        Box::pin(assist_all(&self.loads, self.is_parallel, fleet, cx))
    }
}
