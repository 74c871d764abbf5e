//! A worker's part of a distributed run: its share of the loads, and nothing else.

use std::collections::BTreeSet;
use std::time::Instant;

use super::check::Prepared;
use super::{INTERRUPT_GRACE, PipelineError, RunEnd, interrupt_grace_over};
use crate::model::document::TaskStatus;
use crate::ports::fleet::{Fleet, FleetError};
use crate::ports::{Env, Event};
use crate::tasks::{OnStop, TaskContext, objectives_after};

impl Prepared {
    /// Runs this worker's share of each load that the coordinator starts, until the run is over. Failed loads are reported by the
    /// coordinator; an error here means that this worker could not run its share.
    pub async fn run_worker(&self, fleet: &dyn Fleet, env: &Env<'_>) -> Result<RunEnd, PipelineError> {
        // Only the coordinator knows the number of the loop.
        env.observer.observe(Event::RunStarted { loop_number: 1, tasks: self.tasks.len() });
        while !env.stop.is_cancelled() {
            let next = tokio::select! {
                biased;
                () = env.stop.cancelled() => break,
                next = fleet.next_task() => next,
            };
            let end = match next {
                Ok(None) => return Ok(RunEnd::Completed),
                Ok(Some(index)) => self.run_task_share(index, fleet, env).await,
                Err(error) => Err(error),
            };
            match end {
                Ok(()) | Err(FleetError::Restarted) => {}
                Err(error) => return Err(PipelineError::Fleet(error)),
            }
        }
        Ok(RunEnd::Interrupted)
    }

    /// Runs this worker's share of one task.
    async fn run_task_share(&self, index: usize, fleet: &dyn Fleet, env: &Env<'_>) -> Result<(), FleetError> {
        let Some(load) = self.tasks.get(index).and_then(|task| task.as_load()) else {
            let message = format!("the coordinator requested task {}, which has no load here", index + 1);
            return Err(FleetError::Failed(format!("{message}; all pods must run the same experiment")));
        };
        let name = self.experiment.spec[index].name().to_owned();
        let started = Instant::now();
        env.observer.observe(Event::TaskStarted { index, task: name.clone() });
        let measured = BTreeSet::new();
        let context = TaskContext {
            index,
            experiment: &self.experiment,
            measured: &measured,
            objectives: objectives_after(&self.tasks, index),
            times: 1.0,
            secrets: &self.secrets,
            env,
        };
        let end = tokio::select! {
            end = load.run_share(&context, fleet) => end,
            () = interrupt_grace_over(env, OnStop::Finish) => Ok(()),
        };
        let (status, notes) = match &end {
            Ok(()) if !env.stop.is_cancelled() => (TaskStatus::Done, Vec::new()),
            Ok(()) => (TaskStatus::Interrupted, Vec::new()),
            Err(FleetError::Restarted) => (TaskStatus::Interrupted, vec!["superseded by the coordinator".to_owned()]),
            Err(error) => (TaskStatus::Failed, vec![error.to_string()]),
        };
        env.observer.observe(Event::TaskEnded { index, task: name, status, duration: started.elapsed(), notes });
        end
    }
}

/// Notifies the workers that the run is over. They would notice later on their own, so a failure is only logged.
pub(super) async fn finish(fleet: &dyn Fleet, last_task: usize, env: &Env<'_>) {
    let problem = match tokio::time::timeout(INTERRUPT_GRACE, fleet.finish()).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no response".to_owned(),
    };
    let line = format!("cannot notify the workers that the run is over: {problem}");
    env.observer.observe(Event::TaskLog { index: last_task, line });
}
